/* tls_session.c - one connection: its handshake, its bytes, its end.
 *
 * mbedTLS asks for five bytes of a record and then for the rest. So what the socket has is received ahead, up to
 * PK__TLS_AHEAD: a small record costs one receive, as a plain message does; a large rest goes straight to where
 * mbedTLS wants it. If a receive gives less than was asked for, the socket is empty (`is_dry`): within this call we do
 * not ask again to hear so. recv goes on until then, or until the caller's buffer is full: the promise of secure.h.
 *
 * send gives each part to mbedTLS, record by record. When a record does not go out whole, mbedTLS has it already, and
 * wants to be called again with the same bytes: `committed` of them. They count as sent when the record is out, so that
 * nobody waits for an answer while the rest of the question lies here. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"
#include "../base/memory.h"
#include "socket.h"

#include <stdio.h>
#include <string.h>

static pk__tls_session *pk__tls_of(pk__secure *secure)
{
    return (pk__tls_session *)(void *)secure;
}

/* ---- what mbedTLS sends and receives by */

static pk_io pk__tls_receive(pk__tls_session *s, unsigned char *buf, size_t cap, size_t *got)
{
    pk_error err;
    err.sys_errno = 0;
    pk_io io = s->below.socket >= 0 ? pk__socket_recv(s->below.socket, buf, cap, s->may_wait, got, &err)
                                    : s->below.transport->recv(s->below.io, buf, cap, got, &err);
    switch (io) {
    case PK_IO_DONE:
        s->may_wait = false;
        s->is_dry = s->below.socket >= 0 && *got < cap;
        break;
    case PK_IO_CLOSED: s->is_eof = true; break;
    case PK_IO_FAILED: s->sys_errno = err.sys_errno; break;
    default: s->is_dry = true; break;
    }
    return io;
}

static int pk__tls_receive_code(pk_io io)
{
    return io == PK_IO_CLOSED       ? 0
           : io == PK_IO_FAILED     ? MBEDTLS_ERR_SSL_CONN_EOF
           : io == PK_IO_WANT_WRITE ? MBEDTLS_ERR_SSL_WANT_WRITE
                                    : MBEDTLS_ERR_SSL_WANT_READ;
}

/* Records of a handshake begin with 22, alerts with 21. Letters are the beginning of a request in plain HTTP. */
static bool pk__tls_look(pk__tls_session *s)
{
    unsigned char first = s->ahead[s->at];
    s->looked = true;
    s->is_foreign = first != 22 && first != 21;
    s->secure.is_plain = s->is_server && first >= 'A' && first <= 'Z';
    return !s->is_foreign;
}

/* mbedTLS sends alerts of TLS 1.3 in the clear as long as it has no keys to send with, though its peer has keys to read
 * with: they cannot be read as what they are, but they explain why nothing else can. */
static void pk__tls_look_for_alert(pk__tls_session *s)
{
    static const unsigned char fatal[] = {MBEDTLS_SSL_MSG_ALERT, 3, 3, 0, 2, MBEDTLS_SSL_ALERT_LEVEL_FATAL};
    const unsigned char *record = s->ahead + s->at;
    if (s->end - s->at == sizeof(fatal) + 1 && memcmp(record, fatal, sizeof(fatal)) == 0) {
        s->clear_alert = record[sizeof(fatal)];
    }
}

static int pk__tls_on_recv(void *session, unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    size_t got = 0;
    if (s->at == s->end) {
        if (s->is_eof) {
            return 0;
        }
        if (s->is_dry) {
            return MBEDTLS_ERR_SSL_WANT_READ;
        }
        bool direct = len >= PK__TLS_AHEAD;
        pk_io io = pk__tls_receive(s, direct ? buf : s->ahead, direct ? len : PK__TLS_AHEAD, &got);
        if (io != PK_IO_DONE) {
            return pk__tls_receive_code(io);
        }
        if (direct) {
            return (int)got;
        }
        s->at = 0;
        s->end = got;
    }
    if (!s->looked && !pk__tls_look(s)) {
        return MBEDTLS_ERR_SSL_INVALID_RECORD;
    }
    if (s->state == PK__TLS_SHAKING && got > 0) {
        pk__tls_look_for_alert(s);
    }
    got = PK__MIN(len, s->end - s->at);
    memcpy(buf, s->ahead + s->at, got);
    s->at += got;
    return (int)got;
}

