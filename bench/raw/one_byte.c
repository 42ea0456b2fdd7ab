/* one_byte.c - the least that can be started and heard of: writes one byte, and ends. Linked statically. */
#include <unistd.h>

int main(void)
{
    return write(1, "x", 1) == 1 ? 0 : 1;
}
