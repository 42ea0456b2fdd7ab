/* main.c - the commands of plugkit, and what they say about themselves. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "term.h"

#define MAIN_ACTS                                                                                             \
    "The host is the one of yours that runs;\n"                                                               \
    "if there are several, --host says which. The status is 1 if one of the plugins failed, 3 if there is\n"  \
    "none of that name.\n"                                                                                    \
    "\n"                                                                                                      \
    "In a pipe each line is id, tab, status. With --json:\n"                                                  \
    "\n"                                                                                                      \
    "    {\"plugins\":[{\"id\",\"status\":null or as in plugkit list,\"error\"},..]}\n"

const command commands[] = {
    {"list", FOR_LIST, "DIR", "what plugins there are, and what they offer",
     "Finds the plugins below DIR: executable files without an extension, and folders with a\n"
     "manifest.json or plugin.json. Each is asked for its capabilities; none is started. Files that look\n"
     "like plugins and are none are listed too, with the reason.\n"
     "\n"
     "In a pipe each line has five columns, separated by tabs: id, status, version, services\n"
     "(contract/type,contract/type), reason. With --json:\n"
     "\n"
     "    {\"directory\":\"plugins\",\"plugins\":[PLUGIN,..],\"skipped\":[{\"id\",\"path\",\"reason\"},..]}\n"
     "\n"
     "where PLUGIN has id, path, status, reason (null, or code, name, kind, message), version,\n"
     "services (contract, type, version), dialect, address, pid, hostDeath, health (null, or status,\n"
     "reason, unavailable), starts, crashes, startMs, upMs (for how long it has been ready), calls,\n"
     "failures, inFlight, bytesIn, bytesOut, outputDropped, capabilities and manifest. What is not known is\n"
     "null.\n"
     "\n"
     "    plugkit list build/plugins\n"
     "    plugkit list build/plugins | cut -f1\n",
     1, 1, list_run},
    {"call", FOR_CALL, "DIR TARGET METHOD [JSON | @FILE | -]", "calls a method, and prints the answer",
     "TARGET is a type (\"upper\") or a plugin (\"text\") that offers the method only once. The request\n"
     "is JSON on the command line, in a file, or on stdin; without one the body is empty. Only the\n"
     "plugin that is called is started, and it is stopped again. A METHOD that reads 'POST /path' is a\n"
     "request that no contract names, as with --http.\n"
     "\n"
     "The answer goes to stdout: on a terminal JSON is indented, in a pipe it is as the plugin wrote\n"
     "it. --raw leaves requests and answers alone, --upload and --download carry files of any size. With\n"
     "--json there is one object around it: plugin, contract, type, method, status, headers, durationMs,\n"
     "error (null if there is none), and body, text or base64, depending on what the answer is; with\n"
     "--download file and bytes.\n"
     "\n"
     "The status is 3 if nothing offers TARGET or TARGET has no METHOD (the message lists what there is),\n"
     "2 if METHOD is missing, a --config is for nobody, or the request does not fit the JSON Schema that the\n"
     "plugin advertises (--raw sends it nevertheless), and 1 if the plugin did not start or the call failed.\n"
     "\n"
     "    plugkit call build/plugins polite greet '{\"name\":\"you\"}'\n"
     "    plugkit call build/plugins lines transformations\n"
     "    plugkit call build/plugins text --http 'GET /healthz'\n",
     2, 4, call_run},
    {"run", FOR_RUN, "DIR", "keeps a host running, and shows what happens",
     "Prints a line for each event and each line that a plugin logs, until Ctrl-C or SIGTERM. Plugins\n"
     "start with their first call, or at once with --eager. What is typed is done:\n"
     "\n"
     "    call TARGET METHOD [JSON]     start ID     stop ID     list     quit\n"
     "\n"
     "--wait starts every plugin, shows its pid, and waits for Enter, so that a debugger can be attached;\n"
     "then nothing has a deadline, and nobody asks plugins how they are.\n"
     "\n"
     "With --json each line is an object with time and kind:\n"
     "    event   event, plugin, from, to, reason; of a running plugin also pid and startMs\n"
     "    log     level, event, plugin, message, fields\n"
     "    reply   of a typed call: as plugkit call prints it\n"
     "    error   error: what went wrong otherwise\n"
     "    note    plugin, note, message: what the command itself has to say\n"
     "\n"
     "    plugkit run build/plugins --eager\n"
     "    plugkit run build/plugins --wait --env LD_LIBRARY_PATH\n",
     1, 1, run_run},
    {"inspect", FOR_INSPECT, "DIR ID", "everything that is known about one plugin",
     "Starts the plugin, asks how it is, shows what it offers, and stops it again. --no-start leaves it\n"
     "alone. The status is 1 if the plugin was rejected, does not start, or is not well.\n"
     "\n"
     "In a pipe: name, tab, value; services and methods have four columns. With --json:\n"
     "\n"
     "    {\"plugin\":PLUGIN,\"methods\":[{\"contract\",\"method\",\"http\"},..],\"configTypes\":[..],\n"
     "     \"health\":null or {\"status\":\"ok\"|\"degraded\"|\"bad\"|\"unknown\",\"reason\",\"durationMs\"}}\n"
     "\n"
     "PLUGIN as in plugkit help list.\n",
     2, 2, inspect_run},
    {"doctor", FOR_DOCTOR, "DIR", "says what is wrong with each plugin, and how to mend it",
     "Tries everything: looks at each file, asks for capabilities, holds them against the contracts that\n"
     "come with PlugKit, looks at its JSON Schemas and holds each --config against them, starts the plugin,\n"
     "asks how it is, stops it. Then it looks at the directories around, and for what dead programs left\n"
     "over. The status is 1 if anything keeps a plugin from working; warnings and notes do not change it.\n"
     "\n"
     "With --json:\n"
     "\n"
     "    {\"directory\",\"ok\",\"plugins\":[{\"id\",\"path\",\"verdict\":\"ok\"|\"failed\"|\"skipped\",\n"
     "     \"startMs\",\"health\",\"stopMs\",\"findings\":[FINDING,..]},..],\"findings\":[FINDING,..]}\n"
     "\n"
     "where FINDING has level (note, warning, error), subject, what and cure.\n",
     1, 1, doctor_run},
    {"schema", FOR_SCHEMA, "check SCHEMA DOCUMENT.. | show DIR ID [TYPE]", "holds documents against a JSON Schema",
     "check says of each document that does not fit where and why: a line each, FILE:LINE:COLUMN: path:\n"
     "reason [rule], as editors read it. SCHEMA is of draft 2020-12 or 07; a relative $ref leads to the file\n"
     "beside it. One of the files may be '-', stdin. A key that stands twice in a document is refused. The\n"
     "status is 1 if a document does not fit, or if it or the schema cannot be used. With --json:\n"
     "\n"
     "    {\"schema\",\"documents\":[{\"file\",\"ok\",\"error\":null or as in plugkit call,\"faults\":[{\"line\",\n"
     "     \"column\",\"path\",\"instance\",\"keyword\",\"rule\",\"reason\"},..]},..],\"ok\"}\n"
     "\n"
     "show prints the schemas that a plugin advertises, of its config types and of its types, or that of TYPE.\n"
     "In a pipe each line has three columns, separated by tabs: contract (or config), type, schema. With\n"
     "--json: {\"plugin\",\"schemas\":[{\"contract\":null of a config type,\"type\",\"schema\"},..]}. The status is 3\n"
     "if there is none.\n"
     "\n"
     "    plugkit schema check config.schema.json config.json\n"
     "    plugkit schema show build/plugins py-processor\n",
     3, SIZE_MAX, schema_run},
    {"top", FOR_TOP, "", "a live table of the plugins of a running host",
     "Shows how each plugin is, what it uses, and how often it is called, and below that what has happened\n"
     "lately. The host is the one of yours that runs (plugkit run, or a program that calls\n"
     "pk_manager_serve); if there are several, --host says which.\n"
     "\n"
     "    q, Ctrl-C       ends it\n"
     "    n c m r s       sorts by name, cpu, memory, rate of calls, restarts\n"
     "    arrows, j k     move, if there are more plugins than lines\n"
     "\n"
     "CPU% is of one core, MEMORY what is resident, both with what the plugin has started. RESTARTS are all\n"
     "starts but the first. In a pipe a block of lines comes each time, with twelve columns separated by\n"
     "tabs: id, status, health, cpu, memory in bytes, calls/s, calls, failed calls, restarts, seconds up, pid,\n"
     "reason; '-' is what is not known. With --json each time a line:\n"
     "\n"
     "    {\"time\",\"kind\":\"top\",\"host\":{\"pid\",\"upMs\"},\"plugins\":[{\"id\",\"status\",\"health\",\n"
     "     \"reason\",\"pid\",\"cpu\",\"memory\",\"callsPerSecond\",\"calls\",\"failures\",\"inFlight\",\"restarts\",\n"
     "     \"upMs\"},..]}\n"
     "\n"
     "where health is healthy, degraded, unhealthy or unknown (nobody has asked yet), and null, as what is\n"
     "not known otherwise, of a plugin that does not run.\n"
     "\n"
     "    plugkit top\n"
     "    plugkit top --once | sort -t \"$(printf '\\t')\" -k 4 -rn\n",
     0, 0, top_run},
    {"events", FOR_EVENTS, "[ID..]", "what has happened in a running host",
     "Prints what the host remembers; with --follow the last ten events (--last N), and then what happens,\n"
     "until the host ends or Ctrl-C. With names, only what concerns these plugins. The status is 1 if the\n"
     "host is killed meanwhile.\n"
     "\n"
     "In a pipe each line has six columns, separated by tabs: time, plugin, event, from, to, what there is\n"
     "to say. With --json the lines of plugkit run --json that have kind event; and if this command does not\n"
     "read as fast as things happen, kind dropped with count.\n"
     "\n"
     "    plugkit events --follow\n"
     "    plugkit events shout | tail -3\n",
     0, SIZE_MAX, events_run},
    {"start", FOR_START, "ID..", "starts plugins of a running host",
     "Waits until each is ready. " MAIN_ACTS, 0, SIZE_MAX, act_run},
    {"stop", FOR_STOP, "ID.. | --everything", "stops plugins of a running host, or the host itself",
     "Lets calls finish, and waits for the end. A plugin that was stopped is started by the next call:\n"
     "plugkit disable keeps it down. --everything begins to stop the host, and waits until it has; a program\n"
     "of yours decides itself whether it ends then, plugkit run does. " MAIN_ACTS, 0, SIZE_MAX, act_run},
    {"restart", FOR_RESTART, "ID..", "stops plugins of a running host and starts them",
     "Lets calls finish first, and waits until each is ready. " MAIN_ACTS, 0, SIZE_MAX, act_run},
    {"disable", FOR_DISABLE, "ID..", "stops plugins of a running host, and keeps them down",
     "Calls to them fail until plugkit enable. " MAIN_ACTS, 0, SIZE_MAX, act_run},
    {"enable", FOR_ENABLE, "ID..", "lets plugins of a running host be started again",
     "The next call starts them, or plugkit start. " MAIN_ACTS, 0, SIZE_MAX, act_run},
    {"version", FOR_VERSION, "", "the version of this command", "With --json: {\"version\":\"" PK_VERSION "\"}\n", 0, 0,
     version_run},
    {"help", FOR_HELP, "[COMMAND]", "this, or the help of one command",
     "With --json:\n"
     "\n"
     "    {\"commands\":[{\"name\",\"synopsis\",\"summary\",\"options\":[{\"name\",\"value\",\"help\"},..]},..]}\n",
     0, 1, help_run},
};
const size_t command_count = sizeof(commands) / sizeof(*commands);

const command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* A reader that has gone is no mistake: the command ends as if SIGPIPE had ended it, now that plugins are stopped.
 * Anything else (a full disk) is one. */
static int main_finish(int status)
{
    struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
    bool bad = fflush(stdout) != 0;
    if (!bad && !ferror(stdout)) {
        return status;
    }
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR)) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    fputs("plugkit: cannot write to stdout\n", stderr);
    return status ? status : EXIT_FAILED;
}

/* Should the shell have closed one of the three, the next descriptor that is opened must not take its place. What is
 * written there fails then, as it should. */
static void main_keep_places(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            _exit(EXIT_FAILED);
        }
    }
}

int main(int argc, char **argv)
{
    args a;
    int status = EXIT_USAGE;
    main_keep_places();
    if (argc > 2 && strcmp(argv[1], "object") == 0) { // not for people: session.c starts it
        return pk_object_main(argc, argv);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (args_parse(&a, argc - 1, argv + 1)) {
        term_init(a.color);
        if (!a.command && !a.help) {
            help_short(stderr);
        } else if (!a.command || a.help) {
            status = help_about(&a, a.command);
        } else {
            status = a.command->run(&a);
        }
    }
    args_free(&a);
    return main_finish(status);
}
