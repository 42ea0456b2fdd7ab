/* json.c - reading and writing JSON, against the libraries that are on this machine (bench/json/peers.h).
 *
 * The 200-byte message of a call goes from text into a struct and back: json.rpc, in nanoseconds. Documents of half a
 * megabyte (bench/json/documents.h) are parsed and freed, and written and freed again: MB/s of text. yyjson is the
 * baseline of json.*; each other library has rows of its own, json_LIBRARY.*, in throughput. Before anything is
 * measured, what each library wrote is read again and compared. */
#include "bench.h"

#include "plugkit.h"

#include "echo.h"
#include "json/documents.h"
#include "json/peers.h"

enum { PEERS = 5, ROOM = 1 << 21 };

static const peer *const peers[PEERS] = {&peer_yyjson, &peer_rapidjson, &peer_cjson, &peer_jansson, &peer_jsonc};
static const char *const names[PEERS] = {"json", "json_rapid", "json_cjson", "json_jansson", "json_jsonc"};
static pk_error error;

/* What each must reach against yyjson and RapidJSON, parse and write: times, of throughput. */
typedef struct shape {
    const char *name;
    void (*make)(pk_buf *out);
    double least[PEERS][2];
} shape;
static const shape shapes[] = {
    {"rpc", NULL, {{1, 1}, {5.0, 3.7}, {1, 1}, {1, 1}, {1, 1}}},
    {"tweets", document_tweets, {{0.7, 0.7}, {2.9, 3.0}, {1, 1}, {1, 1}, {1, 1}}},
    {"map", document_map, {{0.7, 0.7}, {1.01, 1.9}, {1, 1}, {1, 1}, {1, 0}}}, // json-c copies the numbers' text
    {"catalogue", document_catalogue, {{0.7, 0.7}, {1.9, 1.9}, {1, 1}, {1, 1}, {1, 1}}},
};

/* One contestant: what it works on and with. */
typedef struct work {
    const peer *peer;
    pk_str text;
    void *document;
    peer_message message;
} work;

/* ---- ours */

static void *ours_parse(const char *text, size_t len)
{
    static pk_mem mem;
    const pk_json_value *root;
    pk_mem_free(&mem);
    return pk_json_parse(&mem, (pk_str){text, len}, &root, &error) ? NULL : (void *)(uintptr_t)root;
}

static size_t ours_write(void *document, char *out, size_t cap)
{
    pk_buf buf;
    pk_json_writer w;
    pk_buf_init(&buf, NULL, ROOM);
    pk_json_write(&w, &buf);
    pk_json_put_value(&w, (const pk_json_value *)document);
    size_t len = pk_json_finish(&w, &error) ? 0 : buf.len;
    if (cap) {
        memcpy(out, buf.ptr, len < cap ? len : cap);
    }
    pk_buf_free(&buf);
    return len;
}

static void ours_free(void *document)
{
    (void)document; // by the next parse
}

static void *counted(void *user, void *ptr, size_t old_size, size_t new_size)
{
    *(size_t *)user += new_size - old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return realloc(ptr, new_size);
}

static size_t ours_memory(const char *text, size_t len)
{
    size_t taken = 0, at_end;
    pk_alloc alloc = {counted, &taken};
    pk_mem mem = {&alloc, NULL, NULL, 0};
    const pk_json_value *root;
    if (pk_json_parse(&mem, (pk_str){text, len}, &root, &error)) {
        bench_die("%s", error.msg);
    }
    at_end = taken;
    pk_mem_free(&mem);
    return at_end;
}

static echo_response ours_message;
static pk_buf ours_text;

static bool ours_read(const char *text, size_t len, peer_message *out)
{
    echo_response *m = &ours_message;
    pk_mem_reset(&m->mem);
    if (pk_json_decode(&m->mem, &pk_type_echo_response, (pk_str){text, len}, m, &error)) {
        return false;
    }
    out->id = m->id;
    out->ok = m->ok;
    out->score = m->score;
    for (out->size_count = 0; out->size_count < m->sizes.count && out->size_count < 8; out->size_count++) {
        out->sizes[out->size_count] = m->sizes.items[out->size_count];
    }
    out->text_len = m->text.len;
    if (m->text.len < sizeof(out->text)) {
        memcpy(out->text, m->text.ptr, m->text.len);
    }
    return true;
}

