/* atomic.h - the few atomic operations that the library needs: 32 bits and pointers, nothing wider.
 *
 * Loads acquire, stores release, what does both is sequentially consistent; add and swap return what was
 * there before. Where the machine has no lock-free pointers (small microcontrollers) they are plain accesses:
 * that is enough for PLUGKIT_NO_THREADS, and with threads it is an error here rather than a rare one later.
 * Interrupt and signal handlers may use all of them. */
#ifndef PK__ATOMIC_H
#define PK__ATOMIC_H
#include "../base/defs.h"

typedef uint32_t pk__atomic_u32; // says that a member is only touched by these

#if defined(__GCC_ATOMIC_POINTER_LOCK_FREE) && __GCC_ATOMIC_POINTER_LOCK_FREE == 2

PK__LOCAL uint32_t pk__atomic_load(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__LOCAL void pk__atomic_store(uint32_t *at, uint32_t value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

PK__LOCAL uint32_t pk__atomic_add(uint32_t *at, uint32_t value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

PK__LOCAL uint32_t pk__atomic_swap(uint32_t *at, uint32_t value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

/* Stores `value` if `expected` is there; true = it was. */
PK__LOCAL bool pk__atomic_cas(uint32_t *at, uint32_t expected, uint32_t value)
{
    return __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

PK__LOCAL size_t pk__atomic_load_size(const size_t *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__LOCAL size_t pk__atomic_add_size(size_t *at, size_t value)
{
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}

PK__LOCAL void *pk__atomic_load_ptr(void *const *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

PK__LOCAL void pk__atomic_store_ptr(void **at, void *value)
{
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

PK__LOCAL void *pk__atomic_swap_ptr(void **at, void *value)
{
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}

PK__LOCAL bool pk__atomic_cas_ptr(void **at, void *expected, void *value)
{
    return __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

#elif defined(PLUGKIT_NO_THREADS)

PK__LOCAL uint32_t pk__atomic_load(const uint32_t *at)
{
    return *(const volatile uint32_t *)at;
}

PK__LOCAL void pk__atomic_store(uint32_t *at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

PK__LOCAL uint32_t pk__atomic_swap(uint32_t *at, uint32_t value)
{
    uint32_t old = pk__atomic_load(at);
    pk__atomic_store(at, value);
    return old;
}

PK__LOCAL uint32_t pk__atomic_add(uint32_t *at, uint32_t value)
{
    return pk__atomic_swap(at, pk__atomic_load(at) + value);
}

PK__LOCAL bool pk__atomic_cas(uint32_t *at, uint32_t expected, uint32_t value)
{
    return pk__atomic_load(at) == expected && (pk__atomic_store(at, value), true);
}

PK__LOCAL size_t pk__atomic_load_size(const size_t *at)
{
    return *(const volatile size_t *)at;
}

PK__LOCAL size_t pk__atomic_add_size(size_t *at, size_t value)
{
    size_t old = pk__atomic_load_size(at);
    *(volatile size_t *)at = old + value;
    return old;
}

PK__LOCAL void *pk__atomic_load_ptr(void *const *at)
{
    return *(void *const volatile *)at;
}

PK__LOCAL void pk__atomic_store_ptr(void **at, void *value)
{
    *(void *volatile *)at = value;
}

PK__LOCAL void *pk__atomic_swap_ptr(void **at, void *value)
{
    void *old = pk__atomic_load_ptr(at);
    pk__atomic_store_ptr(at, value);
    return old;
}

PK__LOCAL bool pk__atomic_cas_ptr(void **at, void *expected, void *value)
{
    return pk__atomic_load_ptr(at) == expected && (pk__atomic_store_ptr(at, value), true);
}

#else
#error "plugkit: no lock-free atomics for this machine or compiler: define PLUGKIT_NO_THREADS"
#endif
#endif
