/* proc.c - a walk over /proc. */
#include "proc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* /proc/PID/stat. The name in it may hold anything, also parentheses: the last one ends it. */
static bool proc_parse(const char *pid, proc_one *out)
{
    char path[64], text[1024];
    unsigned long user = 0, kernel = 0;
    long pages = 0, group = 0;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) {
        return false;
    }
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %ld %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                        &group, &user, &kernel, &pages) != 4) {
        return false;
    }
    out->pid = strtoll(pid, NULL, 10);
    out->group = group;
    out->seconds = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    out->memory = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

void proc_read(proc_list *out)
{
    size_t cap = 0;
    memset(out, 0, sizeof(*out));
    DIR *dir = opendir("/proc");
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9') {
            continue;
        }
        if (out->count == cap) {
            size_t more = cap ? cap * 2 : 256;
            proc_one *items = (proc_one *)realloc(out->items, more * sizeof(*items));
            if (!items) {
                break;
            }
            out->items = items;
            cap = more;
        }
        out->count += proc_parse(e->d_name, &out->items[out->count]);
    }
    if (dir) {
        (void)closedir(dir);
    }
}

void proc_free(proc_list *list)
{
    free(list->items);
    memset(list, 0, sizeof(*list));
}

bool proc_sum(const proc_list *list, int64_t pid, double *seconds, uint64_t *memory)
{
    bool found = false;
    *seconds = 0;
    *memory = 0;
    for (size_t i = 0; i < list->count && pid > 0; i++) {
        const proc_one *p = &list->items[i];
        if (p->pid == pid || p->group == pid) {
            found = found || p->pid == pid;
            *seconds += p->seconds;
            *memory += p->memory;
        }
    }
    return found;
}
