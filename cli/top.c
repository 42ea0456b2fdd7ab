/* top.c - plugkit top: looks again and again, and takes keys meanwhile. */
#include "top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

enum { TOP_INTERVAL_MS = 1000, TOP_FIRST_MS = 300, TOP_PAGE = 10 };

typedef struct top_state {
    remote r;
    const args *args;
    top_snapshot now;
    top_view view;
    pk_error trouble;   // code PK_OK: none
    bool lives, is_over; // lives: on a terminal, with keys
} top_state;

/* ---- waiting, and keys */

static void top_on_resize(int number)
{
    (void)number; // poll has returned: that is all
}

static void top_order_by(top_state *t, top_order order)
{
    t->view.order = order;
    t->view.first = 0;
    top_sort(&t->now, order);
}

static void top_move(top_state *t, long rows)
{
    size_t first = t->view.first;
    t->view.first = rows < 0 && first < (size_t)-rows ? 0 : (size_t)((long)first + rows); // drawing stops at the end
}

/* Arrows and their kind come as escape and a few letters, at once. */
static void top_escape(top_state *t, const char *keys, size_t len)
{
    static const struct {
        const char *keys;
        long rows;
    } moves[] = {{"[A", -1}, {"[B", 1}, {"OA", -1}, {"OB", 1}, {"[5~", -TOP_PAGE}, {"[6~", TOP_PAGE},
                 {"[H", -1000000}, {"[F", 1000000}};
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
        if (len >= strlen(moves[i].keys) && memcmp(keys, moves[i].keys, strlen(moves[i].keys)) == 0) {
            top_move(t, moves[i].rows);
        }
    }
}

static void top_key(top_state *t, char key)
{
    switch (key) {
    case 'q':
    case 'Q':
    case 4: t->is_over = true; break; // Ctrl-D
    case 'n': top_order_by(t, TOP_BY_NAME); break;
    case 'c': top_order_by(t, TOP_BY_CPU); break;
    case 'm': top_order_by(t, TOP_BY_MEMORY); break;
    case 'r': top_order_by(t, TOP_BY_RATE); break;
    case 's': top_order_by(t, TOP_BY_RESTARTS); break;
    case 'j': top_move(t, 1); break;
    case 'k': top_move(t, -1); break;
    case 26: term_suspend(); break; // Ctrl-Z
    default: break;
    }
}

static void top_keys(top_state *t)
{
    char keys[64];
    ssize_t got = read(STDIN_FILENO, keys, sizeof(keys));
    if (got <= 0) {
        t->is_over = got == 0 || errno != EINTR; // the terminal has gone
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (keys[i] == 27) {
            top_escape(t, keys + i + 1, (size_t)(got - i - 1));
            break;
        }
        top_key(t, keys[i]);
    }
}

static void top_show(top_state *t)
{
    size_t width = term_width(), height = term_height();
    char *frame = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&frame, &len);
    if (!file) {
        return;
    }
    t->view.trouble = t->trouble.code ? t->trouble.msg : NULL;
    top_draw(file, &t->now, &t->view, width, height == 0 ? 24 : height);
    (void)fclose(file);
    pk_str text = {frame, len};
    term_frame(text);
    free(frame);
}

/* Until it is time to look again. Keys and a new size of the window only draw anew. */
static void top_wait(top_state *t, uint32_t ms)
{
    int64_t until = pk_now_ns() + (int64_t)ms * 1000000, left;
    while (!t->is_over && (left = until - pk_now_ns()) > 0) {
        struct pollfd fds[2] = {{session_fd(&t->r.s), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        int n = poll(fds, t->lives ? 2 : 1, (int)(left / 1000000) + 1);
        t->is_over = session_is_interrupted(&t->r.s) || ferror(stdout);
        if (t->lives && n > 0 && fds[1].revents) {
            top_keys(t);
        }
        if (t->lives && n != 0 && !t->is_over) {
            top_show(t);
        }
    }
}

/* ---- looking */

/* A host that does not answer now may do so soon, and what was known is still worth seeing; one that has ended has
 * nothing more to say. */
static bool top_look(top_state *t)
{
    top_snapshot next;
    pk_error err = {0};
    if (top_read(&t->r, &t->now, &next, &err)) {
        t->trouble = err;
        top_free(&next);
        return t->lives && err.code == PK_ERR_PLUGIN_TIMEOUT;
    }
    t->trouble.code = PK_OK;
    top_free(&t->now);
    t->now = next;
    top_sort(&t->now, t->view.order);
    return true;
}

static void top_print(top_state *t)
{
    if (t->args->json) {
        top_print_json(&t->now);
    } else if (term_is_rich()) {
        t->view.first = 0;
        top_draw(stdout, &t->now, &t->view, term_width(), 0);
    } else {
        top_print_plain(&t->now);
    }
    fflush(stdout);
}

/* Two looks: what a plugin uses shows only from one to the other. */
static bool top_once(top_state *t)
{
    bool good = top_look(t);
    if (good) {
        top_wait(t, TOP_FIRST_MS);
        good = !t->is_over && top_look(t);
    }
    if (good) {
        top_print(t);
    }
    return good;
}

static bool top_again(top_state *t)
{
    uint32_t interval = t->args->interval_ms ? t->args->interval_ms : TOP_INTERVAL_MS;
    bool good = top_look(t);
    for (bool first = true; good && !t->is_over; first = false) {
        if (t->lives) {
            top_show(t);
        } else if (!first) {
            top_print(t);
        }
        top_wait(t, first && interval > TOP_FIRST_MS ? TOP_FIRST_MS : interval);
        good = t->is_over || top_look(t);
    }
    return good;
}

int top_run(const args *a)
{
    top_state *t = (top_state *)calloc(1, sizeof(*t));
    struct sigaction resize;
    if (!t) {
        return session_complain(a, EXIT_FAILED, "cannot show the plugins: out of memory");
    }
    t->args = a;
    int status = remote_open(&t->r, a);
    if (!status) {
        t->view.pid = t->r.host.pid;
        t->view.command = t->r.host.command;
        t->lives = term_is_rich() && !a->once && !a->json && isatty(STDIN_FILENO) == 1 && term_screen(true);
        memset(&resize, 0, sizeof(resize));
        resize.sa_handler = top_on_resize;
        (void)sigaction(SIGWINCH, &resize, NULL);
        bool good = a->once ? top_once(t) : top_again(t);
        (void)term_screen(false);
        if (!good && !session_is_interrupted(&t->r.s)) {
            status = session_report(&t->r.s, &t->trouble);
        }
    }
    top_free(&t->now);
    status = remote_close(&t->r, status);
    free(t);
    return status == EXIT_INTERRUPTED && !a->once ? EXIT_GOOD : status; // that is how it ends
}
