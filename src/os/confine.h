/* confine.h - what a child does to itself before it execs, so that what it becomes has limits. PLUGKIT_WITH_ISOLATE.
 *
 *     pk__confine c = {0};
 *     c.wanted = 1u << PK__CONFINE_FILES; c.number[PK__CONFINE_FILES] = 64;
 *     pk__spawn_step step = {pk__confine_run, &c, NULL};
 *     desc.confine = &step;                         pk__process_spawn does the rest
 *
 * All of it is prepared by the parent; the child makes system calls only, for it may share the parent's memory
 * (process.h), in the order of the list: what needs root comes before the user is changed, what forbids system calls is
 * the last. The first that fails ends it, and its name is told. By raw calls where the C library would change the
 * user of all threads, which are the parent's. */
#ifndef PK__CONFINE_H
#define PK__CONFINE_H
#ifdef PLUGKIT_WITH_ISOLATE
#include "process.h"

#define PK__CONFINES(X)                                                                                     \
    X(MEMORY, "memory")                                                                                     \
    X(SHARE, "cpu share")                                                                                   \
    X(TASKS, "tasks")                                                                                       \
    X(NETWORK, "network")                                                                                   \
    X(IPC, "ipc")                                                                                           \
    X(TMP, "tmp")                                                                                           \
    X(NICE, "nice")                                                                                         \
    X(ADDRESS_SPACE, "address space")                                                                       \
    X(CPU, "cpu time")                                                                                      \
    X(FILES, "open files")                                                                                  \
    X(PROCESSES, "processes")                                                                               \
    X(FILE_SIZE, "file size")                                                                               \
    X(CORE, "core files")                                                                                   \
    X(CAPABILITIES, "capabilities")                                                                         \
    X(USER, "user")                                                                                         \
    X(DIRECTORY, "directory")                                                                               \
    X(UMASK, "umask")                                                                                       \
    X(PRIVILEGES, "new privileges")                                                                         \
    X(PATHS, "paths")                                                                                       \
    X(CALLS, "system calls")
typedef enum pk__confine_what {
#define PK__CONFINE_WHAT(name, text) PK__CONFINE_##name,
    PK__CONFINES(PK__CONFINE_WHAT)
#undef PK__CONFINE_WHAT
    PK__CONFINE_COUNT
} pk__confine_what;

enum { PK__CONFINE_GROUPS = 32, PK__CONFINE_PROGRAM = 600, PK__CONFINE_KEEP = 512, PK__CONFINE_CGROUPS = 8 };

/* A filter of system calls, as the kernel wants to have it: struct sock_filter and sock_fprog of linux/filter.h. */
typedef struct pk__confine_code {
    uint16_t code;
    uint8_t yes, no;
    uint32_t k;
} pk__confine_code;
typedef struct pk__confine_program {
    unsigned short count;
    const pk__confine_code *code;
} pk__confine_program;

typedef struct pk__confine {
    uint32_t wanted;                    // a bit for each
    bool is_root;                       // who begins
    uint64_t number[PK__CONFINE_COUNT]; // of those that are limits of numbers
    int nice;
    mode_t umask;
    const char *directory;
    uid_t uid;
    gid_t gid, groups[PK__CONFINE_GROUPS];
    size_t group_count;
    char users[40], numbers[40];        // for those who begin without root's rights: of themselves, and of their group
    char tmp_options[64];
    char keep[2][PK__CONFINE_KEEP];     // directories in /tmp that stay; "" = none
    int join[PK__CONFINE_CGROUPS];      // control groups: descriptors of their cgroup.procs; likewise above all
    size_t join_count;
    int paths;                          // of Landlock; above all descriptors of the child
    pk__confine_program program;
    pk__confine_code code[PK__CONFINE_PROGRAM];
} pk__confine;

PK__FN const char *pk__confine_run(void *confine); // a pk__spawn_step's
/* In the parent: fills in the program. False: there is none for this kind of processor or system. */
PK__FN bool pk__confine_calls(pk__confine *c, bool processes);
/* Likewise c->paths, with nothing allowed; the version of Landlock, or -1 with errno. */
PK__FN int pk__confine_paths_open(pk__confine *c);
/* Allows a file, or a directory and what is below it, as far as this system knows these kinds of access. */
enum { PK__CONFINE_READ = 1, PK__CONFINE_WRITE = 2, PK__CONFINE_EXECUTE = 4, PK__CONFINE_SOCKETS = 8 };
PK__FN bool pk__confine_paths_allow(const pk__confine *c, const char *path, unsigned how); // false = see errno
PK__FN const char *pk__confine_name(pk__confine_what what); // the same pointer as that returns

#endif
#endif
