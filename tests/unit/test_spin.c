/* test_spin.c - when waiting awake pays. */
#include "unit.h"

static int cpus;

static int count_cpus(void)
{
    return cpus;
}

TEST(spin, is_off_where_only_one_cpu_may_be_used)
{
    pk__sys.cpu_count = count_cpus;
    for (cpus = -1; cpus < 2; cpus++) {
        CHECK_INT(pk__spin_ns(100), ==, 0);
    }
    CHECK_INT(pk__spin_ns(100), ==, 100000);
    CHECK_INT(pk__spin_ns(0), ==, 0);
    CHECK_INT(pk__spin_ns(1000), ==, PK__MS);
    CHECK_INT(pk__spin_ns(UINT32_MAX), ==, PK__MS);
    pk__sys_reset();
    CHECK_INT(PK__SYS(cpu_count)(), >=, 1); // the real one
    pk__sys_fail_at = pk__sys_count.all + 1;
    CHECK_INT(pk__spin_ns(100), ==, 0); // nobody knows
}

/* How many waits are left without it from here on. */
static unsigned waits_until_try(pk__spin *s)
{
    unsigned waits = 0;
    while (!pk__spin_try(s)) {
        waits++;
        REQUIRE(waits < 10000);
    }
    return waits;
}

TEST(spin, is_tried_less_and_less_while_nothing_is_found)
{
    pk__spin s = {1000, 0, 0};
    CHECK_UINT(waits_until_try(&s), ==, 0);
    unsigned skips[12];
    for (unsigned i = 0; i < 12; i++) {
        pk__spin_learn(&s, false);
        skips[i] = waits_until_try(&s);
        CHECK_UINT(skips[i], ==, i < 10 ? 1u << i : 1024u);
    }
    pk__spin_learn(&s, true); // and at once always, when it has paid
    for (int i = 0; i < 5; i++) {
        CHECK_UINT(waits_until_try(&s), ==, 0);
    }
    pk__spin_learn(&s, false);
    CHECK_UINT(waits_until_try(&s), ==, 1);
}

TEST(spin, is_never_tried_without_a_limit_or_by_a_faked_clock)
{
    pk__spin none = {0, 0, 0}, some = {1000, 0, 0};
    CHECK(!pk__spin_try(&none));
    pk__clock_fake(5);
    CHECK(!pk__spin_try(&some));
    pk__clock_real();
    CHECK(pk__spin_try(&some));
}
