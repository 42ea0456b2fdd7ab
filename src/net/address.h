/* address.h - where a server is: every form that plugins print, one struct.
 *
 * Accepted: http+unix:///run/x.sock  unix:///run/x.sock  unix:/run/x.sock  unix:x.sock  /run/x.sock
 *           http://127.0.0.1:80  tcp://127.0.0.1:80  127.0.0.1:80  localhost:80  [::1]:80  [::]:80  :80
 *           https+unix:///run/x.sock  https://example.org  where TLS is built in; its port is 443 unless it is said
 *           name://anything  for transports that users bring
 * Written:  http+unix:///run/x.sock and http://127.0.0.1:80, which every peer can read.
 *
 * A Unix path has to fit into sun_path, which is checked here, before anything is started: the error names the path
 * and both lengths. A plugin that says it listens on all interfaces ("[::]:41233") is called by loopback. */
#ifndef PK__ADDRESS_H
#define PK__ADDRESS_H
#include "../base/defs.h"

#define PK__ADDRESS_PATH_MAX 107 // bytes of a Unix path that every system takes, without the NUL
#define PK__ADDRESS_TEXT_MAX 272 // room for any formatted address, with the NUL

typedef enum pk__address_kind {
    PK__ADDRESS_NONE,
    PK__ADDRESS_UNIX,
    PK__ADDRESS_TCP,
    PK__ADDRESS_OTHER
} pk__address_kind;

typedef struct pk__address {
    pk__address_kind kind;
    uint16_t port;          // of TCP; 0 = any free one, to listen on
    bool is_wildcard;       // TCP on all interfaces
    bool is_secure;         // https, of UNIX or TCP
    char host[256];         // of TCP, without brackets; the path of UNIX; the scheme of OTHER. NUL-terminated
} pk__address;

/* Errors: PK_ERR_BAD_ENDPOINT. */
PK__FN pk_err pk__address_parse(pk__address *out, pk_str text, pk_error *err);
/* Puts 127.0.0.1 in the place of a wildcard: what listens on [::] answers there too, while ::1 is often missing. */
PK__FN void pk__address_loopback(pk__address *a);
/* Writes the address as peers read it; returns its length. PK__ADDRESS_TEXT_MAX bytes are always enough. */
PK__FN size_t pk__address_format(const pk__address *a, char *out, size_t cap);
/* What goes into Host: "unix" for Unix sockets (as Go peers send it), "host:port" for TCP. */
PK__FN size_t pk__address_host(const pk__address *a, char *out, size_t cap);

#endif
