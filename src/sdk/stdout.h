/* stdout.h - keeps stdout clean for the one line that the framework's hosts read there.
 *
 * Those hosts take the first line on stdout for the plugin's address, and some stop reading afterwards: a stray
 * printf before the line breaks the start, and many after it stall the plugin when the pipe is full. So while a
 * plugin serves in that way, descriptor 1 is a copy of stderr: what is printed becomes a log, and only our line
 * goes to the real stdout. It stays open until the end, because its closing could be taken for the plugin's death.
 *
 * A build without processes cannot exchange descriptors, and writes to 1 as it is. */
#ifndef PK__STDOUT_H
#define PK__STDOUT_H
#include "../base/defs.h"

#ifndef PK__NO_FD
typedef struct pk__stdout {
    int real; // the real stdout; 0 = nothing was exchanged
} pk__stdout;

PK__FN void pk__stdout_keep(pk__stdout *s);
PK__FN pk_err pk__stdout_print(const pk__stdout *s, pk_str line, pk_error *err); // a newline is added
PK__FN void pk__stdout_restore(pk__stdout *s); // zeroed: does nothing
#endif

#endif
