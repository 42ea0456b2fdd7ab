/* object.h - plugins in the host's own process: shared objects, and compiled in. */
#ifdef PLUGKIT_WITH_DLOPEN
/* One source is a plugin in three ways. It ends in PK_PLUGIN(desc), and the command line of the compiler says which:
 *
 *     cc shout.c -o plugins/shout -pthread                                          a program
 *     cc -DPLUGKIT_OBJECT -fPIC -shared shout.c -o plugins/shout.so -pthread        a shared object
 *     cc -DPLUGKIT_COMPILED_IN=shout -c shout.c                                     pk_object shout, for .compiled_in
 *
 * The last two imply PLUGKIT_STATIC: a plugin of theirs is one .c file with a core of its own. A host with
 * PLUGKIT_WITH_DLOPEN takes ID.so (macOS: ID.dylib) in its plugin directory for the plugin ID; older C libraries want
 * -ldl. It is checked, found, started, stopped, configured and called as others are, through the same interceptors,
 * but in the host's process, and never unloaded: a new file under an old name is not seen before the next run.
 *
 * What is different there. Handlers run on the thread of whoever calls, one at a time if .workers is 0, and cannot be
 * interrupted: a call that takes longer than its deadline is told to the log, and its answer still comes. on_config,
 * on_start and on_close run on the manager's thread and should not wait. There is no idleness. pk_sdk_log goes to the
 * program's stderr, pk_sdk_loop is NULL, pk_sdk_server takes routes in on_start and nothing else, calls to pk_sdk_host
 * fail and say why. An object with interceptors, tls or loop is not started. A plugin that crashes takes its host with
 * it, unless its rule says PK_ISOLATION_PROCESS: then the same file runs in a process of its own, where all works. */
#define PK_OBJECT_ABI 1u

typedef struct pk_object_layout {
    const char *name; // of a struct that both sides use
    size_t size;
} pk_object_layout;

typedef struct pk_object_host { // what an instance is given; as long as it runs
    const pk_alloc *alloc;
    void (*say)(void *user, pk_str line); // a control line, as over the socket; any thread
    void *user;
} pk_object_host;

/* What such a plugin exports, as `plugkit_plugin`. Made by PK_PLUGIN, read by hosts: magic, abi and size before
 * anything else. The functions are for hosts alone. */
typedef struct pk_object {
    char magic[8];         // "plugkit"
    uint32_t abi, size;    // PK_OBJECT_ABI, sizeof(pk_object)
    const char *version;   // PK_VERSION
    const pk_object_layout *(*layout)(void); // ends with a NULL name
    const void *desc;      // a pk_sdk_desc
    int (*main)(const void *desc, int argc, char **argv); // NULL: compiled in
    pk_err (*describe)(const void *desc, pk_buf *out, pk_error *err); // its capabilities
    pk_err (*start)(const void *desc, const pk_object_host *host, pk_str told, void **state, pk_error *err);
    pk_err (*serve)(void *state, const pk_request *request, pk_response *response, pk_error *err);
    void (*stop)(void *state);
    bool (*is_serial)(const void *desc);
} pk_object;

typedef struct pk_compiled { // a plugin that is compiled in; borrowed as long as the manager
    const char *id;
    const pk_object *object;
} pk_compiled;

/* `PROGRAM object FILE.so ARGUMENTS...`: the main of a program that runs an object as a plugin of its own. Such a
 * program is pk_manager_desc.object_runner. Returns main's exit status, 1 with the reason on stderr. */
PK_API int pk_object_main(int argc, char **argv);
#endif