static size_t ours_print(const peer_message *in, char *out, size_t cap)
{
    echo_response m = {.id = in->id, .ok = in->ok, .score = in->score};
    m.sizes.items = (int32_t *)(uintptr_t)in->sizes;
    m.sizes.count = in->size_count;
    m.text = (pk_str){in->text, in->text_len};
    pk_buf_clear(&ours_text);
    if (pk_json_encode(&ours_text, &pk_type_echo_response, &m, &error)) {
        return 0;
    }
    if (cap) {
        memcpy(out, ours_text.ptr, ours_text.len < cap ? ours_text.len : cap);
    }
    return ours_text.len;
}

static const peer ours = {"PlugKit", ours_read, ours_print, ours_parse, ours_write, ours_free, ours_memory};

/* ---- contestants */

static void run_read(void *user, size_t times)
{
    work *w = (work *)user;
    for (size_t i = 0; i < times; i++) {
        if (!w->peer->read(w->text.ptr, w->text.len, &w->message)) {
            bench_die("%s does not read the message. %s", w->peer->name, error.msg);
        }
        bench_use(&w->message);
    }
}

static void run_print(void *user, size_t times)
{
    work *w = (work *)user;
    for (size_t i = 0; i < times; i++) {
        if (w->peer->print(&w->message, NULL, 0) == 0) {
            bench_die("%s does not write the message", w->peer->name);
        }
    }
}

static void run_parse(void *user, size_t times)
{
    work *w = (work *)user;
    for (size_t i = 0; i < times; i++) {
        void *document = w->peer->parse(w->text.ptr, w->text.len);
        if (!document) {
            bench_die("%s does not parse the document. %s", w->peer->name, error.msg);
        }
        bench_use(document);
        w->peer->free(document);
    }
}

static void run_write(void *user, size_t times)
{
    work *w = (work *)user;
    for (size_t i = 0; i < times; i++) {
        if (w->peer->write(w->document, NULL, 0) == 0) {
            bench_die("%s does not write the document", w->peer->name);
        }
    }
}

/* Does what a library wrote mean the same as the text? Ours and its own are both written by ours, and compared. */
static void check_written(const char *shape_name, const peer *p, pk_str text, pk_str written)
{
    pk_mem mem = {0};
    const pk_json_value *was, *is;
    pk_buf a, b;
    pk_buf_init(&a, NULL, ROOM);
    pk_buf_init(&b, NULL, ROOM);
    if (pk_json_parse(&mem, text, &was, &error) || pk_json_parse(&mem, written, &is, &error)) {
        bench_die("%s, %s: %s", shape_name, p->name, error.msg);
    }
    pk_json_writer w;
    pk_json_write(&w, &a);
    pk_json_put_value(&w, was);
    pk_json_write(&w, &b);
    pk_json_put_value(&w, is);
    bool same = pk_str_eq(pk_buf_str(&a), pk_buf_str(&b));
    if (!same && p != &peer_rapidjson && p != &peer_cjson) { // whose doubles may differ
        bench_die("%s: what %s read and wrote is not the same", shape_name, p->name);
    }
    pk_buf_free(&a);
    pk_buf_free(&b);
    pk_mem_free(&mem);
}

static void prepare(work *w, const shape *s, const peer *p, pk_str text, char *room)
{
    memset(w, 0, sizeof(*w));
    w->peer = p;
    w->text = text;
    pk_str written = {room, 0};
    if (s->make) {
        w->document = p->parse(text.ptr, text.len);
        written.len = w->document ? p->write(w->document, room, ROOM) : 0;
    } else if (p->read(text.ptr, text.len, &w->message)) {
        written.len = p->print(&w->message, room, ROOM);
    }
    if (written.len == 0) {
        bench_die("%s does not take the %s", p->name, s->name);
    }
    check_written(s->name, p, text, written);
}

