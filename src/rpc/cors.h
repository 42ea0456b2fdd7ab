/* cors.h - CORS: pages of which origins may use this server (pk_cors_allow).
 *
 * A browser says in Origin where a page comes from, and keeps answers from it that do not name that origin. Before a
 * request that a plain form could not make it asks for leave: OPTIONS with Access-Control-Request-Method, without any
 * credentials. So leave is given before anybody asks for credentials, and before it is known whether there is a route.
 *
 *     no Origin, or that of the server itself     passes
 *     Origin that is not allowed                  403: a page that may not read the answer shall not cause it either
 *     asks for leave                              204 with what is allowed, or 403
 *     other                                       passes, and the answer names the origin, also if it is a failure
 *
 * Answers that depend on the origin say so (Vary), whether one was sent or not: caches must not mix them. An origin is
 * echoed only if it is allowed by name; "*" never goes with credentials. */
#ifndef PK__CORS_H
#define PK__CORS_H
#ifdef PLUGKIT_WITH_WEB
#include "serve.h"

enum { PK__CORS_ORDER = -100 };

#endif
#endif
