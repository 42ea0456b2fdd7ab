/* http_scan.h - how far a token, a value or a line goes: the inner loops of reading heads.
 *
 * The functions of the first kind give the first byte that does not belong, or `end`. pk__http_scan_line is faster and
 * knows only what is usual: a whole line "Name: value" of letters, digits and '-', and of printable bytes. All else it
 * leaves to the reader that knows the rules (NULL), so that there is only one of those. Its lines do not wait for each
 * other: where control characters are is found out for 64 bytes at a time, from there to the ends of lines it is a
 * matter of counting bits, and the names between them are looked at on the side.
 *
 * Nothing behind `end` is touched. With SSE2 or NEON sixteen bytes are looked at together (wide.h), elsewhere eight in
 * plain C (swar.h), and there is no fast line. The plain way gives the same answers; with PLUGKIT_TEST both are there,
 * and tests compare them. */
#ifndef PK__HTTP_SCAN_H
#define PK__HTTP_SCAN_H
#include "../base/defs.h"
#include "wide.h"

#if PK__WIDE == 16
#define PK__HTTP_SCAN_WIDE
#endif

enum {
    PK__HTTP_TOKEN = 1,  // of names and methods (RFC 9110, 5.6.2)
    PK__HTTP_VALUE = 2,  // of field values: no control character but the tab
    PK__HTTP_TARGET = 4, // of request targets: printable ASCII without the space
    PK__HTTP_HOST = 8    // of the names of hosts
};

PK__FN const char *pk__http_scan_token(const char *p, const char *end);
PK__FN const char *pk__http_scan_value(const char *p, const char *end);
PK__FN const char *pk__http_scan_target(const char *p, const char *end);
/* One byte after the other: for what is short and rare. */
PK__FN const char *pk__http_scan_class(const char *p, const char *end, unsigned classes);

typedef struct pk__http_scan {
    const char *base, *end; // the 64 bytes that were looked at; NULL: there are not so many
    uint64_t odd;           // which of them are control characters
} pk__http_scan;

/* For lines from `at` on in [begin, end). */
PK__FN void pk__http_scan_begin(pk__http_scan *s, const char *begin, const char *at, const char *end);
/* Reads the line at p into *field. Gives the next one, or NULL: read it in the other way. */
PK__FN const char *pk__http_scan_line(pk__http_scan *s, const char *p, pk_meta *field);

#endif
