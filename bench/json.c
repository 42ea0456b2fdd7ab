/* json.c - reading and writing JSON: the messages of a call in nanoseconds, documents in MB/s.
 *
 * The documents have the shapes that JSON libraries are compared on, and are made here, the same ones each time:
 * tweets (objects with long texts in several scripts), map (almost only coordinates), catalogue (small nested objects).
 * Their baseline is memcpy of the text, which is why they are called json_memcpy: another library as baseline would be
 * another comparison. */
#include "bench.h"

#include "plugkit.h"

#include "echo.h"

enum { DOCUMENT_BYTES = 512 * 1024 };

static pk_error error;

/* ---- the 200-byte message */

typedef struct rpc {
    pk_buf text;
    echo_response message;
    char copy[4096];
} rpc;

static void rpc_copy(void *user, size_t times)
{
    rpc *r = (rpc *)user;
    for (size_t i = 0; i < times; i++) {
        memcpy(r->copy, r->text.ptr, r->text.len);
        bench_use(r->copy);
    }
}

static void rpc_parse(void *user, size_t times)
{
    rpc *r = (rpc *)user;
    for (size_t i = 0; i < times; i++) {
        pk_mem_reset(&r->message.mem);
        if (pk_json_decode(&r->message.mem, &pk_type_echo_response, pk_buf_str(&r->text), &r->message, &error)) {
            bench_die("%s", error.msg);
        }
        bench_use(&r->message);
    }
}

static void rpc_write(void *user, size_t times)
{
    rpc *r = (rpc *)user;
    for (size_t i = 0; i < times; i++) {
        pk_buf_clear(&r->text);
        if (pk_json_encode(&r->text, &pk_type_echo_response, &r->message, &error)) {
            bench_die("%s", error.msg);
        }
        bench_use(r->text.ptr);
    }
}

static void bench_rpc(void)
{
    static rpc r;
    echo_request request = {0};
    pk_buf_init(&r.text, NULL, sizeof(r.copy));
    if (pk_json_decode(&request.mem, &pk_type_echo_request, pk_str_from(echo_request_json), &request, &error) ||
        echo_answer(&request, &r.message) ||
        pk_json_encode(&r.text, &pk_type_echo_response, &r.message, &error) || r.text.len != ECHO_RESPONSE_BYTES) {
        bench_die("the message has %zu bytes. %s", r.text.len, error.msg);
    }
    static bench_contestant c[] = {{.name = "memcpy", .run = rpc_copy, .user = &r, .laps = 100, .batch = 2000},
                                   {.name = "decode", .run = rpc_parse, .user = &r, .laps = 100, .batch = 2000},
                                   {.name = "encode", .run = rpc_write, .user = &r, .laps = 100, .batch = 2000}};
    rpc_parse(&r, 1); // the message now lives in its own memory, and can be written
    bench_compare_computing(c, 3);
    bench_report(&(bench_result){"json.rpc.parse", "p50", c[1].p50, "ns", c[0].name, c[0].p50});
    bench_report(&(bench_result){"json.rpc.write", "p50", c[2].p50, "ns", c[0].name, c[0].p50});
    pk_mem_free(&request.mem);
    pk_mem_free(&r.message.mem);
    pk_buf_free(&r.text);
}

/* ---- documents */

static uint32_t dice(uint32_t *seed, uint32_t sides)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*seed * sides) >> 32);
}

static void put_int(pk_json_writer *w, const char *key, int64_t value)
{
    pk_json_put_key(w, key);
    pk_json_put_int(w, value);
}

static void put_text(pk_json_writer *w, const char *key, const char *value)
{
    pk_json_put_key(w, key);
    pk_json_put_text(w, value);
}

static void put_tweet(pk_json_writer *w, uint32_t *seed)
{
    static const char *const texts[] = {
        "Three hours on the train and the only thing that moved was the queue for coffee. \"Soon\", they said.\n",
        "\xe6\x98\x8e\xe6\x97\xa5\xe3\x81\xae\xe4\xbc\x9a\xe8\xad\xb0\xe3\x81\xaf\xe5\x8d\x88\xe5\xbe\x8c\xe4\xb8\x89"
        "\xe6\x99\x82\xe3\x81\x8b\xe3\x82\x89\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82\xe8\xb3\x87\xe6\x96\x99\xe3\x82\x92",
        "Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln! Sch\xc3\xb6nes Wetter, sch\xc3\xb6ne Stra\xc3\x9f" "en: a/b\\c",
        "release notes: faster start, smaller memory, and the log no longer eats your newlines",
    };
    pk_json_put_object(w);
    put_int(w, "id", 505874900000000000 + dice(seed, 1000000000));
    put_text(w, "created_at", "Sun Aug 31 00:29:15 +0000 2014");
    put_text(w, "text", texts[dice(seed, 4)]);
    pk_json_put_key(w, "user");
    pk_json_put_object(w);
    put_int(w, "id", dice(seed, 2000000000));
    put_text(w, "screen_name", "ada_of_the_hills");
    put_text(w, "description", texts[dice(seed, 4)]);
    put_int(w, "followers_count", dice(seed, 90000));
    pk_json_put_key(w, "verified");
    pk_json_put_bool(w, dice(seed, 2));
    pk_json_put_end(w);
    pk_json_put_key(w, "geo");
    pk_json_put_null(w);
    put_int(w, "retweet_count", dice(seed, 500));
    put_text(w, "lang", "en");
    pk_json_put_end(w);
}

