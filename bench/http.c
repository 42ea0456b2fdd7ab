/* http.c - reading the head of a message, against finding its end with memmem: the least that any reader must do. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_NO_PROCESS
#define PLUGKIT_NO_THREADS
#define PLUGKIT_NO_FILES
#include "plugkit.h"

#include "bench.h"

enum { FIELDS = 100 };

static const char post[] = // 277 bytes: a call, as plugins get it
    "POST /process HTTP/1.1\r\n"
    "Host: localhost\r\n"
    "PlugKit-Token: 0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0\r\n"
    "PlugKit-Type: json-processor\r\n"
    "PlugKit-Caller: text-importer-for-letters\r\n"
    "Connect-Timeout-Ms: 30000\r\n"
    "Content-Type: application/json\r\n"
    "Content-Length: 250\r\n"
    "\r\n";

static const char get[] = // 703 bytes: what a browser sends
    "GET /wp-content/uploads/2024/03/a-quiet-morning-at-the-lake-before-sunrise-large.jpg HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Referer: https://www.example.org/2024/03/morning-walks/\r\n"
    "Cookie: session=6c1f0a9be2d34475a81b0c7f9e3d5a62; theme=dark; seen=1710345600; visits=17; consent=some-of-1\r\n"
    "Sec-Fetch-Dest: image\r\n"
    "Sec-Fetch-Mode: no-cors\r\n"
    "Sec-Fetch-Site: same-origin\r\n"
    "Priority: u=5, i\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "DNT: 1\r\n"
    "\r\n";

static const char answer[] = // 162 bytes
    "HTTP/1.1 200 OK\r\n"
    "Date: Tue, 04 Mar 2025 10:11:12 GMT\r\n"
    "Server: example/1.0 (posix)\r\n"
    "Content-Type: application/json\r\n"
    "Connection: keep-alive\r\n"
    "Content-Length: 200\r\n"
    "\r\n";

typedef struct message {
    pk__http_kind kind;
    const char *text;
    size_t len;
    pk_meta fields[FIELDS];
} message;

static void find_end(void *user, size_t times)
{
    const message *m = (const message *)user;
    for (size_t i = 0; i < times; i++) {
        bench_use(m->text);
        bench_use(memmem(m->text, m->len, "\r\n\r\n", 4));
    }
}

static void parse(void *user, size_t times)
{
    static const pk__http_limits limits = {16 * 1024, 8 * 1024, FIELDS};
    message *m = (message *)user;
    for (size_t i = 0; i < times; i++) {
        pk__http_head head;
        pk__http_head_init(&head, m->kind, m->fields, &limits);
        bench_use(m->text);
        if (pk__http_head_parse(&head, m->text, m->len) != PK__HTTP_DONE || head.size != m->len) {
            bench_die("the head was not understood: %s", head.error ? head.error : "it goes on");
        }
        bench_use(&head);
    }
}

/* `most`: what picohttpparser takes, in the same measure. */
static void compare(const char *metric, message *m, double most)
{
    static bench_contestant c[2];
    c[0] = (bench_contestant){.name = "memmem of CRLFCRLF", .run = find_end, .user = m, .laps = 100, .batch = 2000};
    c[1] = (bench_contestant){.name = "parse", .run = parse, .user = m, .laps = 100, .batch = 2000};
    bench_compare_computing(c, 2);
    bench_report_ratio(&(bench_result){"http.parse", metric, c[1].p50, "ns", c[0].name, c[0].p50}, most);
}

int main(int argc, char **argv)
{
    static message messages[] = {{.kind = PK__HTTP_REQUEST, .text = post, .len = sizeof(post) - 1},
                                 {.kind = PK__HTTP_REQUEST, .text = get, .len = sizeof(get) - 1},
                                 {.kind = PK__HTTP_RESPONSE, .text = answer, .len = sizeof(answer) - 1}};
    bench_begin(argc, argv);
    compare("post", &messages[0], 1.36);
    compare("get", &messages[1], 1.39);
    compare("response", &messages[2], 1.0);
    return 0;
}
