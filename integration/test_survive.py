"""Plugins that survive their host: the next host finds them again, with all that they hold."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from conftest import PROGRAMS, ROOT
from driven import is_alive
from plugkit_pytest import wait_until

COUNTER = ROOT / "integration" / "plugins" / "counter.c"
SURVIVE = [{"survive": True}]


def die(host):
    host.run.killed = True
    host.run.signal(signal.SIGKILL)
    host.run.wait()


@pytest.fixture
def counter(build):
    return build(COUNTER)


@pytest.fixture
def plugins(free_dir, counter):
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(counter, folder / "counter")
    return folder


@pytest.fixture
def survivors(driven, plugins):
    """survivors(**options): a host whose plugins survive it."""

    def start(**options):
        return driven(**{"dir": plugins, "survive_as": "test", "rules": SURVIVE, **options})

    return start


def count(host, plugin="counter"):
    answer = host.call(plugin, "POST /count")
    assert answer["error"] == "", answer
    return int(answer["body"])


def about(host, plugin="counter"):
    return json.loads(host.call(plugin, "GET /about")["body"])


def ready(host, plugin="counter"):
    host.event("plugin.ready", plugin)


@pytest.mark.parametrize("own_loop", [False, True])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_host_that_is_killed_and_started_again_finds_its_plugin_as_it_was(survivors, own_loop, tcp):
    host = survivors(own_loop=own_loop, tcp=tcp)
    assert [count(host), count(host)] == [1, 2]
    pid = about(host)["pid"]

    for expected in (3, 4, 5):
        die(host)
        assert is_alive(pid)
        host = survivors(own_loop=own_loop, tcp=tcp)
        host.event("plugin.adopted", "counter")
        assert count(host) == expected
        assert about(host) == {"pid": pid, "instance": "counter-1"}
        assert host.pid("counter") == pid

    assert host.stop("counter")["error"] == ""
    wait_until(lambda: not is_alive(pid), "it to end")
    assert count(host) == 1
    assert about(host)["instance"] == "counter-2"
    host.end()
    assert not list(host.runtime().parent.glob("keep-*"))


def test_the_host_that_ends_well_stops_them(survivors, free_dir):
    host = survivors()
    count(host)
    pid = host.pid("counter")
    die(host)
    host = survivors()
    ready(host)

    host.end()

    assert not is_alive(pid)
    assert not list((free_dir).rglob("keep-*"))


def test_a_hundred_plugins_are_adopted_at_once(survivors, plugins):
    """Printed; not asserted, for the machine may be busy. Most of it are the probes, which are starts of processes."""
    for i in range(99):
        os.link(plugins / "counter", plugins / f"counter-{i}")
    host = survivors(eager=True)
    ids = [plugin["id"] for plugin in host.list()]
    pids = {id: host.pid(id) for id in ids[:3]}
    assert [count(host, id) for id in ids[:3]] == [1, 1, 1]
    die(host)
    begin = time.monotonic()

    host = survivors()

    for id in ids:
        host.event("plugin.adopted", id)
    print(f"100 plugins adopted {1000 * (time.monotonic() - begin):.0f} ms after their new host was started")
    assert len(ids) == 100
    assert [count(host, id) for id in ids[:3]] == [2, 2, 2]
    assert {id: host.pid(id) for id in ids[:3]} == pids
    assert not host.find(lambda line: line.get("event") == "plugin.lost")
    host.end(timeout=120)


def test_an_adopted_plugin_calls_its_new_host(survivors):
    for _ in range(3):
        host = survivors(offers=True)
        answer = host.call("counter", "POST /host")
        assert answer["error"] == "", answer
        assert json.loads(answer["body"])["text"] == f"{host.run.process.pid} greets counter-1"
        die(host)
    host = survivors(offers=True)
    host.end()


def test_what_an_adopted_plugin_prints_is_heard_by_its_new_host(survivors):
    host = survivors()
    count(host)
    die(host)
    host = survivors()
    ready(host)
    assert not host.find(lambda line: line.get("log") == "counting")

    count(host)

    host.line(lambda line: line.get("log") == "counting" and line["stream"] == "stderr", "the log")
    host.call("counter", "POST /die")
    host.line(lambda line: line.get("log") == "on stdout" and line["stream"] == "stdout", "stdout")
    assert "last words" in host.event("plugin.backoff", "counter")["why"]
    assert count(host) == 1
    host.end()


# ---- what may be wrong


def keep_of(host):
    return host.runtime()


def lost(host, plugin="counter"):
    return host.event("plugin.lost", plugin)["why"]


def test_a_plugin_that_has_died_meanwhile_is_told_of_and_started_anew(survivors):
    host = survivors()
    count(host)
    pid = host.pid("counter")
    die(host)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid), "it to end")

    host = survivors()

    assert "cannot adopt 'counter': cannot connect" in lost(host)
    assert count(host) == 1
    assert about(host)["instance"] == "counter-2"
    host.end()


def test_a_plugin_that_waited_too_long_has_ended_by_itself(survivors):
    host = survivors(survive_ms=200)
    count(host)
    pid = host.pid("counter")
    keep = keep_of(host)
    die(host)
    wait_until(lambda: not is_alive(pid), "it to end")
    assert sorted(path.name for path in keep.iterdir()) == ["counter-1.json", "lock"]

    host = survivors()

    assert "cannot adopt" in lost(host)
    assert count(host) == 1
    host.end()


def test_one_that_is_not_adopted_has_a_call_waiting_started_for_it(survivors):
    """A plugin that is stopped does not answer: the call that wants it gets a new one, and nobody else waits."""
    host = survivors()
    count(host)
    pid = host.pid("counter")
    die(host)
    os.kill(pid, signal.SIGSTOP)
    try:
        host = survivors()
        assert count(host) == 1
        assert "cannot adopt 'counter': it was not ready within 1000 ms" in lost(host)
        assert host.pid("counter") != pid
        host.end()
        assert is_alive(pid)  # whoever that is
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_plugin_that_has_a_host_does_not_take_another_one(survivors, driven, plugins, free_dir):
    """The records of a host that lives, in another one's directory: with token and proof, and the socket itself."""
    host = survivors(runtime=free_dir / "run")
    count(host)
    other = keep_of(host).with_name("keep-other")
    other.mkdir(mode=0o700)
    for name in ("counter-1.json", "counter-1.control"):
        os.link(keep_of(host) / name, other / name)

    second = driven(dir=plugins, survive_as="other", rules=SURVIVE, runtime=free_dir / "run")

    assert lost(second) == "cannot adopt 'counter': it has a host that lives"
    assert [count(host), count(second)] == [2, 1]
    assert about(host)["pid"] != about(second)["pid"]
    second.end()
    assert count(host) == 3
    host.end()


