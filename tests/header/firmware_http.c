/* firmware_http.c - a host without a system that calls a plugin on another board, by HTTP with JSON over a serial line.
 *
 * No processes, threads, files or sockets. The line is a transport of the program's own: what is sent goes out a few
 * bytes at a time, and what arrives lies in a small FIFO from which the interrupt wakes the connection. Here the other
 * board is made up, and "time" is each look at the clock. It reads whole requests and answers them as a plugin does.
 * matrix.py runs this program, `make firmware` compiles it for ARM and runs it under qemu: 0 if all of it works. */
#define PLUGKIT_NO_PROCESS
#define PLUGKIT_NO_THREADS
#define PLUGKIT_NO_FILES
#define PLUGKIT_NO_NET
#define PLUGKIT_CLOCK_NS() board_clock()
static long long board_clock(void);

#define PLUGKIT_STATIC
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#define CHANNEL(F, T) F(T, REQ, int32_t, channel, "channel")
#define MEASUREMENT(F, T)                                                                                              \
    F(T, REQ, double, celsius, "celsius")                                                                              \
    F(T, OPT, pk_str, unit, "unit")
PK_MESSAGE(channel, CHANNEL)
PK_MESSAGE(measurement, MEASUREMENT)
#define THERMOMETER(M, C) M(C, measure, "POST /measure", channel, measurement, PK_IDEMPOTENT)
PK_CONTRACT(thermometer, "thermometer", "1.0.0", THERMOMETER)

/* ---- the other board: a line that ends its request, then the answer, byte by byte */

enum { FIFO = 8 };

static struct {
    pk_conn *conn;             // of ours that talks to it; NULL = nobody
    char heard[1024];          // a request
    size_t heard_len;
    const char *answer;        // what is still to be said
    char fifo[FIFO];           // has arrived here, and was not taken
    size_t fifo_len, room;     // room: bytes that we may send until the next tick
    unsigned long ticks, requests, opened, closed;
} line;

static size_t length_of_body(const char *request)
{
    const char *field = strstr(request, "ontent-Length: ");
    size_t length = 0;
    for (const char *digit = field ? field + 15 : ""; *digit >= '0' && *digit <= '9'; digit++) {
        length = length * 10 + (size_t)(*digit - '0');
    }
    return length;
}

static void other_board(void)
{
    line.heard[line.heard_len] = '\0';
    const char *body = strstr(line.heard, "\r\n\r\n");
    if (line.answer || !body || strlen(body + 4) < length_of_body(line.heard)) {
        return; // it speaks, or has not heard all
    }
    line.requests++;
    line.answer = strncmp(line.heard, "POST /measure ", 14) != 0
                      ? "HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\n{\"message\":\"not here\"}"
                  : strstr(body, "\"channel\":2")
                      ? "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
                        "{\"celsius\":21.5,\"unit\":\"C\"}"
                      : "HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n"
                        "Content-Type: application/json\r\n\r\n10\r\n{\"message\":\"ther\r\n"
                        "15\r\ne is no such channel\"\r\n1\r\n}\r\n0\r\n\r\n";
    line.heard_len = 0;
}

/* The interrupt of the line, each time that the clock is looked at. */
static long long board_clock(void)
{
    line.ticks++;
    line.room = 5;
    other_board();
    while (line.answer && *line.answer && line.fifo_len < FIFO) {
        line.fifo[line.fifo_len++] = *line.answer++;
    }
    line.answer = line.answer && *line.answer ? line.answer : NULL;
    if (line.conn) {
        pk_conn_ready(line.conn);
    }
    return (long long)line.ticks * 1000;
}

/* ---- the line as a transport */

static pk_io line_open(void *user, pk_str address, pk_conn *conn, void **state, pk_error *err)
{
    (void)user;
    if (line.conn || !pk_str_is(address, "uart://1")) {
        (void)pk_error_set(err, PK_ERR_PLUGIN_CONNECTION, "there is one line, and it is in use");
        return PK_IO_FAILED;
    }
    line.conn = conn;
    line.opened++;
    *state = &line;
    return PK_IO_DONE;
}

static pk_io line_recv(void *state, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)state, (void)err;
    *got = line.fifo_len < cap ? line.fifo_len : cap;
    if (*got == 0) {
        return PK_IO_WANT_READ;
    }
    memcpy(buf, line.fifo, *got);
    memmove(line.fifo, line.fifo + *got, line.fifo_len - *got);
    line.fifo_len -= *got;
    return PK_IO_DONE;
}

static pk_io line_send(void *state, const pk_str *parts, size_t count, size_t *sent, pk_error *err)
{
    (void)state, (void)err;
    *sent = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < parts[i].len && line.room && line.heard_len + 1 < sizeof(line.heard); k++) {
            line.heard[line.heard_len++] = parts[i].ptr[k];
            line.room--;
            (*sent)++;
        }
    }
    return *sent ? PK_IO_DONE : PK_IO_WANT_WRITE;
}

static int line_fd(void *state)
{
    (void)state;
    return -1;
}

static void line_close(void *state)
{
    (void)state;
    line.conn = NULL;
    line.closed++;
}

/* ---- this board */

static pk_err find_it(void *user, pk_sink *sink, pk_error *err)
{
    static const pk_found found = {.id = "outside", .endpoint = {.address = "uart://1"},
                                   .manifest = PK_STR_INIT("{\"types\":{\"thermometer\":[{\"type\":\"pt100\"}]},"
                                                           "\"contracts\":{\"thermometer\":\"1.0.0\"},"
                                                           "\"protocols\":[\"plugkit/1\"]}")};
    pk_err rc = pk_sink_found(sink, &found, err);
    (void)user;
    pk_sink_done(sink);
    return rc;
}

static bool works(pk_manager *manager, pk_error *err)
{
    thermometer outside;
    channel request = {.channel = 2};
    measurement response = {0};
    bool good = thermometer_bind(&outside, pk_manager_caller(manager), PK_STR("pt100"), err) == PK_OK;
    for (int i = 0; good && i < 3; i++) { // one connection for all of them
        good = outside.measure(&outside, NULL, &request, &response, err) == PK_OK && response.celsius == 21.5 &&
               pk_str_is(response.unit, "C");
    }
    request.channel = 3;
    good = good && outside.measure(&outside, NULL, &request, &response, err) == PK_ERR_PLUGIN_FAULT &&
           err->status == 400 && strstr(err->msg, "there is no such channel");
    pk_mem_free(&response.mem);
    return good && line.requests == 4 && line.opened == 1;
}

int main(void)
{
    static const pk_finder finder = {.name = "board", .start = find_it};
    static const pk_finder *const finders[] = {&finder};
    static const pk_transport uart = {"uart", line_open, line_recv, line_send, line_fd, line_close, NULL};
    static const pk_transport *const transports[] = {&uart};
    pk_manager_desc desc = {.finders = finders, .finder_count = 1, .transports = transports, .transport_count = 1};
    pk_manager *manager = NULL;
    pk_error err = {0};
    bool good = pk_loop_create(&desc.loop, NULL, &err) == PK_OK && pk_manager_create(&manager, &desc, &err) == PK_OK;
    if (good) {
        pk_manager_add_http(manager);
        good = pk_manager_start(manager, &err) == PK_OK && works(manager, &err);
    }
    pk_manager_destroy(manager);
    pk_loop_destroy(desc.loop);
    return good && line.closed == line.opened ? 0 : 1;
}
