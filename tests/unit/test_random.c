/* test_random.c - random bytes, tokens, and their comparison. */
#include "unit.h"

TEST(random, tokens_are_256_bits_of_hex_and_differ)
{
    char a[PK__TOKEN_LEN + 1], b[PK__TOKEN_LEN + 1];
    REQUIRE_OK(pk__random_token(a, NULL));
    REQUIRE_OK(pk__random_token(b, NULL));
    CHECK_UINT(strlen(a), ==, 64);
    CHECK_UINT(strspn(a, "0123456789abcdef"), ==, 64);
    CHECK(strcmp(a, b) != 0);
    CHECK(pk__random_u64() != pk__random_u64());
}

TEST(random, tokens_are_compared_completely)
{
    CHECK(pk__token_equal(PK_STR("abc"), PK_STR("abc")));
    CHECK(!pk__token_equal(PK_STR("abc"), PK_STR("abd")));
    CHECK(!pk__token_equal(PK_STR("abc"), PK_STR("xbc")));
    CHECK(!pk__token_equal(PK_STR("abc"), PK_STR("ab")));
    CHECK(!pk__token_equal(PK_STR(""), PK_STR("")));
    pk_str none = {NULL, 0};
    CHECK(!pk__token_equal(none, none));
    for (size_t len = 1; len < 40; len++) { // wherever they differ, and in whichever bit
        char a[40], b[40];
        memset(a, 'x', sizeof(a));
        memset(b, 'x', sizeof(b));
        pk_str left = {a, len}, right = {b, len};
        CHECK(pk__token_equal(left, right));
        for (size_t at = 0; at < len; at++) {
            b[at] = (char)(b[at] ^ (1 << (at + len) % 8));
            CHECK(!pk__token_equal(left, right));
            b[at] = 'x';
        }
    }
}

static int getrandom_errno, getrandom_short;

static ssize_t getrandom_odd(void *out, size_t len)
{
    if (getrandom_errno) {
        errno = getrandom_errno;
        if (errno == EINTR) {
            getrandom_errno = 0;
        }
        return -1;
    }
    memset(out, getrandom_short++, 1);
    (void)len;
    return 1; // one at a time
}

TEST(random, goes_on_after_interruptions_and_short_reads)
{
    unsigned char bytes[5];
    static const unsigned char expected[] = {0, 1, 2, 3, 4};
    pk__sys.getrandom = getrandom_odd;
    getrandom_errno = EINTR;
    getrandom_short = 0;
    REQUIRE_OK(pk__random_bytes(bytes, sizeof(bytes), NULL));
    CHECK_MEM(bytes, expected, 5);
    pk__sys_reset();
}

static const char *open_wanted;
static int open_errno;

static int open_noted(const char *path, int flags, mode_t mode)
{
    open_wanted = path;
    if (open_errno) {
        errno = open_errno;
        return -1;
    }
    return open(path, flags, mode);
}

TEST(random, reads_the_device_where_there_is_no_call)
{
    char token[PK__TOKEN_LEN + 1] = "left";
    pk_error err = {0};
    pk__sys.getrandom = getrandom_odd;
    pk__sys.open = open_noted;
    getrandom_errno = ENOSYS;
    open_errno = 0;
    REQUIRE_OK(pk__random_token(token, &err));
    CHECK_STR(open_wanted, "/dev/urandom");
    CHECK_UINT(strlen(token), ==, 64);

    open_errno = EMFILE; // and never makes a token of nothing
    CHECK_ERR(pk__random_token(token, &err), PK_ERR_OS);
    CHECK_CONTAINS(err.msg, "cannot open '/dev/urandom'");
    CHECK_STR(token, "");
    CHECK(pk__random_u64() != 0); // jitter goes on
    pk__sys_reset();
}

TEST_TORTURE(random, survives_each_failure)
{
    char token[PK__TOKEN_LEN + 1];
    (void)TRY_OK(pk__random_token(token, NULL));
    CHECK(strlen(token) == 64 || strlen(token) == 0);
}
