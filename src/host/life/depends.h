/* depends.h - who needs whom by their manifests (PLUGKIT_WITH_MANIFESTS).
 *
 * All plugins and what they need make a graph; rules of the user's (pk_plugin_rule.needs) are edges as well. It is
 * looked at when the finders have looked around, and again when something comes, goes, or says its version. What comes
 * of it stands in each plugin: those that it has to wait for (`needs`), which rules.c heeds together with the rules, or
 * why it cannot start (`unmet`):
 *
 *     missing        it needs 'db' ^1.2.0, and there is no such plugin
 *     conflicting    it needs 'db' ^2.0.0, but 'db' is 1.4.0
 *     a circle       it needs itself: 'a' -> 'b' -> 'a'
 *     because of it  it needs 'web', which cannot start: it needs 'db', ..
 *
 * Plugins are crossed out as long as one needs nothing that still stands. If some remain, what they may do without is
 * left out, and it goes on; then each of the rest is in a circle, or needs one that is. All of it takes time in
 * proportion to plugins and dependencies, and no recursion. Something optional that is not there, or of the wrong
 * version, is left out in silence. */
#ifndef PK__DEPENDS_H
#define PK__DEPENDS_H
#include "life.h"

#ifdef PK__DEPENDS
PK__FN void pk__depends_resolve(pk__life *life); // if there is anything new; the loop's thread
#elif defined(PLUGKIT_WITH_MANIFESTS) // nobody is started
static inline void pk__depends_resolve(pk__life *life)
{
    (void)life;
}
#endif

#endif
