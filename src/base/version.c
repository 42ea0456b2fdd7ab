/* version.c - the release of the implementation that was linked in. */
#include "defs.h"

PK_API const char *pk_version(void)
{
    return PK_VERSION;
}
