/* host.h - the manager: finds plugins, starts them, carries calls to them, keeps them alive, stops them. */

typedef struct pk_manager pk_manager;

typedef struct pk_plugin {
    uint64_t id; // a handle with a generation; {0} is no plugin
} pk_plugin;

typedef enum pk_duplicates {
    PK_DUPLICATES_REFUSE,   // the second provider of a (contract, type) is refused
    PK_DUPLICATES_PROVIDERS // it is another provider
} pk_duplicates;

/* ---- finder: pushes what it finds. The built-in one scans plugin_dir. */
typedef struct pk_found {
    const char *id;       // the plugin's name: letters, digits, `_ . -`, at most 64, no leading dot or dash
    const char *path;     // of an executable; NULL = it runs already, at endpoint
    pk_endpoint endpoint; // only without path: somebody else runs it; see pk_manager_attach
    pk_json manifest;     // capabilities that are known without asking; "" = ask (endpoint: PLUGKIT_WITH_ATTACH)
    const char *skipped;  // why this file is no plugin, and the cure; NULL = it is one
#ifdef PLUGKIT_WITH_MANIFESTS
    struct pk__about *about; // private: its manifest
#endif
} pk_found;
typedef struct pk_sink pk_sink; // valid until the finder's stop has returned; any thread
PK_API pk_err pk_sink_found(pk_sink *sink, const pk_found *found, pk_error *err); // copied
PK_API void pk_sink_gone(pk_sink *sink, const char *id);
PK_API void pk_sink_done(pk_sink *sink); // the first scan is complete: pk_manager_start waits for it
typedef struct pk_finder {
    const char *name;
    pk_err (*start)(void *user, pk_sink *sink, pk_error *err);
    void (*stop)(void *user); // optional
    void *user;
} pk_finder;

/* ---- launcher: starts and reports; never waits. The built-in one starts child processes. */
typedef struct pk_launch pk_launch; // one incarnation; valid until pk_launch_exited
typedef struct pk_launch_info {
    const char *id, *instance; // "shout", "shout-1"
    const char *path;
    bool probe;                // run `path capabilities` and report its output
    const char *const *argv;   // NULL-terminated, argv[0] included
    const char *const *env;    // NULL-terminated, "NAME=value"
    bool control;              // the plugin talks plugkit/1: give it a control socket
    bool die_with_host;        // it will not end with its host by itself, all that it started included: see to it
    bool lasting_thread;       // `start` runs on a thread that lasts as long as the host
    pk_json config;            // the first line on the control socket; sent by `send`, here for who has no socket
    pk_loop *loop;
#ifdef PLUGKIT_WITH_ISOLATE
    const pk_isolate *isolate; // NULL = no limits; else pk_launch_isolated has to be called before `start` returns
    const char *runtime_dir;   // where its socket will be, if it has one; NULL = not known
#endif
} pk_launch_info;
typedef enum pk_stream { PK_STREAM_OUT, PK_STREAM_ERR, PK_STREAM_CONTROL } pk_stream;
/* Reports; any thread, except output, which comes from the loop's. */
#ifndef PLUGKIT_NO_PROCESS
PK_API void pk_launch_output(pk_launch *l, pk_stream stream, pk_str bytes);        // raw; lines are cut elsewhere
#endif
PK_API void pk_launch_listening(pk_launch *l, const pk_endpoint *endpoint);        // it can be called there: ready
PK_API void pk_launch_pid(pk_launch *l, int64_t pid);                              // for people only
PK_API void pk_launch_host_death(pk_launch *l, const char *level); // of pk_plugin_info; a constant; may come again
#ifdef PLUGKIT_WITH_ISOLATE
PK_API void pk_launch_isolated(pk_launch *l, const pk_limit_report *limits, size_t count); // copied
#endif
/* Once; wait_status is waitpid's, -1 = not known; why may be NULL. */
PK_API void pk_launch_exited(pk_launch *l, int wait_status, const char *why);
typedef enum pk_look { // how a process stands
    PK_LOOK_RUNS,    // or that cannot be known
    PK_LOOK_STOPPED, // as by SIGSTOP: the watchdog counts it as an unanswered question
    PK_LOOK_TRACED   // a debugger has it: the watchdog waits
} pk_look;
typedef struct pk_launcher {
    const char *name;
    bool (*fits)(void *user, const pk_found *found); // optional: absent = takes everything with a path
    pk_err (*start)(void *user, pk_launch *l, const pk_launch_info *info, void **state, pk_error *err);
    pk_err (*send)(void *state, pk_str bytes, pk_error *err); // to the control socket; optional
    void (*stop)(void *state, int how);                       // 0 ask (SIGTERM), 1 ask like Ctrl-C, 2 kill
    void (*free)(void *state);                                // optional: after pk_launch_exited
    pk_look (*look)(void *state);                             // optional; the loop's thread
    void *user;
} pk_launcher;

