/* format_uri.h - the formats that are about hosts and what is found there; see format.h. */
#ifndef PK__FORMAT_URI_H
#define PK__FORMAT_URI_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/defs.h"

PK__FN bool pk__format_hostname(const char *p, const char *end, bool is_idn); // idn: any character beyond ASCII, too
PK__FN bool pk__format_ipv4(const char *p, const char *end);
PK__FN bool pk__format_ipv6(const char *p, const char *end);
PK__FN bool pk__format_uri(const char *p, const char *end);
PK__FN bool pk__format_uri_reference(const char *p, const char *end);
PK__FN bool pk__format_iri(const char *p, const char *end);
PK__FN bool pk__format_iri_reference(const char *p, const char *end);
PK__FN bool pk__format_uri_template(const char *p, const char *end);

/* A URI reference, taken apart by RFC 3986, appendix B. A part that is not there has ptr NULL. */
typedef struct pk__uri {
    pk_str scheme, authority, path, query, fragment;
} pk__uri;
PK__FN void pk__uri_split(pk_str text, pk__uri *out);
/* `text` seen from `base` (RFC 3986, 5.2), without its fragment, which *fragment becomes. The result is in *mem, or a
 * view of one of the two. False: out of memory, or longer than 8 KiB. */
PK__FN bool pk__uri_resolve(pk_mem *mem, pk_str base, pk_str text, pk_str *out, pk_str *fragment);

#endif
#endif
