/* folder.h - a folder with many plugins that are all the echo plugin: links to one file. */
#ifndef FOLDER_H
#define FOLDER_H
#include "bench.h"

#include <sys/resource.h>
#include <sys/stat.h>

/* Six descriptors for each, and as many as the system lets us have. */
static bool folder_may_run(int plugins)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) {
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > (rlim_t)plugins * 6 + 100;
}

static void folder_make(char path[8192], int plugins)
{
    char file[8300];
    snprintf(path, 8192, "%s.%ld.%d", bench_path("many"), (long)getpid(), plugins);
    if (mkdir(path, 0700)) {
        bench_die("mkdir '%s': %s", path, strerror(errno));
    }
    for (int i = 0; i < plugins; i++) {
        snprintf(file, sizeof(file), "%s/echo-%d", path, i);
        if (link(bench_path("plugins/echo"), file)) {
            bench_die("link '%s': %s", file, strerror(errno));
        }
    }
}

static void folder_remove(const char *path, int plugins)
{
    char file[8300];
    for (int i = 0; i < plugins; i++) {
        snprintf(file, sizeof(file), "%s/echo-%d", path, i);
        (void)unlink(file);
    }
    (void)rmdir(path);
}
#endif