/* One shape, one direction: all that are there take turns. */
static void compete(const shape *s, int direction, work *works, double bytes)
{
    static bench_contestant c[PEERS + 1];
    static const char *const verbs[] = {"parse", "write"};
    void (*const run[2][2])(void *user, size_t times) = {{run_read, run_print}, {run_parse, run_write}};
    size_t count = 0;
    for (int i = 0; i <= PEERS; i++) {
        if (works[i].peer->parse) {
            c[count++] = (bench_contestant){.name = works[i].peer->name, .run = run[s->make != NULL][direction],
                                            .user = &works[i], .laps = s->make ? 7 : 50, .batch = s->make ? 1 : 1000};
        }
    }
    bench_compare_computing(c, count);
    for (int i = 0, at = 1; i < PEERS; i++) {
        char name[64];
        double least = s->least[i][direction], mine = c[0].p50, theirs = c[at].p50;
        snprintf(name, sizeof(name), "%s.%s.%s", names[i], s->name, verbs[direction]);
        if (!peers[i]->parse) {
            bench_skip(name, "the library is not there");
            continue;
        }
        if (i == 0 && !s->make) {
            bench_report_ratio(&(bench_result){name, "p50", mine, "ns", peers[i]->name, theirs}, least);
        } else {
            bench_result r = {name, "p50", bytes / mine * 1e3, "MB/s", peers[i]->name, bytes / theirs * 1e3};
            if (least > 0) {
                bench_report_least_ratio(&r, least);
            } else {
                bench_report(&r);
            }
        }
        at++;
    }
}

/* The answer of a call, as JSON. */
static void make_message(pk_buf *out)
{
    echo_request request = {0};
    echo_response response = {0};
    if (pk_json_decode(&request.mem, &pk_type_echo_request, pk_str_from(echo_request_json), &request, &error) ||
        echo_answer(&request, &response) || pk_json_encode(out, &pk_type_echo_response, &response, &error) ||
        out->len != ECHO_RESPONSE_BYTES) {
        bench_die("the message has %zu bytes. %s", out->len, error.msg);
    }
    pk_mem_free(&request.mem);
    pk_mem_free(&response.mem);
}

static void compare_memory(const shape *s, pk_str text)
{
    char name[64];
    double theirs = peer_yyjson.memory ? (double)peer_yyjson.memory(text.ptr, text.len) / 1024 : 0;
    bench_result r = {name, "taken", (double)ours.memory(text.ptr, text.len) / 1024, "KiB", "yyjson", theirs};
    snprintf(name, sizeof(name), "json.%s.memory", s->name);
    if (theirs > 0) {
        bench_report_ratio(&r, 1.1);
    } else {
        bench_report(&(bench_result){name, r.metric, r.value, r.unit, NULL, 0});
    }
}

static void bench_shape(const shape *s)
{
    static work works[PEERS + 1];
    static char room[ROOM];
    pk_buf made;
    pk_buf_init(&made, NULL, ROOM);
    (s->make ? s->make : make_message)(&made);
    pk_str text = pk_buf_str(&made);
    prepare(&works[0], s, &ours, text, room);
    for (int i = 0; i < PEERS; i++) {
        works[i + 1].peer = peers[i];
        if (peers[i]->parse) {
            prepare(&works[i + 1], s, peers[i], text, room);
        }
    }
    compete(s, 0, works, (double)text.len);
    if (s->make) { // ours lives until the next one is parsed
        works[0].document = ours.parse(text.ptr, text.len);
        double written = (double)ours.write(works[0].document, NULL, 0);
        compete(s, 1, works, written);
        compare_memory(s, text);
    } else {
        compete(s, 1, works, (double)text.len);
    }
    for (int i = 1; i <= PEERS; i++) {
        if (works[i].document) {
            works[i].peer->free(works[i].document);
            works[i].document = NULL;
        }
    }
    pk_buf_free(&made);
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    pk_buf_init(&ours_text, NULL, 4096);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        bench_shape(&shapes[i]);
    }
    pk_buf_free(&ours_text);
    pk_mem_free(&ours_message.mem);
    return 0;
}
