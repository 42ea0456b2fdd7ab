/* test_json_plain.c - all tests of JSON again, without the processor's wide registers and integers: the results are
 * the same. */
#define UNIT_WHOLE
#define PLUGKIT_NO_SIMD
#include "test_json_read.c"
#include "test_json_stream.c"
#include "test_json_write.c"
#include "test_number.c"
#include "test_swar.c"
#include "test_types.c"
#include "test_utf8.c"