static int pk__tls_on_send(void *session, const unsigned char *buf, size_t len)
{
    pk__tls_session *s = (pk__tls_session *)session;
    size_t sent = 0;
    pk_error err;
    pk_str part = {(const char *)buf, len};
    err.sys_errno = 0;
    pk_io io = s->below.socket >= 0 ? pk__socket_send(s->below.socket, &part, 1, &sent, &err)
                                    : s->below.transport->send(s->below.io, &part, 1, &sent, &err);
    switch (io) {
    case PK_IO_DONE: return sent > 0 ? (int)sent : MBEDTLS_ERR_SSL_WANT_WRITE;
    case PK_IO_WANT_READ: return MBEDTLS_ERR_SSL_WANT_READ;
    case PK_IO_WANT_WRITE: return MBEDTLS_ERR_SSL_WANT_WRITE;
    default: s->sys_errno = err.sys_errno; return MBEDTLS_ERR_SSL_CONN_EOF;
    }
}

/* After records that are not for us, mbedTLS wants to be called again, whatever lies here: it says the same then. */
static bool pk__tls_wants_read(const pk__tls_session *s, int code)
{
    return code == MBEDTLS_ERR_SSL_WANT_READ && s->at == s->end && s->is_dry;
}

/* ---- made and unmade */

static void pk__tls_close(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    const pk_alloc *alloc = s->material->alloc;
    mbedtls_ssl_free(&s->ssl);
    pk__strfree(alloc, s->name);
    pk__strfree(alloc, s->key);
    pk_mem_free(&s->mem);
    pk__tls_let_go(s->tls, s->material);
    pk__free(alloc, s, sizeof(*s));
}

static pk_err pk__tls_prepare_client(pk__tls_session *s, const pk__secure_desc *d, pk_error *err)
{
    const pk_alloc *alloc = s->material->alloc;
    pk_str name = d->name.len > 0 ? d->name : pk_str_from(s->material->peer_name);
    name = name.len > 0 ? name : d->host;
    if (!s->material->has_trust || name.len == 0) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot call '%" PK_FMT "': %s", PK_ARG(d->key),
                            name.len == 0 ? "nobody says what name its certificate must have (peer_name)"
                                          : "nobody is trusted (trust)");
    }
    size_t key_len = name.len + 1 + d->key.len;
    s->name = pk__strndup(alloc, name);
    s->key = (char *)pk__resize(alloc, NULL, 0, key_len + 1);
    if (s->key) { // also without the name: it is freed as a text
        (void)snprintf(s->key, key_len + 1, "%" PK_FMT "\n%" PK_FMT, PK_ARG(d->key), PK_ARG(name));
    }
    return s->name && s->key ? PK_OK : pk__error_memory(err, "open a secure connection");
}

static pk_err pk__tls_prepare(pk__tls_session *s, const pk__secure_desc *d, pk_error *err)
{
    pk_err rc = s->is_server ? PK_OK : pk__tls_prepare_client(s, d, err);
    if (rc) {
        return rc;
    }
    s->conf = s->is_server ? s->material->server : s->material->client;
    mbedtls_ssl_conf_verify(&s->conf, pk__tls_on_certificate, s);
    if (s->is_server) {
        mbedtls_ssl_conf_sni(&s->conf, pk__tls_on_name, s);
        mbedtls_ssl_conf_session_tickets_cb(&s->conf, pk__tls_ticket_write, pk__tls_ticket_parse, s);
        pk__tls_verify_late(&s->conf);
    }
    if (mbedtls_ssl_setup(&s->ssl, &s->conf) != 0 ||
        (!s->is_server && mbedtls_ssl_set_hostname(&s->ssl, pk__tls_is_host(s->name) ? s->name : NULL) != 0)) {
        return pk__error_memory(err, "open a secure connection");
    }
    mbedtls_ssl_set_bio(&s->ssl, s, pk__tls_on_send, pk__tls_on_recv, NULL);
    if (!s->is_server) {
        pk__tls_resume(s);
    }
    return PK_OK;
}

