/* isolate.c - the limits of plugins, and what of them holds. */
#ifdef PLUGKIT_WITH_ISOLATE
#include "isolate.h"

#include <stdio.h>
#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../os/fd.h"

PK_API const char *pk_limit_state_name(pk_limit_state state)
{
    static const char *const names[] = {"", "enforced", "best effort", "unavailable"};
    return (size_t)state < PK__COUNT(names) ? names[state] : "";
}

/* ---- descriptions */

enum { PK__ISOLATE_PATHS = 64 };

static size_t pk__isolate_groups(const pk_isolate *d)
{
    size_t count = 0;
    while (d->groups_in && d->groups_in[count]) {
        count++;
    }
    return count;
}

PK__FN pk_err pk__isolate_check(const pk_plugin_rule *rule, bool tcp, pk_error *err)
{
    const pk_isolate *d = rule->isolate;
    if (!d) {
        return PK_OK;
    }
    const char *wrong = d->nice < -20 || d->nice > 19           ? "nice is from -20 to 19"
                        : d->umask > 0777                       ? "umask is at most 0777"
                        : d->directory && d->directory[0] != '/' ? "directory has to be absolute"
                        : d->uid && !d->gid                     ? "with uid gid has to be given"
                        : !d->uid && (d->gid || d->group_count) ? "gid and groups need uid"
                        : d->group_count > PK__CONFINE_GROUPS   ? "there are more than 32 groups"
                        : d->no_network && tcp                  ? "without a network it cannot be called by TCP"
                        : d->path_count > PK__ISOLATE_PATHS     ? "there are more than 64 paths"
                        : pk__isolate_groups(d) > PK__CONFINE_CGROUPS ? "there are more than 8 control groups"
                        : pk__isolate_groups(d) == 0 && (d->memory_bytes || d->cpu_percent || d->tasks)
                            ? "memory, cpu share and tasks need groups_in"
                        : (unsigned)d->calls > PK_CALLS_SERVE   ? "there is no such list of calls"
                                                                : NULL;
    return wrong ? pk_error_set(err, PK_ERR_MISUSE, "cannot isolate '%s': %s", rule->plugin ? rule->plugin : "", wrong)
                 : PK_OK;
}

PK__FN bool pk__isolate_copy(pk_mem *mem, pk_plugin_rule *rule)
{
    const pk_isolate *from = rule->isolate;
    if (!from) {
        return true;
    }
    pk_isolate *d = (pk_isolate *)pk_mem_get(mem, sizeof(*d));
    uint32_t *groups = (uint32_t *)pk_mem_get(mem, (from->group_count + 1) * sizeof(*groups));
    rule->isolate = d;
    if (!d || !groups) {
        return false;
    }
    *d = *from;
    d->directory = from->directory ? pk_mem_dup(mem, pk_str_from(from->directory)).ptr : NULL;
    for (size_t i = 0; i < from->group_count; i++) {
        groups[i] = from->groups[i];
    }
    d->groups = groups;
    pk_path_rule *paths = (pk_path_rule *)pk_mem_zero(mem, (from->path_count + 1) * sizeof(*paths));
    bool ok = paths && (d->directory || !from->directory);
    for (size_t i = 0; ok && i < from->path_count; i++) {
        paths[i] = from->paths[i];
        paths[i].path = pk_mem_dup(mem, pk_str_from(from->paths[i].path)).ptr;
        ok = paths[i].path != NULL;
    }
    d->paths = paths;
    size_t count = pk__isolate_groups(from);
    const char **dirs = (const char **)pk_mem_zero(mem, (count + 1) * sizeof(*dirs));
    ok = ok && dirs;
    for (size_t i = 0; ok && i < count; i++) {
        dirs[i] = pk_mem_dup(mem, pk_str_from(from->groups_in[i])).ptr;
        ok = dirs[i] != NULL;
    }
    d->groups_in = dirs;
    return ok;
}

