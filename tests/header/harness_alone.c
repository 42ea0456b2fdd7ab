/* harness_alone.c - the harness without PlugKit, as anybody may use it. */
#include "../harness.h"

TEST(alone, works)
{
    char *copy = test_guarded("abc", 4);
    CHECK_STR(copy, "abc");
    WAIT_UNTIL(test__ms() > 0);
    test_guarded_free(copy, 4);
}

TEST_EXITS(alone, sees_an_exit, TEST_STATUS(7))
{
    exit(7);
}
