/* http_chunk.h - the chunked transfer coding (RFC 9112, section 7.1), taken apart and put together.
 *
 * The decoder is fed bytes as they come and hands back the runs of data in them, as views into the input:
 *
 *     pk__http_chunk_init(&c);
 *     while ((r = pk__http_chunk_next(&c, &in, &data)) == PK__CHUNK_DATA) { use data }
 *     MORE: all of `in` was used up    DONE: `in` is what follows the message    ERROR: c.error says why
 *
 * Sizes are 1 to 15 hexadecimal digits and nothing else. Extensions are checked and dropped, and so are trailers: as
 * an attacker can make both long and useless, each may have 4 KiB in one message. Whoever joins trailers to the head
 * must not see another message in it: those that frame or route one are refused. A bare CR or LF ends it all.
 *
 * An extension is ';' and a name, or that, '=' and a token or a string in quotes. Blanks may stand before and behind
 * ';' and '=', as RFC 9112 wants it of who reads (7.1.1, BWS); nobody may write them, and some, llhttp for one, refuse
 * them. They are safe to take: the size ends where the digits do, the line at its CR LF, whatever stands between them
 * and whoever reads it. For the same reason quotes do not carry a string over the end of a line. Blanks before that end
 * belong to nothing, and are refused. */
#ifndef PK__HTTP_CHUNK_H
#define PK__HTTP_CHUNK_H
#include "../base/defs.h"

#define PK__CHUNK_EXTRA_MAX 4096 // bytes of extensions, and of trailers, in one message
#define PK__CHUNK_HEAD_MAX 20    // room that pk__http_chunk_head needs

typedef enum pk__chunk_result { PK__CHUNK_MORE, PK__CHUNK_DATA, PK__CHUNK_DONE, PK__CHUNK_ERROR } pk__chunk_result;

typedef struct pk__http_chunk {
    uint64_t left;      // bytes of the current chunk that have not come yet
    uint32_t extra;     // bytes of extensions so far
    uint32_t trailer;   // bytes of trailers so far
    uint8_t state;
    uint8_t digits;     // of the current size; bytes of the current name
    char name[18];      // the trailer's, as far as it fits: one more than any that matters
    const char *error;  // static text, after PK__CHUNK_ERROR
} pk__http_chunk;

PK__FN void pk__http_chunk_init(pk__http_chunk *c);
PK__FN pk__chunk_result pk__http_chunk_next(pk__http_chunk *c, pk_str *in, pk_str *data);

/* Writes the line before a chunk of `size` bytes, the previous chunk's end included unless it is the first. Size 0
 * ends the message. Returns how many bytes were written to out (at most PK__CHUNK_HEAD_MAX). */
PK__FN size_t pk__http_chunk_head(char *out, uint64_t size, bool first);

#endif
