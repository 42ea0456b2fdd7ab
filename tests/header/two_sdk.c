/* two_sdk.c - the other file: the SDK, with a private copy of the core. Objects go from one copy to the other. */
#define PLUGKIT_SDK_IMPLEMENTATION
#ifndef LOUD // without this the linker finds every function of the core twice, and says so
#define PLUGKIT_NO_CORE
#endif
#include "plugkit_sdk.h"

bool two_sdk_works(pk_mem *mem, pk_buf *buf, pk_error *err);

bool two_sdk_works(pk_mem *mem, pk_buf *buf, pk_error *err)
{
    return pk_mem_dup(mem, PK_STR("kept in memory of the other file")).ptr != NULL &&
           pk_buf_add(buf, PK_STR(" two")) &&
           pk_error_set(err, PK_ERR_PARSE, "cannot read '%s': no header", "x") == PK_ERR_PARSE;
}
