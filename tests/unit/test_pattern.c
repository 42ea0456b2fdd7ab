/* test_pattern.c - regular expressions: what each of their parts matches, what is refused and where, and that no
 * expression takes more than linear time. */
#include "unit.h"

/* Does it match? -1: it is refused. */
static int match(const char *pattern, const char *text)
{
    pk_pattern *p = NULL;
    pk_error err;
    size_t len = strlen(text);
    if (pk_pattern_create(&p, pk_str_from(pattern), test_alloc(), &err)) {
        CHECK(p == NULL);
        return -1;
    }
    bool found = pk_pattern_match(p, (pk_str){test_guarded(text, len), len});
    pk_pattern_destroy(p);
    return found;
}

typedef struct row {
    const char *pattern, *yes, *no; // texts with a blank between them; "~" is the empty one
} row;

static void check_texts(const char *pattern, const char *texts, int wanted)
{
    char buf[400];
    (void)snprintf(buf, sizeof(buf), "%s", texts);
    for (char *save, *text = strtok_r(buf, " ", &save); text; text = strtok_r(NULL, " ", &save)) {
        CASE("'%s' in '%s'", pattern, text)
        {
            CHECK_INT(match(pattern, strcmp(text, "~") == 0 ? "" : text), ==, wanted);
        }
    }
}

static void check_rows(const row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_texts(rows[i].pattern, rows[i].yes, 1);
        check_texts(rows[i].pattern, rows[i].no, 0);
    }
}