static pk_err pk__tls_open(pk_tls *tls, const pk__secure_desc *desc, pk__secure **out, pk_error *err)
{
    pk__tls_material *m = pk__tls_hold(tls);
    pk__tls_session *s = (pk__tls_session *)pk__new(m->alloc, sizeof(*s));
    *out = NULL;
    if (!s) {
        pk__tls_let_go(tls, m);
        return pk__error_memory(err, "open a secure connection");
    }
    s->secure.table = tls->table;
    s->tls = tls;
    s->material = m;
    s->below = desc->below;
    s->is_server = desc->is_server;
    s->mem.alloc = m->alloc;
    mbedtls_ssl_init(&s->ssl);
    pk_err rc = pk__tls_prepare(s, desc, err);
    if (rc) {
        pk__tls_close(&s->secure);
        return rc;
    }
    *out = &s->secure;
    return PK_OK;
}

static bool pk__tls_may_serve(const mbedtls_x509_crt *crt)
{
    return mbedtls_x509_crt_check_extended_key_usage(crt, MBEDTLS_OID_SERVER_AUTH,
                                                     MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)) == 0;
}

static pk_err pk__tls_check(pk_tls *tls, bool is_server, pk_error *err)
{
    pk__tls_material *m = pk__tls_hold(tls);
    pk_err rc = PK_OK;
    if (is_server && m->own_count == 0) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot serve by TLS: there is no certificate (certs)");
    } else if (is_server && !pk__tls_may_serve(&m->own[0].chain)) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot serve by TLS: the certificate is not meant for servers");
    } else if (!is_server && !m->has_trust) {
        rc = pk_error_set(err, PK_ERR_CONFIG, "cannot call by TLS: nobody is trusted (trust)");
    }
    pk__tls_let_go(tls, m);
    return rc;
}

/* ---- handshake */

static void pk__tls_alert_peer(pk__tls_session *s, unsigned char alert)
{
    (void)mbedtls_ssl_send_alert_message(&s->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert);
}

/* Clients of TLS 1.3: mbedTLS has put off what it thinks of their certificate until now; see tls_verify.c. */
static bool pk__tls_is_refused(pk__tls_session *s)
{
    uint32_t flags = s->material->has_trust ? mbedtls_ssl_get_verify_result(&s->ssl) : 0;
    if (flags == 0) {
        return false;
    }
    pk__tls_alert_peer(s, pk__tls_flags_alert(flags));
    return true;
}

/* Done, as far as the protocol goes. Is it somebody we want? An error: no, and `why` says the reason. */
static pk_err pk__tls_admit(pk__tls_session *s, int *code)
{
    pk__tls_material *m = s->material;
    pk_tls_peer *p = &s->peer;
    pk_error err;
    *code = MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    if (pk__tls_is_refused(s)) {
        return PK_ERR_HANDSHAKE;
    }
    s->is_resumed = s->is_resumed && !s->is_checked;
    if (!s->is_checked && !s->is_resumed) {
        memset(p, 0, sizeof(*p)); // also of a ticket that was read and not used
    }
    if ((m->has_trust || !s->is_server) && p->certificate.len == 0) {
        return PK_ERR_HANDSHAKE; // cannot be
    }
    if (p->certificate.len == 0) {
        static const pk_str none = PK_STR_INIT("");
        p->name = p->subject = p->certificate = p->fingerprint = none;
    }
    p->version = mbedtls_ssl_get_version(&s->ssl);
    p->cipher = mbedtls_ssl_get_ciphersuite(&s->ssl);
    p->is_server = !s->is_server;
    p->is_resumed = s->is_resumed;
    memset(&err, 0, sizeof(err));
    pk_err rc = m->on_peer ? m->on_peer(m->user, p, &err) : PK_OK;
    if (rc) {
        *code = 0;
        (void)snprintf(s->why, sizeof(s->why), "%.*s", PK__TLS_WHY - 1, err.code ? err.msg : pk_err_text(rc));
        pk__tls_alert_peer(s, MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED);
    }
    return rc;
}

