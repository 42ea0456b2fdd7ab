/* tls.c - pk_tls: reads what it is given, and exchanges it. */
#include "tls.h"
#ifdef PLUGKIT_WITH_TLS
#include "../base/error.h"
#include "../base/memory.h"
#include "../os/file.h"
#include "../os/random.h"

#include <string.h>

PK__FN int pk__tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    return pk__random_bytes(out, len, NULL) ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : 0;
}

/* ---- material: made, counted, freed */

static void pk__tls_material_free(pk__tls_material *m)
{
    if (!m) {
        return;
    }
    pk__tls_kept_free(m);
    mbedtls_ssl_config_free(&m->server);
    mbedtls_ssl_config_free(&m->client);
    for (size_t i = 0; i < m->own_count; i++) {
        mbedtls_x509_crt_free(&m->own[i].chain);
        mbedtls_pk_free(&m->own[i].key);
    }
    pk__free(m->alloc, m->own, m->own_count * sizeof(*m->own));
    mbedtls_x509_crt_free(&m->trust);
    mbedtls_x509_crl_free(&m->crls);
    pk__strfree(m->alloc, m->peer_name);
    pk__mutex_deinit(&m->lock);
    mbedtls_platform_zeroize(m->ticket_key, sizeof(m->ticket_key));
    pk__free(m->alloc, m, sizeof(*m));
}

PK__FN pk__tls_material *pk__tls_hold(pk_tls *tls)
{
    pk__mutex_lock(&tls->lock);
    pk__tls_material *m = tls->material;
    m->users++;
    pk__mutex_unlock(&tls->lock);
    return m;
}

PK__FN void pk__tls_let_go(pk_tls *tls, pk__tls_material *m)
{
    bool is_child = pk__fork_guard_is_child(&tls->guard);
    if (!is_child) {
        pk__mutex_lock(&tls->lock);
    }
    bool is_last = --m->users == 0;
    if (!is_child) {
        pk__mutex_unlock(&tls->lock);
    }
    if (is_last) {
        pk__tls_material_free(m);
    }
}

/* ---- sources */

typedef struct pk__tls_text { // of a source
    pk_mem mem;
    pk_str bytes; // with a NUL behind it
    size_t size;  // as mbedTLS wants it: that of PEM counts the NUL
} pk__tls_text;

static pk_err pk__tls_read_file(pk__tls_text *t, const char *path, pk_error *err)
{
#ifndef PLUGKIT_NO_FILES
    return pk__file_read(&t->mem, path, PK__TLS_FILE_MAX, &t->bytes, err);
#else
    (void)t;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot read '%s': there are no files", path);
#endif
}

static pk_err pk__tls_read(pk__tls_text *t, const pk_alloc *alloc, const pk_tls_source *source, pk_error *err)
{
    memset(t, 0, sizeof(*t));
    t->mem.alloc = alloc;
    pk_err rc = PK_OK;
    if (source->file) {
        rc = pk__tls_read_file(t, source->file, err);
    } else {
        t->bytes = pk_mem_dup(&t->mem, source->bytes);
        rc = t->bytes.ptr ? PK_OK : pk__error_memory(err, "read a certificate");
    }
    if (rc == PK_OK) {
        bool is_pem = strstr(t->bytes.ptr, "-----BEGIN") != NULL;
        t->size = t->bytes.len + (is_pem ? 1 : 0);
    }
    return rc;
}

static void pk__tls_read_done(pk__tls_text *t)
{
    if (t->bytes.ptr) {
        mbedtls_platform_zeroize((void *)(uintptr_t)t->bytes.ptr, t->bytes.len); // it may be a key
    }
    pk_mem_free(&t->mem);
}

static const char *pk__tls_source_name(const pk_tls_source *source)
{
    return source->file ? source->file : "in memory";
}

static pk_err pk__tls_read_crt(const pk_alloc *alloc, const pk_tls_source *source, const char *what,
                               mbedtls_x509_crt *out, pk_error *err)
{
    pk__tls_text t;
    int code = 0;
    pk_err rc = pk__tls_read(&t, alloc, source, err);
    if (rc == PK_OK) {
        code = mbedtls_x509_crt_parse(out, (const unsigned char *)t.bytes.ptr, t.size);
        /* Of a whole bundle some may be of a kind that mbedTLS does not know: nobody is believed for those. */
        bool is_good = code == 0 || (code > 0 && out->raw.len > 0 && out->next);
        rc = is_good ? PK_OK : pk__tls_source_error(what, pk__tls_source_name(source), code, err);
    }
    pk__tls_read_done(&t);
    return rc;
}

static pk_err pk__tls_read_key(const pk_alloc *alloc, const pk_tls_cert *cert, mbedtls_pk_context *out, pk_error *err)
{
    pk__tls_text t;
    const unsigned char *password = (const unsigned char *)cert->password;
    pk_err rc = pk__tls_read(&t, alloc, &cert->key, err);
    if (rc == PK_OK) {
        int code = mbedtls_pk_parse_key(out, (const unsigned char *)t.bytes.ptr, t.size, password,
                                        password ? strlen(cert->password) : 0 PK__TLS_RNG);
        rc = code == 0 ? PK_OK : pk__tls_source_error("key", pk__tls_source_name(&cert->key), code, err);
    }
    pk__tls_read_done(&t);
    return rc;
}

