/* test_error.c - the error list, and the making of sentences. */
#include "unit.h"

TEST(error, every_code_has_a_name_an_id_and_a_sentence_of_its_own)
{
    static const pk_err codes[] = {
#define ROW(name, number, group, kind, severity, retry, text) PK_ERR_##name,
        PK_ERR_LIST(ROW)
#undef ROW
    };
    for (size_t i = 0; i < PK__COUNT(codes); i++) {
        CASE("%d", codes[i])
        {
            CHECK(codes[i] < 0);
            CHECK(strncmp(pk_err_name(codes[i]), "PK_ERR_", 7) == 0);
            CHECK(strchr(pk_err_id(codes[i]), '_') != NULL);
            const char *text = pk_err_text(codes[i]);
            CHECK(text[0] >= 'a' || strstr(text, "JSON"));
            CHECK(text[strlen(text) - 1] != '.');
            CHECK(pk_err_kind(codes[i]) != PK_KIND_OK && pk_err_severity(codes[i]) != PK_SEVERITY_NONE);
            for (size_t k = 0; k < i; k++) {
                CHECK(codes[i] != codes[k] && strcmp(pk_err_text(codes[i]), pk_err_text(codes[k])) != 0);
            }
        }
    }
#define CHECK_WORDS(name, number, group, kind, severity, retry, text) \
    CHECK_STR(pk_err_name(PK_ERR_##name), "PK_ERR_" #name);           \
    CHECK_STR(pk_err_id(PK_ERR_##name), group "_" #number);           \
    CHECK_STR(pk_err_text(PK_ERR_##name), text);
    PK_ERR_LIST(CHECK_WORDS)
    CHECK_STR(pk_err_name(PK_OK), "PK_OK");
    CHECK_STR(pk_err_name((pk_err)-5), "unknown error");
    CHECK(pk_err_retryable(PK_ERR_PLUGIN_CONNECTION) && !pk_err_retryable(PK_ERR_MISUSE));
}

TEST(error, kinds_and_statuses_agree_with_connect)
{
    CHECK_INT(pk_kind_status(PK_KIND_CANCELED), ==, 499);
    CHECK_INT(pk_kind_status(PK_KIND_NOT_FOUND), ==, 404);
    CHECK_INT(pk_kind_status(PK_KIND_EXHAUSTED), ==, 429);
    CHECK_INT(pk_kind_status(PK_KIND_UNAUTHENTICATED), ==, 401);
    CHECK_INT(pk_kind_status((pk_kind)99), ==, 500);
    CHECK_STR(pk_kind_name(PK_KIND_OK), "ok");
    CHECK_STR(pk_kind_name(PK_KIND_INVALID), "invalid_argument");
    CHECK_STR(pk_kind_name(PK_KIND_UNAUTHENTICATED), "unauthenticated");
    CHECK_STR(pk_kind_name((pk_kind)99), "unknown");
    CHECK_INT(pk_kind_from_status(404), ==, PK_KIND_NOT_FOUND);
    CHECK_INT(pk_kind_from_status(418), ==, PK_KIND_UNKNOWN);
    CHECK_INT(pk_kind_from_status(204), ==, PK_KIND_OK);
}

TEST(error, a_sentence_is_cut_between_characters)
{
    char euros[400];
    char quoted[sizeof(((pk_error *)0)->msg) + 2];
    pk_error err;
    for (size_t i = 0; i + 4 <= sizeof(euros); i += 3) {
        memcpy(euros + i, "\xE2\x82\xAC", 4);
    }
    for (int before = 0; before < 4; before++) {
        CASE("%d", before)
        {
            pk_error_set(&err, PK_ERR_OS, "%.*s%s", before, "aaa", euros);
            CHECK_UINT(strlen(err.msg), >, sizeof(err.msg) - 4);
            pk__error_wrap(&err, "cannot do '%s'", "it");
            snprintf(quoted, sizeof(quoted), "\"%s\"", err.msg);
            CHECK_OK(pk_json_check(pk_str_from(quoted), NULL));
            pk_error_sys(&err, PK_ERR_OS, ENOENT, "%.*s%s", before, "aaa", euros);
            snprintf(quoted, sizeof(quoted), "\"%s\"", err.msg);
            CHECK_OK(pk_json_check(pk_str_from(quoted), NULL));
        }
    }
}

TEST(error, sentences_are_made_wrapped_and_cut_but_never_overrun)
{
    pk_error err;
    CHECK_ERR(pk_error_set(&err, PK_ERR_PATH, "cannot open '%s'", "x"), PK_ERR_PATH);
    CHECK_STR(err.msg, "cannot open 'x'");
    CHECK_ERR(pk_error_sys(&err, PK_ERR_OS, ENOENT, "cannot open '%s'", "y"), PK_ERR_OS);
    CHECK_STR(err.msg, "cannot open 'y': No such file or directory");
    CHECK_INT(err.sys_errno, ==, ENOENT);
    pk__error_wrap(&err, "cannot start '%s'", "z");
    CHECK_STR(err.msg, "cannot start 'z': cannot open 'y': No such file or directory");
    CHECK_ERR(err.code, PK_ERR_OS);
    pk_error_set(&err, PK_ERR_OS, "%s", err.msg); // out of itself
    CHECK_CONTAINS(err.msg, "cannot start 'z'");
    char longer[1000];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    pk_error_set(&err, PK_ERR_OS, "%s", longer);
    CHECK_UINT(strlen(err.msg), ==, sizeof(err.msg) - 1);
    pk__error_wrap(&err, "%s", longer);
    CHECK_UINT(strlen(err.msg), ==, sizeof(err.msg) - 1);
    CHECK_ERR(pk_error_set(NULL, PK_ERR_OS, "nobody listens"), PK_ERR_OS);
}

TEST(error, foreign_bytes_are_made_harmless)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"a\nb", "a\\x0ab"},
        {"\x1b[31m", "\\x1b[31m"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xff", "\\xff"},
        {"\xc3", "\\xc3"},
        {"\xc0\xaf", "\\xc0\\xaf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xc2\x9b", "\\xc2\\x9b"},
        {"\x7f", "\\x7f"},
        {"", ""},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        char out[64];
        CHECK_UINT(pk__error_clean(out, sizeof(out), pk_str_from(rows[i].in)), ==, strlen(rows[i].out));
        CHECK_STR(out, rows[i].out);
    }
}

TEST(error, cleaned_text_fits_every_size_and_shows_that_it_was_cut)
{
    static const char text[] = "ab\xc3\xa9\x01zzzzzzzzzz";
    for (size_t cap = 1; cap < 40; cap++) {
        static const char zeros[40];
        char *out = test_guarded(zeros, cap);
        size_t len = pk__error_clean(out, cap, pk_str_from(text));
        CHECK_UINT(len, <, cap);
        CHECK_UINT(strlen(out), ==, len);
        if (cap > 4 && cap < sizeof(text)) {
            CHECK(len >= 3 && memcmp(out + len - 3, "...", 3) == 0);
        }
    }
}
