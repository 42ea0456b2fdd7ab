/* args.c - the table of options, and the walk over argv. */
#include "args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

#define AT(member) offsetof(args, member)
const args_option args_options[] = {
    {"json", 0, NULL, "print JSON instead of text for people", ARGS_FLAG, AT(json), FOR_ALL},
    {"contract", 0, "NAME", "the contract, if a type has several with that method", ARGS_TEXT, AT(contract), FOR_CALL},
    {"http", 0, "'VERB /PATH'", "send this request instead of naming a method", ARGS_TEXT, AT(http), FOR_CALL},
    {"raw", 0, NULL, "take the request and give the answer as bytes, untouched", ARGS_FLAG, AT(raw), FOR_CALL},
    {"upload", 0, "FILE", "send a file as the request's body, of any size ('-' = stdin)", ARGS_TEXT, AT(upload),
     FOR_CALL},
    {"download", 0, "FILE", "write the answer's body to a file ('-' = stdout)", ARGS_TEXT, AT(download), FOR_CALL},
    {"content-type", 0, "TYPE", "what the request's body is", ARGS_TEXT, AT(content_type), FOR_CALL},
    {"meta", 0, "NAME=VALUE", "send a header with the call (may be repeated)", ARGS_LIST, AT(meta), FOR_CALL},
    {"eager", 0, NULL, "start every plugin at once, instead of with its first call", ARGS_FLAG, AT(eager), FOR_RUN},
    {"wait", 0, NULL, "start every plugin, show its pid, and wait for a debugger", ARGS_FLAG, AT(wait), FOR_RUN},
    {"no-start", 0, NULL, "tell what is known without starting the plugin", ARGS_FLAG, AT(no_start), FOR_INSPECT},
    {"host", 0, "HOST", "which host: its pid, its control.sock, or that socket's directory", ARGS_TEXT, AT(host),
     FOR_CONTROL},
    {"once", 0, NULL, "print the table once", ARGS_FLAG, AT(once), FOR_TOP},
    {"interval", 0, "TIME", "how often to look: 500ms, 5s; otherwise every second", ARGS_TEXT, AT(interval), FOR_TOP},
    {"follow", 'f', NULL, "go on with what happens, until the host ends", ARGS_FLAG, AT(follow), FOR_EVENTS},
    {"last", 0, "N", "at most so many events of the past", ARGS_TEXT, AT(last), FOR_EVENTS},
    {"everything", 0, NULL, "stop the host itself, with all its plugins", ARGS_FLAG, AT(everything), FOR_STOP},
    {"with", 0, "FILE", "another schema that $ref may lead to, by its $id (may be repeated)", ARGS_LIST, AT(with),
     FOR_SCHEMA},
    {"formats", 0, NULL, "strings must be what `format` says", ARGS_FLAG, AT(formats), FOR_SCHEMA},
    {"draft-07", 0, NULL, "what has no $schema is of draft-07, not of 2020-12", ARGS_FLAG, AT(draft_07), FOR_SCHEMA},
    {"config", 0, "[ID:]TYPE=JSON", "configuration for plugins that declare TYPE; @FILE reads it (may be repeated)",
     ARGS_LIST, AT(config), FOR_HOSTS},
    {"env", 0, "NAME[=VALUE]", "let plugins inherit this variable (may be repeated)", ARGS_LIST, AT(env),
     FOR_HOSTS | FOR_SCHEMA},
    {"attach", 0, "ID=ADDRESS", "a plugin that runs already, there: ID=http://NAME:PORT (may be repeated)", ARGS_LIST,
     AT(attach), FOR_HOSTS | FOR_SCHEMA},
    {"runtime-dir", 0, "DIR", "where the private sockets go", ARGS_TEXT, AT(runtime_dir),
     FOR_HOSTS | FOR_CONTROL | FOR_SCHEMA},
    {"tcp", 0, NULL, "let plugins listen on 127.0.0.1 instead of Unix sockets", ARGS_FLAG, AT(tcp), FOR_HOSTS},
    {"timeout", 0, "TIME", "how long a probe, a start or a call may take: 500ms, 5s, 1m", ARGS_TEXT, AT(timeout),
     FOR_HOSTS | FOR_ACTS | FOR_SCHEMA},
    {"verbose", 'v', NULL, "show on stderr what happens, and what plugins print", ARGS_FLAG, AT(verbose),
     FOR_HOSTS | FOR_SCHEMA},
    {"color", 0, "WHEN", "auto, always or never; NO_COLOR is honoured", ARGS_TEXT, AT(color), FOR_ALL},
    {"help", 'h', NULL, "show this help", ARGS_FLAG, AT(help), FOR_ALL},
};
#undef AT
const size_t args_option_count = sizeof(args_options) / sizeof(*args_options);