def test_hosts_that_are_killed_at_any_moment_lose_nothing(survivors, driven_program, plugins, free_dir):
    (free_dir / "run").mkdir()
    options = {"runtime": str(free_dir / "run"), "dir": str(plugins), "survive_as": "test", "rules": SURVIVE}
    for i in range(4):
        shutil.copy(plugins / "counter", plugins / f"counter-{i}")
    ids = [path.name for path in plugins.iterdir()]
    for cycle in range(1, 6):
        for moment in range(4):  # while it looks for plugins, adopts them, has them
            with subprocess.Popen([driven_program, json.dumps(options)], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL) as process:
                time.sleep(0.012 * moment)
                process.kill()
        last = survivors(runtime=free_dir / "run")
        assert [count(last, id) for id in ids] == [cycle] * len(ids)
        if cycle < 5:
            die(last)
    last.end()


class Foreign:
    """Listens in a plugin's place, and says what it is told to."""

    def __init__(self, path, answer):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen()
        self.answer, self.heard = answer, b""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connection, _ = self.socket.accept()
        with connection, contextlib.suppress(ConnectionError):
            while not self.heard.endswith(b"\n"):
                self.heard += connection.recv(4096)
            connection.sendall(self.answer)
            while more := connection.recv(4096):  # until the host goes
                self.heard += more


def plant(free_dir, plugins, name="counter", **changes):
    """A record in the keep directory of a host that is no more."""
    keep = free_dir / "run" / f"plugkit-{os.getuid()}" / "keep-test"
    keep.mkdir(parents=True, exist_ok=True)
    keep.chmod(0o700)
    keep.parent.chmod(0o700)
    record = {"id": "counter", "instance": "counter-7", "path": str(plugins / "counter"), "token": "ab" * 32,
              "proof": "cd" * 32, "pid": os.getpid(), **changes}
    (keep / f"{name}.json").write_text(json.dumps(record))
    (keep / f"{name}.json").chmod(0o600)
    return keep


