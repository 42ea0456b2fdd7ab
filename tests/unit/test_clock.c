/* test_clock.c - the clocks, and the one that tests set. */
#include "unit.h"

TEST(clock, goes_forward_and_is_never_zero)
{
    int64_t before = pk__clock_ns(), after = pk_now_ns();
    CHECK_INT(before, >, 0);
    CHECK_INT(after, >=, before);
    CHECK_INT(pk__clock_unix_ms(), >, 1500000000000);
    CHECK(!pk__clock_is_fake());
}

TEST(clock, can_be_set_and_moved)
{
    pk__clock_fake(5 * PK__SECOND);
    CHECK(pk__clock_is_fake());
    CHECK_INT(pk__clock_ns(), ==, 5 * PK__SECOND);
    pk__clock_advance(250 * PK__MS);
    CHECK_INT(pk_now_ns(), ==, 5 * PK__SECOND + 250 * PK__MS);
    CHECK_INT(pk__clock_wait_ms(PK_FOREVER), ==, 0); // nothing waits meanwhile
    CHECK_INT(pk__clock_wait_ms(6 * PK__SECOND), ==, 0);
    pk__clock_real();
    CHECK(!pk__clock_is_fake());
}

TEST(clock, waits_are_rounded_up_and_have_no_end_only_for_forever)
{
    int64_t now = pk__clock_ns();
    CHECK_INT(pk__clock_wait_ms(PK_FOREVER), ==, -1);
    CHECK_INT(pk__clock_wait_ms(now - 1), ==, 0);
    CHECK_INT(pk__clock_wait_ms(0), ==, 0);
    CHECK_INT(pk__clock_wait_ms(PK_FOREVER - 1), ==, INT32_MAX);
    int ms = pk__clock_wait_ms(pk__clock_ns() + 100000 * PK__SECOND + 1);
    CHECK_INT(ms, >, 99000000);
    CHECK_INT(ms, <=, 100000001);
}

TEST(clock, later_stops_at_forever)
{
    CHECK_INT(pk__clock_after_ms(7, 3), ==, 7 + 3 * PK__MS);
    CHECK_INT(pk__clock_after_ms(7, UINT64_MAX), ==, PK_FOREVER);
    CHECK_INT(pk__clock_after_ms(PK_FOREVER, 1), ==, PK_FOREVER);
    CHECK_INT(pk__clock_after_ms(1, (uint64_t)(INT64_MAX / PK__MS)), ==, PK_FOREVER);
}