/* ---- how each plugin is looked after */
typedef enum pk_restart {
    PK_RESTART_ON_FAILURE, // after a crash; exit status 0 is idleness, and the next call starts it again
    PK_RESTART_ALWAYS,     // after every end that nobody asked for, also of a first start
    PK_RESTART_NEVER       // it stays down until the next call
} pk_restart;

#ifdef PLUGKIT_WITH_DLOPEN
typedef enum pk_isolation { // of a shared object
    PK_ISOLATION_NONE,      // it runs in this process, and can bring it down
    PK_ISOLATION_PROCESS    // it gets a process of its own, by object_runner
} pk_isolation;
#endif

typedef struct pk_plugin_rule {
    const char *plugin;       // the id; NULL = all that have no rule of their own. The first that fits counts
    pk_restart restart;
    uint32_t stop_ms;         // for each step of a stop; 0 = deadline.stop_ms
    bool disabled;            // not even probed before pk_plugin_enable
    const char *const *needs; // NULL-terminated ids: they are started before it, and stopped after it; if one of them
                              // crashes, this one is started anew with it. NULL = none
    bool survive;             // goes on when the host ends without stopping it: survive_as. Only plugins that are
                              // made with plugkit_sdk.h can; of others a warning is logged, "plugin.survive"
#ifdef PLUGKIT_WITH_ISOLATE
    const pk_isolate *isolate; // limits of its processes; NULL = none
#endif
#ifdef PLUGKIT_WITH_DLOPEN
    pk_isolation isolation;
#endif
} pk_plugin_rule;

/* ---- events and information */
typedef enum pk_moment { // what an event means in a plugin's life; a move may be several of them
    PK_ON_LOAD = 1,      // what it offers is known
    PK_ON_START = 2,     // it is being started
    PK_ON_READY = 4,     // it can be called; also: it is well again
    PK_ON_DEGRADED = 8,
    PK_ON_CRASH = 16,    // it ended, and nobody had asked for that
    PK_ON_STOP = 32,     // it runs no more
    PK_ON_UNLOAD = 64,   // it is disabled, its file is gone, or the manager stops
    PK_ON_ERROR = 128    // there is a `why`
} pk_moment;

typedef struct pk_event {
    const char *name; // "plugin.found", "plugin.ready", "plugin.failed" ...: docs/events.md has them all
    unsigned moments; // PK_ON_..., or'ed
    pk_plugin plugin;
    const char *id;        // the plugin's
    const char *from, *to; // states; "" if none
    const pk_error *why;   // NULL if there is nothing to say
} pk_event;

/* One more who is told, besides pk_manager_desc.on_event and in the same way. Yours, and not moved, until unlisten has
 * returned. */
typedef struct pk_listener {
    unsigned moments; // PK_ON_..., or'ed: of what to tell; 0 = of every event
    void (*on_event)(void *user, const pk_event *event);
    void *user;
    struct pk_listener *pk__next; // private
} pk_listener;

typedef struct pk_service_info {
    pk_str contract, type, version;
} pk_service_info;

typedef struct pk_plugin_info {
    pk_plugin plugin;
    pk_str id, path, version;
    pk_str status; // "found", "stopped", "starting", "ready", "failed", "rejected", "skipped", "built in" ...
    pk_error why;             // the last failure, or why it was skipped or rejected. Code PK_OK and msg "" if there was
                              // none, or it has become ready since. A copy: it lives as long as this struct
    pk_str dialect, address;  // of the running instance; "" if none
    int64_t pid;              // 0 if none
    pk_str health;            // of the running instance: "healthy", "degraded", "unhealthy", "unknown"; "" if none
    pk_str health_reason;     // in its own words; "" = none
    pk_str unavailable;       // what it needs and does not have: names with commas between them
    pk_str host_death;        // what becomes of it when the host dies without stopping it; "" if it does not run:
                              // "group" it ends, and kills its process group; "guardian" a process that waits for
                              // the host's end kills its group; "process" the system kills it, but not what it has
                              // started; "asked" it ends if it heeds the end of its control socket; "survives" it
                              // goes on, and is meant to; "none" it goes on
    uint32_t starts, in_flight;
    uint32_t crashes;         // ever
    uint64_t calls, failures, bytes_in, bytes_out;
    uint64_t output_dropped;  // bytes of printed lines longer than 64 KiB that are in no log record
    pk_ns start_time;         // from launch to ready, last start
    pk_ns up_time;            // since it became ready; 0 = it cannot be called now
    const pk_service_info *services;
    size_t service_count;
    pk_json capabilities;     // as the plugin printed them
#ifdef PLUGKIT_WITH_MANIFESTS
    const pk_manifest *manifest; // of its folder, as long as the manager; NULL = it has none, or it cannot be used
#endif
#ifdef PLUGKIT_WITH_ISOLATE
    const pk_limit_report *limits; // of the running instance: those that its rule asks for
    size_t limit_count;
#endif
} pk_plugin_info;

