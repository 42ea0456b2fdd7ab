/* log.h - one JSON line on stderr for each record, in the form of Go's slog:
 *
 *     {"time":"2026-03-01T12:00:00.125Z","level":"INFO","msg":"ready","port":"80"}
 *
 * Hosts take such lines apart again and keep level and fields. A record is one write, so that records of several
 * threads do not mix (up to the pipe's atomic size, 4 KiB and more). What is no UTF-8 is made visible as \xNN
 * instead of lost; a record that is too long is cut to its message. stdout is never touched. */
#ifndef PK__LOG_H
#define PK__LOG_H
#include "../base/defs.h"

#ifndef PLUGKIT_NO_NET
#define PK__LOG_LINE_MAX ((size_t)64 * 1024) // bytes of a record

/* Public functions only: api/sdk.h. */
#endif

#endif
