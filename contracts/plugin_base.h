/* plugin_base.h - what every plugin can be asked: are you there?
 *
 *     plugin_base base;
 *     pk_none none = {0};
 *     pk_ctx ctx = {.timeout_ms = 500};
 *     rc = plugin_base_bind(&base, pk_manager_caller(m), PK_STR("word-count"), &err);
 *     rc = base.ping(&base, &ctx, &none, &none, &err);
 *
 * On the wire a ping is GET /healthz, which plugins serve without being told: 200 and no body when all is well. A
 * plugin process therefore need not offer this contract; whoever compiles a plugin into a host may, to have it asked
 * like the others.
 *
 * Wire messages: plugin_base.schema.json. Include plugkit.h or plugkit_sdk.h first. */
#ifndef PLUGKIT_PLUGIN_BASE_H
#define PLUGKIT_PLUGIN_BASE_H

#ifndef PK_VERSION
#error "include plugkit.h or plugkit_sdk.h before plugin_base.h"
#endif

#define PLUGIN_BASE(M, C) M(C, ping, "GET /healthz", pk_none, pk_none, PK_IDEMPOTENT)
PK_CONTRACT(plugin_base, "pluginBase", "1.0.0", PLUGIN_BASE)
#undef PLUGIN_BASE

#endif