@pytest.mark.parametrize("answer, why", [
    (b'{"error":"the token is wrong","code":"SECURITY_1805"}\n', "cannot adopt 'counter': the token is wrong"),
    (b'{"error":"it has a host that lives"}\n', "cannot adopt 'counter': it has a host that lives"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what listens there is not the plugin"),
    (b"\0\1\2\3\n", "what listens there is not the plugin"),
    (b'{"listening":"nowhere://x"}\n', "what listens there is not the plugin"),
    (b'{"listening":"http+unix:///x"}\n{"ready":true}\n', "what listens there is not the plugin"),
    (b'{"adopted":"%s"}\n{"listening":"http+unix:///x"}\n' % (b"ab" * 32), "what listens there is not the plugin"),
    (b"x" * 100000, "what listens there is not the plugin"),
    (b"", "it was not ready within 1000 ms"),
])
def test_what_listens_in_its_place_is_refused_and_left_alone(survivors, free_dir, plugins, answer, why):
    foreign = Foreign(plant(free_dir, plugins) / "counter.control", answer)

    host = survivors(runtime=free_dir / "run")

    assert why in lost(host)
    assert count(host) == 1
    assert about(host)["instance"] == "counter-8"  # never a name that was in use
    host.end()
    assert json.loads(foreign.heard.split(b"\n")[0]) == {"adopt": True, "token": "ab" * 32}


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", "\0" * 300, "x" * 100000, '{"id":"counter"}'])
def test_a_damaged_record_is_removed_and_told_of(survivors, free_dir, plugins, text):
    keep = plant(free_dir, plugins)
    (keep / "counter.json").write_text(text)

    host = survivors(runtime=free_dir / "run")

    assert "'" in host.event("plugin.lost", "")["why"]
    assert not (keep / "counter.json").exists()
    assert count(host) == 1
    host.end()
    assert not keep.exists()


@pytest.mark.parametrize("changes", [
    {"id": "../counter"}, {"id": ""}, {"instance": "other-1"}, {"instance": "counter-"}, {"instance": "counter-1x"},
    {"instance": "counter-/../../x"}, {"instance": "counter-" + "1" * 100}, {"token": ""}, {"id": 7},
])
def test_a_record_that_does_not_fit_together_is_damaged(survivors, free_dir, plugins, changes):
    plant(free_dir, plugins, **changes)

    host = survivors(runtime=free_dir / "run")

    assert host.event("plugin.lost", "")["why"]
    host.end()


@pytest.mark.parametrize("changes, options, why", [
    ({"id": "gone", "instance": "gone-1"}, {}, "cannot adopt 'gone': there is no such plugin any more"),
    ({"path": "/elsewhere/counter"}, {}, "cannot adopt 'counter': its file lies somewhere else now"),
    ({}, {"rules": []}, "cannot adopt 'counter': it is not to survive its host any more"),
    ({}, {"rules": [{"survive": True, "disabled": True}]}, "cannot adopt 'counter': it is disabled"),
])
def test_who_is_not_wanted_any_more_is_asked_to_end(survivors, free_dir, plugins, changes, options, why):
    foreign = Foreign(plant(free_dir, plugins, **changes) / "counter.control", b"")

    host = survivors(runtime=free_dir / "run", **options)

    found = host.line(lambda line: line.get("event") == "plugin.lost", "the news")
    assert found["why"] == why
    wait_until(lambda: foreign.heard.endswith(b"\n"), "the question")
    assert json.loads(foreign.heard) == {"adopt": True, "token": "ab" * 32, "shutdown": True}
    host.end()


def test_a_real_one_that_is_not_wanted_any_more_ends(survivors):
    host = survivors()
    count(host)
    pid = host.pid("counter")
    die(host)

    host = survivors(rules=[])

    assert "not to survive" in lost(host)
    wait_until(lambda: not is_alive(pid), "it to end")
    host.end()


def test_a_second_record_of_one_plugin_is_one_too_many(survivors, free_dir, plugins):
    """Two records: the first is adopted, the second asked to end."""
    host = survivors(runtime=free_dir / "run")
    count(host)
    die(host)
    foreign = Foreign(plant(free_dir, plugins, "second") / "second.control", b"")

    host = survivors(runtime=free_dir / "run")

    assert lost(host) == "cannot adopt 'counter': another one runs in its place"
    assert count(host) == 2
    wait_until(lambda: foreign.heard, "the question")
    host.end()


def test_two_hosts_cannot_have_one_name(survivors, driven, plugins, free_dir):
    host = survivors()
    count(host)

    second = driven(dir=plugins, survive_as="test", rules=SURVIVE, ready=False)

    said = second.find(lambda line: "ready" in line)
    assert (said["error"], f"process {host.run.process.pid} holds it" in said["msg"]) == ("PK_ERR_BUSY", True), said
    third = driven(dir=plugins, survive_as="other", rules=SURVIVE)
    assert [count(host), count(third)] == [2, 1]
    third.end()
    host.end()


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 33, "a b"])
def test_names_become_parts_of_paths(driven, plugins, name):
    host = driven(dir=plugins, survive_as=name, rules=SURVIVE, ready=False)

    assert "cannot keep plugins as" in host.find(lambda line: "ready" in line)["msg"]


