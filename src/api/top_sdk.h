/* plugkit_sdk.h {version} - one header that turns any C program into a plugin.
 *
 * Do this in one .c file of the plugin, before any other #include:
 *
 *     #define PLUGKIT_SDK_IMPLEMENTATION
 *     #include "plugkit_sdk.h"
 *
 * Other files, also in C++, include it without the #define. Compile with -pthread. Linux, macOS, BSD.
 *
 * A complete plugin:
 *
 *     #define PLUGKIT_SDK_IMPLEMENTATION
 *     #include "plugkit_sdk.h"
 *
 *     #define REQUEST(F, T) F(T, REQ, pk_str, name, "name")
 *     #define RESPONSE(F, T) F(T, REQ, pk_str, text, "text")
 *     PK_MESSAGE(request, REQUEST)
 *     PK_MESSAGE(response, RESPONSE)
 *     #define GREETER(M, C) M(C, greet, "POST /greet", request, response, PK_IDEMPOTENT)
 *     PK_CONTRACT(greeter, "greeter", "1.0.0", GREETER)
 *
 *     static pk_err greet(const greeter *self, pk_ctx *ctx, const request *in, response *out, pk_error *err)
 *     {
 *         (void)self, (void)ctx, (void)err;
 *         out->text = pk_mem_printf(&out->mem, "Hello, %" PK_FMT "!", PK_ARG(in->name));
 *         return out->text.ptr ? PK_OK : PK_ERR_NO_MEMORY;
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         static const greeter object = {.greet = greet};
 *         pk_service service = {&greeter_contract, "polite", &object, PK_STR_INIT("")};
 *         pk_sdk_desc desc = {.id = "hello", .services = &service, .service_count = 1};
 *         return pk_sdk_main(argc, argv, &desc);
 *     }
 *
 * Put the program into the host's plugin directory, executable and without extension. To try it by hand:
 *
 *     ./hello capabilities                  what it can do, as JSON
 *     ./hello --listen /tmp/hello.sock      serves there, for curl --unix-socket; ends with Ctrl-C
 *
 * The host for it stands at the top of plugkit.h. Each part below begins with a line like the next; search for it:
 *
 *     == api/memory.h ==      strings, allocator, pk_mem, pk_buf     == api/loop.h ==     event loop, timers
 *     == api/error.h ==       everything that can go wrong           == api/extend.h ==   interceptors of your own
 *     == api/json.h ==        reader and writer                      == api/server.h ==   routes of your own
 *     == api/schema.h ==      JSON Schema, regular expressions       == api/tls.h ==      TLS
 *     == api/types.h ==       structs from and to JSON               == api/sdk.h ==      THE PLUGIN
 *     == api/call.h ==        contexts; calls to the host
 *     == api/contract.h ==    contracts and services                 == api/credentials.h ==  API keys, passwords
 *
 * CONFIGURATION: define these before the include, the same in every file (PLUGKIT_NO_CORE excepted).
 *
 *     PLUGKIT_SDK_IMPLEMENTATION  in one file: the implementation of this header
 *     PLUGKIT_IMPLEMENTATION      in one file: that of plugkit.h
 *     PLUGKIT_NO_CORE             with one of the two, when they are in different files of one program: both share a
 *                                 core, and this file keeps its copy to itself
 *     PLUGKIT_STATIC              all functions are static: nothing is exported, several files may have their own
 *     PLUGKIT_OBJECT              a shared object instead of a program, from PK_PLUGIN: see object.h
 *     PLUGKIT_COMPILED_IN=name    part of a host, as `name`, a pk_object: likewise
 *     PLUGKIT_NO_THREADS          no threads: handlers run one after the other
 *     PLUGKIT_WITH_SCHEMA         with pk_schema, pk_pattern and config_schemas: JSON Schema, about 59 KiB
 *     PLUGKIT_WITH_TLS            with https, by mbedTLS 2.28 or 3.6: -lmbedtls -lmbedx509 -lmbedcrypto
 *     PLUGKIT_WITH_STREAMS        with request bodies taken piece by piece, and server-sent events
 *     PLUGKIT_WITH_CREDENTIALS    with API keys, bearer tokens and passwords on calls: shown, and checked
 *     PLUGKIT_WITH_WEB            with CORS, a rate limit and a request log for servers
 *     PLUGKIT_CLOCK_NS()          see plugkit.h
 *     PLUGKIT_NO_SURVIVE          the plugin belongs to the host that starts it: it ends with that, also if it is
 *                                 wanted to survive, and others cannot attach it
 *     PLUGKIT_POSIX               only what POSIX.1-2008 has, also on Linux
 *     PLUGKIT_SMALL               short code where there is a choice; with -Os it is chosen without this
 *     PLUGKIT_NO_SIMD             see plugkit.h
 *     PLUGKIT_JSON_DEPTH          levels of nesting that the JSON reader accepts; 256
 *     PLUGKIT_SCHEMA_DEPTH        schemas that may apply inside each other; 600
 *     PLUGKIT_ASSERT(x)           called with what must be true unless the program is wrong; nothing
 *     PLUGKIT_LINES               error messages and debuggers name the files of src/ instead of this one
 *
 * SMALL. What a plugin does not need is not in it if the compiler sees all of it (PLUGKIT_STATIC). Where every kilobyte
 * counts, do without other hosts, unwind tables, the moving of addresses and page padding as well; for GNU ld and
 * lld:
 *
 *     cc -Os -s -DPLUGKIT_STATIC -DPLUGKIT_NO_SURVIVE -fno-asynchronous-unwind-tables -fno-pie -no-pie -fno-plt \
 *        -Wl,-z,noseparate-code,-z,norelro,--build-id=none -o hello hello.c -pthread
 *
 * LIFE. A host runs the program once with the argument `capabilities` and reads what it prints. Then it starts it,
 * tells it its configuration and its secret over a control socket, and calls it over HTTP on a private Unix socket (or
 * on 127.0.0.1). The plugin ends on /shutdown, SIGINT, SIGTERM, when its host is gone, or after an hour without work;
 * running requests are finished first. /healthz and /readyz are served, and are no work.
 *
 * HANDLERS get a decoded request and fill a response. What they allocate from out->mem or ctx->mem lives until the
 * answer is written. An error becomes an HTTP status and a JSON body with its sentence. With .workers they run on
 * threads, side by side; without, one after the other.
 *
 * OUTPUT. Standard output and standard error are logs: each line becomes a log record of the host. pk_sdk_log writes
 * records with a level and fields.
 *
 * Licence: MIT, at the end of this file. Generated from src/ by amalgamate.py: edit there. */
