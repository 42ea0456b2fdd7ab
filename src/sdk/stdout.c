/* stdout.c - keeps stdout clean for the one line that the framework's hosts read there. */
#include "stdout.h"

#include <stdio.h>

#include "../base/error.h"
#include "../os/fd.h"
#include "../os/sys.h"

#ifndef PK__NO_FD

#ifndef PLUGKIT_NO_PROCESS
PK__FN void pk__stdout_keep(pk__stdout *s)
{
    int real = PK__SYS(fcntl)(1, F_DUPFD_CLOEXEC, 3);
    if (real < 0) {
        return; // it is closed, or there is no descriptor left: then as it is
    }
    if (PK__SYS(dup2)(2, 1) < 0) { // no stderr
        pk__fd_close(real);
        return;
    }
    s->real = real;
}

PK__FN void pk__stdout_restore(pk__stdout *s)
{
    if (s->real) {
        (void)fflush(stdout); // what was printed meanwhile was meant for stderr
        (void)PK__SYS(dup2)(s->real, 1);
        pk__fd_close(s->real);
        s->real = 0;
    }
}
#else
PK__FN void pk__stdout_keep(pk__stdout *s)
{
    (void)s;
}

PK__FN void pk__stdout_restore(pk__stdout *s)
{
    (void)s;
}
#endif

PK__FN pk_err pk__stdout_print(const pk__stdout *s, pk_str line, pk_error *err)
{
    pk_buf buf;
    pk_buf_init(&buf, NULL, line.len + 1);
    pk_buf_add(&buf, line);
    pk_err rc = pk_buf_add_char(&buf, '\n') ? pk__fd_write_all(s->real ? s->real : 1, pk_buf_str(&buf), err)
                                            : pk__error_memory(err, "print a line");
    pk_buf_free(&buf);
    return rc;
}
#endif
