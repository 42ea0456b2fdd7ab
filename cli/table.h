/* table.h - rows of text. On a terminal: headings, aligned columns, and the last one wrapped to the width. In a pipe:
 * one line a row, columns separated by tabs, no headings, no colours: for cut and awk. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H
#include "term.h"

enum { TABLE_COLUMNS = 10 };

typedef struct table_cell {
    term_style style;
    pk_str text; // in mem
} table_cell;

typedef struct table {
    pk_mem mem;
    const char *const *headings; // NULL = none
    size_t columns;
    unsigned right;              // bit i: column i is aligned to the right
    table_cell *cells;           // row after row
    size_t count, cap;
    bool failed;                 // out of memory
} table;

/* headings: one a column, also if they are not to be shown; kept as long as the table. */
void table_init(table *t, const char *const *headings, size_t columns);
void table_add(table *t, term_style style, pk_str text); // the next cell; copied
void table_add_text(table *t, term_style style, const char *text);
void table_add_format(table *t, term_style style, const char *format, ...) PK_PRINTF(3, 4);
void table_print(const table *t, FILE *file);
void table_free(table *t);

#endif
