/* library.c - the object that unit tests are linked with: all of src/, with private functions that are extern. */
#define UNIT_LIBRARY
#include "library.h"