PK__FN const pk_limit_report *pk__isolate_copy_reports(pk_mem *mem, const pk_limit_report *from, size_t count)
{
    pk_limit_report *to = (pk_limit_report *)pk_mem_zero(mem, (count + 1) * sizeof(*to));
    for (size_t i = 0; to && i < count; i++) {
        to[i].state = from[i].state;
        to[i].name = pk_mem_dup(mem, pk_str_from(from[i].name)).ptr;
        to[i].why = pk_mem_dup(mem, pk_str_from(from[i].why ? from[i].why : "")).ptr;
        if (!to[i].name || !to[i].why) {
            return NULL;
        }
    }
    return to;
}

/* ---- one start */

enum { PK__ISOLATE_WHY = 100 };

typedef struct pk__isolate {
    const pk_isolate *desc;
    bool is_root;                      // and has root's rights: it may undo what needs those
    int landlock;                      // the version that is there
    uint32_t unavailable;              // a bit for each pk__confine_what that is asked for
    char why[PK__CONFINE_COUNT][PK__ISOLATE_WHY];
    pk__confine confine;
} pk__isolate;

static void pk__isolate_want(pk__isolate *i, pk__confine_what what, uint64_t number)
{
    if (number) {
        i->confine.wanted |= 1u << what;
        i->confine.number[what] = number;
    }
}

static void pk__isolate_miss(pk__isolate *i, pk__confine_what what, const char *why)
{
    i->confine.wanted &= ~(1u << what);
    i->unavailable |= 1u << what;
    (void)snprintf(i->why[what], sizeof(i->why[what]), "%.*s", PK__ISOLATE_WHY - 1, why);
}

static void pk__isolate_init(pk__isolate *i, const pk_isolate *d)
{
    pk__confine *c = &i->confine;
    memset(i, 0, offsetof(pk__isolate, confine) + offsetof(pk__confine, code)); // the rest is filled in if need be
    i->desc = d;
    i->is_root = geteuid() == 0 && !d->uid && !d->no_capabilities;
    pk__isolate_want(i, PK__CONFINE_ADDRESS_SPACE, d->address_space_bytes);
    pk__isolate_want(i, PK__CONFINE_FILE_SIZE, d->file_size_bytes);
    pk__isolate_want(i, PK__CONFINE_CPU, d->cpu_s);
    pk__isolate_want(i, PK__CONFINE_FILES, d->files);
    pk__isolate_want(i, PK__CONFINE_PROCESSES, d->processes);
    pk__isolate_want(i, PK__CONFINE_CORE, d->no_core);
    pk__isolate_want(i, PK__CONFINE_NICE, d->nice != 0);
    pk__isolate_want(i, PK__CONFINE_UMASK, d->umask);
    pk__isolate_want(i, PK__CONFINE_DIRECTORY, d->directory != NULL);
    pk__isolate_want(i, PK__CONFINE_PRIVILEGES, d->no_new_privileges);
    pk__isolate_want(i, PK__CONFINE_CAPABILITIES, d->no_capabilities);
    pk__isolate_want(i, PK__CONFINE_USER, d->uid);
    pk__isolate_want(i, PK__CONFINE_MEMORY, d->memory_bytes);
    pk__isolate_want(i, PK__CONFINE_SHARE, d->cpu_percent);
    pk__isolate_want(i, PK__CONFINE_TASKS, d->tasks);
    pk__isolate_want(i, PK__CONFINE_NETWORK, d->no_network);
    pk__isolate_want(i, PK__CONFINE_IPC, d->no_ipc);
    pk__isolate_want(i, PK__CONFINE_TMP, d->private_tmp_bytes);
    pk__isolate_want(i, PK__CONFINE_PATHS, d->path_count);
    pk__isolate_want(i, PK__CONFINE_CALLS, d->calls != PK_CALLS_ALL);
    c->paths = -1;
    c->number[PK__CONFINE_CORE] = 0;
    c->is_root = geteuid() == 0;
    (void)snprintf(c->users, sizeof(c->users), "%lu %lu 1", (unsigned long)geteuid(), (unsigned long)geteuid());
    (void)snprintf(c->numbers, sizeof(c->numbers), "%lu %lu 1", (unsigned long)getegid(), (unsigned long)getegid());
    c->nice = d->nice;
    c->umask = (mode_t)d->umask;
    c->directory = d->directory;
    c->uid = d->uid;
    c->gid = d->gid;
    c->group_count = d->group_count;
    for (size_t k = 0; k < d->group_count; k++) {
        c->groups[k] = d->groups[k];
    }
    if (d->processes && c->is_root && !d->uid) {
        pk__isolate_miss(i, PK__CONFINE_PROCESSES, "the system does not count root's: give it another uid");
    }
}

