/* sdk.h - the plugin's side: one description, one call to pk_sdk_main. */

typedef struct pk_sdk pk_sdk;

typedef enum pk_health { PK_HEALTH_OK, PK_HEALTH_DEGRADED, PK_HEALTH_BAD } pk_health;

typedef struct pk_health_report {
    pk_health health;
    char reason[200];      // for people; "" = none
    char unavailable[200]; // what it needs and does not have: names with commas between them, "db,cache"
} pk_health_report;

typedef struct pk_sdk_desc {
    const char *id, *version;      // (id is required) "shout", "1.0.0"
    const char *description, *author, *license; // plugin information; optional
    const pk_service *services;    size_t service_count;
    const pk_route *routes;        size_t route_count; // besides the services' own
    const char *const *config_types; // NULL-terminated: what on_config understands; others are refused
#ifdef PLUGKIT_WITH_SCHEMA
    /* JSON Schemas of config_types, one each; "" = none. They are part of the capabilities, so that hosts look at what
     * they send; and what does not fit is refused here, before on_config, with the place and the reason. */
    const pk_json *config_schemas;
#endif
    pk_loop *loop;                 // NULL = its own
    const pk_alloc *alloc;         // NULL = libc
    pk_tls *tls;                   // serve HTTPS only, by this configuration; borrowed. NULL = plain
    int workers;                   // threads that run handlers; 0 = one after the other
    uint64_t idle_ms;              // ends itself after so long without work; 0 = what the host says, else 1 h
    /* When it has answered it looks for the next request for so long before it sleeps, as calls of hosts do for their
     * answer: see pk_manager_desc.spin_us. So do calls to its host. Only with a loop of its own. */
    uint32_t spin_us;
    size_t body_bytes;             // the largest request body taken into memory; 0 = 8 MiB
    const pk_interceptor *const *interceptors; size_t interceptor_count;
    /* Callbacks, all optional. An error from on_config or on_start ends the plugin: the host shows the message. */
    pk_err (*on_config)(void *user, pk_str type, pk_json data, pk_error *err);
    pk_err (*on_start)(void *user, pk_sdk *p, pk_error *err);          // before the first request
    void (*on_health)(void *user, pk_health_report *report);           // asked by GET /healthz; zeroed: all is well
    void (*on_close)(void *user);                                      // after the last request
    void *user;
} pk_sdk_desc;

#ifndef PLUGKIT_NO_NET
/* A plugin's whole life: answers `capabilities`, reads its configuration, listens, serves, ends on /shutdown, SIGINT,
 * SIGTERM, SIGHUP, the end of its host, or idleness. Returns main's exit status: 0, or 1 with the reason on stderr.
 *
 * When its host has died, however it did, nobody is left to look after what the plugin started. Then requests under way
 * have 50 ms to finish, all of the end, on_close included, has 950 ms, and it does not return: the last thing that it
 * does is to kill its process group with SIGKILL. A thread sees to that, also while a callback hangs; it is there
 * before the first callback of yours. */
PK_API int pk_sdk_main(int argc, char **argv, const pk_sdk_desc *desc);

/* The same in pieces, for programs with a loop of their own:
 * create (listens; PK_ERR_CANCELED: the arguments asked for `capabilities`, which were printed: exit with 0), step the
 * loop while pk_sdk_is_running, destroy. */
PK_API pk_err pk_sdk_create(pk_sdk **out, int argc, char **argv, const pk_sdk_desc *desc, pk_error *err);
PK_API bool pk_sdk_is_running(const pk_sdk *p);
PK_API void pk_sdk_stop(pk_sdk *p); // drains, then is_running turns false; any thread
PK_API void pk_sdk_destroy(pk_sdk *p);
PK_API pk_loop *pk_sdk_loop(pk_sdk *p);
PK_API pk_server *pk_sdk_server(pk_sdk *p);
/* Tells the host how this plugin is, at once and not only when it asks; without on_health, also when it asks. Copied.
 * Any thread, from on_start on. */
PK_API void pk_sdk_report(pk_sdk *p, const pk_health_report *report);
PK_API const char *pk_sdk_instance(const pk_sdk *p); // the host's name for this process
/* Calls functions that the host offers. Without such a host, calls give PK_ERR_PLUGIN_NOT_FOUND. Never NULL. */
PK_API pk_caller *pk_sdk_host(pk_sdk *p);
/* One log record: a JSON line on stderr, which the host takes apart again. Any thread. */
PK_API void pk_sdk_log(pk_log_level level, const char *message, const pk_meta *fields, size_t count);
#endif

/* main, of a description at file scope that does not change: `static const pk_sdk_desc shout = {..}; PK_PLUGIN(shout)`.
 * With one of two macros on the command line the same source is a plugin in its host's process: see object.h. */
#if defined(PLUGKIT_OBJECT)
#define PK_PLUGIN(desc)                                                                                       \
    extern __attribute__((visibility("default"))) const pk_object plugkit_plugin;                             \
    const pk_object plugkit_plugin = PK__OBJECT(desc, pk__sdk_object_main);
#elif defined(PLUGKIT_COMPILED_IN)
#define PK_PLUGIN(desc)                                                                                       \
    extern const pk_object PLUGKIT_COMPILED_IN;                                                               \
    const pk_object PLUGKIT_COMPILED_IN = PK__OBJECT(desc, NULL);
#else
#define PK_PLUGIN(desc)                                                                                       \
    int main(int argc, char **argv)                                                                           \
    {                                                                                                         \
        return pk_sdk_main(argc, argv, &(desc));                                                              \
    }
#endif
#ifdef PLUGKIT_WITH_DLOPEN
#define PK__OBJECT(desc, run)                                                                                 \
    {"plugkit", PK_OBJECT_ABI, sizeof(pk_object), PK_VERSION, pk__object_layout, &(desc), run,                \
     pk__sdk_object_describe, pk__sdk_object_start, pk__sdk_object_serve, pk__sdk_object_stop,                \
     pk__sdk_object_is_serial}
#endif