/* ---- words that are nearly right */

/* How many letters must be added, removed, changed or swapped with their neighbour to make `b` of `a`. */
static size_t args_distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t rows[3][MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    size_t la = strlen(a), lb = strlen(b);
    if (la > MAX || lb > MAX) {
        return MAX;
    }
    for (size_t k = 0; k <= lb; k++) {
        last[k] = k;
        before[k] = k;
    }
    for (size_t i = 1; i <= la; i++) {
        now[0] = i;
        for (size_t k = 1; k <= lb; k++) {
            size_t best = last[k - 1] + (a[i - 1] != b[k - 1]);
            best = last[k] + 1 < best ? last[k] + 1 : best;
            best = now[k - 1] + 1 < best ? now[k - 1] + 1 : best;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] && before[k - 2] + 1 < best) {
                best = before[k - 2] + 1;
            }
            now[k] = best;
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[lb];
}

void args_near_try(args_near *n, const char *candidate)
{
    size_t distance = args_distance(n->word, candidate);
    size_t limit = strlen(n->word) / 3 + 1; // a third of it may be wrong
    size_t prefix = strlen(n->word);
    if (prefix >= 3 && strncmp(n->word, candidate, prefix) == 0) {
        distance = 1; // begun, not finished
    }
    if (distance <= limit && (!n->best || distance < n->distance)) {
        n->best = candidate;
        n->distance = distance;
    }
}

/* ---- values */

bool args_duration(const char *text, uint32_t *ms)
{
    pk_mem mem = {0};
    pk_ns ns = 0;
    bool plain = *text != '\0' && text[strspn(text, "0123456789")] == '\0';
    pk_str json = pk_mem_printf(&mem, "\"%s%s\"", text, plain ? "s" : "");
    bool good = json.ptr && pk_json_decode(&mem, &pk_type_pk_ns, json, &ns, NULL) == PK_OK && ns > 0 &&
                ns / 1000000 < UINT32_MAX;
    *ms = good ? (uint32_t)((ns + 999999) / 1000000) : 0;
    pk_mem_free(&mem);
    return good;
}

static bool args_number(const char *text, uint32_t *out)
{
    bool good = *text != '\0' && text[strspn(text, "0123456789")] == '\0' && strlen(text) < 10;
    *out = good ? (uint32_t)strtoul(text, NULL, 10) : 0;
    return good;
}

static bool args_complain(const args *a, const char *what, const char *word, const char *near)
{
    fprintf(stderr, "plugkit: %s '%s'%s%s%s\n", what, word, near ? ": did you mean '" : "", near ? near : "",
            near ? "'?" : "");
    fprintf(stderr, "  see:  plugkit help%s%s\n", a->command ? " " : "", a->command ? a->command->name : "");
    return false;
}

static bool args_check(args *a)
{
    if (a->timeout && !args_duration(a->timeout, &a->timeout_ms)) {
        return args_complain(a, "--timeout takes a duration such as 500ms, 5s or 1m, not", a->timeout, NULL);
    }
    if (a->interval && !args_duration(a->interval, &a->interval_ms)) {
        return args_complain(a, "--interval takes a duration such as 500ms or 5s, not", a->interval, NULL);
    }
    if (a->last && !args_number(a->last, &a->last_count)) {
        return args_complain(a, "--last takes a number of events, not", a->last, NULL);
    }
    const char *color = a->color ? a->color : "auto";
    if (strcmp(color, "auto") != 0 && strcmp(color, "always") != 0 && strcmp(color, "never") != 0) {
        return args_complain(a, "--color takes auto, always or never, not", a->color, NULL);
    }
    if (a->upload && a->rest_count > (a->http ? 2u : 3u)) {
        return args_complain(a, "--upload is the request's body already: leave out", a->rest[a->rest_count - 1], NULL);
    }
    if (!a->command || a->help) {
        return true;
    }
    if (a->rest_count < a->command->rest_min) {
        fprintf(stderr, "plugkit: '%s' needs more than that\n  use:  plugkit %s %s\n", a->command->name,
                a->command->name, a->command->synopsis);
        return false;
    }
    if (a->rest_count > a->command->rest_max) {
        return args_complain(a, "there is nothing to do with", a->rest[a->command->rest_max], NULL);
    }
    return true;
}

