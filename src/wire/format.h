/* format.h - what strings look like that are dates, addresses, identifiers: the `format`s of JSON Schema.
 *
 *     date-time date time duration        RFC 3339; leap seconds where UTC can have one, days that the month has
 *     email idn-email                     RFC 5321, RFC 6531: "a b"@example.com and x@[127.0.0.1] are some
 *     hostname ipv4 ipv6                  RFC 1123 (ASCII only), RFC 2673, RFC 4291
 *     uri uri-reference iri iri-reference RFC 3986, RFC 3987
 *     uri-template uuid regex             RFC 6570, RFC 4122, ECMA-262
 *     json-pointer relative-json-pointer  RFC 6901
 *
 * Each is a function from a string to yes or no, which allocates nothing (a regex apart). Whether a host exists or a
 * mail would arrive is not asked. */
#ifndef PK__FORMAT_H
#define PK__FORMAT_H
#ifdef PLUGKIT_WITH_SCHEMA
#include "../base/defs.h"

/* The number of a format, from 1; 0 = unknown. */
PK__FN unsigned pk__format_named(pk_str name);
/* PK_OK, PK_ERR_PARSE (it is none), PK_ERR_NO_MEMORY. */
PK__FN pk_err pk__format_check(unsigned format, pk_str text, const pk_alloc *alloc);

#endif
#endif
