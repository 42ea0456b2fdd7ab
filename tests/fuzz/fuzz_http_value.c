/* fuzz_http_value.c - values of header fields: lists, numbers, hosts, and what the fields mean that say where a message
 * ends. What is accepted has one reading, the one that is spelled out here once more in the plainest way; and a value
 * that may be sent arrives as it was. */
#include "fuzz.h"

#include <ctype.h>

static const pk__http_limits limits = {16384, 8192, 8};

/* Elements have neither commas nor blanks around them; joined by commas they are the same list. */
static void look_at_list(pk_str value)
{
    pk_str rest = value, one, again, element;
    pk_buf joined;
    size_t count = 0;
    pk_buf_init(&joined, NULL, (size_t)1 << 20);
    while (pk__http_head_next(&rest, &one)) {
        MUST(one.ptr >= value.ptr && one.ptr + one.len <= value.ptr + value.len);
        MUST(one.len == 0 || !memchr(one.ptr, ',', one.len));
        MUST(one.len == 0 || (!strchr(" \t", one.ptr[0]) || one.ptr[0] == '\0'));
        MUST(one.len == 0 || (!strchr(" \t", one.ptr[one.len - 1]) || one.ptr[one.len - 1] == '\0'));
        MUST(pk__http_head_has_token(value, one));
        MUST(pk_buf_add(&joined, one) && pk_buf_add_char(&joined, ','));
        count++;
    }
    again = pk_buf_str(&joined);
    for (rest = value; pk__http_head_next(&rest, &one); count--) {
        MUST(pk__http_head_next(&again, &element) && pk_str_eq(one, element));
    }
    MUST(count == 0 && !pk__http_head_next(&again, &element));
    pk_buf_free(&joined);
}

static bool is_number(pk_str s, uint64_t *out)
{
    char text[20];
    for (size_t i = 0; i < s.len; i++) {
        if (!isdigit((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    if (s.len == 0 || s.len > 19) {
        return false;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    *out = strtoull(text, NULL, 10);
    return *out < (uint64_t)1 << 63;
}

static pk_str trimmed(pk_str s)
{
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* The head of a request with this field. */
static pk__http_result parse(pk__http_head *head, pk_meta fields[8], char text[12000], const char *name, pk_str value)
{
    const char *host = strcmp(name, "Host") == 0 ? "" : "Host: x\r\n";
    int n = snprintf(text, 12000, "POST / HTTP/1.1\r\n%s%s: ", host, name);
    memcpy(text + n, value.ptr, value.len);
    memcpy(text + n + value.len, "\r\n\r\n", 4);
    pk__http_head_init(head, PK__HTTP_REQUEST, fields, &limits);
    return pk__http_head_parse(head, text, (size_t)n + value.len + 4);
}

static void look_at_fields(pk_str value)
{
    static char text[12000];
    pk_meta fields[8];
    pk__http_head head;
    uint64_t number = 0;
    pk_str bare = trimmed(value);
    bool is_line = !memchr(value.ptr, '\n', value.len) && !memchr(value.ptr, '\r', value.len);
    if (!is_line) {
        return; // more than one field: fuzz_http_head.c
    }
    bool may_be_sent = pk__http_head_is_value(value);
    MUST((parse(&head, fields, text, "X", value) == PK__HTTP_DONE) == may_be_sent);
    if (!may_be_sent) {
        return;
    }
    MUST(pk_str_eq(pk__http_head_find(fields, head.field_count, PK_STR("x")), bare));
    MUST(head.framing == PK__HTTP_NO_BODY || (head.framing == PK__HTTP_LENGTH && head.length == 0));

    bool is_length = is_number(bare, &number);
    MUST((parse(&head, fields, text, "Content-Length", value) == PK__HTTP_DONE) == is_length);
    MUST(!is_length || (head.framing == PK__HTTP_LENGTH && head.length == number) || number == 0);

    /* A blank behind the word is refused: others take it for a part of the name. */
    bool is_chunked = pk_str_ieq(bare, PK_STR("chunked")) && bare.ptr + bare.len == value.ptr + value.len;
    MUST((parse(&head, fields, text, "Transfer-Encoding", value) == PK__HTTP_DONE) == is_chunked);
    MUST(!is_chunked || head.framing == PK__HTTP_CHUNKED);

    MUST((parse(&head, fields, text, "Host", value) == PK__HTTP_DONE) == pk__http_head_is_host(bare));
    MUST((parse(&head, fields, text, "Expect", value) == PK__HTTP_DONE) == pk_str_ieq(bare, PK_STR("100-continue")));

    if (parse(&head, fields, text, "Connection", value) == PK__HTTP_DONE) {
        MUST(head.keep_alive == !pk__http_head_has_token(bare, PK_STR("close")));
    } else {
        MUST(bare.len > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str value = {size ? (const char *)data : "", size};
    uint64_t ours = 0, plain = 0;
    if (size > 6000) {
        return 0;
    }
    look_at_list(value);
    MUST(pk__http_head_number(value, &ours) == is_number(value, &plain));
    MUST(ours == plain || !is_number(value, &plain));
    look_at_fields(value);
    return 0;
}