static void pk__isolate_miss_errno(pk__isolate *i, pk__confine_what what, int error, const char *path)
{
    char text[PK__ISOLATE_WHY];
    pk_error why;
    (void)pk_error_sys(&why, PK_ERR_OS, error, "%s", path);
    (void)snprintf(text, sizeof(text), "%.*s", PK__ISOLATE_WHY - 1, path[0] ? why.msg : why.msg + 2); // behind ": "
    pk__isolate_miss(i, what, text);
}

/* Everything that a program needs to run, as far as it is there, and what the rule says. */
static bool pk__isolate_allow(pk__isolate *i, const pk_launch_info *info, const char **which)
{
    static const char *const programs[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/nix/store"};
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"};
    for (size_t k = 0; k < PK__COUNT(programs); k++) {
        if (!pk__confine_paths_allow(&i->confine, programs[k], PK__CONFINE_READ | PK__CONFINE_EXECUTE) &&
            errno != ENOENT) {
            *which = programs[k];
            return false;
        }
    }
    for (size_t k = 0; k < PK__COUNT(devices); k++) {
        if (!pk__confine_paths_allow(&i->confine, devices[k], PK__CONFINE_READ | PK__CONFINE_WRITE) &&
            errno != ENOENT) {
            *which = devices[k];
            return false;
        }
    }
    for (size_t k = 0; k < i->desc->path_count; k++) {
        const pk_path_rule *rule = &i->desc->paths[k];
        unsigned how = PK__CONFINE_READ | (rule->write ? PK__CONFINE_WRITE : 0u) |
                       (rule->execute ? PK__CONFINE_EXECUTE : 0u);
        *which = rule->path;
        if (!pk__confine_paths_allow(&i->confine, rule->path, how)) {
            return false;
        }
    }
    *which = "/proc";
    if (!pk__confine_paths_allow(&i->confine, "/proc", PK__CONFINE_READ) && errno != ENOENT) {
        return false;
    }
    *which = info->runtime_dir;
    if (info->runtime_dir && !pk__confine_paths_allow(&i->confine, info->runtime_dir, PK__CONFINE_SOCKETS)) {
        return false;
    }
    *which = info->path;
    return pk__confine_paths_allow(&i->confine, info->path, PK__CONFINE_READ | PK__CONFINE_EXECUTE);
}

/* A directory that is still there when /tmp is another one; `len` of its path count. False: it is /tmp itself. */
static bool pk__isolate_keep(pk__isolate *i, size_t which, const char *path, size_t len)
{
    bool inside = len > sizeof("/tmp/") - 1 && strncmp(path, "/tmp/", sizeof("/tmp/") - 1) == 0;
    bool itself = (len == 4 || len == 5) && strncmp(path, "/tmp/", len) == 0;
    if (inside && len < PK__CONFINE_KEEP) {
        memcpy(i->confine.keep[which], path, len);
        i->confine.keep[which][len] = '\0';
    }
    return !itself && len < PK__CONFINE_KEEP;
}

static void pk__isolate_tmp(pk__isolate *i, const pk_launch_info *info)
{
    const char *runtime = info->runtime_dir ? info->runtime_dir : "";
    const char *name = strrchr(info->path, '/');
    (void)snprintf(i->confine.tmp_options, sizeof(i->confine.tmp_options), "mode=1777,size=%llu",
                   (unsigned long long)i->desc->private_tmp_bytes);
    if (!pk__isolate_keep(i, 0, info->path, name ? (size_t)(name - info->path) : 0) ||
        !pk__isolate_keep(i, 1, runtime, strlen(runtime))) {
        pk__isolate_miss(i, PK__CONFINE_TMP, "plugin or runtime directory is /tmp itself, or has a path too long");
    }
}

/* What a child cannot make for itself. */
static void pk__isolate_prepare(pk__isolate *i, const pk_launch_info *info)
{
    const char *which = "";
    if (i->desc->path_count) {
        i->landlock = pk__confine_paths_open(&i->confine);
        if (i->landlock < 0 || !pk__isolate_allow(i, info, &which)) {
            pk__isolate_miss_errno(i, PK__CONFINE_PATHS, errno, which);
        }
    }
    if (i->desc->private_tmp_bytes) {
        pk__isolate_tmp(i, info);
    }
    if (i->desc->calls != PK_CALLS_ALL && !pk__confine_calls(&i->confine, i->desc->calls == PK_CALLS_RUN)) {
        pk__isolate_miss(i, PK__CONFINE_CALLS, "there is no list for this kind of system or processor");
    }
}

static void pk__isolate_miss_groups(pk__isolate *i, int error)
{
    for (int what = PK__CONFINE_MEMORY; what <= PK__CONFINE_TASKS; what++) {
        if (i->confine.wanted & (1u << what)) {
            pk__isolate_miss_errno(i, (pk__confine_what)what, error, "control group");
        }
    }
}

/* Control groups, if a limit needs them. They are there longer than the start. */
static void pk__isolate_group(pk__isolate *i, pk__isolate_start *start)
{
    const pk_isolate *d = i->desc;
    const uint64_t numbers[] = {d->memory_bytes, d->cpu_percent, d->tasks};
    if (!d->memory_bytes && !d->cpu_percent && !d->tasks) {
        return;
    }
    start->cgroups = (pk__cgroups *)pk__new(start->alloc, sizeof(*start->cgroups));
    if (!start->cgroups) {
        pk__isolate_miss_groups(i, ENOMEM);
    } else if (!pk__cgroups_open(start->cgroups, start->alloc, start->info) ||
               !pk__cgroups_join(start->cgroups, &i->confine)) {
        pk__isolate_miss_groups(i, errno);
    }
    for (int k = 0; k < 3; k++) {
        pk__confine_what what = (pk__confine_what)(PK__CONFINE_MEMORY + k);
        if ((i->confine.wanted & (1u << what)) && !pk__cgroups_limit(start->cgroups, what, numbers[k])) {
            if (errno == ENOENT) {
                pk__isolate_miss(i, what, "none of the control groups has a controller for it");
            } else {
                pk__isolate_miss_errno(i, what, errno, "control group");
            }
        }
    }
}

PK__FN void pk__isolate_kill(const pk__isolate_start *start)
{
    if (start->cgroups) {
        pk__cgroups_kill(start->cgroups);
    }
}

PK__FN void pk__isolate_end(pk__isolate_start *start)
{
    if (start->cgroups) {
        pk__cgroups_kill(start->cgroups);
        pk__cgroups_close(start->cgroups);
        pk__free(start->alloc, start->cgroups, sizeof(*start->cgroups));
        start->cgroups = NULL;
    }
}

/* What holds for as long as the plugin wants it to. */
static const char *pk__isolate_loophole(const pk__isolate *i, pk__confine_what what)
{
    switch (what) {
    case PK__CONFINE_UMASK: return "it may choose another one";
    case PK__CONFINE_DIRECTORY: return "it may go to another one";
    case PK__CONFINE_PROCESSES: return "all processes of its user are counted";
    case PK__CONFINE_PATHS: return i->landlock < 3 ? "this kernel does not keep it from truncating files" : "";
    case PK__CONFINE_MEMORY:
    case PK__CONFINE_SHARE:
    case PK__CONFINE_TASKS:
    case PK__CONFINE_NICE:
    case PK__CONFINE_ADDRESS_SPACE:
    case PK__CONFINE_CPU:
    case PK__CONFINE_FILES:
    case PK__CONFINE_FILE_SIZE:
    case PK__CONFINE_CORE: return i->is_root ? "it runs as root, who may undo it" : "";
    default: return "";
    }
}

static void pk__isolate_tell(const pk__isolate *i, pk_launch *l)
{
    pk_limit_report reports[PK__CONFINE_COUNT];
    size_t count = 0;
    for (int k = 0; k < PK__CONFINE_COUNT; k++) {
        pk__confine_what what = (pk__confine_what)k;
        pk_limit_report *r = &reports[count];
        bool missing = (i->unavailable & (1u << k)) != 0;
        if (missing || (i->confine.wanted & (1u << k))) {
            r->name = pk__confine_name(what);
            r->why = missing ? i->why[k] : pk__isolate_loophole(i, what);
            r->state = missing ? PK_LIMIT_UNAVAILABLE : r->why[0] ? PK_LIMIT_BEST_EFFORT : PK_LIMIT_ENFORCED;
            count++;
        }
    }
    pk_launch_isolated(l, reports, count);
}

/* What is known beforehand not to be had. */
static pk_err pk__isolate_refuse(const pk__isolate *i, const pk_launch_info *info, pk_error *err)
{
    for (int k = 0; k < PK__CONFINE_COUNT && !i->desc->go_on; k++) {
        if (i->unavailable & (1u << k)) {
            return pk_error_set(err, PK_ERR_EXEC, "cannot start '%s': %s: %s", info->path,
                                pk__confine_name((pk__confine_what)k), i->why[k]);
        }
    }
    if ((i->desc->directory || i->desc->private_tmp_bytes) && info->path[0] != '/') {
        return pk_error_set(err, PK_ERR_MISUSE, "cannot start '%s': its path has to be absolute, for it is to start in "
                            "another directory", info->path);
    }
    return PK_OK;
}

/* The start failed at one of the limits: is it to be tried without? */
static bool pk__isolate_give_up_one(pk__isolate *i, const pk__spawn_step *step, const pk_error *err)
{
    for (int k = 0; k < PK__CONFINE_COUNT && i->desc->go_on && step->failed; k++) {
        pk__confine_what what = (pk__confine_what)k;
        if (step->failed == pk__confine_name(what)) {
            pk__isolate_miss_errno(i, what, err->sys_errno, "");
            return true;
        }
    }
    return false;
}

PK__FN pk_err pk__isolate_spawn(pk__isolate_start *start, pk__process *p, const pk__spawn_desc *desc, pk_error *err)
{
    const pk_launch_info *info = start->info;
    pk__isolate i;
    pk__spawn_step step = {pk__confine_run, &i.confine, NULL};
    pk__spawn_desc confined = *desc;
    pk_error own;
    err = err ? err : &own;
    if (!info->isolate) {
        return pk__process_spawn(p, desc, err);
    }
    pk__isolate_init(&i, info->isolate);
    pk__isolate_prepare(&i, info);
    pk__isolate_group(&i, start);
    pk_err rc = pk__isolate_refuse(&i, info, err);
    confined.confine = &step;
    while (!rc) {
        rc = pk__process_spawn(p, &confined, err);
        if (!rc || !pk__isolate_give_up_one(&i, &step, err)) {
            break;
        }
        rc = PK_OK;
    }
    if (!rc) {
        pk__isolate_tell(&i, start->launch);
    }
    pk__cgroups_joined(&i.confine);
    pk__fd_close(i.confine.paths);
    return rc;
}
#endif
