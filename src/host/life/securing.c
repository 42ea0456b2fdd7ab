/* securing.c - mutual TLS with the plugins that are started here. */
#include "securing.h"
#ifdef PLUGKIT_WITH_TLS

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../net/authority.h"
#include "../../os/loop.h"

enum { PK__SECURING_RETRY_MS = 60 * 1000, PK__SECURING_AHEAD_MS = 20 };

struct pk__securing {
    const pk_alloc *alloc;
    pk__authority authority;
    pk_tls *tls;
    pk_timer renew, ahead; // of the host's own; makes the next key
};

/* ---- the host's own */

static pk_err pk__securing_own(pk__life *life, pk_error *err)
{
    pk__securing *s = life->securing;
    pk__authority_issued issued;
    pk_tls_source trust;
    pk_tls_cert cert;
    pk_tls_desc desc;
    memset(&trust, 0, sizeof(trust));
    memset(&cert, 0, sizeof(cert));
    memset(&desc, 0, sizeof(desc));
    pk_err rc = pk__authority_issue(&s->authority, "host", &issued, err);
    if (!rc) {
        trust.bytes.ptr = (const char *)s->authority.certificate;
        trust.bytes.len = s->authority.certificate_len;
        cert.chain.bytes.ptr = (const char *)issued.certificate;
        cert.chain.bytes.len = issued.certificate_len;
        cert.key.bytes.ptr = (const char *)issued.key;
        cert.key.bytes.len = issued.key_len;
        desc.alloc = life->alloc;
        desc.certs = &cert;
        desc.cert_count = 1;
        desc.trust = &trust;
        desc.trust_count = 1;
        desc.pk__is_issued = true;
        rc = s->tls ? pk_tls_reload(s->tls, &desc, err) : pk_tls_create(&s->tls, &desc, err);
    }
    pk__authority_wipe(&issued, sizeof(issued));
    return rc;
}

static void pk__securing_on_renew_own(void *user)
{
    pk__life *life = (pk__life *)user;
    pk_error why;
    pk_err rc = pk__securing_own(life, &why);
    if (rc) {
        pk__life_log(life, PK_LOG_WARN, "manager.tls", "", why.msg); // there is time to try again
    }
    uint32_t delay_ms = rc ? PK__SECURING_RETRY_MS : pk__authority_renew_ms();
    (void)pk_timer_start(life->loop, &life->securing->renew, delay_ms, NULL); // its place is free
}

static void pk__securing_on_ahead(void *user)
{
    pk__authority_prepare(&((pk__life *)user)->securing->authority);
}

PK__FN pk_err pk__securing_open(pk__life *life, pk_error *err)
{
    if (life->desc->mtls == PK_MTLS_OFF) {
        return PK_OK;
    }
    pk__securing *s = (pk__securing *)pk__new(life->alloc, sizeof(*s));
    if (!s) {
        return pk__error_memory(err, "prepare TLS");
    }
    s->alloc = life->alloc;
    life->securing = s;
    s->renew.on_time = pk__securing_on_renew_own;
    s->renew.user = life;
    s->ahead.on_time = pk__securing_on_ahead;
    s->ahead.user = life;
    pk_err rc = pk__authority_make(&s->authority, err);
    rc = rc ? rc : pk__securing_own(life, err);
    rc = rc ? rc : pk_timer_start(life->loop, &s->renew, pk__authority_renew_ms(), err);
    pk__authority_prepare(&s->authority);
    if (rc) {
        pk__error_wrap(err, "cannot create a manager");
    }
    return rc;
}

PK__FN pk__securing *pk__securing_take(pk__life *life)
{
    pk__securing *s = life->securing;
    if (s) {
        pk_timer_stop(life->loop, &s->renew);
        pk_timer_stop(life->loop, &s->ahead);
        life->securing = NULL;
    }
    return s;
}

PK__FN void pk__securing_close(pk__securing *s)
{
    if (s) {
        pk_tls_destroy(s->tls);
        pk__authority_deinit(&s->authority);
        pk__free(s->alloc, s, sizeof(*s));
    }
}

PK__FN pk_tls *pk__securing_tls(const pk__life *life)
{
    return life->securing && life->desc->mtls == PK_MTLS_REQUIRED ? life->securing->tls : NULL;
}

/* ---- an instance's */

/* Its capabilities say so; those of other kinds of plugins do not. */
static bool pk__securing_can(const pk__plugin *p, const pk_alloc *alloc)
{
    const pk_json_value *doc = NULL;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = alloc;
    bool can = p->speaks_plugkit && pk_json_parse(&mem, p->capabilities, &doc, NULL) == PK_OK &&
               pk_json_bool(pk_json_get(doc, "mtls"), false);
    pk_mem_free(&mem);
    return can;
}

