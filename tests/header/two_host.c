/* two_host.c - one of two files of one program: the host's part, and the core that everybody may link to. */
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#include <stdio.h>
#include <string.h>

bool two_sdk_works(pk_mem *mem, pk_buf *buf, pk_error *err);

int main(void)
{
    pk_mem mem = {0};
    pk_buf buf;
    pk_error err = {0};
    pk_buf_init(&buf, NULL, 1000);
    bool good = pk_buf_add(&buf, PK_STR("one")) && two_sdk_works(&mem, &buf, &err);
    good = good && pk_str_is(pk_buf_str(&buf), "one two") && err.code == PK_ERR_PARSE &&
           strcmp(err.msg, "cannot read 'x': no header") == 0;
    pk_buf_free(&buf);
    pk_mem_free(&mem);
    puts(good ? pk_version() : "the two copies of the core do not get on with each other");
    return good ? 0 : 1;
}
