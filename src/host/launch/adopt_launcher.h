/* adopt_launcher.h - the launcher that starts nothing: it finds a plugin that runs already, left by the last host.
 *
 * It connects to the plugin's control socket (info->path); the line that `send` brings, {"adopt":true,"token":".."},
 * makes the plugin ours. It answers with the proof that only it was told (info->argv[1]), and then as at a start, which
 * is reported like any other control line. So nobody else need know that it was not started. Nothing waits: a plugin
 * that does not answer runs into the deadline of its own start.
 *
 * Whose process is it? A number would not say: it may be another's by now. The kernel names the process that listens
 * (SO_PEERCRED); it is opened as a pidfd, and only then asked. The answer comes with its sender's number, which the
 * kernel writes (SCM_CREDENTIALS), and the pidfd has not ended afterwards: so that number belonged to one process all
 * the time, and the answer is its own. With the proof in it this is the plugin, and only its pidfd is ever signalled,
 * and its group through that. Whenever one of these is missing (no Linux, an old kernel, a child that answers in the
 * plugin's place), nobody is signalled: then stopping is asking, and one that does not heed it is let go.
 *
 * With that line go two pipes for what the plugin prints: the ones of the last host are broken.
 *
 * The exit is told by the pidfd, or by the connection's end. The status is nobody's to have: it is unknown. */
#ifndef PK__ADOPT_LAUNCHER_H
#define PK__ADOPT_LAUNCHER_H
#include "../../os/process.h"
#include "keep.h"
#include "pipes.h"
#ifdef PK__KEEP

/* `alloc` is borrowed as long as the launcher. */
PK__FN pk_launcher pk__adopt_launcher(const pk_alloc *alloc);
/* Asks the plugin behind that control socket to end, as far as it can be reached; does not wait. */
PK__FN void pk__adopt_dismiss(const char *control, pk_str token, const pk_alloc *alloc);

#endif
#endif
