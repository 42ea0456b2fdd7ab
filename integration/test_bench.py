"""make bench: it runs, its results have the promised form, and a warm call makes the promised system calls. No time is
looked at: see bench/README.md for that."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYS = ["bench", "metric", "value", "unit", "baseline", "baseline_value", "ratio"]
EXPECTED = {
    ("call.unix", "p50"): "us",
    ("call.unix", "p99"): "us",
    ("call.typed", "p50"): "us",
    ("call.pipeline", "p50"): "us",
    ("call.internal", "p50"): "ns",
    ("call.threads", "rate"): "calls/s",
    ("call.syscalls", "host"): "calls",
    ("call.syscalls", "plugin"): "calls",
    ("start.first_call", "p50"): "ms",
    ("start.first_call_1gib", "p50"): "ms",
    ("rss.plugin", "resident"): "KiB",
    ("rss.manager_per_plugin", "resident"): "KiB",
    ("rss.manager_per_plugin_1000", "resident"): "KiB",
    ("call.unix_1000", "p50"): "us",
    ("fds.manager_per_plugin", "open"): "fds",
    ("idle.host_1000", "core"): "%",
    ("json.tweets.memory", "taken"): "KiB",
    ("http.parse", "post"): "ns",
    ("http.slow10k", "p99"): "us",
    ("rss.http_connection", "resident"): "KiB",
    ("size.hello_plugin", "stripped"): "KiB",
}
TOOLS = [shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") for name in ("wrk", "nginx")]
if len(os.sched_getaffinity(0)) > 1:
    EXPECTED |= {("call.unix_spin", "p50"): "us"}
if all(TOOLS) and len(os.sched_getaffinity(0)) > 1:
    EXPECTED |= {("http.server.c16", "rate"): "req/s", ("http.server.c64", "rate"): "req/s"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """What a run of a few laps wrote: the table, and the results by bench and metric."""
    build = tmp_path_factory.mktemp("bench")
    command = ["make", "-s", "bench", "ROUNDS=0", "BENCH_CFLAGS=-O0", f"BUILD={build}"]
    run = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, check=False)
    assert run.returncode == 0, run.stdout
    results = [json.loads(line) for line in (build / "bench.jsonl").read_text().splitlines()]
    return run.stdout, results


def test_every_subject_is_measured(bench):
    _, results = bench
    units = {(r["bench"], r["metric"]): r["unit"] for r in results}
    assert EXPECTED.items() <= units.items()


def test_every_json_library_is_measured_or_said_to_be_missing(bench):
    table, results = bench
    measured = {r["bench"] for r in results}
    missing = {line.split()[0] for line in table.splitlines() if "not measured: the library is not there" in line}
    for name in ("json", "json_rapid", "json_cjson", "json_jansson", "json_jsonc"):
        for shape in ("rpc", "tweets", "map", "catalogue"):
            for verb in ("parse", "write"):
                assert (f"{name}.{shape}.{verb}" in measured) != (f"{name}.{shape}.{verb}" in missing)


def test_results_have_the_promised_form(bench):
    _, results = bench
    for r in results:
        assert list(r) == KEYS
        assert isinstance(r["value"], (int, float))
        if r["baseline"] is None:
            assert r["baseline_value"] is None and r["ratio"] is None
        else:
            assert r["baseline_value"] > 0
            assert r["ratio"] == pytest.approx(r["value"] / r["baseline_value"], rel=1e-3)


def test_the_table_shows_every_result(bench):
    table, results = bench
    lines = [line.split()[:2] for line in table.splitlines()]
    assert all([r["bench"], r["metric"]] in lines for r in results)


def test_a_warm_call_makes_two_system_calls_here_and_three_there(bench):
    _, results = bench
    counts = {r["metric"]: r["value"] for r in results if r["bench"] == "call.syscalls"}
    assert counts["host"] == 2
    assert counts["plugin"] <= 3
