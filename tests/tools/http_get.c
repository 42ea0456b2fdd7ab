/* http_get.c - PlugKit's HTTP client on the command line, for tests against servers of other making.
 *
 *     http_get [-X METHOD] [-H "Name: value"] [-d TEXT | -f FILE | -r FILE] [-n TIMES] [-l] [-o] ADDRESS PATH
 *     http_get -i ADDRESS PATH
 *
 * -f sends a file by its descriptor, -r by a reader (in chunks), -l drives it by a loop, -o closes each connection. One
 * line of JSON comes out for each exchange: status, length and sum of the body, its first bytes, and whether a kept
 * connection carried it. -i takes methods from stdin, one a line, for one exchange each on a connection of its own, and
 * tells all fields and the whole body. With PLUGKIT_WITH_TLS also by https: see tls_args.h. */
#define PLUGKIT_TEST // keeps the private macros
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include "seen.h"
#include "tls_args.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct outcome {
    int status, ended;
    unsigned long long size, sum;
    char first[201];
    size_t first_len;
    char type[100];
    pk_error error;
    pk_buf fields, body; // all of them, for -i
} outcome;

static bool tells_all, closes; // each connection behind its exchange

static pk_err on_head(void *user, const pk__http_answer *answer, pk_error *err)
{
    outcome *o = (outcome *)user;
    pk_str type = pk__http_head_find(answer->fields, answer->field_count, PK_STR("Content-Type"));
    (void)err;
    o->status = answer->status;
    snprintf(o->type, sizeof(o->type), "%" PK_FMT, PK_ARG(type));
    if (tells_all) {
        pk_json_writer w;
        pk_json_write(&w, &o->fields);
        put_fields(&w, answer->fields, answer->field_count);
    }
    return PK_OK;
}

static pk_err on_chunk(void *user, pk_str bytes, pk_error *err)
{
    outcome *o = (outcome *)user;
    (void)err;
    for (size_t i = 0; i < bytes.len; i++) {
        o->sum += (unsigned char)bytes.ptr[i];
    }
    for (size_t i = 0; i < bytes.len && o->first_len < sizeof(o->first) - 1; i++) {
        o->first[o->first_len++] = bytes.ptr[i];
    }
    o->size += bytes.len;
    return !tells_all || pk_buf_add(&o->body, bytes) ? PK_OK : PK_ERR_LIMIT;
}

static void on_end(void *user, const pk_error *why)
{
    outcome *o = (outcome *)user;
    o->ended = 1;
    if (why) {
        o->error = *why;
    }
}

static pk_err read_file(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    ssize_t n = read(*(int *)user, buf, cap);
    *got = n > 0 ? (size_t)n : 0;
    return n < 0 ? pk_error_set(err, PK_ERR_OS, "cannot read the file") : PK_OK;
}

static void print(const outcome *o, bool reused, pk_error *err)
{
    pk_buf buf;
    pk_json_writer w;
    char clean[1000];
    pk_str first = {o->first, o->first_len};
    pk_buf_init(&buf, NULL, 1 << 20);
    pk_json_write(&w, &buf);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "error");
    pk_json_put_str(&w, pk_str_from(err->code ? err->msg : ""));
    pk_json_put_key(&w, "sent");
    pk_json_put_int(&w, err->sent);
    pk_json_put_key(&w, "status");
    pk_json_put_int(&w, o->status);
    pk_json_put_key(&w, "size");
    pk_json_put_uint(&w, o->size);
    pk_json_put_key(&w, "sum");
    pk_json_put_uint(&w, o->sum);
    pk_json_put_key(&w, "type");
    put_bytes(&w, pk_str_from(o->type));
    pk_json_put_key(&w, "first");
    (void)pk__error_clean(clean, sizeof(clean), first);
    pk_json_put_str(&w, pk_str_from(clean));
    pk_json_put_key(&w, "reused");
    pk_json_put_bool(&w, reused);
    if (tells_all) {
        pk_json_put_key(&w, "fields");
        pk_json_put_raw(&w, o->fields.len > 0 ? pk_buf_str(&o->fields) : PK_STR("[]"));
        pk_json_put_key(&w, "body");
        put_bytes(&w, pk_buf_str(&o->body));
    }
    pk_json_put_end(&w);
    printf("%.*s\n", (int)buf.len, buf.ptr);
    fflush(stdout);
    pk_buf_free(&buf);
}

