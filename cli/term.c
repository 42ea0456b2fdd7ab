/* term.c - colours, widths, progress. */
#include "term.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct {
    bool is_rich, has_colors;
    pthread_mutex_t lock; // of the progress line: events come from the manager's thread
    int64_t began, shown;
    size_t drawn;
    bool has_screen;
    struct termios modes; // as they were before
} term = {.lock = PTHREAD_MUTEX_INITIALIZER};

void term_init(const char *when)
{
    const char *kind = getenv("TERM");
    const char *no_color = getenv("NO_COLOR");
    term.is_rich = isatty(STDOUT_FILENO) == 1;
    term.has_colors = term.is_rich && kind && strcmp(kind, "dumb") != 0 && !(no_color && *no_color);
    if (when && strcmp(when, "auto") != 0) {
        term.has_colors = strcmp(when, "always") == 0;
    }
}

bool term_is_rich(void)
{
    return term.is_rich;
}

size_t term_width(void)
{
    struct winsize size;
    if (term.is_rich && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return SIZE_MAX;
}

size_t term_height(void)
{
    struct winsize size;
    return term.is_rich && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

/* ---- the whole screen */

static void term_write(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, len);
        if (n <= 0) {
            return; // nobody looks any more
        }
        bytes += n;
        len -= (size_t)n;
    }
}

bool term_screen(bool on)
{
    static const char enter[] = "\033[?1049h\033[?25l", leave[] = "\033[?25h\033[?1049l";
    const char *kind = getenv("TERM");
    if (!on && term.has_screen) {
        term.has_screen = false;
        term_write(leave, sizeof(leave) - 1);
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &term.modes);
    } else if (on && !term.has_screen) {
        if (!kind || strcmp(kind, "dumb") == 0 || tcgetattr(STDIN_FILENO, &term.modes) != 0) {
            return false;
        }
        struct termios raw = term.modes;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VSUSP] = _POSIX_VDISABLE; // the screen is to be given back first
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0) {
            return false;
        }
        fflush(stdout);
        term_write(enter, sizeof(enter) - 1);
        term.has_screen = true;
    }
    return true;
}

void term_frame(pk_str text)
{
    pk_buf buf;
    pk_str line, rest = text;
    pk_buf_init(&buf, NULL, (size_t)1 << 24);
    (void)pk_buf_add(&buf, PK_STR("\033[H"));
    for (bool first = true; pk_str_cut(rest, '\n', &line, &rest); first = false) {
        (void)pk_buf_add(&buf, first ? PK_STR("") : PK_STR("\r\n"));
        (void)pk_buf_add(&buf, line);
        (void)pk_buf_add(&buf, PK_STR("\033[K"));
    }
    (void)pk_buf_add(&buf, PK_STR("\033[J"));
    term_write(buf.ptr, buf.len);
    pk_buf_free(&buf);
}

void term_suspend(void)
{
    (void)term_screen(false);
    (void)raise(SIGTSTP);
    (void)term_screen(true);
}

/* ---- text */

/* Control characters: C0, DEL, and C1 in UTF-8. What they would do is not for others to decide. */
static size_t term_control(pk_str text, size_t at, unsigned *code)
{
    unsigned char c = (unsigned char)text.ptr[at];
    if (c < 0x20 || c == 0x7f) {
        *code = c;
        return 1;
    }
    if (c == 0xc2 && at + 1 < text.len && (unsigned char)text.ptr[at + 1] >= 0x80 &&
        (unsigned char)text.ptr[at + 1] < 0xa0) {
        *code = (unsigned char)text.ptr[at + 1];
        return 2;
    }
    return 0;
}

static size_t term_escape(unsigned code, char out[8])
{
    const char *letter = code == '\n' ? "\\n" : code == '\t' ? "\\t" : code == '\r' ? "\\r" : NULL;
    return (size_t)(letter ? snprintf(out, 8, "%s", letter) : snprintf(out, 8, "\\x%02x", code & 0xffu));
}

size_t term_columns(pk_str text)
{
    size_t columns = 0;
    char escape[8];
    unsigned code = 0;
    for (size_t i = 0; i < text.len;) {
        size_t control = term_control(text, i, &code);
        columns += control ? term_escape(code, escape) : ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
        i += control ? control : 1;
    }
    return columns;
}

pk_str term_cut(pk_str text, size_t columns)
{
    char escape[8];
    unsigned code = 0;
    size_t at = 0, used = 0;
    while (at < text.len) {
        size_t control = term_control(text, at, &code);
        size_t wide = control ? term_escape(code, escape) : ((unsigned char)text.ptr[at] & 0xc0) != 0x80;
        if (used + wide > columns) {
            break;
        }
        used += wide;
        at += control ? control : 1;
    }
    text.len = at;
    return text;
}

