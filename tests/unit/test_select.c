/* test_select.c - the registry's services, and which instance a call gets. */
#include "unit.h"

typedef struct world {
    pk_manager_desc desc;
    pk_loop *loop;
    pk__registry r;
    pk__router router;
    pk__instance up[4];
    int woken, worked;
} world;

static void on_work(void *user)
{
    ((world *)user)->worked++;
}

static bool open_world(world *w)
{
    memset(w, 0, sizeof(*w));
    if (pk_loop_create(&w->loop, test_alloc(), NULL)) {
        return false;
    }
    pk__registry_init(&w->r, test_alloc(), &w->desc, w->loop);
    w->r.is_started = true;
    w->r.work.run = on_work;
    w->r.work.user = w;
    w->router = pk__select_router(&w->r);
    return true;
}

static void close_world(world *w)
{
    for (pk__node *n = w->r.plugins.next; n != &w->r.plugins; n = n->next) {
        PK__OF(n, pk__plugin, node)->instance = NULL;
    }
    pk_loop_unpost(w->loop, &w->r.work);
    pk__registry_deinit(&w->r);
    pk_loop_destroy(w->loop);
}

static pk__plugin *add(world *w, const char *id, const char *contract, const char *type, const char *version,
                       pk_error *err)
{
    pk__plugin *p = NULL;
    pk__registry_lock(&w->r);
    pk_err rc = pk__registry_add(&w->r, id, "/x", &p, err);
    if (!rc) {
        p->state = PK__PLUGIN_STOPPED;
        p->probed = true;
        pk__map_put(&w->r.by_id, pk_str_from(p->id), p);
        pk__service_entry *s = pk_mem_zero(&p->mem, sizeof(*s));
        if (s) {
            s->plugin = p;
            s->contract = pk_str_from(contract);
            s->type = pk_str_from(type);
            s->version = pk_str_from(version);
            rc = pk__registry_offer(&w->r, p, s, 1, err);
        }
    }
    pk__registry_unlock(&w->r);
    return rc ? NULL : p;
}

static void bring_up(world *w, pk__plugin *p, int i)
{
    w->up[i].plugin = p;
    w->up[i].state = PK__INSTANCE_READY;
    w->up[i].channel = w;
    snprintf(w->up[i].name, sizeof(w->up[i].name), "%s-1", p->id);
    p->instance = &w->up[i];
    p->state = PK__PLUGIN_RUNNING;
}

static void on_wake(pk__waiter *waiter)
{
    (void)waiter;
}

static pk_err take(world *w, const char *contract, const char *type, const char *version, const char *plugin,
                   pk__target *out, pk_error *err)
{
    pk_call_desc d = {.contract = contract, .type = type, .method = "go", .version = version, .plugin = plugin};
    static pk__waiter waiter;
    memset(&waiter, 0, sizeof(waiter));
    waiter.wake = on_wake;
    pk_err rc = w->router.take(w->router.user, &d, &waiter, out, err);
    if (rc == PK_ERR_BUSY) {
        w->router.unqueue(w->router.user, &waiter);
    }
    return rc;
}

TEST(select, an_instance_is_found_by_its_name)
{
    static const char *const ids[] = {"a", "a-1", "b"}, *const none[] = {"", "-", "-1", "a", "a-3", "a-1-1-1", "c-1"};
    world w;
    REQUIRE(open_world(&w));
    pk__instance i[4] = {{.name = "a-1"}, {.name = "a-2"}, {.name = "a-1-1"}, {.name = "b-10"}};
    pk__plugin *p[3];
    for (size_t k = 0; k < 3; k++) {
        p[k] = add(&w, ids[k], "c", ids[k], "", NULL);
        REQUIRE(p[k] != NULL);
    }
    for (size_t k = 0; k < 4; k++) {
        pk__list_push(&p[k > 0 ? k - 1 : 0]->instances, &i[k].node);
    }
    for (size_t k = 0; k < 4; k++) {
        CHECK(pk__registry_instance(&w.r, pk_str_from(i[k].name)) == &i[k]);
    }
    for (size_t k = 0; k < PK__COUNT(none); k++) {
        CHECK(pk__registry_instance(&w.r, pk_str_from(none[k])) == NULL);
    }
    close_world(&w);
}

TEST(select, a_ready_instance_is_taken_and_counted)
{
    world w;
    pk__target t;
    pk_error none = {0};
    REQUIRE(open_world(&w));
    pk__plugin *p = add(&w, "a", "c", "x", "1.2.0", NULL);
    REQUIRE(p);
    bring_up(&w, p, 0);
    REQUIRE_OK(take(&w, "c", "x", "1.1.0", NULL, &t, NULL));
    CHECK_UINT(w.up[0].in_flight, ==, 1);
    CHECK_PK_STR(t.verb, "POST");
    CHECK_PK_STR(t.path, "/go");
    pk__usage usage = {&none, 3, 4};
    w.router.give_back(w.router.user, &t, &usage);
    CHECK_UINT(w.up[0].in_flight, ==, 0);
    CHECK_UINT(p->calls, ==, 1);
    CHECK_UINT(p->bytes_in, ==, 4);
    close_world(&w);
}

