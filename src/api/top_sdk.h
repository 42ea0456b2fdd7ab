/* plugkit_sdk.h {version} - one header that turns a C program into a plugin. */