static const char *term_code(term_style style)
{
    static const char *const codes[] = {"", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m", "\033[36m"};
    return term.has_colors ? codes[style] : "";
}

void term_put(FILE *file, term_style style, pk_str text)
{
    bool colored = term.has_colors && style != TERM_PLAIN && text.len > 0;
    size_t from = 0;
    char escape[8];
    unsigned code = 0;
    fputs(colored ? term_code(style) : "", file);
    for (size_t i = 0; i < text.len;) {
        size_t control = term_control(text, i, &code);
        if (control) {
            fwrite(text.ptr + from, 1, i - from, file);
            fwrite(escape, 1, term_escape(code, escape), file);
            from = i + control;
        }
        i += control ? control : 1;
    }
    if (from < text.len) {
        fwrite(text.ptr + from, 1, text.len - from, file);
    }
    fputs(colored ? "\033[0m" : "", file);
}

void term_text(FILE *file, term_style style, const char *text)
{
    term_put(file, style, pk_str_from(text));
}

void term_format(FILE *file, term_style style, const char *format, ...)
{
    char text[2048];
    va_list list;
    va_start(list, format);
    int len = vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    pk_str shown = {text, len < 0 ? 0 : (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1};
    term_put(file, style, shown);
}

void term_lines(FILE *file, pk_str text)
{
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i == text.len || text.ptr[i] == '\n' || text.ptr[i] == '\t') {
            pk_str piece = {text.ptr + from, i - from};
            term_put(file, TERM_PLAIN, piece);
            if (i < text.len) {
                fputc(text.ptr[i], file);
            }
            from = i + 1;
        }
    }
}

/* How much of the text fits into a line: up to the last blank before the edge, or all of a long word. */
static size_t term_fit(pk_str text, size_t room)
{
    size_t blank = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i == text.len || text.ptr[i] == ' ') {
            pk_str part = {text.ptr, i};
            if (term_columns(part) > room && blank > 0) {
                return blank;
            }
            blank = i;
        }
    }
    return text.len;
}

void term_wrap(FILE *file, term_style style, pk_str text, size_t indent)
{
    size_t width = term_width();
    size_t room = width > indent + 30 ? width - indent : SIZE_MAX; // a narrow column reads worse than a broken line
    while (text.len > 0) {
        pk_str line = {text.ptr, term_fit(text, room)};
        term_put(file, style, line);
        text.ptr += line.len;
        text.len -= line.len;
        while (text.len > 0 && text.ptr[0] == ' ') {
            text.ptr++;
            text.len--;
        }
        if (text.len > 0) {
            fprintf(file, "\n%*s", (int)indent, "");
        }
    }
}

/* ---- JSON */

static void term_newline(FILE *file, unsigned depth)
{
    fprintf(file, "\n%*s", (int)(depth * 2), "");
}

static bool term_is_simple(const pk_json_value *v)
{
    return pk_json_type_of(v) != PK_JSON_ARRAY && pk_json_type_of(v) != PK_JSON_OBJECT;
}

/* An array of a few short values stands on one line. */
static bool term_is_short(const pk_json_value *list)
{
    size_t columns = 0;
    for (const pk_json_value *v = pk_json_first(list); v; v = pk_json_next(list, v)) {
        columns += 2 + pk_json_str(v).len + pk_json_number_text(v).len;
        if (!term_is_simple(v) || columns > 60) {
            return false;
        }
    }
    return true;
}

/* A string as JSON writes it. */
static void term_json_string(FILE *file, term_style style, pk_str text)
{
    pk_buf buf;
    pk_json_writer w;
    pk_buf_init(&buf, NULL, text.len * 6 + 16);
    pk_json_write(&w, &buf);
    pk_json_put_str(&w, text);
    if (pk_json_finish(&w, NULL) == PK_OK) {
        term_put(file, style, pk_buf_str(&buf));
    }
    pk_buf_free(&buf);
}

static void term_json_value(FILE *file, const pk_json_value *v, unsigned depth);

static void term_json_items(FILE *file, const pk_json_value *v, unsigned depth)
{
    bool object = pk_json_type_of(v) == PK_JSON_OBJECT;
    bool inline_list = !object && term_is_short(v);
    const char *separator = "";
    fputc(object ? '{' : '[', file);
    for (const pk_json_value *i = pk_json_first(v); i; i = pk_json_next(v, i)) {
        fputs(separator, file);
        if (!inline_list) {
            term_newline(file, depth + 1);
        }
        if (object) {
            term_json_string(file, TERM_NAME, pk_json_key(i));
            fputs(": ", file);
        }
        term_json_value(file, i, depth + 1);
        separator = inline_list ? ", " : ",";
    }
    if (!inline_list && pk_json_count(v) > 0) {
        term_newline(file, depth);
    }
    fputc(object ? '}' : ']', file);
}

