/* isolate.h - limits for plugins that run as child processes, and what of them really holds. PLUGKIT_WITH_ISOLATE.
 *
 *     static const pk_isolate small = {.address_space_bytes = 256u << 20, .files = 64, .no_new_privileges = true};
 *     static const pk_plugin_rule rule = {.isolate = &small};
 *     pk_manager_desc desc = {.plugin_dir = "plugins", .rules = &rule, .rule_count = 1};
 *
 * They are in force before the first instruction of the plugin, also of `PLUGIN capabilities`, and what it starts
 * inherits them. Zero limits nothing. What the system cannot give is a refusal (PK_ERR_EXEC, with the name of the
 * limit), for who asks for a limit relies on it; with .go_on the plugin is started without that one, and a warning is
 * logged, "plugin.isolate". What runs in the host's process is refused in any case; a shared object in one of its own
 * (PK_ISOLATION_PROCESS) needs its file among .paths. pk_plugin_info.limits says what became of each. A plugin that
 * survived its host has the limits that it was started with. */
#ifdef PLUGKIT_WITH_ISOLATE
typedef struct pk_path_rule {
    const char *path; // of a file, or of a directory and all that is below it; it has to be there
    bool write;       // also to write, make, rename and remove; else only to read
    bool execute;     // also to run
} pk_path_rule;

/* System calls that a plugin may make. The others fail with EPERM, or ENOSYS if they are newer than the list. Neither
 * has what changes the system or other processes: mounts, modules, namespaces, users, ptrace, bpf, io_uring, keys. */
typedef enum pk_calls {
    PK_CALLS_ALL,   // no filter
    PK_CALLS_RUN,   // files, sockets, threads, processes
    PK_CALLS_SERVE  // the same, without new processes; it may become another program
} pk_calls;

typedef struct pk_isolate {
    bool go_on;                   // without what cannot be had
    /* For each process of the plugin by itself, by setrlimit; what is lower already stays. Each is a ceiling of the
     * system for the program: memory that cannot be had, EMFILE, EFBIG, SIGXCPU. */
    uint64_t address_space_bytes; // not for programs with sanitizers, Go or Java, which reserve far more than they use
    uint64_t file_size_bytes;     // of each file that it writes
    uint32_t cpu_s;               // seconds of computing, ever: SIGXCPU, and SIGKILL a second later
    uint32_t files;               // open at a time: the numbers of descriptors are below
    uint32_t processes;           // and threads, of its user, all programs counted. Nothing to root
    bool no_core;                 // no core files
    int nice;                     // -20 to 19; below the host's only root may
    uint32_t umask;               // as 077; to begin with
    const char *directory;        // where it starts, absolute; plugin_dir and runtime_dir must be absolute then
    bool no_new_privileges;       // setuid programs and file capabilities give none. Linux
    bool no_capabilities;         // none of root's rights but to be the user with number 0. Linux
    /* For hosts of root: another user, and groups. 0 = the host's. With uid gid has to be given; without groups it has
     * none else. It can reach neither plugin nor runtime directory unless you see to that: .tcp, or plugins that serve
     * lines. */
    uint32_t uid, gid;
    const uint32_t *groups;       size_t group_count; // at most 32
    /* Files: nothing but these, and what programs need to run at all: /usr, /bin, /sbin, /lib*, /etc to read and run,
     * /proc to read, /dev/null and its kind, its own file, and its socket in runtime_dir. For whole programs, with all
     * that they start. Linux, Landlock; implies no_new_privileges, as calls do. */
    const pk_path_rule *paths;    size_t path_count;  // at most 64
    pk_calls calls;               // Linux on x86-64, aarch64 and riscv64
    /* Control groups of Linux: directories in which the host may make others, NULL-terminated, at most 8. One of
     * version 2, with the controllers handed on (cgroup.subtree_control), or one for each controller of version 1.
     * Each instance gets a group in each, all that it starts is in it and counted together, and it is killed and the
     * group removed when the instance ends. A host that is killed leaves empty groups. Those of version 1 are tested
     * with real ones, the limits of version 2 against a fake tree. */
    const char *const *groups_in;
    uint64_t memory_bytes;        // resident, caches included; who takes more is killed by the system
    uint32_t cpu_percent;         // of one CPU: 50 = half of one, 200 = two
    uint32_t tasks;               // processes and threads; also root's
    /* Namespaces of Linux; without root's rights as far as the system lets users have them. */
    bool no_network;              // no network at all, nor abstract sockets; those with a path remain. Not with .tcp
    uint64_t private_tmp_bytes;   // an empty /tmp of its own, in memory, of that size. What of its own directory and of
                                  // runtime_dir lies in /tmp is there as well, nothing else. It starts in / unless
                                  // .directory says otherwise; plugin_dir must be absolute
    bool no_ipc;                  // no System V memory, semaphores and queues but its own, nor POSIX queues
} pk_isolate;

typedef enum pk_limit_state {
    PK_LIMIT_ENFORCED = 1, // the plugin cannot get around it
    PK_LIMIT_BEST_EFFORT,  // it is set, but see `why`
    PK_LIMIT_UNAVAILABLE   // not here: it runs without
} pk_limit_state;
typedef struct pk_limit_report {
    const char *name;      // "open files"
    pk_limit_state state;
    const char *why;       // "" = nothing to say
} pk_limit_report;
PK_API const char *pk_limit_state_name(pk_limit_state state); // "enforced", "best effort", "unavailable"; static
#endif
