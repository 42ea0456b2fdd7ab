/* size.c - how large the results are: the hello plugin as a small build, and the host's code at -Os. */
#include "bench.h"

#include <sys/stat.h>

static double file_kib(const char *path)
{
    struct stat s;
    if (stat(path, &s)) {
        bench_die("cannot stat '%s': %s", path, strerror(errno));
    }
    return (double)s.st_size / 1024;
}

/* Code and constants of an object file, as size(1) counts them. */
static double text_kib(const char *path)
{
    char command[8300], line[256];
    unsigned long long bytes = 0;
    snprintf(command, sizeof(command), "size '%s'", path);
    FILE *out = popen(command, "r");
    while (out && fgets(line, sizeof(line), out) && sscanf(line, "%llu", &bytes) != 1) {
    }
    if (out) {
        pclose(out);
    }
    return (double)bytes / 1024;
}

int main(int argc, char **argv)
{
    bench_begin(argc, argv);
    bench_report_most(&(bench_result){"size.hello_plugin", "stripped", file_kib(bench_path("small/hello")), "KiB",
                                 "empty program", file_kib(bench_path("small/empty"))}, 96);
    double text = text_kib(bench_path("small/host.o"));
    if (text > 0) {
        bench_report_most(&(bench_result){"size.host", "text", text, "KiB", NULL, 0}, 220);
    } else {
        bench_skip("size.host", "there is no size(1)");
    }
    return 0;
}
