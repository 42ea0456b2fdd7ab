/* plugkit.h {version} - one header that turns a C program into a plugin host. */
