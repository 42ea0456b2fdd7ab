/* http_pool.c - idle and running connections to one server. */
#include "http_pool.h"
#include "../base/error.h"
#include "../base/memory.h"
#include "../wire/http_write.h"

#include <stdio.h>
#include <string.h>

enum {
    PK__HTTP_POOL_IDLE = 8,
    PK__HTTP_POOL_IDLE_MS = 60 * 1000,
    PK__HTTP_POOL_CONNECT_MS = 5 * 1000,
    PK__HTTP_POOL_LINES = 8 * 1024,
    PK__HTTP_POOL_TRUST_MS = 1000 // idle for less: used without a look
};

static pk_err pk__http_pool_secure(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    if (!desc->tls) {
        return pk_error_set(err, PK_ERR_CONFIG, "cannot use address '%.128s': no pk_tls says whom to believe there",
                            desc->address);
    }
    pool->client.tls = desc->tls;
    pool->tls_name = pk__strdup(pool->alloc, desc->tls_name ? desc->tls_name : "");
    pool->tls_host = pk__strdup(pool->alloc, pool->address.kind == PK__ADDRESS_TCP ? pool->address.host : "");
    if (!pool->tls_name || !pool->tls_host) {
        return pk__error_memory(err, "open a connection pool");
    }
    pool->client.tls_name = pk_str_from(pool->tls_name);
    pool->client.tls_host = pk_str_from(pool->tls_host);
    return pk__secure_table_of(desc->tls)->check(desc->tls, false, err);
}

static pk_err pk__http_pool_resolve(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    pk_err rc = pk__address_parse(&pool->address, pk_str_from(desc->address), err);
    if (rc) {
        return rc;
    }
    pk__address_loopback(&pool->address);
    if (PK__SECURE_BUILT && pool->address.is_secure && (rc = pk__http_pool_secure(pool, desc, err)) != PK_OK) {
        return rc;
    }
    pool->client.transport = pk__transport_find(desc->transports, desc->transport_count, &pool->address);
    if (!pool->client.transport) {
        return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot use address '%.128s': no transport for it is here",
                            desc->address);
    }
    return PK_OK;
}

/* What is opened: the number that the name has today. */
static pk_err pk__http_pool_aim(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    if (desc->via && pool->address.kind == PK__ADDRESS_TCP) {
        (void)snprintf(pool->address.host, sizeof(pool->address.host), "%s", desc->via);
    }
    if (pool->address.kind == PK__ADDRESS_OTHER) {
        pool->text = pk__strdup(pool->alloc, desc->address);
    } else {
        char text[PK__ADDRESS_TEXT_MAX];
        (void)pk__address_format(&pool->address, text, sizeof(text));
        pool->text = pk__strdup(pool->alloc, text);
    }
    return pool->text ? PK_OK : pk__error_memory(err, "open a connection pool");
}

static pk_err pk__http_pool_write_lines(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    char host[PK__ADDRESS_TEXT_MAX];
    (void)pk__address_host(&pool->address, host, sizeof(host));
    pk_buf_init(&pool->lines, pool->alloc, PK__HTTP_POOL_LINES);
    pk__http_write_field(&pool->lines, PK_STR("Host"), pk_str_from(host));
    pk__http_write_fields(&pool->lines, desc->own, desc->own_count);
    pk_err rc = (pk_err)pool->lines.failed;
    for (size_t i = 0; i < desc->own_count; i++) {
        rc = pk__http_head_is_value(desc->own[i].value) ? rc : PK_ERR_MISUSE;
    }
    return rc ? pk_error_set(err, rc, "cannot send a token or a name: %s", pk_err_text(rc)) : PK_OK;
}

static void pk__http_pool_free(pk__http_pool *pool)
{
    if (PK__SECURE_BUILT) {
        pk__strfree(pool->alloc, pool->tls_name);
        pk__strfree(pool->alloc, pool->tls_host);
    }
    pk__strfree(pool->alloc, pool->text);
    pk_buf_free(&pool->lines);
    pool->text = NULL;
}

PK__FN pk_err pk__http_pool_init(pk__http_pool *pool, const pk__http_pool_desc *desc, pk_error *err)
{
    memset(pool, 0, sizeof(*pool));
    pk__list_init(&pool->idle);
    pk__list_init(&pool->taken);
    pool->alloc = desc->alloc;
    pool->max_idle = desc->max_idle > 0 ? desc->max_idle : PK__HTTP_POOL_IDLE;
    pool->idle_ns = PK__MS * (int64_t)(desc->idle_ms > 0 ? desc->idle_ms : PK__HTTP_POOL_IDLE_MS);
    pk_err rc = pk__http_pool_resolve(pool, desc, err);
    rc = rc ? rc : pk__http_pool_write_lines(pool, desc, err);
    rc = rc ? rc : pk__http_pool_aim(pool, desc, err);
    if (rc) {
        pk__http_pool_free(pool);
        return rc;
    }
    pool->client.alloc = desc->alloc;
    pool->client.address = &pool->address;
    pool->client.text = pk_str_from(pool->text);
    pool->client.lines = pk_buf_str(&pool->lines);
    pool->client.connect_ms = desc->connect_ms > 0 ? desc->connect_ms : PK__HTTP_POOL_CONNECT_MS;
    pool->client.any_uid = desc->any_uid;
    pool->client.spin_ns = pk__spin_ns(desc->spin_us);
    pk__mutex_init(&pool->lock);
    return PK_OK;
}

