/* unit.h - what every unit test includes first: all of PlugKit, the harness and the fakes.
 *
 * A test is linked with library.c, which is compiled once, and can call private functions. One that needs other
 * options, or what a .c file keeps to itself, defines UNIT_WHOLE before this and holds src/ itself. With
 * -DUNIT_GENERATED every test does, and takes the two headers that users copy. */
#ifndef UNIT_H
#define UNIT_H

#include "library.h"

#include "../harness.h"
#include "torture.h"

#endif
