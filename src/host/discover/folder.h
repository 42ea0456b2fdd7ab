/* folder.h - a folder with a manifest is one plugin (PLUGKIT_WITH_MANIFESTS).
 *
 * The directory finder asks here for each folder below plugin_dir, with what is in it. One without manifest.json and
 * plugin.json is none of ours, and is looked through as ever. Of one that is, nothing else is a plugin: the manifest
 * names what is run ("bin/tool", with any extension), or what is called as the folder is. The rules for files that are
 * run are those of directory.h; the way there must not lead out of the folder or over a link, and the manifest must
 * not be anybody's to change.
 *
 * A manifest that cannot be used makes a plugin that is rejected, with the reason: people look for it under its
 * folder's name. */
#ifndef PK__FOLDER_H
#define PK__FOLDER_H
#include "../../os/file.h"
#include "directory.h"
#include "manifest.h"
#if defined(PLUGKIT_WITH_MANIFESTS) && !defined(PLUGKIT_NO_FILES)

typedef struct pk__folder {
    const pk__directory *directory;
    pk_sink *sink;
    int fd;
    const char *path;
    const pk__file_entry *entries;
    size_t count;
} pk__folder;

/* *is_plugin false: it has no manifest, and nothing was done. */
PK__FN pk_err pk__folder_take(const pk__folder *f, bool *is_plugin, pk_error *err);

#endif
#endif
