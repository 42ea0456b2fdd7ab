/* tls_resume.c - connections that go on where an earlier one ended.
 *
 * A server keeps nothing: what it needs is in the ticket, encrypted with a key that only this material has:
 *
 *     nonce 12 | AES-256-GCM of ( time 8 | length 4, certificate of the client | session of mbedTLS ) | tag 16
 *
 * mbedTLS's own tickets of TLS 1.3 do not hold the certificate: whoever resumed would be nobody.
 *
 * A client keeps the last session for each name and address, with the certificate of the server. Servers may refuse a
 * session; then the handshake is a whole one. If it fails, the session is forgotten, so that it cannot fail again. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/memory.h"
#include "../os/random.h"

#include <string.h>

enum { PK__TLS_NONCE = 12, PK__TLS_TAG = 16, PK__TLS_TICKET_HEAD = 12 };

static void pk__tls_put(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        out[i] = (unsigned char)(value & 0xff);
        value >>= 8;
    }
}

static uint64_t pk__tls_get(const unsigned char *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | in[i];
    }
    return value;
}

static int64_t pk__tls_now(void)
{
    return pk__clock_unix_ms() / 1000;
}

/* ---- servers */

static int pk__tls_seal(const pk__tls_material *m, unsigned char *nonce, unsigned char *text, size_t len)
{
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int code = pk__tls_random(NULL, nonce, PK__TLS_NONCE);
    if (code == 0) {
        code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, m->ticket_key, 8 * PK__TLS_TICKET_KEY);
    }
    if (code == 0) {
        code = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, nonce, PK__TLS_NONCE, NULL, 0, text, text,
                                         PK__TLS_TAG, text + len);
    }
    mbedtls_gcm_free(&gcm);
    return code;
}

static int pk__tls_unseal(const pk__tls_material *m, const unsigned char *nonce, unsigned char *text, size_t len)
{
    mbedtls_gcm_context gcm;
    mbedtls_gcm_init(&gcm);
    int code = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, m->ticket_key, 8 * PK__TLS_TICKET_KEY);
    if (code == 0) {
        code = mbedtls_gcm_auth_decrypt(&gcm, len, nonce, PK__TLS_NONCE, NULL, 0, text + len, PK__TLS_TAG, text, text);
    }
    mbedtls_gcm_free(&gcm);
    return code;
}

PK__FN int pk__tls_ticket_write(void *session, const mbedtls_ssl_session *what, unsigned char *start,
                                const unsigned char *end, size_t *len, uint32_t *lifetime)
{
    const pk__tls_session *s = (const pk__tls_session *)session;
    pk_str certificate = s->peer.certificate;
    size_t room = (size_t)(end - start), used = 0;
    const size_t fixed = PK__TLS_NONCE + PK__TLS_TICKET_HEAD + PK__TLS_TAG;
    *len = 0;
    *lifetime = PK__TLS_TICKET_S;
    if (s->why[0] || (s->material->has_trust && certificate.len == 0)) { // somebody who is refused, in a moment
        *start = 0;
        *len = 1;
        *lifetime = 0;
        return 0;
    }
    if (room < fixed || certificate.len > room - fixed) {
        return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
    }
    unsigned char *text = start + PK__TLS_NONCE;
    pk__tls_put(text, (uint64_t)pk__tls_now(), 8);
    pk__tls_put(text + 8, certificate.len, 4);
    if (certificate.len > 0) {
        memcpy(text + PK__TLS_TICKET_HEAD, certificate.ptr, certificate.len);
    }
    size_t head = PK__TLS_TICKET_HEAD + certificate.len;
    int code = mbedtls_ssl_session_save(what, text + head, room - fixed - certificate.len, &used);
    if (code == 0) {
        code = pk__tls_seal(s->material, start, text, head + used);
    }
    *len = code == 0 ? PK__TLS_NONCE + head + used + PK__TLS_TAG : 0;
    return code;
}

/* The client whose ticket it is, if its certificate is still good. It was checked in full when the ticket was made, by
 * the same material. */
static bool pk__tls_again(pk__tls_session *s, const unsigned char *der, size_t len)
{
    mbedtls_x509_crt crt;
    memset(&s->peer, 0, sizeof(s->peer));
    if (len == 0) {
        return !s->material->has_trust;
    }
    mbedtls_x509_crt_init(&crt);
    pk_mem_reset(&s->mem);
    bool is_good = mbedtls_x509_crt_parse_der(&crt, der, len) == 0 && pk__tls_is_current(&crt) &&
                   (s->is_server || pk__tls_is_called(&crt, s->name)) &&
                   pk__tls_identify(&s->mem, &crt, &s->peer, NULL) == PK_OK;
    mbedtls_x509_crt_free(&crt);
    return is_good;
}

