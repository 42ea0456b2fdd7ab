/* rate_limit.h - so many requests of one peer in so long a time (pk_rate_limit_check).
 *
 * A bucket of tokens that fills evenly is one number: the moment at which it will be full again. A request that finds
 * it further away than a whole bucket takes is refused, and told how long the next token takes; any other moves it by
 * one token (GCRA). Buckets stand in a table of fixed size, in sets of eight that a hash with a secret seed chooses;
 * where a set is full, the bucket that is full first is forgotten: of an idle peer nothing is lost by that. A peer's
 * name counts with its first 39 bytes. One lock around a few loads and stores. */
#ifndef PK__RATE_LIMIT_H
#define PK__RATE_LIMIT_H
#ifdef PLUGKIT_WITH_WEB
#include "serve.h"

enum { PK__RATE_LIMIT_ORDER = -200, PK__RATE_LIMIT_WAYS = 8, PK__RATE_LIMIT_NAME = 39 };

typedef struct pk__rate_limit_bucket {
    int64_t full_at;  // by pk__clock_ns
    uint8_t len;
    char name[PK__RATE_LIMIT_NAME];
} pk__rate_limit_bucket;

struct pk_rate_limit {
    pk_rate_limit_desc desc;
    pk__mutex lock;
    uint64_t seed;
    int64_t token_ns, bucket_ns; // one token; a whole bucket but one
    pk__rate_limit_bucket *buckets;
    size_t count;                // a multiple of the ways
};

/* How long the next token takes: 0 = one was taken. */
PK__FN int64_t pk__rate_limit_take(pk_rate_limit *limit, pk_str name, int64_t now);

#endif
#endif
