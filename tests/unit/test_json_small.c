/* test_json_small.c - all tests of JSON again, on the short code that small builds take: the results are the same,
 * but for the places in errors of struct tables. */
#define UNIT_WHOLE
#define PLUGKIT_SMALL
#include "test_json_read.c"
#include "test_json_stream.c"
#include "test_json_write.c"
#include "test_number.c"
#include "test_swar.c"
#include "test_types.c"
#include "test_utf8.c"
