/* test_output.c - what plugins print: lines, cut lines, log records. */
#include "unit.h"

typedef struct lines {
    char text[4096];
    size_t count, longest;
} lines;

static void on_line(void *user, pk_str line)
{
    lines *l = user;
    size_t have = strlen(l->text);
    l->count++;
    l->longest = PK__MAX(l->longest, line.len);
    if (line.len < 200) {
        snprintf(l->text + have, sizeof(l->text) - have, "%" PK_FMT "|", PK_ARG(line));
    }
}

TEST(output, lines_come_out_whole_however_they_are_split)
{
    static const char text[] = "one\ntwo\r\n\nthree\nlast";
    for (size_t a = 0; a < sizeof(text); a++) {
        lines got = {"", 0, 0};
        pk__output o;
        pk__output_init(&o, test_alloc(), PK__OUTPUT_LINE, on_line, &got);
        pk_str first = {text, a};
        pk_str rest = {text + a, sizeof(text) - 1 - PK__MIN(a, sizeof(text) - 1)};
        if (a < sizeof(text)) {
            first.len = PK__MIN(a, sizeof(text) - 1);
        }
        pk__output_add(&o, first);
        pk__output_add(&o, rest);
        pk__output_end(&o);
        CHECK_STR(got.text, "one|two||three|last|");
        pk__output_deinit(&o);
    }
}

TEST(output, a_long_line_is_cut_once_and_what_follows_is_read)
{
    lines got = {"", 0, 0};
    pk__output o;
    pk__output_init(&o, test_alloc(), 100, on_line, &got);
    char block[64];
    memset(block, 'x', sizeof(block));
    pk_str piece = {block, sizeof(block)};
    for (int i = 0; i < 1000; i++) {
        pk__output_add(&o, piece);
    }
    pk__output_add(&o, PK_STR("\nshort\n"));
    CHECK_UINT(got.count, ==, 2);
    CHECK_UINT(got.longest, ==, 100);
    CHECK_UINT(o.dropped, ==, 64000 - 100);
    CHECK_CONTAINS(got.text, "|short|");
    pk__output_deinit(&o);
}

static void on_cut(void *user, uint64_t dropped)
{
    uint64_t *sum = ((void **)user)[1];
    *sum = *sum * 1000 + dropped;
}

static void on_line_of_two(void *user, pk_str line)
{
    on_line(((void **)user)[0], line);
}

TEST(output, each_cut_line_is_told_when_it_is_over_however_it_is_split)
{
    static const char text[] = "0123456789abc\nshort\n0123456789a\n0123456789\n0123456789abcdef";
    for (size_t a = 0; a < sizeof(text); a++) {
        lines got = {"", 0, 0};
        uint64_t sum = 0;
        void *two[] = {&got, &sum};
        pk__output o;
        pk__output_init(&o, test_alloc(), 10, on_line_of_two, two);
        o.on_cut = on_cut;
        pk__output_add(&o, (pk_str){text, a});
        pk__output_add(&o, (pk_str){text + a, sizeof(text) - 1 - a});
        pk__output_end(&o);
        CHECK_STR(got.text, "0123456789|short|0123456789|0123456789|0123456789|");
        CHECK_UINT(sum, ==, 3001006); // three, one and six
        CHECK_UINT(o.dropped, ==, 10);
        pk__output_deinit(&o);
    }
}

TEST(output, without_memory_nothing_stalls)
{
    lines got = {"", 0, 0};
    pk__output o;
    pk__output_init(&o, test_alloc(), 100, on_line, &got);
    test_alloc_fail_at(1);
    pk__output_add(&o, PK_STR("begin"));
    pk__output_add(&o, PK_STR(" rest\nnext\n"));
    CHECK_CONTAINS(got.text, "next|");
    pk__output_deinit(&o);
}

typedef struct record {
    pk_log_level level;
    char text[256], fields[512];
    int count;
} record;

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    record *r = user;
    r->count++;
    r->level = level;
    CHECK_STR(event, "plugin.output");
    snprintf(r->text, sizeof(r->text), "%" PK_FMT, PK_ARG(text));
    r->fields[0] = '\0';
    for (size_t i = 2; i < count; i++) { // behind plugin and stream
        size_t have = strlen(r->fields);
        snprintf(r->fields + have, sizeof(r->fields) - have, "%" PK_FMT "=%" PK_FMT " ", PK_ARG(fields[i].name),
                 PK_ARG(fields[i].value));
    }
}