TEST(select, a_miss_says_what_there_is)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    REQUIRE(add(&w, "a", "c", "x", "1.2.0", NULL));
    REQUIRE(add(&w, "b", "c", "y", "", NULL));
    CHECK_ERR(take(&w, "c", "z", NULL, NULL, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for type 'z' of contract 'c': there is x, y");
    CHECK_ERR(take(&w, "d", NULL, NULL, NULL, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for contract 'd': there is c");
    CHECK_ERR(take(&w, NULL, NULL, NULL, "q", &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found: 'q': there is a, b");
    CHECK_ERR(take(&w, "c", "x", NULL, "b", &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for type 'x' of contract 'c': 'b' offers y");
    CHECK_ERR(take(&w, "d", NULL, NULL, "b", &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for contract 'd': 'b' offers c");
    CHECK_ERR(take(&w, "c", "x", "2.0.0", NULL, &t, &err), PK_ERR_BAD_CONTRACT);
    CHECK_CONTAINS(err.msg, "'a' offers 1.2.0");
    CHECK_ERR(take(&w, "c", "x", "1.3.0", "a", &t, &err), PK_ERR_BAD_CONTRACT);
    CHECK_STR(err.msg, "no plugin found for 'c' 1.3.0: 'a' offers 1.2.0");
    close_world(&w);
}

TEST(select, what_there_is_is_sorted_and_has_an_end)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    static char ids[100][20];
    for (int i = 99; i >= 0; i--) {
        snprintf(ids[i], sizeof(ids[i]), "plugin-%02d", i);
        REQUIRE(add(&w, ids[i], i % 2 ? "odd" : "even", ids[i], "", NULL));
    }
    CHECK_ERR(take(&w, "c", NULL, NULL, NULL, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for contract 'c': there is even, odd");
    CHECK_ERR(take(&w, "odd", "plugin-00", NULL, NULL, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found for type 'plugin-00' of contract 'odd': there is plugin-01, plugin-03, "
                       "plugin-05, plugin-07, plugin-09, plugin-11, plugin-13, plugin-15, ...");
    CHECK_ERR(take(&w, NULL, NULL, NULL, "q", &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_CONTAINS(err.msg, "there is plugin-00, plugin-01, plugin-02");
    close_world(&w);
}

TEST(select, a_name_that_is_too_long_to_be_shown_is_not)
{
    char longer[150];
    memset(longer, 'n', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    const char *words[] = {"m", longer, "o", "", "m"};
    for (int first = 0; first < 2; first++) {
        pk__names have = {.len = 0};
        do {
            for (size_t i = (size_t)first; i < 3 + (size_t)!first * 2; i++) {
                pk__names_see(&have, words[i]);
            }
        } while (pk__names_take(&have));
        CHECK_STR(have.text, first ? "..." : "m, ...");
    }
}

TEST(select, a_call_before_the_start_says_what_to_do)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    w.r.is_started = false;
    CHECK_ERR(take(&w, "c", "x", NULL, NULL, &t, &err), PK_ERR_MISUSE);
    CHECK_STR(err.msg, "cannot call before pk_manager_start");
    CHECK_ERR(take(&w, NULL, NULL, NULL, "q", &t, &err), PK_ERR_MISUSE);
    close_world(&w);
}

TEST(select, a_stopped_plugin_is_wished_for_once_and_its_failure_is_told)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    pk__plugin *p = add(&w, "a", "c", "x", "", NULL);
    REQUIRE(p);
    pk_call_desc d = {.contract = "c", .type = "x", .method = "go"};
    pk__waiter waiter = {.wake = on_wake};
    CHECK_ERR(w.router.take(w.router.user, &d, &waiter, &t, &err), PK_ERR_BUSY);
    CHECK(p->is_asked);
    pk_loop_step(w.loop, 0, NULL);
    CHECK_INT(w.worked, ==, 1);
    pk__registry_lock(&w.r);
    p->failures++;
    pk_error_set(&p->why, PK_ERR_START, "cannot start 'a': exit status 3");
    pk__registry_wake(&w.r, p);
    pk__registry_unlock(&w.r);
    CHECK_ERR(w.router.take(w.router.user, &d, &waiter, &t, &err), PK_ERR_START);
    CHECK_STR(err.msg, "cannot start 'a': exit status 3");
    close_world(&w);
}

/* The start that a call waits for fails, the next one succeeds, and that one dies before the call has looked. */
TEST(select, a_failure_that_is_forgotten_by_the_time_it_would_be_told_is_none)
{
    world w;
    pk__target t;
    pk__waiter waiter = {.wake = on_wake};
    const pk_call_desc d = {.contract = "c", .type = "x", .method = "go"};
    REQUIRE(open_world(&w));
    pk__plugin *p = add(&w, "a", "c", "x", "1.0.0", NULL);
    REQUIRE(p);
    CHECK_ERR(w.router.take(w.router.user, &d, &waiter, &t, NULL), PK_ERR_BUSY);
    w.router.unqueue(w.router.user, &waiter);
    p->failures++;
    memset(&p->why, 0, sizeof(p->why)); // it was up meanwhile
    p->state = PK__PLUGIN_BACKOFF;

    CHECK_ERR(w.router.take(w.router.user, &d, &waiter, &t, NULL), PK_ERR_BUSY);

    w.router.unqueue(w.router.user, &waiter);
    p->failures++;
    (void)pk_error_set(&p->why, PK_ERR_START, "no luck");
    CHECK_ERR(w.router.take(w.router.user, &d, &waiter, &t, NULL), PK_ERR_START);
    close_world(&w);
}

TEST(select, who_cannot_be_called_says_why)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    pk__plugin *p = add(&w, "a", "c", "x", "", NULL);
    REQUIRE(p);
    p->state = PK__PLUGIN_FAILED;
    pk_error_set(&p->why, PK_ERR_START, "it fell");
    CHECK_ERR(take(&w, "c", "x", NULL, NULL, &t, &err), PK_ERR_PLUGIN_DISABLED);
    CHECK_CONTAINS(err.msg, "it fell");
    p->is_gone = true;
    CHECK_ERR(take(&w, "c", "x", NULL, NULL, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    w.r.is_closed = true;
    CHECK_ERR(take(&w, "c", "x", NULL, NULL, &t, &err), PK_ERR_STOPPED);
    close_world(&w);
}

TEST(select, a_broken_connection_makes_the_instance_suspect)
{
    world w;
    pk__target t;
    pk_error broken;
    REQUIRE(open_world(&w));
    pk__plugin *p = add(&w, "a", "c", "x", "", NULL);
    REQUIRE(p);
    bring_up(&w, p, 0);
    REQUIRE_OK(take(&w, "c", NULL, NULL, NULL, &t, NULL));
    pk_error_set(&broken, PK_ERR_PLUGIN_CONNECTION, "reset");
    pk__usage usage = {&broken, 0, 0};
    w.router.give_back(w.router.user, &t, &usage);
    CHECK(w.up[0].suspect);
    CHECK_ERR(take(&w, "c", NULL, NULL, NULL, &t, NULL), PK_ERR_BUSY); // until life has asked how it is
    CHECK(!p->is_asked);
    close_world(&w);
}

TEST(select, duplicates_are_refused_or_another_provider)
{
    world w;
    pk__target t;
    pk_error err;
    REQUIRE(open_world(&w));
    REQUIRE(add(&w, "a", "c", "x", "", NULL));
    CHECK(!add(&w, "b", "c", "x", "", &err));
    CHECK_CONTAINS(err.msg, "external plugin for type 'x' already registered: 'a'");
    w.desc.duplicates = PK_DUPLICATES_PROVIDERS;
    pk__plugin *second = add(&w, "d", "c", "x", "", &err);
    REQUIRE(second);
    bring_up(&w, second, 1);
    REQUIRE_OK(take(&w, "c", "x", NULL, NULL, &t, NULL)); // the one that runs comes before the first
    CHECK_PK_STR(t.plugin, "d");
    close_world(&w);
}

TEST(select, names_are_checked)
{
    static const char *const good[] = {"a", "A-1.b_c",
                                       "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {"", ".a", "-a", "a/b", "a b", "a\nb", "\xc3\xa9", NULL,
                                      "01234567890123456789012345678901234567890123456789012345678901234"};
    pk_error err;
    for (size_t i = 0; i < PK__COUNT(good); i++) {
        CHECK_OK(pk__registry_check_name(good[i], &err));
    }
    for (size_t i = 0; i < PK__COUNT(bad); i++) {
        CHECK_ERR(pk__registry_check_name(bad[i], &err), PK_ERR_BAD_NAME);
    }
}

TEST_TORTURE(select, an_offer_is_made_whole_or_not_at_all)
{
    world w;
    if (!open_world(&w)) {
        return;
    }
    pk__plugin *p = add(&w, "a", "c", "x", "", NULL);
    pk__registry_lock(&w.r);
    CHECK((pk__registry_services(&w.r, PK_STR("c"), PK_STR("x")) != NULL) == (p && p->service_count > 0));
    CHECK((pk__registry_services(&w.r, PK_STR("c"), PK_STR("")) != NULL) == (p && p->service_count > 0));
    pk__registry_unlock(&w.r);
    close_world(&w);
}
