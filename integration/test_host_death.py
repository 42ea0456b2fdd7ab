"""Hosts that die, however they do it, and hosts with children of their own.

When a host is gone its plugins end within a moment, with all that they have started: those made with the SDK by
themselves, all others by a guardian, a process in their group. What leaves the group is told of in SECURITY.md, and
here.

PLUGKIT_HOST_KILLS=1000 (make chaos) kills so many hosts with all kinds of plugins, and prints how long it took until
the last process was gone.
"""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import time

import gpf_plugin
import pytest

from conftest import PROGRAMS, ROOT
from driven import install, is_alive, pid_in
from plugkit_pytest import wait_until


PROBE = ROOT / "integration" / "plugins" / "probe.c"
TREE = ROOT / "integration" / "plugins" / "tree.c"
KILLS = int(os.environ.get("PLUGKIT_HOST_KILLS", "3"))


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


def test_what_ignores_everything_ends_with_its_host_and_so_does_what_it_has_started(driven, free_dir):
    install(free_dir / "plugins", "is-deaf", file=str(free_dir / "child"))
    host = driven(dir=free_dir / "plugins")
    assert host.call("is-deaf")["error"] == ""
    pid, child = host.pid("is-deaf"), pid_in(free_dir / "child")
    wait_until(lambda: host.plugin("is-deaf")["host_death"] == "guardian", "the guardian")

    die(host, "SIGKILL")

    wait_until(lambda: not is_alive(pid) and not is_alive(child), "both to end")


def test_a_plugin_with_a_guardian_takes_six_descriptors_at_most(driven, free_dir):
    names = ("one", "two", "three")
    for name in names:
        install(free_dir / "plugins", "fine", name=name)
    host = driven(dir=free_dir / "plugins")
    counts = []
    for name in names:
        assert host.call(name)["body"] == '"fine"'
        wait_until(lambda name=name: host.plugin(name)["host_death"] == "guardian", "the guardian")
        counts.append(host.fds())

    assert counts[2] - counts[1] <= 6 and counts[1] - counts[0] <= 6, counts
    host.end()


def test_a_guardian_that_somebody_has_killed_comes_back(driven, free_dir):
    install(free_dir / "plugins", "leaves-a-grandchild", file=str(free_dir / "child"), session=False)
    host = driven(dir=free_dir / "plugins")
    assert host.call("leaves-a-grandchild")["error"] == ""
    pid, child = host.pid("leaves-a-grandchild"), pid_in(free_dir / "child")

    def guardian():
        return [one for one in of_groups([pid]) if b"plugkit-guardian" in command_line(one)]

    first = wait_until(guardian, "the guardian")
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: guardian() not in ([], first), "another guardian")
    wait_until(lambda: host.plugin("leaves-a-grandchild")["host_death"] == "guardian", "it to be told")

    die(host, "SIGKILL")

    wait_until(lambda: not is_alive(pid) and not is_alive(child), "both to end")


def test_a_plugin_that_leaves_its_group_is_told_of(driven, free_dir):
    install(free_dir / "plugins", "moves-away")
    host = driven(dir=free_dir / "plugins", stop_ms=200)
    assert host.call("moves-away")["error"] == ""

    assert host.plugin("moves-away")["host_death"] == "process"  # the system kills it; that is all
    pid = host.pid("moves-away")

    die(host, "SIGKILL")

    wait_until(lambda: not is_alive(pid), "the plugin to end")


def test_a_plugin_that_hangs_in_its_start_ends_with_its_host(driven, free_dir, build):
    """Long before it could have noticed by itself: the guard of the SDK is there first."""
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(build(TREE, f"-I{ROOT}/contracts", "-DHANGS=1"), folder / "hangs")
    host = driven(dir=folder)
    host.ask(do="start", plugin="hangs")

    def members():
        leaders = [pid for pid in of_groups_below(host.run.process.pid) if b"hangs" in command_line(pid)]
        return leaders and len(of_groups(leaders)) == 3 and of_groups(leaders)

    pids = wait_until(members, "it to hang with its two children")

    die(host, "SIGKILL")

    wait_until(lambda: not any(is_alive(pid) for pid in pids), "all three to end")


def test_what_moves_to_a_session_of_its_own_outlives_its_host(driven, free_dir):
    """Honesty: it is out of reach. If this test fails, the documents are out of date."""
    install(free_dir / "plugins", "leaves-a-grandchild", file=str(free_dir / "child"), session=True)
    host = driven(dir=free_dir / "plugins")
    assert host.call("leaves-a-grandchild")["error"] == ""
    pid, child = host.pid("leaves-a-grandchild"), pid_in(free_dir / "child")

    die(host, "SIGKILL")

    wait_until(lambda: not is_alive(pid), "the plugin to end")
    assert is_alive(child)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not is_alive(child), "its child to end")


# ---- many deaths of a host with everything


