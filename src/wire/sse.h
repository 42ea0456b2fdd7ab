/* sse.h - text/event-stream, written and read: pk_sse_write, pk_sse_read (HTML standard, section 9.2).
 *
 * Lines end in LF, CR or CRLF, in any mixture, and "field: value" is all there is on them; an empty line ends an event.
 * The reader collects a line, and from lines an event, each of them bounded. A CR at the end of a piece may be half of
 * a CRLF: the LF, if one comes, is then swallowed. */
#ifndef PK__SSE_H
#define PK__SSE_H
#ifdef PLUGKIT_WITH_STREAMS
#include "../base/defs.h"

#define PK__SSE_EVENT_MAX (1024 * 1024) // bytes, if nothing else is said

#endif
#endif
