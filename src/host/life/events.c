/* events.c - telling what happens: to on_event, to listeners, to the log.
 *
 * A listener may go while events are told: from inside its own call, from inside another's, or from another thread,
 * which then waits. So each round of telling keeps its place where `pk_manager_unlisten` can move it on, and rounds may
 * be nested: a listener that waits for something steps the loop, and there is news meanwhile. */
#include <string.h>

#include "../../base/error.h"
#include "../../os/loop.h"
#include "life.h"

struct pk__life_round {
    pk_listener *at, *next; // who is being told, and who comes then
    struct pk__life_round *outer;
};

static void pk__life_tell_listeners(pk__life *life, const pk_event *event)
{
    pk__registry *r = life->registry;
    struct pk__life_round round;
    pk__registry_lock(r);
    round.outer = life->round;
    round.next = life->listeners;
    life->round = &round;
    while ((round.at = round.next) != NULL) {
        round.next = round.at->pk__next;
        if (round.at->moments == 0 || (round.at->moments & event->moments)) {
            pk__registry_unlock(r);
            round.at->on_event(round.at->user, event);
            pk__registry_lock(r);
            pk__cond_broadcast(&r->changed); // one may wait to go
        }
    }
    life->round = round.outer;
    pk__registry_unlock(r);
}

PK__FN void pk__life_listen(pk__life *life, pk_listener *listener)
{
    pk__registry_lock(life->registry);
    pk_listener **end = &life->listeners;
    while (*end) {
        end = &(*end)->pk__next;
    }
    listener->pk__next = NULL;
    *end = listener;
    pk__registry_unlock(life->registry);
}

static bool pk__life_is_told_now(const pk__life *life, const pk_listener *listener)
{
    for (const struct pk__life_round *r = life->round; r; r = r->outer) {
        if (r->at == listener) {
            return true;
        }
    }
    return false;
}

PK__FN void pk__life_unlisten(pk__life *life, pk_listener *listener)
{
    pk__registry *r = life->registry;
    pk__registry_lock(r);
    for (pk_listener **at = &life->listeners; *at; at = &(*at)->pk__next) {
        if (*at == listener) {
            *at = listener->pk__next;
            break;
        }
    }
    for (struct pk__life_round *round = life->round; round; round = round->outer) {
        if (round->next == listener) {
            round->next = listener->pk__next;
        }
    }
    while (!pk__loop_is_mine(life->loop) && pk__life_is_told_now(life, listener)) {
        pk__cond_wait(&r->changed, &r->lock, PK_FOREVER);
    }
    pk__registry_unlock(r);
}

PK__FN void pk__life_event(pk__life *life, const char *name, unsigned moments, const pk__plugin *p, const char *from,
                           const char *to, const pk_error *why)
{
    pk_event event;
    memset(&event, 0, sizeof(event));
    event.name = name;
    event.moments = moments | (why ? (unsigned)PK_ON_ERROR : 0u);
    event.plugin.id = p ? p->handle : 0;
    event.id = p ? p->id : "";
    event.from = from;
    event.to = to;
    event.why = why;
    if (life->desc->on_event) {
        life->desc->on_event(life->desc->user, &event);
    }
    pk__life_tell_listeners(life, &event);
    if (life->desc->on_log) {
        pk_meta fields[3];
        fields[0].name = PK_STR("plugin");
        fields[0].value = pk_str_from(event.id);
        fields[1].name = PK_STR("from");
        fields[1].value = pk_str_from(from);
        fields[2].name = PK_STR("to");
        fields[2].value = pk_str_from(to);
        life->desc->on_log(life->desc->user, why ? PK_LOG_WARN : PK_LOG_INFO, name, pk_str_from(why ? why->msg : ""),
                           fields, p ? 3 : 0);
    }
}

PK__FN void pk__life_log(pk__life *life, pk_log_level level, const char *event, const char *id, const char *text)
{
    if (life->desc->on_log) {
        pk_meta field;
        field.name = PK_STR("plugin");
        field.value = pk_str_from(id);
        life->desc->on_log(life->desc->user, level, event, pk_str_from(text), &field, 1);
    }
}
