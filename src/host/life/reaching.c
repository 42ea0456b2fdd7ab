/* reaching.c - plugins that somebody else runs. */
#include "reaching.h"
#ifdef PLUGKIT_WITH_ATTACH

#include <string.h>

#include "../../base/error.h"
#include "../../base/memory.h"
#include "../../net/address.h"
#include "../../os/clock.h"
#include "../../os/loop.h"

PK__FN bool pk__reaching_asks(const pk__life *life, const pk__plugin *p)
{
    const pk_dialect *d = pk__registry_is_attached(p) ? pk__life_dialect(life, p->endpoint.dialect) : NULL;
    return d && (d->flags & PK_DIALECT_HEALTH) && p->capabilities.len == 0;
}

/* ---- its addresses, in turn */

static void pk__reaching_try(pk_launch *l)
{
    pk_error why;
    if (pk__launching_connect(l, l->dialect, pk_str_from(l->address), l->token, &why)) {
        pk__launching_fail(l, &why);
    } else if (pk__registry_is_attached(l->plugin) && (l->instance->dialect->flags & PK_DIALECT_HEALTH)) {
        pk__health_ask(l); // it is up when it answers
    } else {
        pk__keeper_up(l->keeper);
    }
}

static void pk__reaching_on_found(void *user, const pk__lookup_names *names, const pk_error *why)
{
    pk_launch *l = (pk_launch *)user;
    pk_error error;
    error.code = PK_OK;
    if (why) {
        error = *why;
    } else {
        l->names = (pk__lookup_names *)pk_mem_get(&l->mem, sizeof(*names));
        if (l->names) {
            *l->names = *names;
        } else {
            (void)pk__error_memory(&error, "take its addresses");
        }
    }
    pk__lookup_end(&l->lookup);
    l->via = 0;
    if (error.code) {
        pk__error_wrap(&error, "cannot reach '%s'", l->plugin->id);
        pk__launching_fail(l, &error);
    } else if (l->step == PK__LAUNCH_STARTING) {
        pk__reaching_try(l);
    }
}

PK__FN void pk__reaching_begin(pk_launch *l)
{
    pk__address a;
    pk_error why;
    bool is_tcp = pk__address_parse(&a, pk_str_from(l->address), NULL) == PK_OK && a.kind == PK__ADDRESS_TCP;
    if (!is_tcp || a.is_wildcard || !pk__lookup_is_name(a.host)) {
        pk__reaching_try(l);
    } else if (pk__lookup_begin(&l->lookup, l->life->loop, a.host, pk__reaching_on_found, l, &why)) {
        pk__launching_fail(l, &why);
    }
}

PK__FN uint32_t pk__reaching_share_ms(const pk_launch *l)
{
    int64_t left = pk__launching_until(l) - pk__clock_ns();
    uint32_t addresses = l->names ? l->names->count - l->via : 1;
    return left < PK__MS * addresses ? 1 : (uint32_t)(left / PK__MS) / addresses;
}

static void pk__reaching_hang_up(pk_launch *l)
{
    pk__instance *i = l->instance;
    pk__registry_lock(l->life->registry);
    void *channel = i->channel;
    i->channel = NULL;
    pk__registry_unlock(l->life->registry);
    i->dialect->close(channel);
}

/* ---- what it says */

/* Any answer counts; one that is no description of capabilities is that of a plugin which does not tell them, and is
 * asked again when it is reached again. */
static pk_err pk__reaching_learn(pk_launch *l, pk_str text, pk_error *err)
{
    const pk_json_value *doc = NULL;
    pk_mem mem;
    memset(&mem, 0, sizeof(mem));
    mem.alloc = l->life->alloc;
    bool says = pk_json_parse(&mem, text, &doc, NULL) == PK_OK &&
                (pk_json_get(doc, "types") || pk_json_get(doc, "capabilities"));
    pk_mem_free(&mem);
    return says ? pk__keeper_learn(l->keeper, text, err) : PK_OK;
}

PK__FN void pk__reaching_on_reply(pk_launch *l, const pk_reply *reply, const pk_error *err)
{
    pk_error why;
    if (!err || err->sent == PK_SENT_ANSWERED) {
        bool asked = !err && l->plugin->is_unknown;
        if (asked && pk__reaching_learn(l, reply->body.bytes, &why)) {
            l->is_refused = why.code != PK_ERR_NO_MEMORY;
            pk__launching_fail(l, &why);
        } else {
            pk__keeper_up(l->keeper);
        }
        return;
    }
    const char *colon = strncmp(err->msg, "cannot call '", 13) == 0 ? strstr(err->msg, "': ") : NULL;
    const char *reason = colon ? colon + 3 : err->msg; // who it is stands in front of it anyway
    uint32_t count = l->names ? l->names->count : 1;
    if (l->via + 1 < count) {
        l->via++;
        pk__reaching_hang_up(l);
        pk__reaching_try(l);
        return;
    }
    if (count > 1) {
        (void)pk_error_set(&why, err->code, "cannot reach '%s': none of its %u addresses answers, and the last one: %s",
                           l->plugin->id, (unsigned)count, reason);
    } else {
        (void)pk_error_set(&why, err->code, "cannot reach '%s': %s", l->plugin->id, reason);
    }
    pk__launching_fail(l, &why);
}

PK__FN void pk__reaching_end(pk_launch *l)
{
    pk__lookup_end(&l->lookup);
}
#else

PK__FN void pk__reaching_begin(pk_launch *l)
{
    pk_error why;
    if (pk__launching_connect(l, l->dialect, pk_str_from(l->address), l->token, &why)) {
        pk__launching_fail(l, &why);
    } else {
        pk__keeper_up(l->keeper);
    }
}
#endif
