/* secure.c - mutual TLS with the host. */
#include "secure.h"
#ifdef PLUGKIT_WITH_TLS

#include <string.h>

#include "../base/error.h"
#include "../base/memory.h"

PK__FN void pk__sdk_secure_wipe(void *bytes, size_t len)
{
    mbedtls_platform_zeroize(bytes, len);
}

/* Of all that the authority has signed only one is the host. */
static pk_err pk__sdk_secure_on_peer(void *host, const pk_tls_peer *peer, pk_error *err)
{
    for (size_t i = 0; i < peer->uri_count; i++) {
        if (pk_str_is(peer->uris[i], (const char *)host)) {
            return PK_OK;
        }
    }
    return pk_error_set(err, PK_ERR_DENIED, "it is that of '%" PK_FMT "', and only the host is let in",
                        PK_ARG(peer->uri_count ? peer->uris[0] : peer->name));
}

static pk_err pk__sdk_secure_use(pk__sdk_secure *s, const pk__control_tls *told, pk_error *err)
{
    pk_tls_source trust;
    pk_tls_cert cert;
    pk_tls_desc desc;
    memset(&trust, 0, sizeof(trust));
    memset(&cert, 0, sizeof(cert));
    memset(&desc, 0, sizeof(desc));
    const char *host = s->host && pk_str_is(told->host, s->host) ? s->host : pk_mem_dup(&s->mem, told->host).ptr;
    if (!host) {
        return pk__error_memory(err, "take the host's certificate");
    }
    trust.bytes = told->authority;
    cert.chain.bytes = told->certificate;
    cert.key.bytes = told->key;
    desc.alloc = s->alloc;
    desc.certs = &cert;
    desc.cert_count = 1;
    desc.trust = &trust;
    desc.trust_count = 1;
    desc.pk__is_issued = true; // by the host, which has made both
    desc.peer_name = host;
    desc.on_peer = pk__sdk_secure_on_peer;
    desc.user = (void *)(uintptr_t)host; // it is only read, and lives as long as we
    pk_err rc = s->tls ? pk_tls_reload(s->tls, &desc, err) : pk_tls_create(&s->tls, &desc, err);
    if (!rc) {
        s->host = host;
    }
    return rc;
}

PK__FN pk_err pk__sdk_secure_take(pk__sdk_secure *s, const pk_alloc *alloc, pk__control_tls *told, pk_error *err)
{
    s->alloc = alloc;
    s->mem.alloc = alloc;
    pk_err rc = told->host.len ? pk__sdk_secure_use(s, told, err)
                               : pk_error_set(err, PK_ERR_PROTOCOL, "cannot take the host's certificate: whose is it?");
    pk__sdk_secure_wipe((void *)(uintptr_t)told->key.ptr, told->key.len); // ours: it was decoded for us
    return rc;
}

PK__FN void pk__sdk_secure_deinit(pk__sdk_secure *s)
{
    pk_tls_destroy(s->tls);
    pk_mem_free(&s->mem);
    s->tls = NULL;
}
#endif
