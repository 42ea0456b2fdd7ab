/* args.c - how a plugin was started. */
#include "args.h"

#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../rpc/control.h"

/* "--name", "-name", "--name=value": Go's flags are written in all these ways. */
static bool pk__args_is(const char *arg, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (arg[0] != '-') {
        return false;
    }
    arg += arg[1] == '-' ? 2 : 1;
    if (strncmp(arg, name, len) != 0 || (arg[len] != '\0' && arg[len] != '=')) {
        return false;
    }
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    return true;
}

/* *stranger: the first argument that is none of ours. */
static pk_err pk__args_flags(pk__args *out, int argc, char *const *argv, const char **stranger, pk_error *err)
{
    out->capabilities = argc > 1 && strcmp(argv[1], "capabilities") == 0;
    for (int i = 1 + out->capabilities; i < argc; i++) {
        const char *value = NULL;
        const char **to = pk__args_is(argv[i], "config", &value)   ? &out->config
                          : pk__args_is(argv[i], "listen", &value) ? &out->listen
                                                                   : NULL;
        if (to && !value && i + 1 >= argc) {
            return pk_error_set(err, PK_ERR_PARSE, "cannot understand '%s': its value is missing", argv[i]);
        }
        if (to) {
            *to = value ? value : argv[++i];
        } else if (pk__args_is(argv[i], "help", &value) || strcmp(argv[i], "-h") == 0) {
            out->help = true;
        } else if (!*stranger) {
            *stranger = argv[i];
        }
    }
    return PK_OK;
}

/* A descriptor's number: digits, above the three that everybody has. */
static pk_err pk__args_fd(const char *name, int *out, pk_error *err)
{
    const char *text = getenv(name);
    int fd = 0;
    *out = -1;
    if (!text || !text[0]) {
        return PK_OK;
    }
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || fd > 99999) {
            return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use %s: '%s' is not a descriptor", name, text);
        }
        fd = fd * 10 + (*c - '0');
    }
    if (fd < 3) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot use %s: %d is stdin, stdout or stderr", name, fd);
    }
    *out = fd;
    return PK_OK;
}

static pk_err pk__args_protocol(pk__args *out, pk_error *err)
{
    const char *protocol = getenv("PLUGKIT_PROTOCOL");
    if (!protocol || !protocol[0]) {
        return PK_OK;
    }
    if (strcmp(protocol, PK__CONTROL_PROTOCOL) != 0) {
        return pk_error_set(err, PK_ERR_PROTOCOL, "cannot speak '%s': this plugin knows %s", protocol,
                            PK__CONTROL_PROTOCOL);
    }
    pk_err rc = pk__args_fd("PLUGKIT_CONTROL_FD", &out->control_fd, err);
    if (!rc && out->control_fd < 0) {
        rc = pk_error_set(err, PK_ERR_PROTOCOL, "cannot speak %s: PLUGKIT_CONTROL_FD is missing", protocol);
    }
    return rc;
}

PK__FN pk_err pk__args_parse(pk__args *out, int argc, char *const *argv, pk_error *err)
{
    const char *stranger = NULL;
    memset(out, 0, sizeof(*out));
    out->control_fd = -1;
    out->listen_fd = -1;
    pk_err rc = pk__args_flags(out, argc, argv, &stranger, err);
    if (rc || out->capabilities || out->help) {
        return rc;
    }
    rc = pk__args_fd("PLUGKIT_LISTEN_FD", &out->listen_fd, err);
    if (!rc && !out->config && !out->listen) {
        rc = pk__args_protocol(out, err);
    }
    if (!rc && stranger && out->control_fd < 0) { // what else a host passes is its own business
        rc = pk_error_set(err, PK_ERR_PARSE, "cannot understand the argument '%s'", stranger);
    }
    return rc;
}

PK__FN void pk__args_usage(pk_buf *out, const char *program, const pk_sdk_desc *desc)
{
    const char *version = desc->version ? desc->version : "";
    const char *about = desc->description ? desc->description : "";
    pk_buf_printf(out, "%s%s%s%s%s\n\n", desc->id, version[0] ? " " : "", version, about[0] ? " - " : "", about);
    pk_buf_printf(out,
                  "This is a plugin: a host program finds it in its plugin folder and starts it. By hand:\n\n"
                  "    %s capabilities        print what it offers, as JSON\n"
                  "    %s --listen ADDRESS    serve there for debugging: http://127.0.0.1:8080 or /tmp/x.sock\n"
                  "    %s --config JSON       serve as a host of the Go plugin framework would ask for:\n"
                  "                           '{\"id\":\"%s\",\"type\":\"unix\"}'\n",
                  program, program, program, desc->id);
}