/* A plugin that is named and does not declare the type is not started: PK_ERR_CONFIG. A type that no plugin declares,
 * or a plugin that is not there, is a warning in the log ("manager.config") once pk_manager_start has looked. */
/* A status in the words of another plugin system, for those who come from there:
 *
 *     PK_STATUS_BLACKHOLE    unknown loading loaded starting running stopping stopped failed
 *     PK_STATUS_DATABRIDGE   active inactive error loading
 *     PK_STATUS_GO_PLUGINS   healthy degraded unhealthy offline unknown
 *
 * Static text, never NULL. */
typedef enum pk_status_words { PK_STATUS_BLACKHOLE, PK_STATUS_DATABRIDGE, PK_STATUS_GO_PLUGINS } pk_status_words;
PK_API const char *pk_status_in(pk_status_words words, const pk_plugin_info *info);

typedef struct pk_plugin_config {
    const char *plugin; // NULL = every plugin that declares the type
    const char *type;   // a config type that the plugin declares
    pk_json data;
} pk_plugin_config;

/* Mutual TLS with the plugins that the manager starts. Both sides get certificates from an authority that the manager
 * makes for itself, keeps in memory, and forgets: one for each instance, valid for 24 hours at most, and replaced in
 * time. A plugin lets in nobody but this host, and this host believes nobody but that instance. It needs
 * PLUGKIT_WITH_TLS on both sides, and plugins of plugkit_sdk.h. */
typedef enum pk_mtls {
    PK_MTLS_OFF,
    PK_MTLS_REQUIRED, // a plugin whose capabilities do not say that it can is not started: PK_ERR_HANDSHAKE
    PK_MTLS_POSSIBLE  // it is used without
} pk_mtls;

#ifdef PLUGKIT_WITH_SCHEMA
/* What is held against the JSON Schemas that plugins advertise: configurations before a start ("configSchemas" in their
 * capabilities; PK_ERR_CONFIG), requests before they are sent and answers ("jsonSchema"; PK_ERR_SCHEMA). That is about
 * requests; with "x-methods" it says of each method what its "request" and its "response" are, as those in
 * contracts/ do. Only JSON in memory is looked at, and no direct calls of typed objects that are compiled in. */
typedef enum pk_schemas {
    PK_SCHEMAS_CONFIG = 1,
    PK_SCHEMAS_REQUESTS = 2,
    PK_SCHEMAS_ANSWERS = 4,
    PK_SCHEMAS_FORMATS = 8, // `format` in all of them, too
    PK_SCHEMAS_OFF = 16     // alone: nothing
} pk_schemas;
#endif