TEST(output, log_records_keep_their_level_message_and_fields)
{
    static const struct {
        const char *line;
        pk_log_level level;
        const char *text, *fields;
    } rows[] = {
        {"plain text", PK_LOG_INFO, "plain text", ""},
        {"{\"time\":\"t\",\"level\":\"WARN\",\"msg\":\"low disk\",\"left\":3}", PK_LOG_WARN, "low disk", "left=3 "},
        {"{\"@level\":\"error\",\"@message\":\"no\",\"@module\":\"m\",\"@timestamp\":\"t\"}", PK_LOG_ERROR, "no",
         "module=m "},
        {"{\"level\":\"DEBUG\",\"msg\":\"x\",\"a\":{\"b\":1},\"c\":[1,2]}", PK_LOG_DEBUG, "x",
         "a=1 members c=2 items "},
        {"[WARN] careful", PK_LOG_WARN, "careful", ""},
        {"[odd] careful", PK_LOG_INFO, "[odd] careful", ""},
        {"panic: runtime error", PK_LOG_ERROR, "panic: runtime error", ""},
        {"{not json", PK_LOG_INFO, "{not json", ""},
        {"", PK_LOG_INFO, "", ""},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].line)
        {
            record r = {PK_LOG_DEFAULT, "", "", 0};
            pk__output_log(test_alloc(), on_log, &r, "plugin.output", PK_STR("p"), PK_STR("stderr"),
                           pk_str_from(rows[i].line));
            CHECK_INT(r.count, ==, 1);
            CHECK_INT(r.level, ==, rows[i].level);
            CHECK_STR(r.text, rows[i].text);
            CHECK_STR(r.fields, rows[i].fields);
        }
    }
}

TEST(output, no_byte_that_a_plugin_prints_can_forge_a_record_or_drive_a_terminal)
{
    for (int c = 0; c < 256; c++) {
        if (c == '\n') {
            continue;
        }
        char line[8] = {'a', (char)c, 'b', '\0'};
        pk_str s = {line, 3};
        record r = {PK_LOG_DEFAULT, "", "", 0};
        pk__output_log(test_alloc(), on_log, &r, "plugin.output", PK_STR("p"), PK_STR("stdout"), s);
        CHECK_INT(r.count, ==, 1);
        for (const char *at = r.text; *at; at++) {
            CHECK((unsigned char)*at >= 0x20 && *at != 0x7F);
        }
    }
}

TEST(output, words_for_a_message_are_those_that_people_read)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"plain text", "plain text"},
        {"[WARN] as it is", "[WARN] as it is"},
        {"{\"time\":\"2030\",\"level\":\"ERROR\",\"msg\":\"no database\",\"port\":3}", "error: no database"},
        {"{\"@level\":\"warn\",\"@message\":\"it is late\"}", "warn: it is late"},
        {"{\"level\":\"INFO\",\"msg\":\"started\"}", "started"},
        {"{\"level\":\"ERROR\",\"msg\":\"cannot start\",\"error\":\"no such file\"}",
         "error: cannot start: no such file"},
        {"{\"msg\":\"one\",\"err\":\"two\"}", "one: two"},
        {"{\"level\":\"ERROR\"}", "{\"level\":\"ERROR\"}"},
        {"{\"msg\":\"\"}", "{\"msg\":\"\"}"},
        {"{\"msg\":\"cut", "{\"msg\":\"cut"},
        {"{\"msg\":\"a\\u001b[31m\\nb\"}", "a\\x1b[31m\\x0ab"},
        {"", ""},
    };
    char words[200];
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        size_t len = pk__output_words(test_alloc(), pk_str_from(rows[i].line), words, sizeof(words));
        CHECK_STR(words, rows[i].words);
        CHECK_UINT(len, ==, strlen(words));
        char small[8];
        CHECK_UINT(pk__output_words(test_alloc(), pk_str_from(rows[i].line), small, sizeof(small)), <, sizeof(small));
    }
}

TEST(output, without_memory_words_are_the_line)
{
    char words[200];
    test_alloc_fail_at(1);
    (void)pk__output_words(test_alloc(), PK_STR("{\"msg\":\"a\"}"), words, sizeof(words));
    CHECK_STR(words, "{\"msg\":\"a\"}");
}

static size_t longest;

static void on_long_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields,
                        size_t count)
{
    (void)user, (void)level, (void)event, (void)fields;
    longest = count > 2 ? fields[2].value.len : text.len;
}

TEST(output, a_line_that_is_not_cut_is_whole_in_its_record)
{
    static char line[PK__OUTPUT_LINE];
    memset(line, 'x', sizeof(line));
    pk__output_log(test_alloc(), on_long_log, NULL, "e", PK_STR("p"), PK_STR("stdout"), (pk_str){line, sizeof(line)});
    CHECK_UINT(longest, ==, sizeof(line));
    memset(line, 1, sizeof(line)); // each byte becomes four
    pk__output_log(test_alloc(), on_long_log, NULL, "e", PK_STR("p"), PK_STR("stdout"), (pk_str){line, sizeof(line)});
    CHECK_UINT(longest, ==, 4 * sizeof(line));
    memset(line, 'x', sizeof(line));
    memcpy(line, "{\"key\":\"", 8);
    memcpy(line + sizeof(line) - 2, "\"}", 2);
    pk__output_log(test_alloc(), on_long_log, NULL, "e", PK_STR("p"), PK_STR("stdout"), (pk_str){line, sizeof(line)});
    CHECK_UINT(longest, ==, sizeof(line) - 10);
}