static pk_err exchange(pk__http_pool *pool, pk_loop *loop, pk__http_exchange *x, outcome *o, pk_error *err)
{
    pk__http_client *c = NULL;
    pk_err rc = pk__http_pool_take(pool, pk__clock_ns(), &c, err);
    if (rc) {
        return rc;
    }
    bool reused = c->used;
    x->deadline = pk_now_ns() + (int64_t)20 * 1000000000;
    x->user = o;
    if (!loop) {
        rc = pk__http_client_run(c, x, err);
    } else {
        rc = pk__http_client_start(c, loop, x, err);
        while (!rc && !o->ended) {
            (void)pk_loop_step(loop, 1000, NULL);
        }
        if (!rc) {
            *err = o->error;
            rc = err->code;
        }
    }
    print(o, reused, err);
    c->dead = c->dead || closes;
    pk__http_pool_give(pool, c);
    return rc;
}

/* The next line of stdin. False: there is none. */
static bool read_method(char *line, size_t cap)
{
    if (!fgets(line, (int)cap, stdin)) {
        return false;
    }
    line[strcspn(line, "\n")] = '\0';
    return true;
}

int main(int argc, char **argv)
{
    const char *method = "GET", *text = NULL, *path = NULL;
    pk_meta fields[16];
    size_t field_count = 0;
    bool by_reader = false, by_loop = false;
    int times = 1, option, fd = -1;
    while ((option = getopt(argc, argv, "X:H:d:f:r:n:loi")) != -1) {
        pk_str name, value;
        switch (option) {
        case 'X': method = optarg; break;
        case 'H':
            if (field_count < 16 && pk_str_cut(pk_str_from(optarg), ':', &name, &value)) {
                fields[field_count].name = name;
                fields[field_count++].value = pk_str_from(value.ptr + (value.len > 0 && value.ptr[0] == ' '));
            }
            break;
        case 'd': text = optarg; break;
        case 'r': by_reader = true; path = optarg; break;
        case 'f': path = optarg; break;
        case 'n': times = atoi(optarg); break;
        case 'l': by_loop = true; break;
        case 'o': closes = true; break;
        case 'i': tells_all = closes = true; break;
        default: return 2;
        }
    }
    if (argc - optind != 2) {
        return 2;
    }
    pk_error err;
    pk__http_pool pool;
    pk__http_pool_desc desc;
    pk_loop *loop = NULL;
    struct stat st;
    memset(&err, 0, sizeof(err));
    memset(&desc, 0, sizeof(desc));
    memset(&pool, 0, sizeof(pool));
    memset(&st, 0, sizeof(st));
    desc.address = argv[optind];
    pk_err rc = PK_OK;
#ifdef PLUGKIT_WITH_TLS
    rc = tls_args_read(&desc.tls, false, &err);
#endif
    rc = rc ? rc : pk__http_pool_init(&pool, &desc, &err);
    rc = rc || !by_loop ? rc : pk_loop_create(&loop, NULL, &err);
    char line[32];
    for (int i = 0; tells_all ? read_method(line, sizeof(line)) : !rc && i < times; i++) {
        pk__http_exchange x;
        pk_body body;
        outcome o;
        memset(&x, 0, sizeof(x));
        memset(&body, 0, sizeof(body));
        memset(&o, 0, sizeof(o));
        memset(&err, 0, sizeof(err));
        pk_buf_init(&o.fields, NULL, 1 << 20);
        pk_buf_init(&o.body, NULL, 1 << 20);
        if (path) {
            fd = open(path, O_RDONLY);
            (void)fstat(fd, &st);
        }
        body.bytes = pk_str_from(text);
        body.has_fd = path && !by_reader;
        body.fd = fd;
        body.size = (uint64_t)st.st_size;
        body.read = by_reader ? read_file : NULL;
        body.user = &fd;
        x.method = pk_str_from(tells_all ? line : method);
        x.target = pk_str_from(argv[optind + 1]);
        x.fields = fields;
        x.field_count = field_count;
        x.body = text || path ? &body : NULL;
        x.on_head = on_head;
        x.on_chunk = on_chunk;
        x.on_end = on_end;
        rc = exchange(&pool, loop, &x, &o, &err);
        pk_buf_free(&o.fields);
        pk_buf_free(&o.body);
        if (fd >= 0) {
            close(fd);
        }
    }
    rc = tells_all ? PK_OK : rc;
    if (rc) {
        fprintf(stderr, "http_get: %s\n", err.msg);
    }
    pk__http_pool_deinit(&pool);
    pk_loop_destroy(loop);
#ifdef PLUGKIT_WITH_TLS
    pk_tls_destroy(desc.tls);
#endif
    return rc ? 1 : 0;
}
