/* fuzz_http_head.c - heads of requests and responses: the same answer whether they come at once or in pieces, and nothing
 * in it that must not be there. */
#include "fuzz.h"

enum { FIELDS = 20 };

static const pk__http_limits limits = {4096, 2048, FIELDS};

/* Feeds the bytes in pieces; *step 0 = at once. */
static pk__http_result parse(pk__http_head *head, pk_meta *fields, pk__http_kind kind, pk_str text, size_t step)
{
    pk__http_result result = PK__HTTP_MORE;
    pk__http_head_init(head, kind, fields, &limits);
    for (size_t len = step ? step : text.len; result == PK__HTTP_MORE; len += step) {
        len = len > text.len ? text.len : len;
        result = pk__http_head_parse(head, text.ptr, len);
        if (len == text.len) {
            break;
        }
    }
    return result;
}

static void look(const pk__http_head *head, pk_str text)
{
    MUST(head->size <= text.len && head->size <= limits.head_bytes && head->field_count <= FIELDS);
    MUST(head->framing != PK__HTTP_LENGTH || head->length < (uint64_t)1 << 63);
    for (size_t i = 0; i < head->field_count; i++) {
        const pk_meta *f = &head->fields[i];
        MUST(pk__http_head_is_token(f->name) && pk__http_head_is_value(f->value));
        MUST(f->name.ptr >= text.ptr && f->value.ptr + f->value.len <= text.ptr + head->size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    for (int k = 0; k < 2; k++) {
        pk__http_kind kind = k ? PK__HTTP_RESPONSE : PK__HTTP_REQUEST;
        pk_meta fields[FIELDS], others[FIELDS];
        pk__http_head head, other;
        pk__http_result result = parse(&head, fields, kind, text, 0);
        for (size_t step = 1; step < 8; step += 3) {
            MUST(parse(&other, others, kind, text, step) == result);
            if (result == PK__HTTP_DONE) {
                MUST(other.size == head.size && other.field_count == head.field_count && other.status == head.status);
                MUST(pk_str_eq(other.target, head.target) && pk_str_eq(other.method, head.method));
            } else if (result == PK__HTTP_ERROR) {
                MUST(other.error_status == head.error_status);
            }
        }
        if (result == PK__HTTP_DONE) {
            if (kind == PK__HTTP_RESPONSE) {
                pk__http_head_response(&head, false);
            }
            look(&head, text);
        }
    }
    return 0;
}
