/* target.h - which plugin, and which of its services, a call is meant for.
 *
 * People name a type ("upper") or a plugin ("text"). A type is what hosts ask for, so it comes first. A plugin's name
 * is enough if it offers the method once; otherwise the answer is a list of what could have been meant. */
#ifndef CLI_TARGET_H
#define CLI_TARGET_H
#include "session.h"

typedef struct target {
    const pk_plugin_info *plugin;
    const char *contract, *type; // NULL = none: a request to the plugin itself
} target;

/* method NULL: with --http, any service will do. Otherwise returns a status, and has said why. */
int target_find(session *s, const char *name, const char *contract, const char *method, target *out);
const pk_plugin_info *target_plugin(const session *s, const char *id); // NULL = none
int target_ask_method(session *s, const char *name, const char *contract); // none was named: says which there are
int target_missing(session *s, const char *name); // "there is no plugin or type ..": says so, and what there is
int target_no_plugin(session *s, const char *id); // "there is no plugin ..": where a type will not do

#endif