static void term_json_value(FILE *file, const pk_json_value *v, unsigned depth)
{
    switch (pk_json_type_of(v)) {
    case PK_JSON_STRING: term_json_string(file, TERM_GOOD, pk_json_str(v)); break;
    case PK_JSON_NUMBER: term_put(file, TERM_WARN, pk_json_number_text(v)); break;
    case PK_JSON_BOOL: term_text(file, TERM_BOLD, pk_json_bool(v, false) ? "true" : "false"); break;
    case PK_JSON_NONE:
    case PK_JSON_NULL: term_text(file, TERM_DIM, "null"); break;
    case PK_JSON_ARRAY:
    case PK_JSON_OBJECT: term_json_items(file, v, depth); break;
    }
}

void term_json(FILE *file, pk_json json)
{
    pk_mem mem = {0};
    const pk_json_value *doc = NULL;
    if (pk_json_parse(&mem, json, &doc, NULL) == PK_OK) {
        term_json_value(file, doc, 0);
        fputc('\n', file);
    } else {
        term_put(file, TERM_PLAIN, json);
        fputc('\n', file);
    }
    pk_mem_free(&mem);
}

/* ---- progress */

enum { TERM_PATIENCE_MS = 300, TERM_FRAME_MS = 50 };

static bool term_is_time(void)
{
    int64_t now = pk_now_ns();
    if (isatty(STDERR_FILENO) != 1) {
        return false;
    }
    term.began = term.began ? term.began : now;
    if (now - term.began < TERM_PATIENCE_MS * 1000000ll || now - term.shown < TERM_FRAME_MS * 1000000ll) {
        return false;
    }
    term.shown = now;
    return true;
}

static void term_draw(const char *text)
{
    size_t len = strlen(text);
    fprintf(stderr, "\r%s%*s", text, (int)(term.drawn > len ? term.drawn - len : 0), "");
    fflush(stderr);
    term.drawn = len;
}

void term_progress(const char *what, uint64_t done, uint64_t all)
{
    char text[120];
    pthread_mutex_lock(&term.lock);
    if (term_is_time()) {
        (void)snprintf(text, sizeof(text), all ? "%.80s  %llu of %llu" : "%.80s  %llu", what, (unsigned long long)done,
                       (unsigned long long)all);
        term_draw(text);
    }
    pthread_mutex_unlock(&term.lock);
}

void term_progress_bytes(const char *what, uint64_t done, uint64_t all)
{
    char text[160], now[24], end[24];
    pthread_mutex_lock(&term.lock);
    if (term_is_time()) {
        (void)snprintf(text, sizeof(text), all ? "%.80s  %s of %s  %3u %%" : "%.80s  %s", what,
                       term_bytes(now, sizeof(now), done), term_bytes(end, sizeof(end), all),
                       all ? (unsigned)(done * 100 / all) : 0);
        term_draw(text);
    }
    pthread_mutex_unlock(&term.lock);
}

void term_progress_end(void)
{
    pthread_mutex_lock(&term.lock);
    if (term.drawn) {
        fprintf(stderr, "\r%*s\r", (int)term.drawn, "");
        fflush(stderr);
    }
    term.drawn = 0;
    term.began = 0;
    pthread_mutex_unlock(&term.lock);
}

/* ---- numbers for people */

static const char *term_scaled(char *out, size_t cap, double value, const char *unit)
{
    (void)snprintf(out, cap, value < 9.995 ? "%.2f %s" : value < 99.95 ? "%.1f %s" : "%.0f %s", value, unit);
    return out;
}

const char *term_time(char *out, size_t cap, int64_t ns)
{
    double us = (double)ns / 1e3;
    if (us < 999.5) {
        return term_scaled(out, cap, us, "us");
    }
    return us < 999.5e3 ? term_scaled(out, cap, us / 1e3, "ms") : term_scaled(out, cap, us / 1e6, "s");
}

const char *term_bytes(char *out, size_t cap, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double value = (double)bytes / 1e3;
    size_t unit = 0;
    if (bytes < 1000) {
        (void)snprintf(out, cap, "%u B", (unsigned)bytes);
        return out;
    }
    while (value >= 999.5 && unit + 1 < sizeof(units) / sizeof(*units)) {
        value /= 1e3;
        unit++;
    }
    return term_scaled(out, cap, value, units[unit]);
}