/* What mbedTLS keeps to itself. */
static void pk__tls_shake_alert(pk__tls_session *s, int code)
{
    if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE && !PK__TLS_IS_13(&s->ssl)) {
        pk__tls_alert_peer(s, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
    } else if (code == MBEDTLS_ERR_ECP_VERIFY_FAILED || code == MBEDTLS_ERR_RSA_VERIFY_FAILED) {
        pk__tls_alert_peer(s, MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR);
    }
}

static pk_io pk__tls_shake_failed(pk__tls_session *s, int code, pk_error *err)
{
    pk_error own;
    memset(&own, 0, sizeof(own));
    s->state = PK__TLS_BROKEN;
    pk__tls_shake_alert(s, code);
    (void)pk__tls_shake_error(s, code, &own);
    if (!s->is_server && s->is_resumed) {
        pk__tls_forget(s);
    }
    /* Who connects and says nothing has not failed at anything. */
    if (s->is_server && s->looked && s->material->on_refused) {
        s->material->on_refused(s->material->user, &own);
    }
    (void)pk__error_copy(err, &own);
    return PK_IO_FAILED;
}

static pk_io pk__tls_shake(pk__secure *secure, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    int code;
    s->is_dry = false;
    s->may_wait = false;
    do {
        code = mbedtls_ssl_handshake(&s->ssl);
    } while (code == MBEDTLS_ERR_SSL_WANT_READ && !pk__tls_wants_read(s, code));
    switch (code) {
    case 0: break;
    case MBEDTLS_ERR_SSL_WANT_READ: return PK_IO_WANT_READ;
    case MBEDTLS_ERR_SSL_WANT_WRITE: return PK_IO_WANT_WRITE;
    default: return pk__tls_shake_failed(s, code, err);
    }
    if (pk__tls_admit(s, &code)) {
        return pk__tls_shake_failed(s, code, err);
    }
    s->state = PK__TLS_OPEN;
    secure->peer = &s->peer;
    if (!s->is_server && !PK__TLS_IS_13(&s->ssl)) {
        pk__tls_keep(s); // in 1.3 tickets come later
    }
    return PK_IO_DONE;
}

/* ---- bytes */

/* Nothing more can be read. What had come before was given first. */
static pk_io pk__tls_ended(pk__tls_session *s, pk_error *err)
{
    if (s->state == PK__TLS_ENDED) {
        return PK_IO_CLOSED;
    }
    (void)pk__tls_bytes_error(s, s->broken_by, err);
    return PK_IO_FAILED;
}

static pk_io pk__tls_recv(pk__secure *secure, void *buf, size_t cap, bool wait, size_t *got, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    *got = 0;
    s->may_wait = wait;
    s->is_dry = false;
    secure->wants_write = false;
    while (*got < cap && s->state == PK__TLS_OPEN) {
        int n = mbedtls_ssl_read(&s->ssl, (unsigned char *)buf + *got, cap - *got);
        if (n > 0) {
            *got += (size_t)n;
            s->got_any = true;
            s->may_wait = false;
        } else if (pk__tls_wants_read(s, n) || n == MBEDTLS_ERR_SSL_WANT_WRITE) {
            if (*got > 0) {
                break;
            }
            secure->wants_write = n == MBEDTLS_ERR_SSL_WANT_WRITE;
            return secure->wants_write ? PK_IO_WANT_WRITE : PK_IO_WANT_READ;
        } else if (PK__TLS_IS_TICKET(n)) {
            pk__tls_keep(s);
        } else if (n != MBEDTLS_ERR_SSL_WANT_READ) {
            s->state = n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY ? PK__TLS_ENDED : PK__TLS_BROKEN;
            s->broken_by = n == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : n;
        }
    }
    secure->has_more = *got > 0 && s->state != PK__TLS_OPEN;
    return *got > 0 ? PK_IO_DONE : pk__tls_ended(s, err);
}

/* Ends what a ticket has begun: in TLS 1.3 mbedTLS takes that for a piece of handshake, in which it also sends what is
 * on its way out. Must be over before anything is written: it would write those bytes a second time. */
