/* fork.c - notices that we are in a forked child. */
#include "fork.h"

#ifndef PK__NO_FD
#include <sys/mman.h>

#define PK__FORK_PAGE ((size_t)sysconf(_SC_PAGESIZE))

PK__FN void pk__fork_guard_init(pk__fork_guard *g)
{
    uint32_t *page = (uint32_t *)PK__SYS(fork_page)(PK__FORK_PAGE);
    if (page) {
        *page = 1;
    }
    g->page = page;
    g->pid = (long)getpid();
}

PK__FN void pk__fork_guard_deinit(pk__fork_guard *g)
{
    if (g->page) {
        munmap((void *)(uintptr_t)g->page, PK__FORK_PAGE);
        g->page = NULL;
    }
    g->pid = 0;
}

PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g)
{
    return g->page ? *g->page == 0 : g->pid != 0 && g->pid != (long)getpid();
}

#else // nothing to fork

PK__FN void pk__fork_guard_init(pk__fork_guard *g)
{
    g->page = NULL;
    g->pid = 1;
}

PK__FN void pk__fork_guard_deinit(pk__fork_guard *g)
{
    g->pid = 0;
}

PK__FN bool pk__fork_guard_is_child(const pk__fork_guard *g)
{
    (void)g;
    return false;
}

#endif
