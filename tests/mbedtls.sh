#!/bin/sh
# mbedtls.sh CC - says whether mbedTLS can be compiled and linked, by doing it: version 2.28 has no pkg-config file.
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cat >"$folder/probe.c" <<'PROBE'
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
int main(void)
{
    mbedtls_ssl_context ssl;
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_free(&ssl);
    return 0;
}
PROBE
if ${1:-cc} -o "$folder/probe" "$folder/probe.c" -lmbedtls -lmbedx509 -lmbedcrypto 2>/dev/null; then
    echo "mbedTLS: found"
else
    echo "mbedTLS: not found (nothing needs it yet; Debian's package is libmbedtls-dev)"
fi
