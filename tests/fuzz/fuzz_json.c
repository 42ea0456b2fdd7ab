/* fuzz_json.c - the JSON reader and writer: checking and parsing agree, and what was written reads back as the same. */
#include "fuzz.h"

static void put(pk_json_writer *w, const pk_json_value *v)
{
    switch (pk_json_type_of(v)) {
    case PK_JSON_BOOL:
        pk_json_put_bool(w, pk_json_bool(v, false));
        break;
    case PK_JSON_NUMBER: {
        int64_t i = 0;
        uint64_t u = 0;
        if (pk_json_double(v, 1) == 0) {
            pk_json_put_double(w, pk_json_double(v, 1)); // -0 is another number than 0
        } else if (pk_json_get_int(v, &i)) {
            pk_json_put_int(w, i);
        } else if (pk_json_get_uint(v, &u)) {
            pk_json_put_uint(w, u);
        } else if (pk_json_double(v, 1) == pk_json_double(v, 2)) {
            pk_json_put_double(w, pk_json_double(v, 0));
        } else {
            pk_json_put_raw(w, pk_json_number_text(v)); // too large for a double
        }
        break;
    }
    case PK_JSON_STRING:
        MUST(pk_json_str(v).ptr[pk_json_str(v).len] == '\0');
        pk_json_put_str(w, pk_json_str(v));
        break;
    case PK_JSON_ARRAY:
    case PK_JSON_OBJECT: {
        size_t count = 0;
        bool object = pk_json_type_of(v) == PK_JSON_OBJECT;
        object ? pk_json_put_object(w) : pk_json_put_array(w);
        for (const pk_json_value *i = pk_json_first(v); i; i = pk_json_next(v, i), count++) {
            if (object) {
                pk_json_put_key_str(w, pk_json_key(i));
            }
            put(w, i);
        }
        MUST(count == pk_json_count(v));
        pk_json_put_end(w);
        break;
    }
    default:
        pk_json_put_null(w);
    }
}

static void write_again(pk_buf *out, const pk_json_value *v)
{
    pk_json_writer w;
    pk_buf_init(out, NULL, (size_t)1 << 26);
    pk_json_write(&w, out);
    put(&w, v);
    MUST(pk_json_finish(&w, NULL) == PK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_str text = {(const char *)data, size};
    pk_mem mem = {0}, again = {0};
    const pk_json_value *v = NULL, *v2 = NULL;
    pk_error err = {0};
    pk_buf first, second;

    pk_err rc = pk_json_parse(&mem, text, &v, &err);
    MUST(rc == pk_json_check(text, NULL));
    if (rc == PK_OK) {
        write_again(&first, v);
        MUST(pk_json_parse(&again, pk_buf_str(&first), &v2, &err) == PK_OK);
        write_again(&second, v2);
        MUST(pk_str_eq(pk_buf_str(&first), pk_buf_str(&second)));
        MUST(pk_json_at(v, "") == v);
        (void)pk_json_at(v, "/a/0/b~1c");
        pk_buf_free(&first);
        pk_buf_free(&second);
    } else {
        MUST(err.msg[0] != '\0' && (rc == PK_ERR_BAD_JSON || rc == PK_ERR_LIMIT));
    }
    pk_mem_free(&mem);
    pk_mem_free(&again);
    return 0;
}