typedef struct pk_manager_desc {
    pk_alloc alloc;                // zero = libc
    pk_loop *loop;                 // NULL = its own, on its own thread; yours = you step it
    const char *plugin_dir;        // scanned for executables; NULL = none
    /* Plugins that somebody else runs, and that are only called here: drop-in files ID.sock and ID.json in attach_dir,
     * looked at once a second; and the text that a plugin prints which was started with --listen, NULL = that of
     * PLUGKIT_REATTACH in the environment, "" = none. pk_manager_attach names one more. Builds without
     * PLUGKIT_WITH_ATTACH refuse all three with PK_ERR_UNSUPPORTED. */
    const char *attach_dir, *reattach;
    bool (*filter)(void *user, const char *path); // false = leave this file out
    const char *runtime_dir;       // private sockets; NULL = $XDG_RUNTIME_DIR or /tmp, + plugkit-UID/RANDOM
    pk_duplicates duplicates;
    bool eager;                    // start every plugin at once; otherwise the first call starts it
    pk_tls *tls;                   // whom to believe at https addresses of plugins that run elsewhere, and what to
                                   // show them; borrowed. An endpoint may have one of its own
    pk_mtls mtls;                  // TLS with the plugins that are started here
    bool tcp;                      // plugins listen on 127.0.0.1 instead of Unix sockets
    struct {
        uint32_t start_ms, call_ms, stop_ms; // 0 = 10 s to start, 30 s a call, 5 s to stop
    } deadline;
    /* A call that waits (pk_caller_call, typed objects) looks for its answer for so long before it sleeps: where two
     * cores are idle, and the plugin does the same (pk_sdk_desc.spin_us), a round trip takes a tenth of the time. 100
     * is a good value; more than 1000 is 1000. It looks only while that pays, and never where only one CPU may be used,
     * nor in builds for size (-Os). 0 = sleeps at once. */
    uint32_t spin_us;
    struct {
        /* 0 = 5 crashes in 10 s, then failed; 100 ms, doubling up to 30 s, anew after window_ms of work. More than 1000
         * are not counted: it never fails. */
        uint32_t max, window_ms, delay_ms, delay_max_ms;
        bool no_delay; // a crashed plugin is started again at once; max counts all the same
    } restart;
    struct {
        uint32_t interval_ms, misses; // 0 = ask every 10 s; 3 unanswered are too many
        bool off;
    } health;
    const pk_plugin_rule *rules;               size_t rule_count;
    uint64_t idle_ms;              // plugins end after so long without work; 0 = 1 h
    /* Plugins whose rule says `survive` go on when this program ends otherwise than by pk_manager_stop, and the next
     * manager of this name takes them over, with all that they hold: letters, digits, '_', '.' and '-', at most 32. One
     * manager at a time may have a name: PK_ERR_BUSY. runtime_dir is BASE/plugkit-UID/keep-NAME then. */
    const char *survive_as;        // NULL = all plugins end with the host
    uint32_t survive_ms;           // without a host they end after so long; 0 = 5 minutes
    const char *const *env;        // NULL-terminated names that plugins inherit besides PATH, HOME, LANG, TZ, TMPDIR
    const pk_plugin_config *config;            size_t config_count;
    const pk_finder *const *finders;           size_t finder_count;
    const pk_launcher *const *launchers;       size_t launcher_count;
    const pk_transport *const *transports;     size_t transport_count;
    const pk_dialect *const *dialects;         size_t dialect_count;
    const pk_interceptor *const *interceptors; size_t interceptor_count;
#ifdef PLUGKIT_WITH_DLOPEN
    /* Plugins that are compiled in with a descriptor (object.h). They have the life that others have: configuration,
     * start, health, events, enable and disable. Ids are theirs here: the same object may come under several. */
    const pk_compiled *compiled_in;            size_t compiled_in_count;
    /* A program whose main calls pk_object_main; absolute. It runs shared objects with PK_ISOLATION_PROCESS, and asks
     * all others what they can do, so that what their constructors do happens to it. NULL = this process asks. */
    const char *object_runner;
#endif
#ifdef PLUGKIT_WITH_SCHEMA
    unsigned schemas;              // PK_SCHEMAS_..., or'ed; 0 = PK_SCHEMAS_CONFIG
#endif
    const pk_service *offers;                  size_t offer_count; // what plugins may call here: pk_sdk_host
    pk_on_log on_log;
    void (*on_event)(void *user, const pk_event *event); // the manager's thread, or your step; may call the manager
    void *user;                    // for filter, on_log and on_event
} pk_manager_desc;

PK_API pk_err pk_manager_create(pk_manager **out, const pk_manager_desc *desc, pk_error *err);
/* Finds and probes plugins, and (eager) starts them; waits for that. A bad plugin is no failure: it is skipped, and
 * pk_manager_list tells why. */
PK_API pk_err pk_manager_start(pk_manager *m, pk_error *err);
/* Drains and stops everything; waits for that, at most deadline.stop_ms for each step. */
PK_API pk_err pk_manager_stop(pk_manager *m, pk_error *err);
PK_API void pk_manager_stop_begin(pk_manager *m); // the same without waiting; the event "manager.stopped" ends it
PK_API bool pk_manager_is_stopped(const pk_manager *m);
/* Stops first if need be; in a forked child it only frees. Calls on other threads get their outcome, and those threads
 * are waited for; but none may begin one now. From inside a callback it is put off until that has returned; from inside
 * an interceptor, a body's reader or on_chunk, which are parts of a call, it is not allowed. */
