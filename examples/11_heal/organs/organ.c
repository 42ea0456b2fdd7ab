/* organ.c - a heart, a lung or a brain: what the program is called decides. It counts what it does, and the lung says
 * when there is smoke. Of healing it knows nothing. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../organ.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct kind {
    const char *name, *does;
    uint64_t count;
} kind;

static pk_err work(const organ *self, pk_ctx *ctx, const organ_work *request, organ_result *result, pk_error *err)
{
    kind *k = self->stub.user;
    (void)ctx;
    (void)request;
    (void)err;
    result->what = pk_str_from(k->does);
    result->count = ++k->count;
    return PK_OK;
}

static void smell(void *user, pk_health_report *report)
{
    char path[512];
    const char *folder = getenv("TMPDIR");
    (void)user;
    snprintf(path, sizeof(path), "%s/smoke", folder ? folder : "/tmp");
    if (access(path, F_OK) == 0) {
        report->health = PK_HEALTH_DEGRADED;
        snprintf(report->reason, sizeof(report->reason), "there is smoke");
        snprintf(report->unavailable, sizeof(report->unavailable), "air");
    }
}

int main(int argc, char **argv)
{
    static kind kinds[] = {{"heart", "beat", 0}, {"lung", "breath", 0}, {"brain", "thought", 0}};
    const char *slash = strrchr(argv[0], '/');
    kind *me = &kinds[0];
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        me = strcmp(slash ? slash + 1 : argv[0], kinds[i].name) == 0 ? &kinds[i] : me;
    }

    organ impl = {.stub = {.user = me}, .work = work};
    const pk_service service = {&organ_contract, me->name, &impl, PK_STR_INIT("")};
    const pk_sdk_desc desc = {.id = me->name,
                              .services = &service,
                              .service_count = 1,
                              .on_health = strcmp(me->name, "lung") == 0 ? smell : NULL};

    return pk_sdk_main(argc, argv, &desc);
}
