/* unit.h - what every unit test includes first: all of PlugKit, the harness and the fakes.
 *
 * By default the sources come straight from src/ (build/src_all.h), so that debuggers and coverage see them; with
 * -DUNIT_GENERATED the two generated headers are taken, so that what users copy is tested as well. Both hold everything
 * in one translation unit: private functions can be called. */
#ifndef UNIT_H
#define UNIT_H

#define PLUGKIT_WITH_ALL
#define PLUGKIT_TEST // the table of system calls and the clock can be replaced
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#ifdef UNIT_GENERATED
#include "plugkit.h"
#include "plugkit_sdk.h"
#else
#include "build/src_all.h"
#endif

#include "../harness.h"
#include "torture.h"

#endif
