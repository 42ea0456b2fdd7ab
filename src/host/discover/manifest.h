/* manifest.h - the manifests of three systems, read into one record.
 *
 * A struct table takes the union of what they know, so that types are checked with their path; what is required, what
 * a value may be, and where the three say the same in different words is decided here, by the form:
 *
 *     DataBridge    id, name, version, type are required; type is one of three; dependencies are texts
 *     Blackhole     name, version; source.path is what is run; dependencies [{name, version, optional}]
 *     go-plugins    name, version (a real one); transport and endpoint; requirements.required_plugins
 *
 * A text with an id or a type is DataBridge's, one with a transport or requirements go-plugins', one with a source, an
 * isolation or other dependencies Blackhole's; otherwise the name of the file tells. A manifest decides what is run, so
 * a key that stands twice is refused. */
#ifndef PK__MANIFEST_H
#define PK__MANIFEST_H
#include "../registry/registry.h"
#ifdef PLUGKIT_WITH_MANIFESTS

enum { PK__MANIFEST_MAX = 1024 * 1024, PK__MANIFEST_NEEDS = 1000 };

/* The reason alone, without "cannot use ..". */
PK__FN pk_err pk__manifest_parse(pk_mem *mem, const char *file, pk_str text, pk_manifest *out, pk_error *err);

#endif
#endif