def test_a_plugin_that_cannot_survive_ends_with_its_host_and_that_is_said(driven, free_dir):
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(PROGRAMS / "plugins" / "sh-processor", folder / "shell")
    host = driven(dir=folder, survive_as="test", rules=SURVIVE)
    assert host.start("shell")["error"] == ""
    assert host.find(lambda line: line.get("log", "").startswith("it cannot survive its host"))
    pid = host.pid("shell")

    die(host)

    wait_until(lambda: not is_alive(pid), "it to end")


def test_what_it_finds_of_its_host_is_found_again(survivors, free_dir):
    """Sockets and files that no record mentions are cleared away; those of survivors are not."""
    host = survivors(runtime=free_dir / "run")
    count(host)
    keep = keep_of(host)
    for name in ("left.sock", "left.control", "counter-1.json.0123abcd", "junk"):
        (keep / name).write_text("")
    (keep / "folder").mkdir()
    (keep / "folder" / "file").write_text("")
    die(host)

    host = survivors(runtime=free_dir / "run")

    ready(host)
    assert sorted(path.name for path in keep.iterdir()) == ["counter-1.control", "counter-1.json", "counter-1.sock",
                                                            "lock"]
    assert (keep.stat().st_mode & 0o777, (keep / "counter-1.json").stat().st_mode & 0o777) == (0o700, 0o600)
    assert (keep / "counter-1.control").stat().st_mode & 0o777 == 0o600
    host.end()


@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM"])
def test_an_adopted_plugin_that_ends_is_noticed(survivors, how):
    """By the pidfd. Killed it has crashed and is started again; SIGTERM is an end in good order."""
    host = survivors()
    count(host)
    die(host)
    host = survivors()
    ready(host)

    os.kill(host.pid("counter"), getattr(signal, how))

    if how == "SIGKILL":
        assert "crashed" in host.event("plugin.backoff", "counter")["why"]
    else:
        wait_until(lambda: host.plugin("counter")["plugin_status"] == "stopped", "it to be down")
        assert not host.find(lambda line: line.get("event") == "plugin.backoff")
    assert count(host) == 1
    host.end()


def test_an_adopted_plugin_that_hangs_is_killed(survivors):
    host = survivors(stop_ms=400)
    count(host)
    die(host)
    host = survivors(stop_ms=400)
    ready(host)
    pid = host.pid("counter")
    host.begin("counter", "POST /deaf")
    wait_until(lambda: host.plugin("counter")["in_flight"], "the call to be under way")

    assert host.stop("counter")["error"] == ""

    wait_until(lambda: not is_alive(pid), "it to be killed")
    host.end()


# ---- numbers of processes that are given away again


@pytest.mark.parametrize("scenario", ["dead_record", "dies_unnoticed", "child_answers"])
def test_a_number_that_belongs_to_somebody_else_now_is_never_signalled(driven_program, plugins, free_dir, scenario):
    program = ROOT / "integration" / "programs" / "reused_pids.py"
    command = ["unshare", "-p", "-f", "--mount-proc", sys.executable, str(program), scenario, str(driven_program),
               str(free_dir)]
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare")

    run = subprocess.run(command, capture_output=True, text=True, timeout=120)

    if run.returncode == 77 or "unshare:" in run.stderr:
        pytest.skip(f"process numbers cannot be dealt out here: {run.stderr.strip()}")
    assert (run.returncode, run.stdout) == (0, "good\n"), run.stderr
