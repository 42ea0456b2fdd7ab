/* info.h - what is known of a plugin, as words, and the lines of JSON that the commands print. */
#ifndef CLI_INFO_H
#define CLI_INFO_H
#include "../plugkit.h"

#include "term.h"

/* Is there nothing wrong with it, as far as is known? */
bool info_is_good(const pk_plugin_info *p);
bool info_is_skipped(const pk_plugin_info *p);
term_style info_style(const pk_plugin_info *p); // of its status

void info_put_ms(pk_json_writer *w, const char *key, int64_t ns);
void info_put_kind(pk_json_writer *w, const char *kind); // "time":..,"kind":..: how lines of `run` begin

/* For people "dataProcessor: upper, lower; analytics: text", otherwise "dataProcessor/upper,dataProcessor/lower,.."; in
 * *mem. */
pk_str info_services(pk_mem *mem, const pk_plugin_info *p, bool for_people);

/* "process: the system kills it, not what it started"; in *mem. */
pk_str info_host_death(pk_mem *mem, const pk_plugin_info *p);

/* {"error":{..}} on stdout; with a kind, as a line of `run`. */
void info_print_error(const pk_error *err, const char *kind);

/* A document on its way to stdout. Ends give false if it could not be made; that was said on stderr. */
typedef struct info_json {
    pk_buf buf;
    pk_json_writer w;
} info_json;
void info_json_begin(info_json *j);
bool info_json_end(info_json *j);  // indented on a terminal
bool info_json_line(info_json *j); // always on one line

#endif
