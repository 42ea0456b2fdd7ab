"""Hosts that die, however they do it, and hosts with children of their own.

When a host is gone its plugins end within a moment: those made with the SDK by their lifeline, even with a handler that
never returns; those in any other language that read their control socket to its end; those of the Go framework by the
system. What ignores all of that is told of in SECURITY.md, and here.
"""

import os
import shutil
import signal
import sys

import gpf_plugin
import pytest

from conftest import PROGRAMS, ROOT
from plugkit_pytest import wait_until
from test_bad_plugins import is_alive, pid_in

sys.path.insert(0, str(ROOT / "integration" / "plugins"))
from bad_plugin import install  # noqa: E402

PROBE = ROOT / "integration" / "plugins" / "probe.c"


def die(host, how):
    host.run.killed = True
    if how == "SIGKILL while stopped":
        host.run.signal(signal.SIGSTOP)
    if how.startswith("SIGKILL"):
        host.run.signal(signal.SIGKILL)
    else:
        host.tell(do=how)
    host.run.wait()


@pytest.fixture
def zoo(driven, free_dir, build):
    """zoo(**options): a host with one plugin of each kind, two of them in the middle of a call, and their pids."""

    def start(**options):
        folder = free_dir / "plugins"
        install(folder, "fine", name="python")
        install(folder, "never-answers", name="busy-python")
        install(folder, "fine", name="stopped")
        shutil.copy(PROGRAMS / "plugins" / "text", folder / "text")
        shutil.copy(PROGRAMS / "plugins" / "sh-processor", folder / "shell")
        shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), folder / "busy-sdk")
        gpf_plugin.install(folder / "framework", type="gpf", socket_dir=free_dir)
        host = driven(dir=folder, **options)
        names = ("python", "busy-python", "stopped", "text", "shell", "busy-sdk", "framework")
        for name in names:
            assert host.start(name)["error"] == "", name
        host.begin("busy-python")
        host.begin("busy-sdk", f"GET /wait{free_dir}/never")
        wait_until((free_dir / "never.running").exists, "a handler that never returns")
        pids = {name: host.pid(name) for name in names}
        os.kill(pids["stopped"], signal.SIGSTOP)
        return host, pids

    return start


@pytest.mark.parametrize("loop", ["its own thread", "the program's loop"])
@pytest.mark.parametrize("how", ["SIGKILL", "SIGKILL while stopped", "abort", "exit"])
def test_all_plugins_end_with_their_host(zoo, free_dir, how, loop):
    host, pids = zoo(own_loop=loop != "its own thread")

    die(host, how)

    for name, pid in pids.items():
        wait_until(lambda pid=pid: not is_alive(pid), f"{name} to end", 10)
    assert not list((free_dir / "run").rglob("text*.sock"))  # the SDK removes its own


def test_a_new_host_starts_where_the_dead_one_was(zoo, driven, free_dir):
    host, pids = zoo()
    die(host, "SIGKILL")
    for pid in pids.values():
        wait_until(lambda pid=pid: not is_alive(pid), "the plugins to end")

    host = driven(dir=free_dir / "plugins")

    assert host.call("python")["body"] == '"fine"'
    assert host.call("text", "GET /formats")["error"] == ""
    assert host.call("framework", "GET /formats")["error"] == ""
    host.end()


def test_a_host_that_dies_while_it_asks_for_capabilities(host, driven_program, free_dir):
    """A program that hangs instead of answering has not been told of any lifeline: the system ends it."""
    (free_dir / "plugins").mkdir()
    hangs = free_dir / "plugins" / "hangs"
    hangs.write_text(f"#!/bin/sh\necho $$ >'{free_dir}/pid'\nexec sleep 1000\n")
    hangs.chmod(0o755)
    run = host(driven_program, '{"dir":"plugins"}', background=True)
    pid = pid_in(free_dir / "pid")

    run.signal(signal.SIGKILL)

    run.wait()
    wait_until(lambda: not is_alive(pid), "the probe to end")


def test_what_ignores_everything_outlives_its_host(driven, free_dir):
    """Honesty: a plugin that ignores signals and the end of its control socket, and what plugins leave, go on.
    With a host that ends well, or goes on, they are killed. If this test fails, the documents are out of date."""
    install(free_dir / "plugins", "is-deaf", file=str(free_dir / "child"))
    host = driven(dir=free_dir / "plugins")
    assert host.call("is-deaf")["error"] == ""
    pid, child = host.pid("is-deaf"), pid_in(free_dir / "child")

    die(host, "SIGKILL")

    assert is_alive(pid) and is_alive(child)
    os.kill(pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid) and not is_alive(child), "both to end")


# ---- hosts with children of their own


@pytest.mark.parametrize("sigchld", ["ignore", "handler", "thread"])
def test_hosts_that_look_after_children_themselves(driven, free_dir, sigchld):
    """SIGCHLD ignored: the system takes statuses away. A thread in waitpid(-1): it does. Plugins work all the same."""
    folder = free_dir / "plugins"
    install(folder, "fine")
    install(folder, "dies", name="victim")
    install(folder, "dies", name="idle", how="exit")
    install(folder, "exits-at-once", status=3, words="no license")
    install(folder, "is-deaf", file=str(free_dir / "child"))
    shutil.copy(PROGRAMS / "plugins" / "text", folder / "text")
    (folder / "no-interpreter").write_text("#!/no/such\n")
    (folder / "no-interpreter").chmod(0o755)
    host = driven(dir=folder, sigchld=sigchld, stop_ms=600)
    before = host.fds()

    assert host.call("fine")["body"] == '"fine"'
    assert host.call("text", "GET /formats")["error"] == ""
    answer = host.call("exits-at-once")
    assert answer["error"] == "PK_ERR_START" and "cannot start 'exits-at-once': " in answer["msg"]
    assert "no license" in answer["msg"]
    assert "exec: the interpreter" in host.plugin("no-interpreter")["msg"]
    for name in ("victim", "idle"):
        assert host.call(name, "POST /die")["error"] == "PK_ERR_PLUGIN_CONNECTION"
        assert host.call(name, "POST /fine")["body"] == '"fine"'
    assert host.call("is-deaf")["error"] == ""
    pid = host.pid("is-deaf")
    assert host.stop("is-deaf")["error"] == ""
    wait_until(lambda: not is_alive(pid) and not is_alive(pid_in(free_dir / "child")), "the deaf one's group to end")
    for name in ("fine", "text", "victim", "idle"):
        host.stop(name)
    assert host.fds() == before
    last = host.end()
    assert (last["sigchld"] > 0) == (sigchld == "handler")
