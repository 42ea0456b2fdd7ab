#!/bin/sh
# run.sh SECONDS NAME... - runs each tests/fuzz/NAME.c for so long: with clang's libFuzzer and sanitizers, or with
# replay.c where there is none. What it finds is kept as build/fuzz/NAME-crash-*; put it into tests/fuzz/corpus/ (in the
# folder NAME, without fuzz_) together with the correction, and every `make test` runs it from then on.
cd "$(dirname "$0")/../.." || exit 1
seconds=$1
shift
mkdir -p build/fuzz
status=0
echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return !d && n; }' >build/fuzz/probe.c
if clang -fsanitize=fuzzer,address build/fuzz/probe.c -o build/fuzz/probe 2>/dev/null; then
    engine=libfuzzer
else
    engine=replay
    echo "clang's libFuzzer is not here (Debian: clang libclang-rt-14-dev): blind changes instead"
fi
for name in "$@"; do
    libs=
    unset ASAN_OPTIONS
    if [ "$name" = fuzz_tls ]; then
        export ASAN_OPTIONS=malloc_context_size=2 # numbers of mbedTLS are allocations: half the time went into stacks
        libs=$(sh tests/mbedtls.sh "${CC:-cc}" --flags)
        [ -n "$libs" ] || { echo "== $name: not run, there is no mbedTLS"; continue; }
    fi
    seeds=tests/fuzz/corpus/${name#fuzz_}
    found=build/fuzz/corpus/$name
    mkdir -p "$found" "$seeds"
    echo "== $name, $seconds s, $engine"
    if [ $engine = libfuzzer ]; then
        clang -std=c11 -O1 -g -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
            "tests/fuzz/$name.c" -o "build/fuzz/$name" $libs -lpthread -lm || { status=1; continue; }
        if "build/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/$name-" "$found" "$seeds" >"build/fuzz/$name.log" 2>&1; then
            sed -n 's/^stat::number_of_executed_units: */   runs: /p' "build/fuzz/$name.log"
        else
            tail -40 "build/fuzz/$name.log"
            status=1
        fi
    else
        ${CC:-cc} -std=c11 -O1 -g -I. -fsanitize=address,undefined "tests/fuzz/$name.c" tests/fuzz/replay.c \
            -o "build/fuzz/$name" $libs -lpthread -lm && "build/fuzz/$name" "$seeds" "$seconds" || status=1
    fi
done
exit $status
