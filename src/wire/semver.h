/* semver.h - versions by Semantic Versioning 2.0.0: "1.4.0", "2.0.0-rc.1+build.5".
 *
 * Contracts use one simple rule, pk__semver_serves: the same major number, and a minor number that is not lower. Who
 * chooses plugins by version (PLUGKIT_WITH_MANIFESTS) may write a range instead:
 *
 *     1.2.3    this one (1.2: any 1.2.x; 1: any 1.x.y)        ^1.2.3   from 1.2.3 on, below 2.0.0 (^0.2.3: below 0.3.0)
 *     *, ""    any                                            ~1.2.3   from 1.2.3 on, below 1.3.0 (~1: below 2.0.0)
 *     >=1.2.3 <2, >1.2.3, <=1.2.3, =1.2.3                      words with blanks between them: all of them hold
 *     ^1.2.3 || ^2.0.0                                         or: one side holds (>1.2: from 1.3.0 on; <=1.2: below)
 *
 * A prerelease is only in a range whose own version is a prerelease of the same three numbers: nobody gets 2.0.0-rc.1
 * who did not ask for it. */
#ifndef PK__SEMVER_H
#define PK__SEMVER_H
#include "../base/defs.h"

typedef struct pk__semver {
    uint64_t part[3];      // major, minor, patch
    pk_str before, build;  // views: "rc.1", "build.5"
} pk__semver;

PK__FN bool pk__semver_parse(pk_str text, pk__semver *out); // false: not a version
/* Precedence: below 0, 0, above 0. Builds play no part. */
PK__FN int pk__semver_compare(const pk__semver *a, const pk__semver *b);
/* Can a provider of that version of a contract serve a caller that needs this one? */
PK__FN bool pk__semver_serves(const pk__semver *provider, const pk__semver *needed);
#ifdef PLUGKIT_WITH_MANIFESTS
/* Is the version in the range? False also if the range cannot be read: pk__semver_is_range tells. */
PK__FN bool pk__semver_matches(const pk__semver *version, pk_str range);
PK__FN bool pk__semver_is_range(pk_str range);
#endif

#endif