static void put_outline(pk_json_writer *w, uint32_t *seed)
{
    pk_json_put_array(w);
    for (int i = 0; i < 32; i++) {
        pk_json_put_array(w);
        pk_json_put_double(w, -180 + dice(seed, 360000000) / 1e6);
        pk_json_put_double(w, -90 + dice(seed, 180000000) / 1e6);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
}

static void put_event(pk_json_writer *w, uint32_t *seed)
{
    pk_json_put_object(w);
    put_int(w, "id", 138586341 + dice(seed, 100000));
    put_text(w, "name", "Symphony no. 5");
    pk_json_put_key(w, "prices");
    pk_json_put_array(w);
    for (uint32_t i = 0, n = 1 + dice(seed, 4); i < n; i++) {
        pk_json_put_object(w);
        put_int(w, "amount", 10250 + 500 * (int64_t)dice(seed, 40));
        put_int(w, "seatCategoryId", 338937235 + dice(seed, 100));
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
    pk_json_put_key(w, "areas");
    pk_json_put_object(w);
    put_int(w, "205705993", dice(seed, 9));
    pk_json_put_key(w, "blocks");
    pk_json_put_array(w);
    pk_json_put_end(w);
    pk_json_put_end(w);
    pk_json_put_end(w);
}

typedef struct document {
    pk_buf text, written;
    pk_mem mem;
    const pk_json_value *root;
    char *copy;
} document;

static void document_make(document *d, void (*put)(pk_json_writer *w, uint32_t *seed))
{
    pk_json_writer w;
    uint32_t seed = 12345;
    memset(d, 0, sizeof(*d));
    pk_buf_init(&d->text, NULL, 2 * DOCUMENT_BYTES);
    pk_buf_init(&d->written, NULL, 2 * DOCUMENT_BYTES);
    pk_json_write(&w, &d->text);
    pk_json_put_array(&w);
    while (d->text.len < DOCUMENT_BYTES) {
        put(&w, &seed);
    }
    pk_json_put_end(&w);
    d->copy = (char *)malloc(2 * DOCUMENT_BYTES);
    if (pk_json_finish(&w, &error) || !d->copy) {
        bench_die("%s", error.msg);
    }
}

static void document_free(document *d)
{
    pk_buf_free(&d->text);
    pk_buf_free(&d->written);
    pk_mem_free(&d->mem);
    free(d->copy);
}

static void document_copy(void *user, size_t times)
{
    document *d = (document *)user;
    for (size_t i = 0; i < times; i++) {
        memcpy(d->copy, d->text.ptr, d->text.len);
        bench_use(d->copy);
    }
}

static void document_parse(void *user, size_t times)
{
    document *d = (document *)user;
    for (size_t i = 0; i < times; i++) {
        pk_mem_reset(&d->mem);
        if (pk_json_parse(&d->mem, pk_buf_str(&d->text), &d->root, &error)) {
            bench_die("%s", error.msg);
        }
    }
}

static void write_value(pk_json_writer *w, const pk_json_value *v)
{
    int64_t integer;
    switch (pk_json_type_of(v)) {
    case PK_JSON_OBJECT:
    case PK_JSON_ARRAY: {
        bool is_object = pk_json_type_of(v) == PK_JSON_OBJECT;
        (is_object ? pk_json_put_object : pk_json_put_array)(w);
        for (const pk_json_value *i = pk_json_first(v); i; i = pk_json_next(v, i)) {
            if (is_object) {
                pk_json_put_key_str(w, pk_json_key(i));
            }
            write_value(w, i);
        }
        pk_json_put_end(w);
        break;
    }
    case PK_JSON_STRING:
        pk_json_put_str(w, pk_json_str(v));
        break;
    case PK_JSON_NUMBER:
        if (pk_json_get_int(v, &integer)) {
            pk_json_put_int(w, integer);
        } else {
            pk_json_put_double(w, pk_json_double(v, 0));
        }
        break;
    case PK_JSON_BOOL:
        pk_json_put_bool(w, pk_json_bool(v, false));
        break;
    default:
        pk_json_put_null(w);
    }
}

static void document_write(void *user, size_t times)
{
    document *d = (document *)user;
    for (size_t i = 0; i < times; i++) {
        pk_json_writer w;
        pk_buf_clear(&d->written);
        pk_json_write(&w, &d->written);
        write_value(&w, d->root);
        if (pk_json_finish(&w, &error)) {
            bench_die("%s", error.msg);
        }
    }
}

static void bench_document(const char *shape, void (*put)(pk_json_writer *w, uint32_t *seed))
{
    document d;
    char name[64];
    document_make(&d, put);
    document_parse(&d, 1);
    document_write(&d, 1);
    if (d.written.len != d.text.len || memcmp(d.written.ptr, d.text.ptr, d.text.len) != 0) {
        bench_die("%s: what was read and written again is not the same", shape);
    }
    static bench_contestant c[3];
    c[0] = (bench_contestant){.name = "memcpy", .run = document_copy, .user = &d, .laps = 10, .batch = 5};
    c[1] = (bench_contestant){.name = "parse", .run = document_parse, .user = &d, .laps = 10, .batch = 1};
    c[2] = (bench_contestant){.name = "write", .run = document_write, .user = &d, .laps = 10, .batch = 1};
    bench_compare_computing(c, 3);
    double mb = (double)d.text.len / 1e6;
    for (int i = 1; i < 3; i++) {
        snprintf(name, sizeof(name), "json_memcpy.%s.%s", shape, c[i].name);
        bench_report(&(bench_result){name, "p50", mb / (c[i].p50 / 1e9), "MB/s", c[0].name, mb / (c[0].p50 / 1e9)});
    }
    document_free(&d);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_rpc();
    bench_document("tweets", put_tweet);
    bench_document("map", put_outline);
    bench_document("catalogue", put_event);
    return 0;
}
