/* happening.h - an event that a host tells, as a line for people. */
#ifndef CLI_HAPPENING_H
#define CLI_HAPPENING_H
#include "../plugkit.h"

#include "term.h"

typedef struct happening {
    pk_str kind;     // "event", "dropped"
    pk_str time;     // "2026-03-01T12:00:00.125Z"
    pk_str event, plugin, from, to, reason; // "" if none
    int64_t pid;     // 0 = none
    double start_ms; // of a plugin that has become ready
    uint64_t count;  // of "dropped"
} happening;

/* False: the line is nothing that we know. The strings live in *mem. */
bool happening_read(pk_mem *mem, pk_str line, happening *out);
const char *happening_clock(const happening *h, bool short_form, char out[24]); // local time: "12:00:00.125"
pk_str happening_word(const happening *h);                     // "ready", "backoff" ..
pk_str happening_text(const happening *h, pk_mem *mem);        // what there is to say beside the word; may be ""
/* Where the name stands beside it: "the plugin 'x' crashed: .." without its first words. */
pk_str happening_short(pk_str text, pk_str plugin);
term_style happening_style(const happening *h);

#endif
