#!/bin/sh
# run.sh - runs the benchmarks, one after the other: a table on stdout, and every result in BUILD/bench.jsonl.
#
#     bench/run.sh [--strict] [BUILD]      --strict: exit 1 if a target was missed ("over" in the table)
#
# ROUNDS=n sets how many rounds; ROUNDS=0 only shows that everything runs. ONLY="call json" picks benchmarks.

strict=
if [ "$1" = --strict ]; then
    strict=1
    shift
fi
build=${1:-build}
BENCH_JSONL=$build/bench.jsonl
export BENCH_JSONL
: >"$BENCH_JSONL" || exit 1
: >"$build/bench.txt" || exit 1

[ "$ROUNDS" = 0 ] && echo "ROUNDS=0: one round of a few laps. The numbers below mean nothing."
printf '%-27s %-8s %10s %-7s  %-22s %10s %7s  %s\n' bench metric value unit baseline value ratio target
for bench in ${ONLY:-call syscalls start start_mtls rss many json http http_server http_crowd size}; do
    "$build/bench/$bench" >"$build/bench.part"
    status=$?
    tee -a "$build/bench.txt" <"$build/bench.part"
    rm -f "$build/bench.part"
    if [ $status -ne 0 ]; then
        echo "bench/run.sh: $build/bench/$bench failed with status $status" >&2
        exit 1
    fi
done
echo "results: $BENCH_JSONL"

if grep -q ' over$' "$build/bench.txt"; then
    [ -n "$strict" ] && exit 1
    echo "targets marked \"over\" were missed. On a busy machine that means little: run it again when it is quiet."
fi
exit 0