/* ---- the walk */

static const args_option *args_find(const char *name, size_t len)
{
    for (size_t i = 0; i < args_option_count; i++) {
        const args_option *o = &args_options[i];
        if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
            return o;
        }
    }
    return NULL;
}

static bool args_unknown(const args *a, const char *word)
{
    char near[64];
    args_near n = {word + strspn(word, "-"), NULL, 0};
    for (size_t i = 0; i < args_option_count; i++) {
        if (!a->command || (args_options[i].commands & a->command->bit)) {
            args_near_try(&n, args_options[i].name);
        }
    }
    (void)snprintf(near, sizeof(near), "--%s", n.best ? n.best : "");
    return args_complain(a, "there is no option", word, n.best ? near : NULL);
}

static void args_set(args *a, const args_option *o, const char *value)
{
    char *field = (char *)a + o->at;
    if (o->kind == ARGS_FLAG) {
        *(bool *)field = true;
    } else if (o->kind == ARGS_TEXT) {
        *(const char **)field = value;
    } else {
        args_list *list = (args_list *)field;
        list->items[list->count++] = value;
    }
}

/* Takes the option at argv[*at], and its value. */
static bool args_option_at(args *a, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    const args_option *o = NULL;
    if (word[1] == '-') {
        o = args_find(word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word) - 2);
    } else if (word[2] == '\0') {
        for (size_t i = 0; i < args_option_count && !o; i++) {
            o = args_options[i].letter == word[1] ? &args_options[i] : NULL;
        }
    }
    if (!o) {
        return args_unknown(a, word);
    }
    if (a->command && !(o->commands & a->command->bit)) {
        fprintf(stderr, "plugkit: '%s' does not take --%s\n  see:  plugkit help %s\n", a->command->name, o->name,
                a->command->name);
        return false;
    }
    if (o->kind == ARGS_FLAG) {
        args_set(a, o, NULL);
        return !equals || word[1] != '-' || args_complain(a, "this option takes no value:", word, NULL);
    }
    if (!equals && *at + 1 >= argc) {
        fprintf(stderr, "plugkit: --%s needs a value: --%s %s\n", o->name, o->name, o->value);
        return false;
    }
    args_set(a, o, equals ? equals + 1 : argv[++*at]);
    return true;
}

static bool args_command(args *a, const char *word)
{
    a->command = command_find(word);
    if (a->command) {
        return true;
    }
    args_near n = {word, NULL, 0};
    for (size_t i = 0; i < command_count; i++) {
        args_near_try(&n, commands[i].name);
    }
    return args_complain(a, "there is no command", word, n.best);
}

bool args_parse(args *a, int argc, char **argv)
{
    bool options = true;
    memset(a, 0, sizeof(*a));
    size_t room = (size_t)argc + 1;
    const char **items = (const char **)calloc(room * 6, sizeof(*items));
    if (!items) {
        fprintf(stderr, "plugkit: out of memory\n");
        return false;
    }
    a->rest = items;
    a->config.items = items + room;
    a->env.items = items + 2 * room;
    a->meta.items = items + 3 * room;
    a->attach.items = items + 4 * room;
    a->with.items = items + 5 * room;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && !a->command && strcmp(word, "--version") == 0) {
            a->command = command_find("version");
        } else if (options && word[0] == '-' && word[1] != '\0') {
            if (!args_option_at(a, argc, argv, &i)) {
                return false;
            }
        } else if (!a->command) {
            if (!args_command(a, word)) {
                return false;
            }
        } else {
            a->rest[a->rest_count++] = word;
        }
    }
    return args_check(a);
}

void args_free(args *a)
{
    free(a->rest);
    a->rest = NULL;
}
