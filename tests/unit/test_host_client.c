/* test_host_client.c - which of the host's services a plugin's call goes to. The calls themselves: test_sdk.c. */
#include "unit.h"

static pk__control_service offers[] = {
    {PK_STR_INIT("audit"), PK_STR_INIT("file"), PK_STR_INIT("1.2.0"), PK_STR_INIT("/services/audit/file")},
    {PK_STR_INIT("audit"), PK_STR_INIT("log"), PK_STR_INIT("1.4.0"), PK_STR_INIT("/services/audit/log")},
    {PK_STR_INIT("clock"), PK_STR_INIT("utc"), PK_STR_INIT("2.0.0"), PK_STR_INIT("/services/clock/utc")},
};

static pk__settings settings;
static pk_loop *loop;
static pk__host_client client;

static pk_err open_client(bool has_host)
{
    pk_sdk_desc desc = {.id = "x"};
    memset(&settings, 0, sizeof(settings));
    settings.instance = PK_STR("x-1");
    settings.token = PK_STR("secret");
    if (has_host) {
        settings.host.address = PK_STR("http+unix:///run/host.sock");
        settings.host.services.items = offers;
        settings.host.services.count = PK__COUNT(offers);
    }
    pk_err rc = pk_loop_create(&loop, test_alloc(), NULL);
    return rc ? rc : pk__host_client_init(&client, &settings, &desc, test_alloc(), loop);
}

static void close_client(void)
{
    pk__host_client_interrupt(&client);
    pk__host_client_deinit(&client);
    pk__host_client_deinit(&client);
    pk_loop_destroy(loop);
    loop = NULL;
}

static pk_err take(const pk_call_desc *desc, pk__target *out, pk_error *err)
{
    return client.caller.router.take(client.caller.router.user, desc, NULL, out, err);
}

static void give_back(pk__target *t)
{
    pk__usage usage = {NULL, 0, 0};
    client.caller.router.give_back(client.caller.router.user, t, &usage);
}

TEST(host_client, finds_the_path_of_a_service)
{
    pk_call_desc desc = {.contract = "audit", .type = "log", .method = "write", .http = "PUT /write", .version = "1.3.0"};
    pk__target t;
    pk_error err;
    REQUIRE_OK(open_client(true));

    REQUIRE_OK(take(&desc, &t, &err));
    CHECK_PK_STR(t.verb, "PUT");
    CHECK_PK_STR(t.path, "/services/audit/log/write");
    CHECK_PK_STR(t.type, "log");
    CHECK(t.dialect == &client.dialect && t.channel == client.channel && t.channel);
    give_back(&t);

    desc.http = NULL; // a method that only has a name
    REQUIRE_OK(take(&desc, &t, &err));
    CHECK_PK_STR(t.verb, "POST");
    CHECK_PK_STR(t.path, "/services/audit/log/write");
    give_back(&t);

    desc.type = NULL; // any that can do version 1.3
    REQUIRE_OK(take(&desc, &t, &err));
    CHECK_PK_STR(t.type, "log");
    give_back(&t);
    close_client();
}

TEST(host_client, says_what_the_host_does_not_offer)
{
    pk_call_desc desc = {.contract = "audit", .type = "paper", .method = "write"};
    pk__target t;
    pk_error err;
    REQUIRE_OK(open_client(true));
    CHECK_ERR(take(&desc, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found: host offers no 'paper'");
    desc.contract = "mail";
    desc.type = "";
    CHECK_ERR(take(&desc, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found: host offers no 'mail'");
    desc.contract = "clock";
    desc.version = "3.0.0";
    CHECK_ERR(take(&desc, &t, &err), PK_ERR_BAD_CONTRACT);
    CHECK_STR(err.msg, "no plugin found: host offers 'clock' 2.0.0, which does not serve 3.0.0");
    desc.contract = NULL;
    CHECK_ERR(take(&desc, &t, &err), PK_ERR_PLUGIN_NOT_FOUND);
    close_client();
}

TEST(host_client, finds_nothing_without_a_host)
{
    pk_call_desc desc = {.contract = "audit", .method = "write"};
    pk_reply reply;
    pk_error err;
    memset(&reply, 0, sizeof(reply));
    REQUIRE_OK(open_client(false));
    CHECK_ERR(pk_caller_call(&client.caller, &desc, &reply, &err), PK_ERR_PLUGIN_NOT_FOUND);
    CHECK_STR(err.msg, "no plugin found: host offers no 'audit'");
    pk_mem_free(&reply.mem);
    close_client();
}

static const pk_contract audit = {"audit", "1.3.0", NULL, 0};

TEST(host_client, binds_what_is_offered)
{
    pk_stub stub;
    REQUIRE_OK(open_client(true));
    CHECK_OK(pk_stub_bind(&stub, &client.caller, &audit, PK_STR("log"), NULL));
    CHECK_OK(pk_stub_bind(&stub, &client.caller, &audit, PK_STR(""), NULL));
    CHECK_ERR(pk_stub_bind(&stub, &client.caller, &audit, PK_STR("file"), NULL), PK_ERR_BAD_CONTRACT);
    CHECK_ERR(pk_stub_bind(&stub, &client.caller, &audit, PK_STR("paper"), NULL), PK_ERR_PLUGIN_NOT_FOUND);
    close_client();
}

TEST(host_client, fails_every_call_in_the_way_it_failed_itself)
{
    pk_sdk_desc desc = {.id = "x"};
    pk_call_desc call = {.contract = "audit", .type = "log", .method = "write"};
    pk_stub stub;
    pk_error err;
    REQUIRE_OK(open_client(true));
    close_client();
    settings.host.address = PK_STR("nonsense");
    REQUIRE_OK(pk_loop_create(&loop, test_alloc(), NULL));
    CHECK_ERR(pk__host_client_init(&client, &settings, &desc, test_alloc(), loop), PK_ERR_BAD_ENDPOINT);
    CHECK_ERR(pk_caller_call(&client.caller, &call, NULL, &err), PK_ERR_BAD_ENDPOINT);
    CHECK_CONTAINS(err.msg, "nonsense");
    CHECK_ERR(pk_stub_bind(&stub, &client.caller, &audit, PK_STR("log"), &err), PK_ERR_BAD_ENDPOINT);
    close_client();
}

TEST_TORTURE(host_client, survives_having_no_memory)
{
    pk_call_desc desc = {.contract = "audit", .type = "log", .method = "write"};
    pk__target t;
    pk_error err;
    memset(&client, 0, sizeof(client));
    if (TRY_OK(open_client(true)) && TRY_OK(take(&desc, &t, &err))) {
        CHECK_PK_STR(t.path, "/services/audit/log/write");
        give_back(&t);
    }
    close_client();
}
