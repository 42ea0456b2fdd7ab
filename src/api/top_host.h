/* plugkit.h {version} - one header that turns any C program into a plugin host.
 *
 * It finds plugins in a directory, starts them when they are needed, calls them, keeps them alive, and stops them. A
 * plugin is a program: one in C is fifteen lines with plugkit_sdk.h, and whatever can serve HTTP or read and write
 * lines will do. There is nothing to install, and nothing else runs.
 *
 * Do this in one .c file of the program, before any other #include:
 *
 *     #define PLUGKIT_IMPLEMENTATION
 *     #include "plugkit.h"
 *
 * Other files, also in C++, include it without the #define. Compile with -pthread. Linux, macOS, BSD.
 *
 * A complete host:
 *
 *     #define PLUGKIT_IMPLEMENTATION
 *     #include "plugkit.h"
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         pk_manager_desc desc = {.plugin_dir = "plugins"};
 *         pk_call_desc call = {.contract = "greeter", .method = "greet",
 *                              .body.bytes = PK_STR_INIT("{\"name\":\"you\"}")};
 *         pk_manager *m = NULL;
 *         pk_reply reply = {0};
 *         pk_error err = {0};
 *
 *         if (pk_manager_create(&m, &desc, &err) || pk_manager_start(m, &err) ||
 *             pk_caller_call(pk_manager_caller(m), &call, &reply, &err)) {
 *             fprintf(stderr, "host: %s\n", err.msg);
 *         } else {
 *             printf("%" PK_FMT "\n", PK_ARG(reply.body.bytes));
 *         }
 *         pk_mem_free(&reply.mem);
 *         pk_manager_destroy(m);
 *         return err.code ? 1 : 0;
 *     }
 *
 * The plugin for it stands at the top of plugkit_sdk.h. With a contract (see contract.h below) both sides exchange C
 * structs instead of JSON text.
 *
 * A complete server over HTTP, and a call to it (.endpoint.address names one on another machine as well):
 *
 *     #define PLUGKIT_WITH_ATTACH // for pk_manager_attach
 *     #define PLUGKIT_IMPLEMENTATION
 *     #include "plugkit.h"
 *     #include <stdio.h>
 *
 *     static pk_err hello(void *user, const pk_request *request, pk_response *response, pk_error *err)
 *     {
 *         pk_str name = pk_request_param(request, "name");
 *         (void)user, (void)err;
 *         response->body.bytes = pk_mem_printf(request->ctx->mem, "Hello, %" PK_FMT "!", PK_ARG(name));
 *         return response->body.bytes.ptr ? PK_OK : PK_ERR_NO_MEMORY;
 *     }
 *
 *     int main(void)
 *     {
 *         pk_route route = {.match = "GET /hello/{name}", .run = hello};
 *         pk_server_desc desc = {.listen = "http://127.0.0.1:0"};
 *         pk_manager_desc ours = {0};
 *         pk_found there = {.id = "there"};
 *         pk_call_desc call = {.plugin = "there", .http = "GET /hello/you"};
 *         pk_server *server = NULL;
 *         pk_manager *m = NULL;
 *         pk_reply reply = {0};
 *         pk_error err = {0};
 *
 *         if (pk_loop_create(&desc.loop, NULL, &err) == PK_OK && pk_server_create(&server, &desc, &err) == PK_OK &&
 *             pk_server_add(server, &route, &err) == PK_OK) {
 *             ours.loop = desc.loop; // one thread does both
 *             there.endpoint.address = pk_server_address(server);
 *             if (pk_manager_create(&m, &ours, &err) == PK_OK && pk_manager_start(m, &err) == PK_OK &&
 *                 pk_manager_attach(m, &there, NULL, &err) == PK_OK) {
 *                 pk_caller_call(pk_manager_caller(m), &call, &reply, &err);
 *             }
 *         }
 *         printf("%" PK_FMT "%s\n", PK_ARG(reply.body.bytes), err.msg);
 *         pk_mem_free(&reply.mem);
 *         pk_manager_destroy(m);
 *         pk_server_destroy(server);
 *         pk_loop_destroy(desc.loop);
 *         return err.code ? 1 : 0;
 *     }
 *
 * A complete host by TLS, mutual and without a certificate of yours; the plugin is built with PLUGKIT_WITH_TLS, too. At
 * tls.h stands how servers and calls are given certificates.
 *
 *     #define PLUGKIT_WITH_TLS
 *     #define PLUGKIT_IMPLEMENTATION
 *     #include "plugkit.h"
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         pk_manager_desc desc = {.plugin_dir = "plugins", .mtls = PK_MTLS_REQUIRED};
 *         pk_call_desc call = {.plugin = "hello", .http = "POST /greet",
 *                              .body.bytes = PK_STR_INIT("{\"name\":\"you\"}")};
 *         pk_manager *m = NULL;
 *         pk_reply reply = {0};
 *         pk_error err = {0};
 *
 *         if (pk_manager_create(&m, &desc, &err) == PK_OK && pk_manager_start(m, &err) == PK_OK) {
 *             pk_caller_call(pk_manager_caller(m), &call, &reply, &err);
 *         }
 *         printf("%" PK_FMT "%s\n", PK_ARG(reply.body.bytes), err.msg);
 *         pk_mem_free(&reply.mem);
 *         pk_manager_destroy(m);
 *         return err.code ? 1 : 0;
 *     }
 *
 * Each part below begins with a line like the next; search for it:
 *
 *     == api/memory.h ==      strings, allocator, pk_mem, pk_buf     == api/loop.h ==     event loop, timers
 *     == api/error.h ==       everything that can go wrong           == api/extend.h ==   transports, dialects,
 *     == api/json.h ==        reader and writer                                           interceptors of your own
 *     == api/schema.h ==      JSON Schema, regular expressions       == api/server.h ==   HTTP server
 *     == api/types.h ==       structs from and to JSON               == api/tls.h ==      TLS for servers and calls
 *     == api/call.h ==        calls: raw, asynchronous, streams      == api/host.h ==     THE MANAGER
 *     == api/contract.h ==    typed calls                            == api/json_patch.h ==  JSON Patch, Merge Patch
 *     == api/object.h ==      shared objects, plugins compiled in
 *     == api/credentials.h ==  API keys, tokens, passwords          == api/json_stream.h == NDJSON, JSON in pieces
 *     == api/manifest.h ==    manifests of plugins                      == api/isolate.h ==     limits for plugins
 *
 * CONFIGURATION: define these before the include, the same in every file (PLUGKIT_NO_CORE excepted).
 *
 *     PLUGKIT_IMPLEMENTATION      in one file: the implementation of this header
 *     PLUGKIT_SDK_IMPLEMENTATION  in one file: that of plugkit_sdk.h
 *     PLUGKIT_NO_CORE             with one of the two, when they are in different files of one program: both share a
 *                                 core, and this file keeps its copy to itself
 *     PLUGKIT_STATIC              all functions are static: nothing is exported, several files may have their own
 *     PLUGKIT_NO_PROCESS          no child processes: plugins are compiled in, or run elsewhere
 *     PLUGKIT_NO_THREADS          no threads: give the manager a loop and step it
 *     PLUGKIT_NO_FILES            no files and directories
 *     PLUGKIT_NO_NET              no sockets: bring a transport of your own
 *     PLUGKIT_WITH_ADMIN          with pk_manager_serve: `plugkit top` and others can look at a running host; 8 KiB
 *     PLUGKIT_WITH_ATTACH         with pk_manager_attach: plugins that somebody else runs; 8 KiB
 *     PLUGKIT_WITH_DLOPEN         with plugins in this process: shared objects, and compiled in; 12 KiB
 *     PLUGKIT_WITH_ISOLATE        with limits for plugins that are child processes: pk_isolate; 13 KiB
 *     PLUGKIT_WITH_MANIFESTS      with folders that have a manifest, and dependencies; 19 KiB
 *     PLUGKIT_WITH_SCHEMA         with pk_schema and pk_pattern: JSON Schema; 59 KiB
 *     PLUGKIT_WITH_JSON_TOOLS     with NDJSON, JSON from streams, JSON Patch, defaults in structs, refused keys; 15 KiB
 *     PLUGKIT_WITH_TLS            with https, by mbedTLS 2.28 or 3.6: -lmbedtls -lmbedx509 -lmbedcrypto; 27 KiB
 *     PLUGKIT_WITH_STREAMS        with request bodies taken piece by piece, and server-sent events; 5 KiB
 *     PLUGKIT_WITH_CREDENTIALS    with API keys, bearer tokens and passwords on calls: shown, and checked; 4 KiB
 *     PLUGKIT_WITH_WEB            with CORS, a rate limit and a request log for servers; 5 KiB
 *     PLUGKIT_WITH_ALL            with everything that is opted into, but for TLS, which needs that library. (KiB:
 *                                 of code that it adds to a host at -Os, which has 215)
 *     PLUGKIT_CLOCK_NS()          with all four: nanoseconds since any moment, never less than before
 *     PLUGKIT_POSIX               only what POSIX.1-2008 has, also on Linux
 *     PLUGKIT_SMALL               short code where there is a choice; with -Os it is chosen without this
 *     PLUGKIT_NO_SIMD             plain C also where SSE2 or NEON would be faster; small builds (-Os) are anyway
 *     PLUGKIT_JSON_DEPTH          levels of nesting that the JSON reader accepts; 256
 *     PLUGKIT_JSON_PATCH_BYTES    what one JSON Patch may take, its result included; 64 MiB
 *     PLUGKIT_SCHEMA_DEPTH        schemas that may apply inside each other; 600
 *     PLUGKIT_ASSERT(x)           called with what must be true unless the program is wrong; nothing
 *     PLUGKIT_LINES               error messages and debuggers name the files of src/ instead of this one
 *
 * LIFECYCLE. pk_manager_create copies its description. pk_manager_start scans the directory and asks each program what
 * it can do. A plugin is started by the first call that needs it (or at once: .eager), started again with growing
 * delays when it crashes, and given up after five crashes in ten seconds. It may end when it has been idle for long;
 * the next call starts it again. pk_manager_stop lets running calls finish. Plugins end with their host, however it
 * ends; those that are made without the SDK do if they heed the end of descriptor 3. With
 * .survive_as some may go on, and the next manager of that name takes them over. Plugins that somebody else runs are
 * only called (PLUGKIT_WITH_ATTACH): pk_manager_attach, .attach_dir, .reattach.
 *
 * OWNERSHIP. Arguments are borrowed for the duration of the call. A pk_str is a view; the comment above a function says
 * until when. What has `create` or `dup` in its name is yours to free. Freeing NULL or a zeroed object does nothing.
 * Descriptions are zeroed and filled with designated initialisers; zero is always a sensible default.
 *
 * ERRORS. Functions that can fail return pk_err, 0 for success, and fill a pk_error if they are given one. A sentence
 * in it says what could not be done and why; for a plugin that did not start, with its last words. Nothing aborts.
 *
 * THREADS. A manager may be used from any thread. By default it has a thread of its own; with .loop it has none, and
 * you step the loop. Callbacks come from that thread or from your step, with no lock held, and may call anything, also
 * what waits. Log callbacks may come on any thread. After fork() the child must not use the parent's manager.
 *
 * SECURITY. Sockets are private to the uid, each instance has a secret of its own that never shows in argv, environment
 * or logs, and peers of another uid are refused. A plugin has the rights of its host: this is no sandbox, unless you
 * say what to take away (isolate.h).
 *
 * Licence: MIT, at the end of this file. Generated from src/ by amalgamate.py: edit there. */
