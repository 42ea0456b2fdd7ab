/* term.h - what a terminal can do that a pipe cannot: colours, a width, a line that is written over.
 *
 * Colours are on if stdout is a terminal, TERM is not "dumb" and NO_COLOR is not set; --color overrides. Everything
 * that comes from outside is printed through term_put, which shows control characters as escapes: no plugin and no file
 * name drives the terminal. */
#ifndef CLI_TERM_H
#define CLI_TERM_H
#include "../plugkit.h"

#include <stdio.h>

typedef enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_WARN, TERM_BAD, TERM_NAME } term_style;

void term_init(const char *when); // --color; NULL = auto
bool term_is_rich(void);          // stdout is for people: aligned, with headings
size_t term_width(void);          // columns of stdout; SIZE_MAX if it has none
size_t term_height(void);         // lines of stdout; 0 if it has none

size_t term_columns(pk_str text); // how wide the text is on the screen, printed by term_put
pk_str term_cut(pk_str text, size_t columns); // as much of it as fits
void term_put(FILE *file, term_style style, pk_str text);
void term_text(FILE *file, term_style style, const char *text);
void term_format(FILE *file, term_style style, const char *format, ...) PK_PRINTF(3, 4);
void term_lines(FILE *file, pk_str text); // as it is, but for control characters other than newline and tab
/* From column `indent` on, broken at blanks on a terminal; what follows begins there, too. */
void term_wrap(FILE *file, term_style style, pk_str text, size_t indent);
void term_json(FILE *file, pk_json json); // indented, and in colours if they are on

/* Progress on stderr: "probing  12 of 40". Silent unless stderr is a terminal, and for the first 300 ms. */
void term_progress(const char *what, uint64_t done, uint64_t all); // all 0 = unknown; counts of things
void term_progress_bytes(const char *what, uint64_t done, uint64_t all);
void term_progress_end(void); // takes the line away

/* The whole screen, and keys that come one by one and unseen; Ctrl-C is a signal as ever. What was there before comes
 * back at the end. False: this terminal cannot. */
bool term_screen(bool on);
void term_frame(pk_str text); // what is on the screen from now on: as many lines as it has, at most
void term_suspend(void);      // as Ctrl-Z does; returns when the program goes on

/* "1.9 ms", "12 s", "3.4 MB": three digits and a unit. */
const char *term_time(char *out, size_t cap, int64_t ns);
const char *term_bytes(char *out, size_t cap, uint64_t bytes);

#endif
