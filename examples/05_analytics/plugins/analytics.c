/* analytics.c - the counting service as a plugin. */
#define PLUGKIT_SDK_IMPLEMENTATION
#include "../../../plugkit_sdk.h"
#include "../counting.h"

int main(int argc, char **argv)
{
    static const pk_service service = {&analytics_contract, "text", &counting, PK_STR_INIT("")};
    static const pk_sdk_desc desc = {
        .id = "analytics",
        .version = "1.0.0",
        .description = "counts lines, words, characters",
        .services = &service,
        .service_count = 1,
    };

    return pk_sdk_main(argc, argv, &desc);
}
