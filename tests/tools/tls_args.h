/* tls_args.h - a pk_tls for the tools of tests, by the environment: TLS_CERT and TLS_KEY (files, PEM), TLS_TRUST,
 * TLS_CRL, TLS_NAME (of the peer), TLS_LEAST (1.3). NULL without TLS_CERT and TLS_TRUST. Refusals go to stderr. */
#ifndef TLS_ARGS_H
#define TLS_ARGS_H
#ifdef PLUGKIT_WITH_TLS
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tls_args_on_refused(void *user, const pk_error *why)
{
    (void)user;
    fprintf(stderr, "refused: %s\n", why->msg);
    fflush(stderr);
}

static pk_err tls_args_read(pk_tls **out, bool again, pk_error *err)
{
    const char *cert = getenv("TLS_CERT"), *trust = getenv("TLS_TRUST"), *crl = getenv("TLS_CRL");
    const char *least = getenv("TLS_LEAST");
    pk_tls_cert shown;
    pk_tls_source trusted, list;
    pk_tls_desc desc;
    memset(&shown, 0, sizeof(shown));
    memset(&trusted, 0, sizeof(trusted));
    memset(&list, 0, sizeof(list));
    memset(&desc, 0, sizeof(desc));
    if (!cert && !trust) {
        return PK_OK;
    }
    shown.chain.file = cert;
    shown.key.file = getenv("TLS_KEY");
    trusted.file = trust;
    list.file = crl;
    desc.certs = &shown;
    desc.cert_count = cert ? 1 : 0;
    desc.trust = &trusted;
    desc.trust_count = trust ? 1 : 0;
    desc.crls = &list;
    desc.crl_count = crl ? 1 : 0;
    desc.peer_name = getenv("TLS_NAME");
    desc.min_version = least && strcmp(least, "1.3") == 0 ? PK_TLS_1_3 : PK_TLS_DEFAULT;
    desc.on_refused = tls_args_on_refused;
    return again ? pk_tls_reload(*out, &desc, err) : pk_tls_create(out, &desc, err);
}
#endif
#endif