PK_API void pk_manager_destroy(pk_manager *m);
PK_API pk_loop *pk_manager_loop(pk_manager *m);
PK_API pk_caller *pk_manager_caller(pk_manager *m);      // as long as the manager
PK_API const char *pk_manager_runtime_dir(const pk_manager *m);
#ifdef PLUGKIT_WITH_ADMIN
/* Opens the host's own door, for `plugkit top`, `stop`, `events` and whoever else has this user's rights: HTTP on
 * control.sock in the runtime directory, with the token in control.token beside it (docs/control.md). It is open until
 * everything has stopped. POST /stop there is pk_manager_stop_begin: the program sees "manager.stopped", and ends or
 * not. Once; before or after pk_manager_start.
 * Errors: PK_ERR_MISUSE (twice), BAD_ENDPOINT (the path is too long), PK_ERR_OS, PK_ERR_STOPPED, PK_ERR_NO_MEMORY. */
PK_API pk_err pk_manager_serve(pk_manager *m, pk_error *err);
/* A plugin and an error as values of JSON, as that door and `plugkit list --json` show them: {"id","path","status",..}
 * and {"code","name","kind","message",..}; null for PK_OK and for NULL. */
PK_API void pk_json_put_plugin(pk_json_writer *w, const pk_plugin_info *info);
PK_API void pk_json_put_error(pk_json_writer *w, const pk_error *err);
#endif
/* With PLUGKIT_NO_NET: lets the manager call remote plugins by HTTP over a transport of yours. Without the call none of
 * it is linked. In other builds it is done already. Before pk_manager_start. */
PK_API void pk_manager_add_http(pk_manager *m);

/* An internal plugin: services compiled into the host. They come before external ones. The array and what it points to
 * are borrowed until the plugin is removed. Errors: PK_ERR_DUPLICATE, PK_ERR_BAD_NAME, PK_ERR_BAD_CONTRACT. */
PK_API pk_err pk_manager_add(pk_manager *m, const char *id, const pk_service *services, size_t count, pk_plugin *out,
                             pk_error *err);
#ifdef PLUGKIT_WITH_ATTACH
/* A plugin that somebody else runs, on this machine or another: id, endpoint (an address, or http://NAME:PORT), and
 * what it offers, if that is known. It is never started, signalled or asked to end, only called; its name is looked up
 * anew and all addresses are tried whenever it has to be reached again. Before pk_manager_start, which then waits for
 * it to say what it offers, a second at most; or later. `out` may be NULL. docs/remote-plugins.md has the rest.
 * Errors: PK_ERR_MISUSE, BAD_ENDPOINT, BAD_NAME, PK_ERR_DUPLICATE, PK_ERR_STOPPED, PK_ERR_NO_MEMORY. */
PK_API pk_err pk_manager_attach(pk_manager *m, const pk_found *found, pk_plugin *out, pk_error *err);
#endif
PK_API pk_plugin pk_manager_find(pk_manager *m, const char *id); // {0} if there is none
/* All plugins, sorted by id, skipped files behind them. Everything lives in *mem. */
PK_API pk_err pk_manager_list(pk_manager *m, pk_mem *mem, pk_plugin_info **out, size_t *count, pk_error *err);
PK_API pk_err pk_plugin_get(pk_manager *m, pk_plugin p, pk_mem *mem, pk_plugin_info *out, pk_error *err);
PK_API pk_err pk_plugin_start(pk_manager *m, pk_plugin p, pk_error *err); // waits until it is ready
PK_API pk_err pk_plugin_stop(pk_manager *m, pk_plugin p, pk_error *err);  // drains, stops, waits; a call starts it
/* Drains, stops, waits; nothing starts it before pk_plugin_enable, and calls get PK_ERR_PLUGIN_DISABLED. */
PK_API pk_err pk_plugin_disable(pk_manager *m, pk_plugin p, pk_error *err);
PK_API pk_err pk_plugin_enable(pk_manager *m, pk_plugin p, pk_error *err); // from now on a call starts it
/* Any thread, also from inside on_event. Unlisten waits for a call of on_event that is under way on another thread. */
PK_API pk_err pk_manager_listen(pk_manager *m, pk_listener *listener, pk_error *err);
PK_API void pk_manager_unlisten(pk_manager *m, pk_listener *listener);