PK__FN int pk__tls_ticket_parse(void *session, mbedtls_ssl_session *what, unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    const size_t fixed = PK__TLS_NONCE + PK__TLS_TICKET_HEAD + PK__TLS_TAG;
    s->is_resumed = false;
    if (len < fixed) {
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    }
    unsigned char *text = buf + PK__TLS_NONCE;
    len -= PK__TLS_NONCE + PK__TLS_TAG;
    if (pk__tls_unseal(s->material, buf, text, len) != 0) {
        return MBEDTLS_ERR_SSL_INVALID_MAC;
    }
    int64_t age = pk__tls_now() - (int64_t)pk__tls_get(text, 8);
    size_t certificate = (size_t)pk__tls_get(text + 8, 4);
    if (age < 0 || age > PK__TLS_TICKET_S || certificate > len - PK__TLS_TICKET_HEAD ||
        !pk__tls_again(s, text + PK__TLS_TICKET_HEAD, certificate)) {
        return MBEDTLS_ERR_SSL_SESSION_TICKET_EXPIRED;
    }
    size_t head = PK__TLS_TICKET_HEAD + certificate;
    int code = mbedtls_ssl_session_load(what, text + head, len - head);
    s->is_resumed = code == 0;
    return code;
}

/* ---- clients */

static void pk__tls_kept_clear(const pk__tls_material *m, pk__tls_kept *k)
{
    if (k->key) {
        mbedtls_ssl_session_free(&k->session);
        pk__strfree(m->alloc, k->key);
        pk__free(m->alloc, k->certificate, k->certificate_len);
        memset(k, 0, sizeof(*k));
    }
}

PK__FN void pk__tls_kept_free(pk__tls_material *m)
{
    for (size_t i = 0; i < PK__TLS_KEPT; i++) {
        pk__tls_kept_clear(m, &m->kept[i]);
    }
}

static pk__tls_kept *pk__tls_kept_find(pk__tls_material *m, const char *key)
{
    for (size_t i = 0; i < PK__TLS_KEPT; i++) {
        if (m->kept[i].key && strcmp(m->kept[i].key, key) == 0) {
            return &m->kept[i];
        }
    }
    return NULL;
}

/* Without memory nothing is kept: the next connection has a whole handshake. */
static bool pk__tls_kept_fill(const pk__tls_session *s, pk__tls_kept *k)
{
    const pk_alloc *alloc = s->material->alloc;
    pk_str certificate = s->peer.certificate;
    memset(k, 0, sizeof(*k));
    k->key = pk__strdup(alloc, s->key);
    k->certificate = (unsigned char *)pk__resize(alloc, NULL, 0, certificate.len);
    k->certificate_len = k->certificate ? certificate.len : 0;
    mbedtls_ssl_session_init(&k->session);
    if (!k->key || !k->certificate || mbedtls_ssl_get_session(&s->ssl, &k->session) != 0) {
        mbedtls_ssl_session_free(&k->session);
        pk__strfree(alloc, k->key);
        pk__free(alloc, k->certificate, k->certificate_len);
        return false;
    }
    memcpy(k->certificate, certificate.ptr, certificate.len);
    return true;
}

PK__FN void pk__tls_keep(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__tls_kept fresh;
    if (s->peer.certificate.len == 0 || !pk__tls_kept_fill(s, &fresh)) {
        return;
    }
    pk__mutex_lock(&m->lock);
    pk__tls_kept *place = pk__tls_kept_find(m, s->key);
    if (!place) {
        place = &m->kept[m->next++ % PK__TLS_KEPT];
    }
    pk__tls_kept old = *place;
    *place = fresh;
    pk__mutex_unlock(&m->lock);
    pk__tls_kept_clear(m, &old);
}

PK__FN void pk__tls_resume(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__mutex_lock(&m->lock);
    pk__tls_kept *k = pk__tls_kept_find(m, s->key);
    if (k && pk__tls_again(s, k->certificate, k->certificate_len)) {
        s->is_resumed = mbedtls_ssl_set_session(&s->ssl, &k->session) == 0;
    } else if (k) {
        pk__tls_kept_clear(m, k);
    }
    pk__mutex_unlock(&m->lock);
}

PK__FN void pk__tls_forget(pk__tls_session *s)
{
    pk__tls_material *m = s->material;
    pk__mutex_lock(&m->lock);
    pk__tls_kept *k = pk__tls_kept_find(m, s->key);
    if (k) {
        pk__tls_kept_clear(m, k);
    }
    pk__mutex_unlock(&m->lock);
}
#endif
