/* duration.h - durations as people and Go's time.ParseDuration write them: "5m", "1h30m", "-1.5s", "100ms".
 *
 * Units: ns, us (also with either micro sign), ms, s, m, h. A plain integer counts nanoseconds: that is what Go's
 * encoding/json makes of a time.Duration. What does not fit into int64 nanoseconds (292 years) is refused, not clamped;
 * fractions of a nanosecond are cut off. */
#ifndef PK__DURATION_H
#define PK__DURATION_H
#include "../base/defs.h"

enum { PK__DURATION_CAP = 40 }; // bytes that any duration needs as text, the NUL included

PK__FN bool pk__duration_parse(pk_str text, pk_ns *out); // false: not a duration, or it does not fit
/* The shortest exact text that reads back: "1h30m", "1.5s", "250ms", "0s". Returns its length. */
PK__FN size_t pk__duration_format(char out[PK__DURATION_CAP], pk_ns value);

#endif