TEST(pattern, characters_and_where_they_are)
{
    static const row rows[] = {
        {"", "~ a", ""},
        {"a", "a ba ab bab", "~ b A"},
        {"abc", "abc xabcx ababc", "ab abd"},
        {"^a", "a ab", "ba ~"},
        {"a$", "a ba", "ab ~"},
        {"^a$", "a", "aa ba ab ~"},
        {"^$", "~", "a"},
        {"^^a$$", "a", "aa"},
        {"a^b", "", "ab a^b"},
        {".", "a \xC3\xA4 \xF0\x9F\x90\xB2", "~"},
        {"^.$", "a \xC3\xA4 \xF0\x9F\x90\xB2", "aa \xC3\xA4\xC3\xA4"},
        {"^..$", "ab \xC3\xA4x", "a \xC3\xA4"},
        {"\xC3\xA4", "\xC3\xA4 x\xC3\xA4x", "\xC3\xB6 \xA4"},
        {"^\xF0\x9F\x90\xB2*$", "~ \xF0\x9F\x90\xB2 \xF0\x9F\x90\xB2\xF0\x9F\x90\xB2", "D \xF0\x9F\x90\x89"},
        {"\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/\\^\\$\\\\\\-", ".*+?()[]{}|/^$\\-", "a"},
        {"\\x41\\u0042\\u{43}\\u{1F432}", "ABC\xF0\x9F\x90\xB2", "ABC"},
        {"\\uD83D\\uDC32", "\xF0\x9F\x90\xB2", "x"},
        {"\\uD83Dx", "", "x \xF0\x9F\x90\xB2"},
        {"<>=!:;,\"'`~@#%&_", "<>=!:;,\"'`~@#%&_", "a"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
    CHECK_INT(match("^\\t\\n\\v\\f\\r\\cA\\cz$", "\t\n\v\f\r\x01\x1A"), ==, 1);
    CHECK_INT(match("a.b", "a\nb"), ==, 0);
    CHECK_INT(match("a.b", "a\rb"), ==, 0);
    CHECK_INT(match("a.b", "a\xE2\x80\xA8" "b"), ==, 0); // U+2028
    CHECK_INT(match("^abc$", "abc\n"), ==, 0);
    CHECK_INT(match("\\ a", " a"), ==, 1);
}

TEST(pattern, nul_is_a_character)
{
    pk_pattern *p = NULL;
    REQUIRE_OK(pk_pattern_create(&p, PK_STR("^a\\0.[\\0]$"), test_alloc(), NULL));
    CHECK(pk_pattern_match(p, (pk_str){"a\0\0\0", 4}));
    CHECK(!pk_pattern_match(p, (pk_str){"a\0\0x", 4}));
    pk_pattern_destroy(p);
    REQUIRE_OK(pk_pattern_create(&p, (pk_str){"^\0$", 3}, test_alloc(), NULL));
    CHECK(pk_pattern_match(p, (pk_str){"\0", 1}));
    CHECK(!pk_pattern_match(p, (pk_str){"", 0}));
    pk_pattern_destroy(p);
    CHECK_ERR(pk_pattern_create(&p, (pk_str){"\\\0", 2}, test_alloc(), NULL), PK_ERR_PARSE);
}

TEST(pattern, classes)
{
    static const row rows[] = {
        {"^[abc]$", "a b c", "d ~ ab"},
        {"^[^abc]$", "d \xC3\xA4", "a b c ~"},
        {"^[a-c]$", "a b c", "d -"},
        {"^[a-cx-z]$", "a c x z", "d w"},
        {"^[z-za-c]$", "z a", "y"},
        {"^[-a]$", "- a", "b"},
        {"^[a-]$", "- a", "b"},
        {"^[\\]\\\\^]$", "] \\ ^", "a"},
        {"^[.*+?(){}|$]$", ". * + ? ( ) { } | $", "a"},
        {"^[\xC3\xA0-\xC3\xBC]$", "\xC3\xA0 \xC3\xA4 \xC3\xBC", "a \xC3\xBD"},
        {"^[\\x41-\\u{43}]$", "A B C", "D"},
        {"^[\\b]$", "\b", "b"},
        {"^[\\-]$", "-", "\\"},
        {"[]", "", "a ~"},
        {"^[^]$", "a \xC3\xA4", "~ ab"},
        {"^[\\d_]$", "0 9 _", "a"},
        {"^[^\\d_]$", "a", "0 9 _"},
        {"^[\\D]$", "a", "0"},
        {"^[\\w-]$", "a Z 0 _ -", "+"},
        {"^[[]$", "[", "a"},
        {"^\\d$", "0 5 9", "a \xD9\xA3"}, // an arabic digit
        {"^\\D$", "a \xD9\xA3", "0"},
        {"^\\w$", "a z A Z 0 9 _", "- \xC3\xA4"},
        {"^\\W$", "- \xC3\xA4", "a _"},
        {"^\\S$", "a \xC3\xA4", "\xC2\xA0"},
    };
    static const char *const spaces[] = {" ", "\t", "\n", "\v", "\f", "\r", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\x80",
                                         "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF",
                                         "\xE2\x81\x9F", "\xE3\x80\x80", "\xEF\xBB\xBF"};
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
        CHECK_INT(match("^\\s$", spaces[i]), ==, 1);
        CHECK_INT(match("^\\S$", spaces[i]), ==, 0);
        CHECK_INT(match("^[^\\s]$", spaces[i]), ==, 0);
    }
    CHECK_INT(match("^\\s$", "\xE2\x80\x8B"), ==, 0); // of no width
    CHECK_INT(match("^[^x]$", "\n"), ==, 1);
}

TEST(pattern, general_categories)
{
    static const row rows[] = {
        {"^\\p{L}+$", "abc \xC3\xA4\xC3\x96 \xD0\x96 \xE6\xBC\xA2 \xF0\x90\x90\x80", "1 _ ~ a1"},
        {"^\\p{Letter}$", "a \xC3\xA4", "1"},
        {"^\\P{L}$", "1 _", "a \xC3\xA4"},
        {"^\\p{Lu}$", "A \xC3\x84 \xC4\x80", "a \xC3\xA4 \xC4\x81"}, // A with macron: in a run of pairs
        {"^\\p{Ll}$", "a \xC3\xA4 \xC4\x81", "A \xC3\x84 \xC4\x80"},
        {"^\\p{LC}$", "a A \xC7\x85", "1 \xE6\xBC\xA2"},
        {"^\\p{digit}+$", "09 \xD9\xA3", "a \xE2\x85\xA0"},
        {"^\\p{Nd}$", "0 \xD9\xA3", "\xE2\x85\xA0"},
        {"^\\p{N}$", "0 \xE2\x85\xA0 \xC2\xBD", "a"},
        {"^\\p{gc=Nd}$", "0", "a"},
        {"^\\p{General_Category=Decimal_Number}$", "0", "a"},
        {"^[\\p{L}\\p{Nd}_-]+$", "a1_- \xC3\xA4", "+ ~"},
        {"^[^\\p{L}]$", "1", "a"},
        {"^[\\P{L}a]$", "1 a", "b"},
        {"^\\p{Sc}$", "$ \xE2\x82\xAC", "a"},
        {"^\\p{P}$", ". ! -", "a $"},
        {"^\\p{Any}$", "a \xF4\x8F\xBF\xBF", "~"},
        {"^\\p{ASCII}$", "a Z", "\xC3\xA4"},
        {"^\\p{Assigned}$", "a", "\xCD\xB8"},
        {"^\\p{Cn}$", "\xCD\xB8 \xF4\x8F\xBF\xBF", "a"},
        {"^\\p{Co}$", "\xEE\x80\x80 \xF3\xB0\x80\x80", "a"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
    CHECK_INT(match("^\\p{ASCII}$", ""), ==, 0);
    CHECK_INT(match("^\\p{Zs}$", " "), ==, 1);
    CHECK_INT(match("^\\p{Cc}$", "\x1F"), ==, 1);
}

TEST(pattern, quantifiers_and_alternatives)
{
    static const row rows[] = {
        {"^a*$", "~ a aaa", "b ab"},
        {"^a+$", "a aaa", "~ ab"},
        {"^a?$", "~ a", "aa"},
        {"^a{2}$", "aa", "a aaa ~"},
        {"^a{2,}$", "aa aaaaa", "a ~"},
        {"^a{2,4}$", "aa aaa aaaa", "a aaaaa ~"},
        {"^a{0,2}$", "~ a aa", "aaa"},
        {"^a{0}b$", "b", "ab"},
        {"^a{0,}$", "~ a aa", "b"},
        {"^a{1}$", "a", "aa"},
        {"^a{1,1}$", "a", "aa"},
        {"^a*?b+?c??d{1,2}?$", "bd aabbcdd", "d ab"},
        {"^(ab){2,3}$", "abab ababab", "ab abababab aba"},
        {"^(a|bc)*d$", "d ad bcd abcabcd", "bd cd"},
        {"^(a*)*b$", "b aaab", "a ~"},
        {"^(a*)+$", "~ aaa", "b"},
        {"^(a?){3}$", "~ a aa aaa", "aaaa"},
        {"^((a{2}){2}){2}$", "aaaaaaaa", "aaaa aaaaaaa"},
        {"a|b", "a b xbx", "c ~"},
        {"^(a|b)$", "a b", "ab c"},
        {"^a|b$", "ax xb", "xa bx"},
        {"^(?:a|bb|ccc)$", "a bb ccc", "b c cc"},
        {"^(|a)$", "~ a", "b"},
        {"^(a||b)$", "~ a b", "ab"},
        {"|a", "~ b", ""},
        {"^()*a$", "a", "b"},
        {"^(){1000}a$", "a", "b"},
        {"^(?<year>\\d{4})-(?<m_1>\\d\\d)$", "2024-05", "24-05"},
        {"^(a(b(c)?)?)?$", "~ a ab abc", "ac b"},
        {"^(0|[1-9]\\d*)(\\.\\d+)?$", "0 10 1.50", "01 1. .5"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

TEST(pattern, edges_of_words)
{
    static const row rows[] = {
        {"\\bfoo\\b", "foo foo-bar", "foobar xfoo ~"},
        {"\\Bfoo", "xfoo", "foo -foo"},
        {"^\\b", "a", "~ -"},
        {"\\b$", "a", "~ a-"},
        {"^\\B$", "~", "a"},
        {"a\\b|b\\B", "a bb a-", "b"},
    };
    check_rows(rows, sizeof(rows) / sizeof(rows[0]));
}

TEST(pattern, says_what_is_wrong_and_where)
{
    static const struct {
        const char *pattern, *why;
        pk_err rc;
    } rows[] = {
        {"(a", "at 1: a ) is missing", PK_ERR_PARSE},
        {"a)", "at 2: there is a ) too many", PK_ERR_PARSE},
        {"a(b", "at 2: a ) is missing", PK_ERR_PARSE},
        {"[a", "at 1: a ] is missing", PK_ERR_PARSE},
        {"[a\\", "at 3: a character should follow the backslash", PK_ERR_PARSE},
        {"a]", "at 2: a lone {, } or ] needs a backslash", PK_ERR_PARSE},
        {"a}", "at 2: a lone", PK_ERR_PARSE},
        {"{", "at 1: a lone", PK_ERR_PARSE},
        {"a{", "at 2: a lone { is written", PK_ERR_PARSE},
        {"a{x}", "at 2: a lone { is written", PK_ERR_PARSE},
        {"a{,5}", "at 2: a lone { is written", PK_ERR_PARSE},
        {"a{1", "at 2: a repetition is written", PK_ERR_PARSE},
        {"a{1,x}", "at 2: a repetition is written", PK_ERR_PARSE},
        {"a{3,2}", "at 2: the second number", PK_ERR_PARSE},
        {"*", "at 1: there is nothing to repeat", PK_ERR_PARSE},
        {"a**", "at 3: there is nothing to repeat", PK_ERR_PARSE},
        {"a|*", "at 3: there is nothing to repeat", PK_ERR_PARSE},
        {"^*", "at 2: there is nothing to repeat", PK_ERR_PARSE},
        {"\\b+", "at 3: there is nothing to repeat", PK_ERR_PARSE},
        {"a\\", "at 2: a character should follow", PK_ERR_PARSE},
        {"\\a", "at 1: this means nothing", PK_ERR_PARSE},
        {"\\Z", "at 1: this means nothing", PK_ERR_PARSE},
        {"\\xZ1", "at 3: hex digits", PK_ERR_PARSE},
        {"\\u12", "at 3: hex digits", PK_ERR_PARSE},
        {"\\u{110000}", "10FFFF", PK_ERR_PARSE},
        {"\\u{}", "10FFFF", PK_ERR_PARSE},
        {"\\c1", "at 1: this means nothing", PK_ERR_PARSE},
        {"\\01", "at 1: this means nothing", PK_ERR_PARSE},
        {"\\\xC3\xA4", "at 1: this means nothing", PK_ERR_PARSE},
        {"[b-a]", "at 2: a range needs", PK_ERR_PARSE},
        {"[a-\\d]", "at 2: a range needs", PK_ERR_PARSE},
        {"[\\B]", "at 2: this means nothing", PK_ERR_PARSE},
        {"\\pL", "at 3: \\p needs", PK_ERR_PARSE},
        {"(?a)", "at 1: there is no such kind of group", PK_ERR_PARSE},
        {"(?i:a)", "at 1: there is no such kind of group", PK_ERR_PARSE},
        {"(?P<x>a)", "at 1: there is no such kind of group", PK_ERR_PARSE},
        {"(?<1>a)", "at 1: a named group", PK_ERR_PARSE},
        {"(?<>a)", "at 1: a named group", PK_ERR_PARSE},
        {"a\xFF", "at 2: it is no UTF-8", PK_ERR_PARSE},
        {"(?=a)b", "at 1: looking ahead or behind", PK_ERR_UNSUPPORTED},
        {"a(?!b)", "at 2: looking ahead or behind", PK_ERR_UNSUPPORTED},
        {"(?<=a)b", "at 1: looking ahead or behind", PK_ERR_UNSUPPORTED},
        {"(?<!a)b", "at 1: looking ahead or behind", PK_ERR_UNSUPPORTED},
        {"(a)\\1", "at 4: referring back", PK_ERR_UNSUPPORTED},
        {"(?<x>a)\\k<x>", "at 8: referring back", PK_ERR_UNSUPPORTED},
        {"\\p{Script=Greek}", "at 1: of \\p{..} only general categories", PK_ERR_UNSUPPORTED},
        {"\\p{Alphabetic}", "at 1: of \\p{..} only general categories", PK_ERR_UNSUPPORTED},
        {"(?=a)(", "at 6: a ) is missing", PK_ERR_PARSE}, // a mistake comes first
        {"(?=a)*", "at 6: there is nothing to repeat", PK_ERR_PARSE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CASE("%s", rows[i].pattern)
        {
            pk_pattern *p = NULL;
            pk_error err;
            CHECK_ERR(pk_pattern_create(&p, pk_str_from(rows[i].pattern), test_alloc(), &err), rows[i].rc);
            CHECK_CONTAINS(err.msg, "cannot use the regular expression '");
            CHECK_CONTAINS(err.msg, rows[i].why);
            CHECK_INT(pk__pattern_is_regex(pk_str_from(rows[i].pattern), test_alloc()), ==,
                      rows[i].rc == PK_ERR_PARSE ? PK_ERR_PARSE : PK_OK);
        }
    }
}

TEST(pattern, programs_have_a_limit)
{
    static const char *const good[] = {"a{4095}", "^.{1,2000}$", "(a{20}){100}", "(a|b){800}"};
    static const char *const bad[] = {"a{4096}", "a{1000000000000000000000}", "(a{100}){100}", "((a{90}){90}){90}",
                                      "((((((a{9}){9}){9}){9}){9}){9})", "a{0,4000}", "(a?){2048,}", "(a|b){1400}",
                                      "[^\\p{Lu}]\\p{Ll}\\p{Lu}\\p{L}\\p{Ll}\\p{Lu}\\p{Ll}"};
    char deep[500] = "";
    pk_pattern *p = NULL;
    pk_error err;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CHECK_OK(pk_pattern_create(&p, pk_str_from(good[i]), test_alloc(), &err));
        pk_pattern_destroy(p);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CASE("%s", bad[i])
        {
            CHECK_ERR(pk_pattern_create(&p, pk_str_from(bad[i]), test_alloc(), &err), PK_ERR_LIMIT);
            CHECK_CONTAINS(err.msg, "it is too large: more than 4096 operations");
        }
    }
    for (int level = 100; level <= 101; level++) {
        memset(deep, '(', (size_t)level);
        deep[level] = 'a';
        memset(deep + level + 1, ')', (size_t)level);
        CHECK_INT(pk_pattern_create(&p, (pk_str){deep, (size_t)level * 2 + 1}, test_alloc(), &err), ==,
                  level == 100 ? PK_OK : PK_ERR_LIMIT);
        pk_pattern_destroy(p);
    }
}

/* What makes others try 2^n ways. Counted, not timed: each character visits each operation once. */
TEST(pattern, takes_linear_time)
{
    static const char *const patterns[] = {"^(a+)+$", "^(a|a)*$", "(x+x+)+y", "^(a|aa)+$", "(.*)(.*)(.*)(.*)[b-z]$",
                                           "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){20}(a){20}$", "a*a*a*a*a*a*a*a*b"};
    char text[2001];
    memset(text, 'a', 2000);
    text[2000] = '!';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        CASE("%s", patterns[i])
        {
            pk_pattern *p = NULL;
            REQUIRE_OK(pk_pattern_create(&p, pk_str_from(patterns[i]), test_alloc(), NULL));
            uint64_t steps = UINT64_MAX, most = (uint64_t)(p->count + (p->count + 63) / 64) * 2003;
            CHECK_INT(pk__pattern_run(p, (pk_str){text, sizeof(text)}, &steps), ==, 0);
            CHECK_UINT(UINT64_MAX - steps, <=, most);
            steps = 1000;
            CHECK_INT(pk__pattern_run(p, (pk_str){text, sizeof(text)}, &steps), ==, -1);
            CHECK_UINT(steps, ==, 0);
            pk_pattern_destroy(p);
        }
    }
}

TEST(pattern, bytes_that_are_no_text_are_characters)
{
    CHECK_INT(match("^.$", "\xFF"), ==, 1);
    CHECK_INT(match("^..$", "\xC3\xC3"), ==, 1);
    CHECK_INT(match("^\\uFFFD$", "\xFF"), ==, 1);
    CHECK_INT(match("^[^a]{3}$", "\xF0\x9F\x90"), ==, 1); // cut off
}

TEST(pattern, every_prefix_of_an_expression_is_read_within_its_bytes)
{
    static const char text[] = "^(?:a|[^b-\\u{1F432}\\d\\p{Lu}]{2,5}?)*\\x41\\uD83D\\uDC32(?<n>\\cA\\b.)|\\k<n>(?<=x)$";
    EACH_PREFIX(text, sizeof(text) - 1, part, len)
    {
        pk_pattern *p = NULL;
        pk_err rc = pk_pattern_create(&p, (pk_str){part, len}, test_alloc(), NULL);
        CHECK(rc == PK_OK || rc == PK_ERR_PARSE || rc == PK_ERR_UNSUPPORTED);
        pk_pattern_destroy(p);
    }
}

TEST_TORTURE(pattern, survives_lack_of_memory)
{
    pk_pattern *p = NULL;
    pk_error err;
    if (TRY_OK(pk_pattern_create(&p, PK_STR("^([\\p{Lu}a-z]{100}|b)+$"), test_alloc(), &err))) {
        CHECK(pk_pattern_match(p, PK_STR("bb")));
    } else {
        CHECK_INT(err.code, ==, PK_ERR_NO_MEMORY);
        CHECK_STR(err.msg, "cannot read a regular expression: out of memory");
        CHECK(p == NULL);
    }
    pk_pattern_destroy(p);
    pk_pattern_destroy(NULL);
}
