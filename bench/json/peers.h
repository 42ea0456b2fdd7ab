/* peers.h - other JSON libraries, behind one interface, so that each does the same work.
 *
 * parse: text to a document in memory; it is freed at once, which counts. write: a document to text in memory, without
 * blanks, which is freed as well. Messages: text to a struct, every member read; a struct to text, both by way of the
 * library's documents. Each library is used
 * as its manual says that it is fast, and with malloc as it is. One that is not on this machine has no functions. */
#ifndef BENCH_JSON_PEERS_H
#define BENCH_JSON_PEERS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The 200-byte answer of a call: what bench/echo.h has as echo_response. */
typedef struct peer_message {
    int64_t id;
    bool ok;
    double score;
    int32_t sizes[8];
    size_t size_count;
    char text[160]; // the text is copied
    size_t text_len;
} peer_message;

typedef struct peer {
    const char *name;
    bool (*read)(const char *text, size_t len, peer_message *out);
    size_t (*print)(const peer_message *in, char *out, size_t cap); // length; the text is copied to out if cap is not 0
    void *(*parse)(const char *text, size_t len);                   // NULL: it failed
    size_t (*write)(void *document, char *out, size_t cap);         // as print
    void (*free)(void *document);
    size_t (*memory)(const char *text, size_t len);                 // optional: bytes that a parsed document takes
} peer;

extern const peer peer_yyjson, peer_rapidjson, peer_cjson, peer_jansson, peer_jsonc;

#ifdef __cplusplus
}
#endif
#endif
