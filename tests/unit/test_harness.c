/* test_harness.c - the harness itself: what must fail does fail. */
#include "unit.h"

TEST(harness, passes_when_checks_hold)
{
    CHECK(true);
    CHECK_INT(1, <, 2);
    CHECK_STR("a", "a");
    CHECK_PK_STR(PK_STR("x"), "x");
}
