/* nothing.c - a C program that does nothing, for as long as its standard input is open. */
#include <unistd.h>

int main(void)
{
    char c;
    return write(1, "x", 1) == 1 && read(0, &c, 1) == 0 ? 0 : 1;
}
