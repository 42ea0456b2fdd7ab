/* object.h - what a plugin in the host's process shows, and how a shared object is opened.
 *
 * Two copies of PlugKit meet there, that of the host and that of the object. So what they hand to each other is little:
 * a request, a response, a context, memory, errors and text. All structs of these, private ones included, stand in a
 * table with their sizes, each side has its own, and they are compared before anything is called. What else an object
 * does (JSON, services, settings) it does with its own copy.
 *
 * An object is opened in steps, so that a bad one is a sentence and no crash:
 *
 *     the file     is regular, ours or root's, and nobody else may write to it; opened without following a link
 *     ELF          magic, width, byte order and processor are this program's, and all segments lie inside the file: the
 *                  dynamic linker maps them without looking, and touching what is behind the end is SIGBUS
 *     dlopen       RTLD_NOW: an unresolved symbol is told now; RTLD_LOCAL: what it exports reaches nobody else
 *     descriptor   its first 16 bytes, then its size, then its table
 *
 * Constructors of the object run in dlopen. One that exits or crashes ends this process: who does not trust an object
 * has it probed and run by another one (host/launch/object_launcher.h). It is never closed: threads, atexit handlers
 * and pointers of its own may be left. */
#ifndef PK__OBJECT_H
#define PK__OBJECT_H
#include "../base/defs.h"
#ifdef PLUGKIT_WITH_DLOPEN

#define PK__OBJECT_SYMBOL "plugkit_plugin"

PK__FN const pk_object_layout *pk__object_layout(void); // ends with a NULL name
/* Can this copy of PlugKit use it? `name` is for the error: PK_ERR_BAD_CONTRACT, which tells versions and struct. */
PK__FN pk_err pk__object_check(const pk_object *object, const char *name, pk_error *err);
/* Finds the descriptor of a shared object. *out stays as long as the process.
 * Errors: PK_ERR_NOT_FOUND, PK_ERR_PERMISSION, PK_ERR_OS (the file), PK_ERR_START (it cannot be opened),
 * PK_ERR_BAD_CONTRACT (the descriptor), PK_ERR_UNSUPPORTED (this program is linked statically). */
PK__FN pk_err pk__object_open(const char *path, bool check_layout, const pk_object **out, pk_error *err);

#endif
#endif
