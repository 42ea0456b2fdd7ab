/* doctor_cure.c - what to do about an error. */
#include <errno.h>
#include <string.h>

#include "doctor.h"

/* What a plugin is asked by hand, so that people see what it says. */
static const char *doctor_ask(doctor *d, const pk_plugin_info *p, const char *rest)
{
    pk_str text = pk_mem_printf(&d->mem, "run '%" PK_FMT "' capabilities and look: %s", PK_ARG(p->path), rest);
    return text.ptr ? text.ptr : rest;
}

static const char *doctor_cure_exec(doctor *d, const pk_plugin_info *p, const pk_error *err)
{
    const char *file = doctor_file_cure(d, p->path.ptr);
    if (*file) {
        return file;
    }
    switch (err->sys_errno) {
    case ENOEXEC: return "it is made for another machine or system: build it for this one";
    case ENOENT: return "its interpreter or its dynamic loader is missing: install that, or build the plugin anew";
    case EACCES: return "it or its interpreter is not executable, or it lies on a file system mounted with noexec";
    case ETXTBSY: return "somebody is writing to it just now: try again when that is done";
    default: return doctor_ask(d, p, "it should start");
    }
}

static const char *doctor_cure_system(const pk_error *err)
{
    switch (err->sys_errno) {
    case EMFILE:
    case ENFILE: return "there are no descriptors left: raise the limit with ulimit -n";
    case ENOSPC: return "the disk is full: make room, or choose another --runtime-dir";
    case EAGAIN: return "there are too many processes: raise the limit with ulimit -u";
    default: return "";
    }
}

/* It was asked what it can do, and the answer was of no use. */
static const char *doctor_cure_probe(doctor *d, const pk_plugin_info *p, const pk_error *err)
{
    const char *file = p->path.len ? doctor_file_cure(d, p->path.ptr) : "";
    if (*file) {
        return file;
    }
    switch (err->code) {
    case PK_ERR_BAD_JSON:
    case PK_ERR_PROTOCOL:
    case PK_ERR_LIMIT:
        return doctor_ask(d, p, "one JSON object belongs on stdout and nothing else; logs go to stderr");
    case PK_ERR_PLUGIN_TIMEOUT:
        return "when its first argument is 'capabilities', it must print them and exit; --timeout gives it longer";
    case PK_ERR_START: return doctor_ask(d, p, "it must print its capabilities and exit with 0");
    default: return "";
    }
}

/* It was started and did not come up, or went away. */
static const char *doctor_cure_start(doctor *d, const pk_error *err)
{
    pk_str show;
    switch (err->code) {
    case PK_ERR_PLUGIN_TIMEOUT:
        return "it must say {\"listening\":..} and {\"ready\":true} on descriptor 3, or (the Go framework) print its "
               "address on stdout and answer GET /healthz; --timeout gives it longer";
    case PK_ERR_START:
        show = pk_mem_printf(&d->mem, "what it printed last says most; plugkit run '%s' --eager -v shows all of it",
                             d->args->rest[0]);
        return show.ptr ? show.ptr : "";
    case PK_ERR_PROTOCOL: return "on descriptor 3 it must write one JSON object a line, and nothing else";
    case PK_ERR_BAD_ENDPOINT: return "it must listen where its host says ('listen'), or on 127.0.0.1";
    case PK_ERR_PLUGIN_CONNECTION: return "it takes no connections: it must say that it is ready after listen()";
    default: return "";
    }
}

/* It runs somewhere else, and cannot be had there. */
static const char *doctor_cure_remote(const pk_error *err)
{
    switch (err->code) {
    case PK_ERR_PLUGIN_CONNECTION:
    case PK_ERR_PLUGIN_TIMEOUT: return "start it there, and see whether curl reaches its /healthz from here";
    case PK_ERR_HANDSHAKE: return "see which certificates it shows and wants: openssl s_client -connect";
    case PK_ERR_UNHEALTHY: return "look at it where it runs: /healthz says no";
    default: return "";
    }
}

const char *doctor_cure(doctor *d, const pk_plugin_info *p, const pk_error *err)
{
    const char *cure = "";
    if (pk_str_starts(pk_str_from(err->msg), PK_STR("cannot use '")) && pk_str_is(p->status, "rejected")) {
        return "mend the manifest, as docs/manifests.md has it";
    }
    switch (err->code) {
    case PK_ERR_NOT_EXECUTABLE: return ""; // the finder says it all
    case PK_ERR_BAD_NAME: return "rename it: letters, digits, '_', '.' and '-', 64 at most, no dot or dash in front";
    case PK_ERR_DUPLICATE: return "remove or rename one of the two: an id, and a type of a contract, exist only once";
    case PK_ERR_EXEC: return doctor_cure_exec(d, p, err);
    case PK_ERR_PATH: return "choose a shorter --runtime-dir: the path of a socket has 107 bytes at most";
    case PK_ERR_CONFIG: return "see --config: only types that it declares in \"configTypes\" are accepted";
    case PK_ERR_BAD_CONTRACT: return "implement what is missing, or do not claim the contract in the capabilities";
    case PK_ERR_NO_MEMORY: return "there is no memory left: end other programs";
    default: break;
    }
    cure = pk_str_is(p->status, "rejected") ? doctor_cure_probe(d, p, err)
           : p->id.len && p->path.len == 0  ? doctor_cure_remote(err)
                                            : doctor_cure_start(d, err);
    return *cure ? cure : doctor_cure_system(err);
}