def starts_a_child(path):
    """Makes a script start one more process, that ignores signals, when it is not just asked for its capabilities."""
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f"{first}\n[ \"$1\" = capabilities ] || (trap '' TERM INT HUP; sleep 1000) &\n{rest}")


@pytest.fixture
def family(driven, free_dir, build):
    """family(): a host with eight plugins in C, Python, sh and the Go framework's way; five of them have children that
    they forget, one is stopped, one ignores signals, one hangs. With them the pids of all their processes."""
    folder = free_dir / "plugins"
    install(folder, "leaves-a-grandchild", name="python", file=str(free_dir / "a"), session=False)
    install(folder, "is-deaf", name="deaf", file=str(free_dir / "b"))
    install(folder, "fine", name="stopped-python")
    shutil.copy(PROGRAMS / "plugins" / "text", folder / "stopped-sdk")
    shutil.copy(build(TREE, f"-I{ROOT}/contracts"), folder / "tree")
    shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), folder / "hangs")
    shutil.copy(PROGRAMS / "plugins" / "sh-processor", folder / "shell")
    starts_a_child(folder / "shell")
    starts_a_child(gpf_plugin.install(folder / "framework", type="gpf", socket_dir=free_dir))
    levels = {name: "guardian" for name in ("python", "deaf", "stopped-python", "shell", "framework")}
    levels.update({name: "group" for name in ("stopped-sdk", "tree", "hangs")})

    def start(**options):
        for name in ("a", "b", "never.running"):
            (free_dir / name).unlink(missing_ok=True)
        host = driven(dir=folder, eager=True, **options)
        host.begin("hangs", f"GET /wait{free_dir}/never")
        wait_until(lambda: {one["id"]: one["host_death"] for one in host.list()} == levels, "all to be guarded")
        wait_until((free_dir / "never.running").exists, "a handler that never returns")
        plugins = {one["id"]: one["pid"] for one in host.list()}
        # eight leaders, five guardians, two of tree's and four other children
        members = wait_until(lambda: (all := of_groups(plugins.values())) and len(all) >= 19 and all, "all processes")
        for name in ("stopped-python", "stopped-sdk"):
            os.kill(plugins[name], signal.SIGSTOP)
        return host, members

    return start


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def processes():
    """(pid, parent, group) of all that are not zombies. They come and go meanwhile."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
            state, parent, group = stat.read().rpartition(")")[2].split()[:3]
            if state != "Z":
                yield int(name), int(parent), int(group)


def of_groups_below(parent):
    """The pids of the children that lead groups."""
    return [pid for pid, its_parent, group in processes() if its_parent == parent and group == pid]


def of_groups(groups):
    """The pids of all processes in these groups."""
    return [pid for pid, _, group in processes() if group in groups]


def time_until_gone(pids, kill):
    """Kills, and waits for the end of the last of them: how many seconds later, and which one it was."""
    poll, fds = select.poll(), {}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended a moment ago
            fds[os.pidfd_open(pid)] = command_line(pid).replace(b"\0", b" ").decode(errors="replace")
    for fd in fds:
        poll.register(fd, select.POLLIN)
    try:
        begin = time.monotonic()
        kill()
        while fds:
            gone = poll.poll(20000)
            assert gone, f"{len(fds)} of {len(pids)} processes live on"
            for fd, _ in gone:
                poll.unregister(fd)
                os.close(fd)
                last = fds.pop(fd)
        return time.monotonic() - begin, last
    finally:
        for fd in fds:
            os.close(fd)


def test_nothing_of_eight_plugins_is_left_when_their_host_is_killed(family):
    times = []
    for _ in range(KILLS):
        host, pids = family()
        host.run.killed = True
        times.append(time_until_gone(pids, lambda run=host.run: run.signal(signal.SIGKILL)))
        host.run.wait()
        host.hang_up()
    times.sort()
    print(f"\nfigures: {KILLS} hosts killed; until all was gone: p50 {times[len(times) // 2][0] * 1e3:.1f} ms, "
          f"p99 {times[int(len(times) * 0.99)][0] * 1e3:.1f} ms, at most {times[-1][0] * 1e3:.1f} ms")
    last = "; ".join(f"{seconds * 1e3:.1f} ms {name}" for seconds, name in times[-8:])
    print(f"figures: the last of the slowest: {last}")


@pytest.mark.parametrize("loop", ["its own thread", "the program's loop"])
@pytest.mark.parametrize("how", ["SIGKILL, and a forked child lives", "exec"])
def test_hosts_that_fork_and_hosts_that_become_another_program(family, how, loop):
    host, pids = family(own_loop=loop != "its own thread")
    child = host.answer(host.ask(do="fork"))["pid"] if "forked" in how else 0
    host.run.killed = True

    time_until_gone(pids, lambda: host.tell(do="exec") if how == "exec" else host.run.signal(signal.SIGKILL))

    if child:
        assert is_alive(child)
        os.kill(child, signal.SIGKILL)
    else:
        assert is_alive(host.run.process.pid)
        host.run.signal(signal.SIGKILL)
    host.run.wait()


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
