/* sink.h - where finders put what they find: the inbox of the registry.
 *
 * A find becomes a plugin in state FOUND (or a skipped entry that only says why), and life is woken. Names are checked
 * here, and a name that is taken already is kept as a plugin of its own with the reason: people look for what they put
 * there, and should see it. The name of one that somebody else runs (without a path) is its own from then on, also if a
 * directory has a file of that name, and it may come again after it was gone. */
#ifndef PK__SINK_H
#define PK__SINK_H
#include "../registry/registry.h"

struct pk_sink {
    pk__registry *registry;
    const pk_finder *finder;
    bool is_started, is_done;
};

/* Starts the finder; its first scan counts as open until pk_sink_done. */
PK__FN pk_err pk__sink_start(pk_sink *sink, pk_error *err);
PK__FN void pk__sink_stop(pk_sink *sink);
/* What pk_sink_found does, with the registry locked. */
PK__FN pk_err pk__sink_add(pk__registry *r, const pk_found *found, pk_error *err);

#endif
