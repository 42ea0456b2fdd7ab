/* fits.h - a request, held against the schema that the plugin advertises, before anybody is bothered with it. */
#ifndef CLI_FITS_H
#define CLI_FITS_H
#include "request.h"

/* Looks at JSON that is named on the command line. If it does not fit, says so on stderr like a help text: what is
 * wrong with it, what is taken, and where to read more; and returns EXIT_USAGE. A schema that is wrong itself is no
 * reason (plugkit doctor tells of those); neither is a request without a body, unless the schema speaks of its
 * method. */
int fits_check(const request *r, const char *method, bool has_body);

#endif
