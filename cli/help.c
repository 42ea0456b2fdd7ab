/* help.c - plugkit help, plugkit version. */
#include <string.h>

#include "command.h"
#include "info.h"
#include "term.h"

static const char help_statuses[] =
    "Exit status: 0 all went well; 1 a plugin or a call failed; 2 wrong usage; 3 nothing found;\n"
    "130 interrupted.\n";

void help_short(FILE *file)
{
    fputs("plugkit - finds plugins, starts them, calls them.\n\n", file);
    for (size_t i = 0; i < command_count; i++) {
        fprintf(file, "    plugkit %-8s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\nplugkit help COMMAND tells more.\n", file);
}

static void help_options(const command *c)
{
    for (size_t i = 0; i < args_option_count; i++) {
        const args_option *o = &args_options[i];
        char text[64];
        if (!(o->commands & c->bit)) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "%s--%s%s%s", o->letter ? "-v, " : "", o->name, o->value ? " " : "",
                       o->value ? o->value : "");
        if (o->letter) {
            text[1] = o->letter;
        }
        fputs("    ", stdout);
        term_format(stdout, TERM_NAME, "%-24s", text);
        printf(" %s\n", o->help);
    }
}

static void help_command(const command *c)
{
    term_format(stdout, TERM_BOLD, "plugkit %s %s", c->name, c->synopsis);
    printf("\n\n%s%s.\n\n%s\n", "  ", c->summary, c->manual);
    term_text(stdout, TERM_BOLD, "Options");
    fputc('\n', stdout);
    help_options(c);
    printf("\n%s", help_statuses);
}

static void help_put_option(pk_json_writer *w, const args_option *o)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "name");
    pk_json_put_text(w, o->name);
    pk_json_put_key(w, "value");
    pk_json_put_text(w, o->value);
    pk_json_put_key(w, "help");
    pk_json_put_text(w, o->help);
    pk_json_put_end(w);
}

static void help_put_command(pk_json_writer *w, const command *c)
{
    pk_json_put_object(w);
    pk_json_put_key(w, "name");
    pk_json_put_text(w, c->name);
    pk_json_put_key(w, "synopsis");
    pk_json_put_text(w, c->synopsis);
    pk_json_put_key(w, "summary");
    pk_json_put_text(w, c->summary);
    pk_json_put_key(w, "options");
    pk_json_put_array(w);
    for (size_t i = 0; i < args_option_count; i++) {
        if (args_options[i].commands & c->bit) {
            help_put_option(w, &args_options[i]);
        }
    }
    pk_json_put_end(w);
    pk_json_put_end(w);
}

static bool help_json(const command *only)
{
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "commands");
    pk_json_put_array(&j.w);
    for (size_t i = 0; i < command_count; i++) {
        if (!only || only == &commands[i]) {
            help_put_command(&j.w, &commands[i]);
        }
    }
    pk_json_put_end(&j.w);
    pk_json_put_end(&j.w);
    return info_json_end(&j);
}

int help_about(const args *a, const command *c)
{
    if (a->json) {
        return help_json(c) ? EXIT_GOOD : EXIT_FAILED;
    }
    if (c) {
        help_command(c);
    } else {
        help_short(stdout);
        printf("\n%s", help_statuses);
    }
    return EXIT_GOOD;
}

int help_run(const args *a)
{
    const command *c = a->rest_count ? command_find(a->rest[0]) : NULL;
    if (a->rest_count && !c) {
        args_near n = {a->rest[0], NULL, 0};
        for (size_t i = 0; i < command_count; i++) {
            args_near_try(&n, commands[i].name);
        }
        fprintf(stderr, "plugkit: there is no command '%s'%s%s%s\n", a->rest[0], n.best ? ": did you mean '" : "",
                n.best ? n.best : "", n.best ? "'?" : "");
        return EXIT_USAGE;
    }
    return help_about(a, c);
}

int version_run(const args *a)
{
    if (!a->json) {
        printf("plugkit %s\n", pk_version());
        return EXIT_GOOD;
    }
    info_json j;
    info_json_begin(&j);
    pk_json_put_object(&j.w);
    pk_json_put_key(&j.w, "version");
    pk_json_put_text(&j.w, pk_version());
    pk_json_put_end(&j.w);
    return info_json_end(&j) ? EXIT_GOOD : EXIT_FAILED;
}
