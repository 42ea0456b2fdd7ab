/* replay.c - runs a fuzz target without a fuzzer: all files of a folder, and changed copies of them.
 *
 *     replay FOLDER [SECONDS]
 *
 * A target is a file with LLVMFuzzerTestOneInput; this is its main where clang's libFuzzer is not to be had. The
 * changes are blind (bytes replaced, cut out, doubled), so it finds less; but what libFuzzer found, and was put into
 * the folder, stays found. Inputs lie against a page that cannot be touched. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_FILES = 4096, MOST_BYTES = 1 << 16 };

static struct {
    uint8_t *bytes;
    size_t size;
} inputs[MOST_FILES];
static size_t input_count;

static uint32_t seed = 2463534242u;

static uint32_t next(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return below ? seed % below : 0;
}

static void load(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL && input_count < MOST_FILES) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        uint8_t *bytes = file ? malloc(MOST_BYTES) : NULL;
        if (bytes) {
            inputs[input_count].bytes = bytes;
            inputs[input_count++].size = fread(bytes, 1, MOST_BYTES, file);
        }
        if (file) {
            fclose(file);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static size_t change(uint8_t *bytes, size_t size)
{
    static const char edges[] = "\0\xff\x7f\x80\r\n\t \"\\{}[]:,0-+.eE%/;=";
    for (uint32_t n = 1 + next(6); n > 0; n--) {
        size_t at = next((uint32_t)size), len = next(16);
        switch (next(5)) {
        case 0: // another byte
            if (size) {
                bytes[at] = (uint8_t)next(256);
            }
            break;
        case 1: // a byte that parsers look for
            if (size) {
                bytes[at] = (uint8_t)edges[next(sizeof(edges) - 1)];
            }
            break;
        case 2: // some out
            len = len > size - at ? size - at : len;
            memmove(bytes + at, bytes + at + len, size - at - len);
            size -= len;
            break;
        case 3: // some twice
            len = len > size - at ? size - at : len;
            if (size + len <= MOST_BYTES) {
                memmove(bytes + at + len, bytes + at, size - at);
                size += len;
            }
            break;
        default: // the end is missing
            size = at;
        }
    }
    return size;
}

int main(int argc, char **argv)
{
    long seconds = argc > 2 ? atol(argv[2]) : 0, runs = 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), room = MOST_BYTES / page * page + page;
    uint8_t *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *copy = malloc(MOST_BYTES);
    time_t end = time(NULL) + seconds;
    if (argc < 2 || base == MAP_FAILED || !copy || mprotect(base + room, page, PROT_NONE) != 0) {
        fprintf(stderr, "replay FOLDER [SECONDS]\n");
        return 2;
    }
    load(argv[1]);
    for (size_t i = 0; i < input_count; i++, runs++) {
        memcpy(base + room - inputs[i].size, inputs[i].bytes, inputs[i].size);
        LLVMFuzzerTestOneInput(base + room - inputs[i].size, inputs[i].size);
    }
    while (input_count && seconds && time(NULL) < end) {
        for (int i = 0; i < 1000; i++, runs++) {
            size_t which = next((uint32_t)input_count), size = inputs[which].size;
            memcpy(copy, inputs[which].bytes, size);
            size = change(copy, size);
            memcpy(base + room - size, copy, size);
            LLVMFuzzerTestOneInput(base + room - size, size);
        }
    }
    printf("%s: %zu files, %ld runs\n", argv[1], input_count, runs);
    return 0;
}
