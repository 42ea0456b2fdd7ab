/* test_lookup.c - host names, looked up while the loop goes on. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- a resolver of our own */

static pk__atomic_u32 look_ups;
static pk__atomic_u32 is_held; // the resolver does not answer

static void give_v4(pk__sys_names *out, const char *number)
{
    struct sockaddr_in v4;
    memset(&v4, 0, sizeof(v4));
    v4.sin_family = AF_INET;
    REQUIRE(inet_pton(AF_INET, number, &v4.sin_addr) == 1);
    memcpy(&out->at[out->count++], &v4, sizeof(v4));
}

static void give_v6(pk__sys_names *out, const char *number, uint32_t scope)
{
    struct sockaddr_in6 v6;
    memset(&v6, 0, sizeof(v6));
    v6.sin6_family = AF_INET6;
    v6.sin6_scope_id = scope;
    REQUIRE(inet_pton(AF_INET6, number, &v6.sin6_addr) == 1);
    memcpy(&out->at[out->count++], &v6, sizeof(v6));
}

static int fake_look_up(const char *host, pk__sys_names *out)
{
    (void)pk__atomic_add(&look_ups, 1);
    while (pk__atomic_load(&is_held)) {
        pk__thread_nap(PK__MS / 10);
    }
    memset(out, 0, sizeof(*out));
    if (strcmp(host, "nowhere.test") == 0) {
        return EAI_NONAME;
    }
    give_v6(out, "2001:db8::1", 0);
    give_v4(out, "192.0.2.1");
    give_v4(out, "192.0.2.1");
    give_v6(out, "fe80::1", 7);
    return 0;
}

/* ---- who asks */

static struct {
    int told;
    pk__lookup_names names;
    pk_error why;
    pk__lookup *look;
} heard;

static void on_found(void *user, const pk__lookup_names *names, const pk_error *why)
{
    (void)user;
    heard.told++;
    CHECK(!names != !why);
    if (names) {
        heard.names = *names;
    } else {
        heard.why = *why;
    }
    pk__lookup_end(&heard.look);
}

static pk_err ask(pk_loop *loop, const char *host, pk_error *err)
{
    memset(&heard, 0, sizeof(heard));
    return pk__lookup_begin(&heard.look, loop, host, on_found, NULL, err);
}

static void hear(pk_loop *loop)
{
    CHECK_INT(heard.told, ==, 0); // never before it has returned
    WAIT_UNTIL(pk_loop_step(loop, 50, NULL) != PK_OK || heard.told > 0);
    CHECK_INT(heard.told, ==, 1);
}

TEST(lookup, a_name_has_several_numbers_in_their_order_and_each_once)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys.look_up = fake_look_up;
    REQUIRE_OK(ask(loop, "peer.test", NULL));
    hear(loop);
    REQUIRE(heard.names.count == 3);
    CHECK_STR(heard.names.number[0], "2001:db8::1");
    CHECK_STR(heard.names.number[1], "192.0.2.1");
    CHECK_STR(heard.names.number[2], "fe80::1%7");
    pk_loop_destroy(loop);
}

TEST(lookup, one_that_nobody_knows_is_named_with_the_reason)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys.look_up = fake_look_up;
    REQUIRE_OK(ask(loop, "nowhere.test", NULL));
    hear(loop);
    CHECK_INT(heard.why.code, ==, PK_ERR_PLUGIN_CONNECTION);
    CHECK_CONTAINS(heard.why.msg, "cannot find host 'nowhere.test': ");
    pk_loop_destroy(loop);
}

TEST(lookup, numbers_and_localhost_ask_nobody)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__atomic_store(&look_ups, 0);
    pk__sys.look_up = fake_look_up;
    CHECK(!pk__lookup_is_name("127.0.0.1"));
    CHECK(!pk__lookup_is_name("::1"));
    CHECK(pk__lookup_is_name("localhost"));
    CHECK(pk__lookup_is_name("127.0.0.1.test"));
    REQUIRE_OK(ask(loop, "localhost", NULL));
    hear(loop);
    REQUIRE(heard.names.count == 2);
    CHECK_STR(heard.names.number[0], "127.0.0.1");
    CHECK_STR(heard.names.number[1], "::1");
    CHECK_UINT(pk__atomic_load(&look_ups), ==, 0);
    pk_loop_destroy(loop);
}

TEST(lookup, the_loop_goes_on_while_the_resolver_waits)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys.look_up = fake_look_up;
    pk__atomic_store(&is_held, 1);
    REQUIRE_OK(ask(loop, "peer.test", NULL));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(pk_loop_step(loop, 1, NULL));
    }
    CHECK_INT(heard.told, ==, 0);
    pk__atomic_store(&is_held, 0);
    hear(loop);
    pk_loop_destroy(loop);
}

TEST(lookup, who_does_not_want_to_know_any_more_does_not_wait_and_is_not_told)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys.look_up = fake_look_up;
    pk__atomic_store(&look_ups, 0);
    pk__atomic_store(&is_held, 1);
    REQUIRE_OK(ask(loop, "peer.test", NULL));
    pk__lookup_end(&heard.look);
    CHECK(!heard.look);
    pk__lookup_end(&heard.look); // once more is nothing
    pk_loop_destroy(loop);       // before the resolver has answered
    WAIT_UNTIL(pk__atomic_load(&look_ups) == 1);
    pk__atomic_store(&is_held, 0);
    CHECK_INT(heard.told, ==, 0);
    pk__thread_nap(5 * PK__MS); // for the sanitizers: the thread throws away what it found
}

TEST(lookup, one_that_is_taken_back_when_it_is_done_is_not_told)
{
    pk_loop *loop;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys.look_up = fake_look_up;
    REQUIRE_OK(ask(loop, "localhost", NULL)); // done at once, and not told yet
    pk__lookup_end(&heard.look);
    CHECK_OK(pk_loop_step(loop, 0, NULL));
    CHECK_INT(heard.told, ==, 0);
    pk_loop_destroy(loop);
}

TEST(lookup, without_a_thread_there_is_an_error)
{
    pk_loop *loop;
    pk_error err;
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    pk__sys_fail_at = pk__sys_count.all + 1;
    CHECK_ERR(ask(loop, "peer.test", &err), PK_ERR_OS);
    CHECK(!heard.look);
    pk_loop_destroy(loop);
}

TEST(lookup, the_resolver_of_this_system_knows_numbers_of_one_link)
{
    pk__sys_names found;
    REQUIRE(PK__SYS(look_up)("::1", &found) == 0);
    REQUIRE(found.count == 1);
    CHECK_INT(found.at[0].ss_family, ==, AF_INET6);
    CHECK_INT(PK__SYS(look_up)("no such host", &found), !=, 0);
}
