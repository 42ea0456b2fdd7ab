#!/bin/sh
# mbedtls.sh CC [--flags] - finds mbedTLS by compiling and linking with it: version 2.28 has no pkg-config file.
#
# It is the system's, or the one below $MBEDTLS, a folder with usr/include and usr/lib (Debian's packages, unpacked with
# `dpkg-deb -x`). Says what it has found; with --flags it prints what the compiler needs for it, or nothing.
cc=${1:-cc}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cat >"$folder/probe.c" <<'PROBE'
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <stdio.h>
int main(void)
{
    mbedtls_ssl_context ssl;
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_free(&ssl);
    return puts(MBEDTLS_VERSION_STRING) < 0;
}
PROBE
flags=
if [ -n "${MBEDTLS:-}" ]; then
    [ -d "$MBEDTLS/usr/include/mbedtls" ] || cc=false # another one would not do
    flags="-isystem $MBEDTLS/usr/include"
    for lib in "$MBEDTLS"/usr/lib "$MBEDTLS"/usr/lib/*-linux-gnu* "$MBEDTLS"/lib; do
        [ -d "$lib" ] && flags="$flags -L$lib -Wl,--disable-new-dtags,-rpath,$lib"
    done
fi
libs="-lmbedtls -lmbedx509 -lmbedcrypto"
# shellcheck disable=SC2086 # flags and libraries are lists
if $cc -o "$folder/probe" "$folder/probe.c" $flags $libs 2>/dev/null && version=$("$folder/probe"); then
    if [ "${2:-}" = --flags ]; then
        echo "-DHAS_MBEDTLS $flags $libs"
    else
        echo "mbedTLS: $version${MBEDTLS:+ in $MBEDTLS}"
    fi
elif [ "${2:-}" != --flags ]; then
    echo "mbedTLS: not found: the tests of TLS are skipped (Debian's package is libmbedtls-dev; or MBEDTLS=folder)"
fi
