/* test_stdout.c - what is printed by accident becomes a log, and only our line goes to the real stdout. */
#include "unit.h"

static int out[2], err_pipe[2], old_out, old_err;

static void take_over(void)
{
    fflush(stdout);
    old_out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    old_err = fcntl(2, F_DUPFD_CLOEXEC, 3);
    REQUIRE(old_out > 0 && old_err > 0);
    REQUIRE_OK(pk__fd_pipe(out, NULL));
    REQUIRE_OK(pk__fd_pipe(err_pipe, NULL));
    REQUIRE(dup2(out[1], 1) == 1 && dup2(err_pipe[1], 2) == 2);
    close(out[1]);
    close(err_pipe[1]);
}

static void give_back(char *from_out, char *from_err, size_t cap)
{
    fflush(stdout);
    REQUIRE(dup2(old_out, 1) == 1 && dup2(old_err, 2) == 2);
    close(old_out);
    close(old_err);
    ssize_t n = read(out[0], from_out, cap - 1);
    from_out[n > 0 ? n : 0] = '\0';
    n = read(err_pipe[0], from_err, cap - 1);
    from_err[n > 0 ? n : 0] = '\0';
    close(out[0]);
    close(err_pipe[0]);
}

TEST(standard_output, is_kept_clean)
{
    pk__stdout s = {0};
    char from_out[256], from_err[256];
    take_over();
    pk__stdout_keep(&s);
    printf("stray before; ");
    fflush(stdout);
    pk_err rc = pk__stdout_print(&s, PK_STR("http://127.0.0.1:80"), NULL);
    printf("stray behind; "); // still in stdio's buffer when it is put back
    pk__stdout_restore(&s);
    pk__stdout_restore(&s);
    printf("real again");
    give_back(from_out, from_err, sizeof(from_out));
    CHECK_OK(rc);
    CHECK_STR(from_out, "http://127.0.0.1:80\nreal again");
    CHECK_STR(from_err, "stray before; stray behind; ");
}

TEST(standard_output, is_used_as_it_is_without_stderr)
{
    pk__stdout s = {0};
    char from_out[256], from_err[256];
    take_over();
    close(2);
    pk__stdout_keep(&s);
    pk_err rc = pk__stdout_print(&s, PK_STR("line"), NULL);
    pk__stdout_restore(&s);
    give_back(from_out, from_err, sizeof(from_out));
    CHECK_OK(rc);
    CHECK_STR(from_out, "line\n");
}

TEST(standard_output, says_when_there_is_none)
{
    pk__stdout s = {0};
    char from_out[256], from_err[256];
    take_over();
    close(1);
    pk__stdout_keep(&s);
    pk_err rc = pk__stdout_print(&s, PK_STR("line"), NULL);
    pk__stdout_restore(&s);
    give_back(from_out, from_err, sizeof(from_out));
    CHECK_ERR(rc, PK_ERR_OS);
}
