/* guardian.c - a process in a plugin's group, that kills the group when the host is gone. */
#include "guardian.h"
#ifndef PLUGKIT_NO_PROCESS

#include <stdio.h>
#include <string.h>

#include "../../base/memory.h"
#include "../../os/loop.h"

#define PK__GUARDIAN_GRACE "0.03" // seconds

/* Its first argument is the host's pid. Nothing of the plugin's or the host's environment reaches it. That its parent
 * is another one it believes only if /proc speaks of the processes that it knows by number, and not of an outer
 * world's. A shell that cannot fork ends at `sleep`: killing is then what it does at its end. */
static const char pk__guardian_script[] =
    "script=finish() { trap '' CONT; trap 'kill -KILL 0' EXIT; kill -TERM 0; sleep " PK__GUARDIAN_GRACE "; "
    "kill -KILL 0; }\n"
    "look() { seen=1; read -r me x x parent x </proc/self/stat && "
    "[ \"$me\" = $$ ] && [ \"$parent\" != \"$1\" ] && finish; }\n"
    "trap 'look \"$1\"' CONT\n"
    "while look \"$1\"; seen=; read -r x || [ \"$seen\" ]; do :; done\n"
    "finish\n";

static void pk__guardian_retry(pk__guardian *g)
{
    if (!g->is_over && g->starts < PK__GUARDIAN_STARTS) {
        (void)pk_timer_start(g->loop, &g->timer, (uint32_t)PK__GUARDIAN_AGAIN_MS * (1u << g->starts), NULL);
    }
}

static void pk__guardian_on_exit(void *user, int status)
{
    pk__guardian *g = (pk__guardian *)user;
    (void)status;
    pk__guardian_retry(g);
    g->on_change(g->user); // the last thing: g may be gone afterwards
}

static pk_err pk__guardian_spawn(pk__guardian *g)
{
    char host[24];
    const char *const argv[] = {"/bin/sh", "-c", "eval \"$script\"", "plugkit-guardian", host, NULL}; // for ps
    const char *const env[] = {pk__guardian_script, NULL};
    pk__spawn_fd fd = {0, g->line[0]};
    pk__spawn_desc desc;
    (void)snprintf(host, sizeof(host), "%ld", (long)getpid());
    memset(&desc, 0, sizeof(desc));
    desc.path = argv[0];
    desc.argv = argv;
    desc.env = env;
    desc.fds = &fd;
    desc.fd_count = 1;
    desc.group = g->plugin->pid;
    desc.death_signal = SIGCONT;
    desc.is_deaf = true;
    pk_err rc = pk__process_spawn(&g->process, &desc, NULL);
    /* It was there before, and is there now: then the group that was joined is the plugin's. */
    if (!rc && !pk__process_is_there(g->plugin)) {
        rc = PK_ERR_STALE;
    }
    return rc ? rc : pk__process_watch(&g->process, g->loop, pk__guardian_on_exit, g, NULL);
}

static void pk__guardian_on_time(void *user)
{
    pk__guardian *g = (pk__guardian *)user;
    if (!pk__process_is_alive(g->plugin)) {
        return;
    }
    g->starts++;
    if (pk__guardian_spawn(g)) {
        pk__process_deinit(&g->process);
        pk__guardian_retry(g);
    } else {
        g->on_change(g->user);
    }
}

PK__FN void pk__guardian_begin(pk__guardian *g, uint32_t delay_ms)
{
    g->process.pidfd = -1;
    g->timer.on_time = pk__guardian_on_time;
    g->timer.user = g;
    (void)pk_timer_start(g->loop, &g->timer, delay_ms, NULL); // no memory: then there is none
}

PK__FN bool pk__guardian_is_there(const pk__guardian *g)
{
    return pk__process_is_alive(&g->process);
}

PK__FN void pk__guardian_end(pk__guardian *g)
{
    g->is_over = true;
    if (g->loop) {
        pk_timer_stop(g->loop, &g->timer);
    }
}

PK__FN void pk__guardian_deinit(pk__guardian *g)
{
    pk__guardian_end(g);
    if (g->process.pid) {
        pk__process_deinit(&g->process);
    }
}
#endif
