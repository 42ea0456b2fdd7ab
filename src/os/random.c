/* random.c - random numbers from the kernel. */
#include "random.h"

#ifndef PK__NO_FD

/* For kernels and systems without getrandom. */
PK__FN pk_err pk__random_from_device(char *out, size_t len, pk_error *err)
{
    int fd = PK__SYS(open)("/dev/urandom", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        return pk_error_sys(err, PK_ERR_OS, errno, "cannot open '/dev/urandom'");
    }
    for (size_t done = 0; done < len;) {
        ssize_t n = PK__SYS(read)(fd, out + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int error = n < 0 ? errno : EIO;
            PK__SYS(close)(fd);
            return pk_error_sys(err, PK_ERR_OS, error, "cannot read '/dev/urandom'");
        }
        done += (size_t)n;
    }
    PK__SYS(close)(fd);
    return PK_OK;
}

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = PK__SYS(getrandom)((char *)out + done, len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            return pk__random_from_device((char *)out, len, err);
        }
    }
    return PK_OK;
}

#else

PK__FN pk_err pk__random_bytes(void *out, size_t len, pk_error *err)
{
    (void)out, (void)len;
    return pk_error_set(err, PK_ERR_UNSUPPORTED, "cannot get random bytes: no system to ask");
}

#endif

PK__FN pk_err pk__random_token(char out[PK__TOKEN_LEN + 1], pk_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[PK__TOKEN_LEN / 2] = {0};
    pk_err code = pk__random_bytes(bytes, sizeof(bytes), err);
    if (code) {
        out[0] = '\0';
        return code;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[PK__TOKEN_LEN] = '\0';
    return PK_OK;
}

PK__FN uint64_t pk__random_u64(void)
{
    uint64_t value = 0;
    if (pk__random_bytes(&value, sizeof(value), NULL) != PK_OK) {
        /* Spreads the bits of the clock (the finaliser of SplitMix64): good enough to jitter a delay. */
        value = (uint64_t)pk__clock_ns() + UINT64_C(0x9e3779b97f4a7c15);
        value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
        value ^= value >> 31;
    }
    return value;
}

PK__FN bool pk__token_equal(pk_str a, pk_str b)
{
    uint64_t different = 0;
    size_t at = 0;
    if (a.len != b.len || a.len == 0) { // the length of a token is no secret
        return false;
    }
    for (; a.len - at >= sizeof(different); at += sizeof(different)) {
        uint64_t x, y;
        memcpy(&x, a.ptr + at, sizeof(x));
        memcpy(&y, b.ptr + at, sizeof(y));
        different |= x ^ y;
    }
    for (; at < a.len; at++) {
        different |= (uint64_t)((unsigned char)a.ptr[at] ^ (unsigned char)b.ptr[at]);
    }
    volatile uint64_t all = different; // the exact bits are wanted, so that no compiler may stop at the first one
    return all == 0;
}
