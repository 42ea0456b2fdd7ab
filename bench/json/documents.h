/* documents.h - the documents that JSON libraries are measured with: the same ones each time, made from a seed.
 *
 * They have the shapes that such libraries are compared on, without a blank between tokens: tweets (objects with long
 * texts in several scripts, escapes, many small members), map (hardly anything but coordinates, as programs print them:
 * up to 17 digits), catalogue (deep small objects, numbers of nine digits, empty lists). */
#ifndef BENCH_JSON_DOCUMENTS_H
#define BENCH_JSON_DOCUMENTS_H
#include "plugkit.h"

enum { DOCUMENT_BYTES = 512 * 1024 };

void document_tweets(pk_buf *out);
void document_map(pk_buf *out);
void document_catalogue(pk_buf *out);

#endif
