/* both.c - host and plugin in one file, each header twice. Prints the release. */
#define PLUGKIT_IMPLEMENTATION
#define PLUGKIT_SDK_IMPLEMENTATION
#ifdef REVERSED
#include "plugkit_sdk.h"
#include "plugkit.h"
#else
#include "plugkit.h"
#include "plugkit_sdk.h"
#endif
#include "plugkit.h"
#include "plugkit_sdk.h"

#include <stdio.h>

#if defined(PK__FN) || defined(PK__COUNT) || defined(PK__SYS)
#error "private macros are left"
#endif

int main(void)
{
    puts(pk_version());
    return 0;
}
