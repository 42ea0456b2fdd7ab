"""Bad luck under load: tests/tools, plain and under the sanitizers. `make chaos` does it all, and for longer.

Sixteen threads call a plugin that is killed, stopped, started, or ends for idleness; calls are cancelled, managers
destroyed. Each call has one outcome, a right answer or an error that is allowed, and nothing is left behind.
"""

import json
import os
import random
import shutil
import subprocess

import pytest

from conftest import ROOT

SECONDS = float(os.environ.get("PLUGKIT_CHAOS", "0"))
KILLS = int(os.environ.get("PLUGKIT_KILLS", "300"))
CHILDREN = int(os.environ.get("PLUGKIT_CHILDREN", "3000"))
FLOOD = int(os.environ.get("PLUGKIT_FLOOD", "16000000"))
SPAWNS = int(os.environ.get("PLUGKIT_SPAWNS", "200"))
TOOLS = ROOT / "tests" / "tools"
MODES = ["kill", "idle", "restart", "cancel", "destroy", "all"]
BUILDS = {  # and what runs in `make test`, where time is short
    "plain": ([], ["kill", "idle", "restart", "destroy"]),
    "address": (["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], ["kill", "cancel", "destroy"]),
    "thread": (["-O0", "-fsanitize=thread"], ["idle", "destroy", "all"]),
}


@pytest.fixture(scope="session")
def tool(build, tmp_path_factory):
    """tool("chaos", "address"): a program of tests/tools, plain or with a sanitizer."""
    def make(name, kind):
        flags = BUILDS[kind][0]
        if flags:
            probe = tmp_path_factory.mktemp("probe") / "probe.c"
            probe.write_text("int main(void) { return 0; }\n")
            compiler = os.environ.get("CC", "cc").split()
            if subprocess.run([*compiler, *flags, "-o", probe.with_suffix(""), probe], capture_output=True,
                              check=False).returncode:
                pytest.skip(f"the compiler has no {kind} sanitizer")
        return build(TOOLS / f"{name}.c", "-w", *flags)  # sanitized code brings wrong warnings

    return make


def figures(run, *what):
    """What a program of tests/tools has counted and measured: `make chaos` shows it, and so does pytest -s."""
    print(f"\nfigures: {', '.join(what)}: {run.stdout.strip()}")
    return json.loads(run.stdout)


@pytest.mark.parametrize("kind, mode", [(kind, mode) for kind, (_, some) in BUILDS.items()
                                        for mode in (MODES if SECONDS else some)])
def test_chaos(tool, host, free_dir, kind, mode):
    program = tool("chaos", kind)
    (free_dir / "plugins").mkdir()
    shutil.copy(program, free_dir / "plugins" / "victim")
    seed = random.randrange(1, 1 << 31)

    run = host(program, mode, "plugins", str(SECONDS or 1.2), str(seed), timeout=SECONDS + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = figures(run, "chaos", kind, mode)
    assert (result["wrong"], result["descriptors"], result["allocations"], result["children"]) == (0, 0, 0, False)
    assert run.stderr == ""


@pytest.mark.parametrize("kind", BUILDS if SECONDS else ["plain", "address"])
def test_each_call_has_one_outcome_however_often_the_plugin_is_killed(tool, host, free_dir, kind):
    """tests/tools/kills.c: 64 callers, and the books of both sides."""
    program = tool("kills", kind)
    for folder in ("plugins", "run"):
        (free_dir / folder).mkdir(mode=0o700)
    shutil.copy(program, free_dir / "plugins" / "victim")
    kills = KILLS if kind == "plain" else max(KILLS // 10, 60)

    run = host(program, str(kills), "plugins", "run", "book", str(random.randrange(1, 1 << 31)),
               timeout=kills // 5 + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = figures(run, "kills", kind)
    assert result["kills"] >= kills and result["good"] > kills
    left = ("wrong", "descriptors", "threads", "children", "allocations", "files")
    assert [result[name] for name in left] == [0, 0, 0, False, 0, 0]
    assert result["sockets"] == 1  # while the last one ran
    assert result["growth"] < 4 << 20  # bytes that the host held at the end, less those after fifty kills
    assert run.stderr == ""


@pytest.mark.parametrize("kernel", ["new kernel", "old kernel"])
@pytest.mark.parametrize("compiler", ["cc", pytest.param("musl-gcc", marks=pytest.mark.musl)])
def test_children_get_exactly_what_is_declared_whatever_threads_do(build, host, monkeypatch, compiler, kernel):
    """tests/tools/spawns.c: 32 threads open and close descriptors, 16 allocate, and nothing hangs."""
    if compiler != "cc":
        monkeypatch.setenv("CC", compiler)
    old = kernel == "old kernel"  # no close_range, pidfd ...
    program = build(TOOLS / "spawns.c", *(["-DPLUGKIT_TEST"] if old else []))
    monkeypatch.setenv("PK_TEST_ENOSYS", "1" if old else "")

    run = host(program, str(SPAWNS), timeout=SPAWNS // 10 + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = figures(run, "spawns", compiler, kernel)
    assert result == {"spawns": SPAWNS, "wrong": 0, "descriptors": 0, "children": False}


@pytest.mark.parametrize("how", ["each", "everyone", "handler", "ignore"])
def test_no_status_of_a_child_is_stolen_either_way(tool, host, free_dir, how):
    """tests/tools/children.c: the host has thousands of children of its own, and waits for them in every usual way."""
    program = tool("children", "plain")
    (free_dir / "plugins").mkdir(mode=0o700)
    for name in ("steady", "victim"):
        shutil.copy(program, free_dir / "plugins" / name)

    run = host(program, how, str(CHILDREN), "plugins", timeout=CHILDREN // 100 + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = figures(run, "children", how)
    assert (result["own"], result["lost"], result["wrong"], result["children"]) == (CHILDREN, 0, 0, False)
    assert result["handler_kept"] and result["kills"] > 0
    if how == "each":  # nobody else takes them: every crash is known with its reason
        assert (result["crashes"], result["reasons"], result["strangers"]) == (result["kills"], result["kills"], 0)


@pytest.mark.parametrize("line", [100, 5000, 1000000, 0])
def test_whatever_is_printed_is_in_the_log_or_counted_as_dropped_and_stalls_nobody(tool, host, free_dir, line):
    """tests/tools/flood.c: so many bytes on both streams, 0 = in one line each, while calls go on."""
    program = tool("flood", "plain")
    (free_dir / "plugins").mkdir(mode=0o700)
    shutil.copy(program, free_dir / "plugins" / "spout")

    run = host(program, str(FLOOD), str(line), "plugins", timeout=FLOOD // 1000000 + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = figures(run, "flood", f"lines of {line}" if line else "one line")
    assert (result["wrong"], result["printed"]) == (0, 2 * FLOOD)
    assert result["kept"] + result["dropped"] == result["printed"]
    assert result["calls"] > 0 and result["growth_kib"] <= 1024
    sizes = [FLOOD] if line == 0 else [line] * (FLOOD // line) + [FLOOD % line]  # of the lines of each stream
    assert result["cuts"] == 2 * sum(size > 65536 for size in sizes)