PK__FN pk_err pk__securing_prepare(pk_launch *l, pk_error *err)
{
    pk__securing *s = l->life->securing;
    if (!s || !l->instance) {
        return PK_OK; // a probe is told nothing, and serves nobody
    }
    if (!pk__securing_can(l->plugin, l->life->alloc)) {
        return l->life->desc->mtls == PK_MTLS_POSSIBLE
                   ? PK_OK
                   : pk_error_set(err, PK_ERR_HANDSHAKE, "cannot start '%s': mutual TLS is required, and its "
                                  "capabilities do not say \"mtls\":true", l->plugin->id);
    }
    l->issued = (pk__authority_issued *)pk__new(l->life->alloc, sizeof(*l->issued));
    if (!l->issued) {
        return pk__error_memory(err, "start a plugin");
    }
    pk_err rc = pk__authority_issue(&s->authority, l->instance->name, l->issued, err);
    l->tls = s->tls;
    l->tls_name = rc ? NULL : pk__strdup(l->life->alloc, l->issued->uri);
    l->is_secured = l->tls_name != NULL;
    return rc || l->tls_name ? rc : pk__error_memory(err, "start a plugin");
}

PK__FN bool pk__securing_is_on(const pk_launch *l)
{
    return l->is_secured;
}

static void pk__securing_fill(const pk_launch *l, const pk__authority_issued *issued, pk__control_tls *out, char *host)
{
    const pk__authority *a = &l->life->securing->authority;
    pk__authority_name(a, "host", host);
    out->authority.ptr = (const char *)a->certificate;
    out->authority.len = a->certificate_len;
    out->certificate.ptr = (const char *)issued->certificate;
    out->certificate.len = issued->certificate_len;
    out->key.ptr = (const char *)issued->key;
    out->key.len = issued->key_len;
    out->host = pk_str_from(host);
}

PK__FN void pk__securing_tell(const pk_launch *l, pk__control_start *start)
{
    if (l->issued) {
        start->has_tls = true;
        pk__securing_fill(l, l->issued, &start->tls, l->issued->host);
    }
}

PK__FN pk_err pk__securing_adopt(const pk_launch *l, pk_buf *out, pk_error *err)
{
    pk__control_message m;
    memset(&m, 0, sizeof(m));
    m.has_adopt = m.adopt = true;
    m.has_token = true;
    m.token = pk_str_from(l->instance->token);
    m.has_tls = true;
    pk__securing_fill(l, l->issued, &m.tls, l->issued->host);
    return pk__control_write(out, &m, err);
}

PK__FN void pk__securing_told(pk_launch *l, pk_buf *sent)
{
    if (l->issued) {
        pk__authority_wipe(sent->ptr, sent->len);
        pk__authority_wipe(l->issued, sizeof(*l->issued));
        pk__free(l->life->alloc, l->issued, sizeof(*l->issued));
        l->issued = NULL;
    }
}

PK__FN pk_err pk__securing_check(const pk_launch *l, pk_str address, pk_error *err)
{
    pk__address a;
    if (!l->is_secured || (pk__address_parse(&a, address, NULL) == PK_OK && a.is_secure)) {
        return PK_OK;
    }
    return pk_error_set(err, PK_ERR_HANDSHAKE, "cannot start '%s': it was told to serve TLS, and listens without",
                        l->plugin->id);
}

/* ---- the next one */

static pk_err pk__securing_renew(pk_launch *l, pk_error *err)
{
    pk__authority_issued issued;
    pk__control_message m;
    pk_buf line;
    memset(&m, 0, sizeof(m));
    pk_buf_init(&line, l->life->alloc, PK__CONTROL_LINE_MAX);
    pk_err rc = pk__authority_issue(&l->life->securing->authority, l->instance->name, &issued, err);
    if (!rc) {
        m.has_tls = true;
        pk__securing_fill(l, &issued, &m.tls, issued.host);
        rc = pk__control_write(&line, &m, err);
    }
    if (!rc && !(l->launcher && l->launcher->send && l->state)) {
        rc = pk_error_set(err, PK_ERR_UNSUPPORTED, "it has no control socket");
    }
    rc = rc ? rc : l->launcher->send(l->state, pk_buf_str(&line), err);
    pk__authority_wipe(line.ptr, line.len);
    pk__authority_wipe(&issued, sizeof(issued));
    pk_buf_free(&line);
    return rc;
}

static void pk__securing_on_renew(void *user)
{
    pk_launch *l = (pk_launch *)user;
    pk_error why;
    pk_err rc = pk__securing_renew(l, &why);
    if (rc) {
        pk__life_log(l->life, PK_LOG_WARN, "plugin.tls", l->plugin->id, why.msg);
    }
    uint32_t delay_ms = rc ? PK__SECURING_RETRY_MS : pk__authority_renew_ms();
    (void)pk_timer_start(l->life->loop, &l->renew, delay_ms, NULL); // its place is free
}

PK__FN void pk__securing_up(pk_launch *l)
{
    pk_error why;
    if (!l->is_secured) {
        return;
    }
    l->renew.on_time = pk__securing_on_renew;
    l->renew.user = l;
    if (pk_timer_start(l->life->loop, &l->renew, pk__authority_renew_ms(), &why)) {
        pk__life_log(l->life, PK_LOG_WARN, "plugin.tls", l->plugin->id, why.msg);
    }
    (void)pk_timer_start(l->life->loop, &l->life->securing->ahead, PK__SECURING_AHEAD_MS, NULL); // else the next waits
}

PK__FN void pk__securing_end(pk_launch *l)
{
    pk_timer_stop(l->life->loop, &l->renew);
    if (l->issued) {
        pk__authority_wipe(l->issued, sizeof(*l->issued));
        pk__free(l->life->alloc, l->issued, sizeof(*l->issued));
        l->issued = NULL;
    }
}
#endif
