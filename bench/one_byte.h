/* one_byte.h - the baseline of starts: vfork and exec of a static program that writes one byte. */
#ifndef ONE_BYTE_H
#define ONE_BYTE_H
#include "bench.h"

#include <fcntl.h>

typedef struct one_byte {
    const char *path;
    pid_t pid;
    int from_child, to_us;
} one_byte;

static void raw_reap(void *user)
{
    one_byte *p = (one_byte *)user;
    if (p->pid > 0) {
        (void)waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
}

static void raw_start(void *user, size_t times)
{
    one_byte *p = (one_byte *)user;
    char *const argv[] = {(char *)(uintptr_t)p->path, NULL};
    char *const env[] = {NULL};
    char byte;
    (void)times; // one a lap: the child is reaped between laps
    p->pid = vfork();
    if (p->pid == 0) {
        (void)dup2(p->to_us, 1);
        (void)execve(p->path, argv, env);
        _exit(127);
    }
    if (p->pid < 0 || read(p->from_child, &byte, 1) != 1) {
        bench_die("cannot start '%s'", p->path);
    }
}

static void raw_open(one_byte *p)
{
    int ends[2];
    p->path = bench_path("one_byte");
    p->pid = 0;
    if (access(p->path, X_OK) || pipe2(ends, O_CLOEXEC)) {
        bench_die("cannot use '%s': %s", p->path, strerror(errno));
    }
    p->from_child = ends[0];
    p->to_us = ends[1];
}

#endif
