/* firmware.c - a host without a system: no processes, threads, files or sockets, a tick counter for a clock and one
 * array for memory. It has a plugin of its own and calls it by its contract, and as a remote peer would, by bytes.
 * tests/size.py measures this program, matrix.py runs it: it exits with 0 if all of it works. */
#define PLUGKIT_NO_PROCESS
#define PLUGKIT_NO_THREADS
#define PLUGKIT_NO_FILES
#define PLUGKIT_NO_NET
#define PLUGKIT_CLOCK_NS() (board_ticks++ * 1000)
static volatile long long board_ticks; // of a timer, each a microsecond

#define PLUGKIT_STATIC
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"

#define QUESTION(F, T) F(T, REQ, int32_t, channel, "channel")
#define READING(F, T) F(T, REQ, int32_t, millivolts, "millivolts")
PK_MESSAGE(question, QUESTION)
PK_MESSAGE(reading, READING)
#define SENSOR(M, C) M(C, measure, "POST /measure", question, reading, PK_IDEMPOTENT)
PK_CONTRACT(sensor, "sensor", "1.0.0", SENSOR)

static pk_err measure(const sensor *self, pk_ctx *ctx, const question *request, reading *response, pk_error *err)
{
    (void)self, (void)ctx, (void)err;
    response->millivolts = 1000 + request->channel;
    return PK_OK;
}

/* Blocks are cut off one array; the last one can grow, shrink and go. */
static _Alignas(16) char memory[64 * 1024];
static size_t used;

static void *memory_resize(void *user, void *ptr, size_t old_size, size_t new_size)
{
    char *block = (char *)ptr;
    (void)user;
    old_size = (old_size + 15) & ~(size_t)15;
    new_size = (new_size + 15) & ~(size_t)15;
    if (block && block + old_size == memory + used) {
        used -= old_size;
    } else if (block && new_size <= old_size) {
        return new_size ? block : NULL;
    }
    if (new_size > sizeof(memory) - used) {
        used += block && block + old_size == memory + used + old_size ? old_size : 0;
        return NULL;
    }
    char *to = memory + used;
    used += new_size;
    if (block && to != block) {
        memcpy(to, block, old_size);
    }
    return new_size ? to : NULL;
}

static bool works(pk_manager *manager, pk_error *err)
{
    static const pk_call_desc call = {.contract = "sensor", .version = "1.0.0", .method = "measure",
                                      .http = "POST /measure", .body = {.bytes = PK_STR_INIT("{\"channel\":4}")}};
    sensor adc;
    question request = {.channel = 3};
    reading response = {0};
    pk_reply reply = {0};
    bool good = sensor_bind(&adc, pk_manager_caller(manager), PK_STR(""), err) == PK_OK &&
                adc.measure(&adc, NULL, &request, &response, err) == PK_OK && response.millivolts == 1003 &&
                pk_caller_call(pk_manager_caller(manager), &call, &reply, err) == PK_OK &&
                pk_str_is(reply.body.bytes, "{\"millivolts\":1004}");
    pk_mem_free(&reply.mem);
    pk_mem_free(&response.mem);
    return good;
}

int main(void)
{
    static const sensor adc = {.measure = measure};
    static const pk_service service = {&sensor_contract, "adc", &adc, PK_STR_INIT("")};
    pk_manager_desc desc = {.alloc = {memory_resize, NULL}};
    pk_manager *manager = NULL;
    pk_error err = {0};
    bool good = pk_loop_create(&desc.loop, &desc.alloc, &err) == PK_OK &&
                pk_manager_create(&manager, &desc, &err) == PK_OK &&
                pk_manager_add(manager, "board", &service, 1, NULL, &err) == PK_OK &&
                pk_manager_start(manager, &err) == PK_OK && works(manager, &err);
    for (int turn = 0; good && turn < 10; turn++) { // a real one goes on for ever
        good = pk_loop_step(desc.loop, 0, &err) == PK_OK;
    }
    pk_manager_destroy(manager);
    pk_loop_destroy(desc.loop);
    return good ? 0 : 1;
}