static pk_err pk__tls_read_own(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    if (desc->cert_count == 0) {
        return PK_OK;
    }
    m->own = (pk__tls_own *)pk__new(m->alloc, desc->cert_count * sizeof(*m->own));
    if (!m->own) {
        return pk__error_memory(err, "read certificates");
    }
    m->own_count = desc->cert_count;
    for (size_t i = 0; i < m->own_count; i++) {
        mbedtls_x509_crt_init(&m->own[i].chain);
        mbedtls_pk_init(&m->own[i].key);
    }
    for (size_t i = 0; i < m->own_count; i++) {
        pk_err rc = pk__tls_read_crt(m->alloc, &desc->certs[i].chain, "certificate", &m->own[i].chain, err);
        if (rc == PK_OK) {
            rc = pk__tls_read_key(m->alloc, &desc->certs[i], &m->own[i].key, err);
        }
        if (rc == PK_OK && !desc->pk__is_issued &&
            mbedtls_pk_check_pair(&m->own[i].chain.pk, &m->own[i].key PK__TLS_RNG) != 0) {
            rc = pk_error_set(err, PK_ERR_CONFIG, "cannot use key '%s': it is not that of certificate '%s'",
                              pk__tls_source_name(&desc->certs[i].key), pk__tls_source_name(&desc->certs[i].chain));
        }
        if (rc) {
            return rc;
        }
    }
    return PK_OK;
}

static pk_err pk__tls_read_crls(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = PK_OK;
    for (size_t i = 0; i < desc->crl_count && rc == PK_OK; i++) {
        pk__tls_text t;
        rc = pk__tls_read(&t, m->alloc, &desc->crls[i], err);
        if (rc == PK_OK) {
            int code = mbedtls_x509_crl_parse(&m->crls, (const unsigned char *)t.bytes.ptr, t.size);
            rc = code == 0 ? PK_OK
                           : pk__tls_source_error("revocation list", pk__tls_source_name(&desc->crls[i]), code, err);
        }
        pk__tls_read_done(&t);
        m->has_crls = true;
    }
    return rc;
}

static pk_err pk__tls_fill(pk__tls_material *m, const pk_tls_desc *desc, pk_error *err)
{
    pk_err rc = pk__tls_read_own(m, desc, err);
    for (size_t i = 0; i < desc->trust_count && rc == PK_OK; i++) {
        rc = pk__tls_read_crt(m->alloc, &desc->trust[i], "trusted certificate", &m->trust, err);
        m->has_trust = true;
    }
    if (rc == PK_OK) {
        rc = pk__tls_read_crls(m, desc, err);
    }
    if (rc == PK_OK) {
        m->peer_name = pk__strdup(m->alloc, desc->peer_name ? desc->peer_name : "");
        rc = m->peer_name ? pk__random_bytes(m->ticket_key, sizeof(m->ticket_key), err)
                          : pk__error_memory(err, "prepare TLS");
    }
    return rc == PK_OK ? pk__tls_configure(m, desc, err) : rc;
}

static pk_err pk__tls_material_new(pk__tls_material **out, const pk_alloc *alloc, const pk_tls_desc *desc,
                                   pk_error *err)
{
    pk__tls_material *m = (pk__tls_material *)pk__new(alloc, sizeof(*m));
    if (!m) {
        return pk__error_memory(err, "prepare TLS");
    }
    m->users = 1;
    m->alloc = alloc;
    m->on_peer = desc->on_peer;
    m->on_refused = desc->on_refused;
    m->user = desc->user;
    pk__mutex_init(&m->lock);
    mbedtls_ssl_config_init(&m->server);
    mbedtls_ssl_config_init(&m->client);
    mbedtls_x509_crt_init(&m->trust);
    mbedtls_x509_crl_init(&m->crls);
    pk_err rc = pk__tls_fill(m, desc, err);
    if (rc) {
        pk__tls_material_free(m);
        return rc;
    }
    *out = m;
    return PK_OK;
}

/* ---- public */

PK_API pk_err pk_tls_create(pk_tls **out, const pk_tls_desc *desc, pk_error *err)
{
    *out = NULL;
    pk_tls *tls = (pk_tls *)pk__new(desc->alloc, sizeof(*tls));
    if (!tls) {
        return pk__error_memory(err, "prepare TLS");
    }
    pk_err rc = pk__tls_material_new(&tls->material, desc->alloc, desc, err);
    if (rc) {
        pk__free(desc->alloc, tls, sizeof(*tls));
        return rc;
    }
    tls->table = pk__tls_table();
    tls->alloc = desc->alloc;
    pk__mutex_init(&tls->lock);
    pk__fork_guard_init(&tls->guard);
    *out = tls;
    return PK_OK;
}

PK_API pk_err pk_tls_reload(pk_tls *tls, const pk_tls_desc *desc, pk_error *err)
{
    pk__tls_material *fresh = NULL;
    pk_err rc = pk__tls_material_new(&fresh, tls->alloc, desc, err);
    if (rc) {
        return rc;
    }
    pk__mutex_lock(&tls->lock);
    pk__tls_material *old = tls->material;
    tls->material = fresh;
    pk__mutex_unlock(&tls->lock);
    pk__tls_let_go(tls, old);
    return PK_OK;
}

PK_API void pk_tls_destroy(pk_tls *tls)
{
    if (tls) {
        pk__tls_let_go(tls, tls->material);
        pk__fork_guard_deinit(&tls->guard);
        pk__mutex_deinit(&tls->lock);
        pk__free(tls->alloc, tls, sizeof(*tls));
    }
}
#endif