static pk__http_client *pk__http_pool_client(pk__node *node)
{
    return PK__OF(node, pk__http_client, node);
}

/* Idle connections that are given up, out of the lock. */
static void pk__http_pool_close(pk__node *list)
{
    for (pk__node *n; (n = pk__list_pop(list)) != NULL;) {
        pk__http_client_destroy(pk__http_pool_client(n));
    }
}

PK__FN void pk__http_pool_deinit(pk__http_pool *pool)
{
    if (!pool->text) {
        return;
    }
    PK__ASSERT(pk__list_is_empty(&pool->taken));
    pk__http_pool_close(&pool->idle);
    pk__mutex_deinit(&pool->lock);
    pk__http_pool_free(pool);
}

static void pk__http_pool_drop(pk__http_pool *pool, pk__node *node, pk__node *dropped)
{
    pk__list_remove(node);
    pk__list_push(dropped, node);
    pool->idle_count--;
}

/* With the lock: the oldest are first. */
static void pk__http_pool_drop_old(pk__http_pool *pool, int64_t now, pk__node *dropped)
{
    while (!pk__list_is_empty(&pool->idle) &&
           now - pk__http_pool_client(pool->idle.next)->taken_at > pool->idle_ns) {
        pk__http_pool_drop(pool, pool->idle.next, dropped);
    }
}

/* The warmest idle one, moved to `taken`; NULL if there is none. */
static pk__http_client *pk__http_pool_warmest(pk__http_pool *pool)
{
    if (pk__list_is_empty(&pool->idle)) {
        return NULL;
    }
    pk__node *node = pool->idle.prev;
    pk__list_remove(node);
    pk__list_push(&pool->taken, node);
    pool->idle_count--;
    return pk__http_pool_client(node);
}

PK__FN pk_err pk__http_pool_take(pk__http_pool *pool, int64_t now, pk__http_client **out, pk_error *err)
{
    pk__node dropped;
    pk__list_init(&dropped);
    for (;;) {
        pk__mutex_lock(&pool->lock);
        bool closed = pool->closed;
        pk__http_pool_drop_old(pool, now, &dropped);
        pk__http_client *c = closed ? NULL : pk__http_pool_warmest(pool);
        pk__mutex_unlock(&pool->lock);
        pk__http_pool_close(&dropped);
        *out = c;
        if (closed) {
            return pk_error_set(err, PK_ERR_STOPPED, "cannot open a connection: the plugin is being stopped");
        }
        if (!c) {
            break;
        }
        bool is_warm = now - c->taken_at < PK__HTTP_POOL_TRUST_MS * PK__MS;
        if (is_warm || pk__http_client_is_alive(c)) {
            c->taken_at = now;
            return PK_OK;
        }
        c->dead = true;
        pk__http_pool_give(pool, c);
    }
    pk_err rc = pk__http_client_create(out, &pool->client, err);
    if (rc == PK_OK) {
        (*out)->taken_at = now;
        pk__mutex_lock(&pool->lock);
        pk__list_push(&pool->taken, &(*out)->node);
        if (pool->closed) {
            pk__atomic_store(&(*out)->interrupted, 1);
        }
        pk__mutex_unlock(&pool->lock);
    }
    return rc;
}

PK__FN void pk__http_pool_give(pk__http_pool *pool, pk__http_client *c)
{
    pk__http_client *colder = NULL;
    bool keep = pk__http_client_is_reusable(c);
    pk__mutex_lock(&pool->lock);
    pk__list_remove(&c->node);
    keep = keep && !pool->closed && pool->idle_count < pool->max_idle;
    if (keep) {
        colder = pk__list_is_empty(&pool->idle) ? NULL : pk__http_pool_client(pool->idle.prev);
        if (colder) {
            pk__http_client_shrink(colder); // frees memory, nothing more
        }
        pk__list_push(&pool->idle, &c->node);
        pool->idle_count++;
    }
    pk__mutex_unlock(&pool->lock);
    if (!keep) {
        pk__http_client_destroy(c);
    }
}

PK__FN void pk__http_pool_prune(pk__http_pool *pool)
{
    pk__node dropped;
    pk__list_init(&dropped);
    int64_t now = pk__clock_ns();
    pk__mutex_lock(&pool->lock);
    pk__http_pool_drop_old(pool, now, &dropped);
    pk__mutex_unlock(&pool->lock);
    pk__http_pool_close(&dropped);
}

PK__FN void pk__http_pool_interrupt(pk__http_pool *pool)
{
    pk__mutex_lock(&pool->lock);
    pool->closed = true;
    for (pk__node *n = pool->taken.next; n != &pool->taken; n = n->next) {
        pk__http_client_interrupt(pk__http_pool_client(n));
    }
    pk__mutex_unlock(&pool->lock);
}
