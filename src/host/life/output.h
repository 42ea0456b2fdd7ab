/* output.h - what a plugin prints, cut into lines and turned into log records.
 *
 * Bytes are taken as they come and never refused, so that a plugin cannot stall on a full pipe. A line longer than
 * its limit is cut: its beginning is delivered once, the rest is counted and dropped, and on_cut tells of it when the
 * line is over. Memory is held only while a line is incomplete.
 *
 * Records: a JSON line as slog ("level", "msg", "time") or hclog ("@level", "@message", "@timestamp", "@module") print
 * it keeps its level, message and other keys; "[WARN] text" keeps its level; any other text is INFO, "panic:" ERROR.
 * What a plugin printed cannot forge a record or drive a terminal: it is cleaned (base/error.h). */
#ifndef PK__OUTPUT_H
#define PK__OUTPUT_H
#include "../../base/defs.h"

#define PK__OUTPUT_LINE ((size_t)64 * 1024) // of logs

typedef struct pk__output {
    pk_buf line;
    bool is_cut;          // the rest of this line is dropped
    uint64_t dropped;     // bytes, ever
    uint64_t dropped_before; // of lines before the one that is cut
    void (*on_cut)(void *user, uint64_t dropped); // optional: bytes of one line
    void (*on_line)(void *user, pk_str line); // without its end; the view ends with the call
    void *user;
} pk__output;

PK__FN void pk__output_init(pk__output *o, const pk_alloc *alloc, size_t line_max,
                            void (*on_line)(void *user, pk_str line), void *user);
PK__FN void pk__output_deinit(pk__output *o);
PK__FN void pk__output_add(pk__output *o, pk_str bytes);
PK__FN void pk__output_end(pk__output *o); // delivers a last line without an end

/* Hands one printed line to `on_log` as a record of `event`, with the fields plugin and stream before its own. */
PK__FN void pk__output_log(const pk_alloc *alloc, pk_on_log on_log, void *user, const char *event, pk_str plugin,
                           pk_str stream, pk_str line);
/* The same line as words for a message, cleaned: of a JSON line its text, behind its level if that is not INFO, and
 * before what it calls its error. Returns their length; they end with a NUL. */
PK__FN size_t pk__output_words(const pk_alloc *alloc, pk_str line, char *out, size_t cap);

#endif
