/* manifest.h - what a plugin's folder says of it (PLUGKIT_WITH_MANIFESTS; docs/manifests.md).
 *
 * A folder below plugin_dir that holds a manifest.json or a plugin.json is one plugin: its name is the id, and the
 * manifest says which file in it is run. What the manifests of three systems say becomes one record, pk_manifest. What
 * they depend on is started before, stopped after and restarted with; one whose dependencies are missing, of the wrong
 * version or in a circle does not start, and pk_plugin_info.why tells why.
 */
#ifdef PLUGKIT_WITH_MANIFESTS

#define PK_MANIFEST_FORMS(V, T)                                                                               \
    V(T, PK_MANIFEST_DATABRIDGE, "databridge") /* DataBridge's manifest.json */                               \
    V(T, PK_MANIFEST_BLACKHOLE, "blackhole")   /* Blackhole's plugin.json */                                  \
    V(T, PK_MANIFEST_GO_PLUGINS, "go-plugins") /* what go-plugins discovers: either name */
PK_ENUM(pk_manifest_form, PK_MANIFEST_FORMS)

#define PK_DEPENDENCY(F, T)                                                                                   \
    F(T, REQ, pk_str, id, "id")                                                                               \
    F(T, REQ, pk_str, range, "range") /* "^1.2.0", ">=1.2 <3 || 4.0.0"; "" = any version */                   \
    F(T, REQ, bool, optional, "optional")
PK_STRUCT(pk_dependency, PK_DEPENDENCY)

/* What the plugin asks for; 0 = it does not say. Nothing here is enforced by itself. */
#define PK_MANIFEST_RESOURCES(F, T)                                                                           \
    F(T, REQ, double, memory_mb, "memoryMb")                                                                  \
    F(T, REQ, double, cpu_percent, "cpuPercent") /* of one core */                                            \
    F(T, REQ, double, disk_mb, "diskMb")                                                                      \
    F(T, REQ, double, network_mbps, "networkMbps")                                                            \
    F(T, REQ, uint64_t, threads, "threads")                                                                   \
    F(T, REQ, uint64_t, files, "files")                                                                       \
    F(T, REQ, uint64_t, connections, "connections")                                                           \
    F(T, REQ, uint64_t, requests, "requests") /* a second */                                                  \
    F(T, REQ, pk_ns, execution_ns, "execution") /* of one call */
PK_STRUCT(pk_manifest_resources, PK_MANIFEST_RESOURCES)

/* Texts that the manifest does not have are "". pk_json_encode(&buf, &pk_type_pk_manifest, m, &err) writes it. */
#define PK_MANIFEST(F, T)                                                                                     \
    F(T, REQ, pk_manifest_form, form, "form")                                                                 \
    F(T, REQ, pk_str, id, "id")     /* also the folder's name */                                              \
    F(T, REQ, pk_str, name, "name") /* for people */                                                          \
    F(T, REQ, pk_str, version, "version")                                                                     \
    F(T, REQ, pk_str, type, "type") /* "processor", "controller", "reporting" */                              \
    F(T, REQ, pk_str, description, "description")                                                             \
    F(T, REQ, pk_str, author, "author")                                                                       \
    F(T, REQ, pk_str, license, "license")                                                                     \
    F(T, REQ, pk_str, homepage, "homepage")                                                                   \
    F(T, REQ, pk_str, repository, "repository")                                                               \
    F(T, REQ, pk_str, category, "category")                                                                   \
    F(T, LIST, pk_str, tags, "tags")                                                                          \
    F(T, LIST, pk_str, capabilities, "capabilities")                                                          \
    F(T, LIST, pk_str, permissions, "permissions")                                                            \
    F(T, LIST, pk_dependency, dependencies, "dependencies")                                                   \
    F(T, REQ, pk_str, entry, "entry")       /* what is run, below the folder; "" = what is called as it is */ \
    F(T, REQ, pk_str, endpoint, "endpoint") /* where it runs already: an address */                           \
    F(T, REQ, pk_str, transport, "transport") /* "exec", "grpc", "grpc-tls" */                                \
    F(T, REQ, pk_str, source, "source")     /* "local", "remote", "marketplace" */                            \
    F(T, REQ, pk_str, hash, "hash")         /* SHA-256 of the entry, in hex; nothing compares it by itself */ \
    F(T, REQ, pk_str, isolation, "isolation") /* "none", "thread", "process", "container", "vm" */            \
    F(T, REQ, pk_json, config, "config")    /* an object, or null */                                          \
    F(T, REQ, pk_manifest_resources, resources, "resources")                                                  \
    F(T, MAP, pk_str, env, "env")           /* variables and their values */                                  \
    F(T, LIST, pk_str, env_names, "envNames") /* variables that it wants to find */                           \
    F(T, MAP, pk_str, labels, "labels")                                                                       \
    F(T, REQ, pk_json, json, "json")        /* the whole file */
PK_STRUCT(pk_manifest, PK_MANIFEST)

/* Reads the text of a manifest; `file` is its name, which decides where the text does not. What *out points to lives in
 * *mem. Keys that nobody knows are ignored, and stand in `json`; one that stands twice is an error.
 * Errors: PK_ERR_BAD_JSON, PK_ERR_SERIALIZE (a wrong type, with the path), PK_ERR_CONFIG (a field is missing, or its
 * value cannot be), PK_ERR_LIMIT (more than 1 MiB), PK_ERR_NO_MEMORY. */
PK_API pk_err pk_manifest_parse(pk_mem *mem, const char *file, pk_str text, pk_manifest *out, pk_error *err);
#ifndef PLUGKIT_NO_FILES
/* The same with the manifest of a folder. PK_ERR_NOT_FOUND: it has none. PK_ERR_CONFIG: also if its id is another name
 * than the folder's. */
PK_API pk_err pk_manifest_read(pk_mem *mem, const char *folder, pk_manifest *out, pk_error *err);
#endif
/* Is this version in that range? False also if one of them cannot be read. A prerelease is only in a range that names
 * one of the same three numbers. */
PK_API bool pk_version_in(pk_str version, pk_str range);

#endif
