/* table.c - aligned for people, separated for programs. */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(table *t, const char *const *headings, size_t columns)
{
    memset(t, 0, sizeof(*t));
    t->headings = headings;
    t->columns = columns;
}

void table_free(table *t)
{
    free(t->cells);
    pk_mem_free(&t->mem);
    memset(t, 0, sizeof(*t));
}

void table_add(table *t, term_style style, pk_str text)
{
    if (t->count == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        table_cell *cells = (table_cell *)realloc(t->cells, cap * sizeof(*cells));
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->cap = cap;
    }
    table_cell cell = {style, pk_mem_dup(&t->mem, text)};
    t->failed = t->failed || !cell.text.ptr;
    t->cells[t->count++] = cell;
}

void table_add_text(table *t, term_style style, const char *text)
{
    table_add(t, style, pk_str_from(text));
}

void table_add_format(table *t, term_style style, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    table_add_text(t, style, text);
}

/* ---- in a pipe */

static void table_print_plain(const table *t, FILE *file)
{
    for (size_t i = 0; i < t->count; i++) {
        term_put(file, t->cells[i].style, t->cells[i].text); // tabs and newlines come out as \t and \n
        fputc((i + 1) % t->columns ? '\t' : '\n', file);
    }
}

/* ---- on a terminal */

static void table_widths(const table *t, size_t widths[TABLE_COLUMNS])
{
    for (size_t i = 0; i < t->columns; i++) {
        widths[i] = t->headings ? strlen(t->headings[i]) : 0;
    }
    for (size_t i = 0; i < t->count; i++) {
        size_t columns = term_columns(t->cells[i].text);
        size_t *width = &widths[i % t->columns];
        *width = columns > *width ? columns : *width;
    }
}

static void table_pad(FILE *file, size_t columns)
{
    fprintf(file, "%*s", (int)columns, "");
}

static void table_print_row(const table *t, FILE *file, const table_cell *row, const size_t widths[TABLE_COLUMNS])
{
    size_t indent = 0;
    size_t last = t->columns;
    while (last > 1 && row[last - 1].text.len == 0) {
        last--; // no blanks at the end of a line
    }
    for (size_t i = 0; i < last; i++) {
        size_t columns = term_columns(row[i].text);
        bool right = t->right & (1u << i);
        if (i + 1 == t->columns && !right) {
            term_wrap(file, row[i].style, row[i].text, indent);
            break;
        }
        table_pad(file, right ? widths[i] - columns : 0);
        term_put(file, row[i].style, row[i].text);
        if (i + 1 < last) {
            table_pad(file, (right ? 0 : widths[i] - columns) + 2);
        }
        indent += widths[i] + 2;
    }
    fputc('\n', file);
}

static void table_print_rich(const table *t, FILE *file)
{
    size_t widths[TABLE_COLUMNS];
    table_widths(t, widths);
    if (t->headings) {
        table_cell head[TABLE_COLUMNS];
        for (size_t i = 0; i < t->columns; i++) {
            head[i].style = TERM_DIM;
            head[i].text = pk_str_from(t->headings[i]);
        }
        table_print_row(t, file, head, widths);
    }
    for (size_t i = 0; i + t->columns <= t->count; i += t->columns) {
        table_print_row(t, file, &t->cells[i], widths);
    }
}

void table_print(const table *t, FILE *file)
{
    if (t->failed) {
        fprintf(stderr, "plugkit: cannot print the table: out of memory\n");
    } else if (term_is_rich()) {
        table_print_rich(t, file);
    } else {
        table_print_plain(t, file);
    }
}