static int pk__tls_settle(pk__tls_session *s)
{
    int code = 0;
    while (code == 0 && PK__TLS_IS_UNSETTLED(&s->ssl)) {
        code = mbedtls_ssl_handshake(&s->ssl);
        if (PK__TLS_IS_TICKET(code)) {
            pk__tls_keep(s);
            code = 0;
        }
    }
    return code;
}

static int pk__tls_write(pk__tls_session *s, const char *bytes, size_t len)
{
    int n, most = mbedtls_ssl_get_max_out_record_payload(&s->ssl);
    s->is_dry = false;
    n = pk__tls_settle(s);
    if (n != 0) {
        return n;
    }
    if (s->committed > 0) {
        len = s->committed; // mbedTLS has them: it looks at no byte of these
    } else if (most > 0) {
        len = PK__MIN(len, (size_t)most);
    }
    bool is_out = s->committed > 0 && s->ssl.PK__TLS_PRIVATE(out_left) == 0;
    n = is_out ? (int)len : mbedtls_ssl_write(&s->ssl, (const unsigned char *)bytes, len);
    s->committed = n == MBEDTLS_ERR_SSL_WANT_WRITE || n == MBEDTLS_ERR_SSL_WANT_READ ? len : 0;
    return n;
}

static pk_io pk__tls_send(pk__secure *secure, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    pk__tls_session *s = pk__tls_of(secure);
    size_t before = 0; // bytes in the parts before this one
    *sent = 0;
    for (size_t i = 0; i < count; before += parts[i++].len) {
        while (*sent - before < parts[i].len) {
            size_t at = *sent - before;
            int n = s->state == PK__TLS_BROKEN ? s->broken_by : pk__tls_write(s, parts[i].ptr + at, parts[i].len - at);
            if (n == MBEDTLS_ERR_SSL_WANT_WRITE || n == MBEDTLS_ERR_SSL_WANT_READ) {
                return *sent > 0 ? PK_IO_DONE : n == MBEDTLS_ERR_SSL_WANT_WRITE ? PK_IO_WANT_WRITE : PK_IO_WANT_READ;
            }
            if (n <= 0) { // the peer may have said why, before it hung up: that is still to be read
                (void)pk__tls_bytes_error(s, n, err);
                return PK_IO_FAILED;
            }
            *sent += (size_t)n;
        }
    }
    return PK_IO_DONE;
}

/* ---- the end */

static pk_io pk__tls_end(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    bool is_over = s->state != PK__TLS_OPEN && s->state != PK__TLS_ENDED;
    if (s->end_said || is_over || pk__fork_guard_is_child(&s->tls->guard)) {
        return PK_IO_DONE;
    }
    int code = 0;
    if (s->committed > 0) { // a record is on its way out: then this sends the rest of it, and nothing more
        code = mbedtls_ssl_close_notify(&s->ssl);
        s->committed = code == 0 ? 0 : s->committed;
    }
    code = code == 0 ? mbedtls_ssl_close_notify(&s->ssl) : code;
    s->end_said = code == 0;
    return code == MBEDTLS_ERR_SSL_WANT_WRITE ? PK_IO_WANT_WRITE : code == 0 ? PK_IO_DONE : PK_IO_FAILED;
}

/* Receives ahead, which changes nothing for who reads later. */
static bool pk__tls_is_gone(pk__secure *secure)
{
    pk__tls_session *s = pk__tls_of(secure);
    size_t got = 0;
    if (s->state != PK__TLS_OPEN || s->is_eof) {
        return true;
    }
    if (s->at == s->end) {
        s->at = 0;
        s->end = 0;
    }
    if (s->end == PK__TLS_AHEAD) {
        return false;
    }
    s->may_wait = false;
    pk_io io = pk__tls_receive(s, s->ahead + s->end, PK__TLS_AHEAD - s->end, &got);
    s->end += io == PK_IO_DONE ? got : 0;
    return io == PK_IO_CLOSED || io == PK_IO_FAILED;
}

PK__FN const pk__secure_table *pk__tls_table(void)
{
    static const pk__secure_table table = {pk__tls_check, pk__tls_open, pk__tls_shake,  pk__tls_recv,
                                           pk__tls_send,  pk__tls_end,  pk__tls_is_gone, pk__tls_close};
    return &table;
}
#endif
