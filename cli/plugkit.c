/* plugkit.c - the library itself: every other file of the command only declares it. */
#define PLUGKIT_IMPLEMENTATION
#include "../plugkit.h"
