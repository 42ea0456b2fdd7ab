/* report.h - numbers and columns: aligned and in colours on a terminal, aligned and plain in a pipe. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- latencies */

typedef struct samples {
    int64_t *ns;
    size_t count, cap;
} samples;

static void samples_add(samples *s, int64_t ns)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        int64_t *more = (int64_t *)realloc(s->ns, cap * sizeof(*more));
        if (!more) {
            return; // one sample less
        }
        s->ns = more;
        s->cap = cap;
    }
    s->ns[s->count++] = ns;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest sample that `percent` of all do not exceed. Sorts them. */
static int64_t samples_percentile(samples *s, unsigned percent)
{
    if (s->count == 0) {
        return 0;
    }
    qsort(s->ns, s->count, sizeof(*s->ns), by_size);
    size_t rank = (s->count * percent + 99) / 100;
    return s->ns[rank ? rank - 1 : 0];
}

/* ---- texts, each in one of a few buffers that are used in turn: enough for one printf */

static char *report_buffer(size_t *cap)
{
    static char buffers[16][32];
    static size_t next;
    *cap = sizeof(buffers[0]);
    return buffers[next++ % 16];
}

static const char *report_time(int64_t ns)
{
    size_t cap;
    char *out = report_buffer(&cap);
    double value = (double)ns / 1e3;
    const char *unit = "us";
    if (value >= 999.5) {
        value /= 1e3;
        unit = value >= 999.5 ? "s" : "ms";
        value = value >= 999.5 ? value / 1e3 : value;
    }
    (void)snprintf(out, cap, value < 9.995 ? "%.2f %s" : value < 99.95 ? "%.1f %s" : "%.0f %s", value, unit);
    return out;
}

static const char *report_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t cap, unit = 0;
    char *out = report_buffer(&cap);
    double value = (double)bytes;
    for (; value >= 999.5 && unit < 4; unit++) {
        value /= 1e3;
    }
    (void)snprintf(out, cap, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}

/* ---- what a terminal can do */

typedef enum tone { TONE_TITLE, TONE_QUIET, TONE_GOOD, TONE_BAD } tone;

static bool report_has_colors(void)
{
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && !(no_color && *no_color);
}

static const char *report_on(tone t)
{
    static const char *const codes[] = {"\033[1m", "\033[2m", "\033[32m", "\033[31m"};
    return report_has_colors() ? codes[t] : "";
}

static const char *report_off(void)
{
    return report_has_colors() ? "\033[0m" : "";
}

static void report_title(const char *title)
{
    printf("\n%s%s%s\n", report_on(TONE_TITLE), title, report_off());
}

/* What comes from outside may hold anything; only printable ASCII and UTF-8 reach the terminal. */
static void report_put(pk_str text, size_t columns)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        used += (c & 0xc0U) != 0x80U;
        if (used > columns) {
            break;
        }
        putchar(c < 0x20 || c == 0x7f ? '?' : c);
    }
}

/* On stderr, so that it is not in the way of what is kept. */
static void report_progress(size_t done, size_t all)
{
    if (isatty(STDERR_FILENO) == 1 && done < all) {
        fprintf(stderr, "\r%lu of %lu files", (unsigned long)done, (unsigned long)all);
    } else if (isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "\r%32s\r", "");
    }
    fflush(stderr);
}
