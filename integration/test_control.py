"""Running hosts from outside: plugkit top, events, start, stop, restart, enable, disable, against `plugkit run`, and
against a host of somebody's own (examples/11_heal)."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import termios
import threading

import pytest

from conftest import PROGRAMS
from plugkit_pytest import wait_until
from screen import Screen

GOOD, FAILED, USAGE, NOTHING = 0, 1, 2, 3
PLUGKIT = PROGRAMS / "plugkit"

CRASHES_WHEN_CALLED = """#!/bin/sh
if [ "$1" = capabilities ]; then
    echo '{"types":{"c":[{"type":"brittle"}]},"protocols":["plugkit/1"]}'
    exit 0
fi
read -r start <&3
printf '%s\\n' '{"listening":"lines:"}' '{"ready":true}' >&3
while read -r line <&3; do
    id=${line#*:}
    id=${id%%,*}
    case $line in
        *shutdown*) exit 0 ;;
        *healthz*) printf '{"id":%s,"status":200}\\n' "$id" >&3 ;;
        *) exit 7 ;;
    esac
done
"""


@pytest.fixture
def plugkit(host):
    return lambda *args, **options: host(PLUGKIT, *args, **options)


@pytest.fixture
def running(plugkit, free_dir):
    """running("hello", "text", brittle="#!/bin/sh.."): a `plugkit run` of these, all of them up."""
    def start(*names, folder="plugins", options=(), **scripts):
        place = free_dir / folder
        place.mkdir()
        for name in names:
            shutil.copy(PROGRAMS / "plugins" / name, place / name)
        for name, text in scripts.items():
            (place / name).write_text(text)
            (place / name).chmod(0o755)
        run = plugkit("run", place, "--eager", *options, background=True)
        for name in [*names, *scripts]:
            run.line(lambda line, name=name: f" {name} " in line and " ready " in line)
        return run

    return start


@pytest.fixture
def patient(host, free_dir):
    """A host of somebody's own."""
    shutil.copytree(PROGRAMS / "examples/11_heal/organs", free_dir / "organs")
    run = host(PROGRAMS / "examples/11_heal/host", background=True)
    run.line("heart: beat 1, lung: breath 1, brain: thought 1")
    return run


@pytest.fixture
def screen(free_dir):
    screens = []

    def start(*args, **size):
        env = {"XDG_RUNTIME_DIR": str(free_dir / "run"), "TMPDIR": str(free_dir)}
        screens.append(Screen([str(PLUGKIT), *(str(arg) for arg in args)], env=env, **size))
        return screens[-1]

    yield start
    for one in screens:
        one.close()


def once(plugkit, *options):
    """{id: what top says of it}"""
    run = plugkit("top", "--once", "--json", *options)
    assert (run.status, run.stderr) == (GOOD, "")
    return {plugin["id"]: plugin for plugin in json.loads(run.stdout)["plugins"]}


def kill(run):
    """With SIGKILL, and waits for its plugins to end as well."""
    stat = [pathlib.Path(f"/proc/{pid}/stat") for pid in os.listdir("/proc") if pid.isdigit()]
    parents = {}
    for path in stat:
        try:
            parents[path] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    run.signal(signal.SIGKILL)
    run.wait()
    children = [path for path, parent in parents.items() if parent == run.process.pid]
    wait_until(lambda: not any(path.exists() for path in children), "the plugins to end with their host")


def status_of(plugkit, plugin, *options):
    return once(plugkit, *options)[plugin]["status"]


def sockets(free_dir):
    return sorted((free_dir / "run").glob("plugkit-*/*/control.sock"))


# ---- top


def test_top_shows_each_plugin_once(plugkit, running):
    running("hello", "text")

    plain = plugkit("top", "--once")
    assert (plain.status, plain.stderr) == (GOOD, "")
    rows = [line.split("\t") for line in plain.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["hello", "ready"], ["text", "ready"]]
    assert {len(row) for row in rows} == {12}
    for row in rows:
        assert float(row[3]) >= 0 and int(row[4]) > 10000 and float(row[5]) == 0
        assert row[6:9] == ["0", "0", "0"] and float(row[9]) > 0 and int(row[10]) > 1

    plugins = once(plugkit)
    assert sorted(plugins["hello"]) == sorted([
        "id", "status", "health", "reason", "pid", "cpu", "memory", "callsPerSecond", "calls", "failures", "inFlight",
        "restarts", "upMs"])
    assert plugins["hello"]["pid"] == int(rows[0][10])


def test_top_counts_calls_and_failures(plugkit, free_dir):
    (free_dir / "plugins").mkdir()
    shutil.copy(PROGRAMS / "plugins/hello", free_dir / "plugins/hello")
    calls = 'call polite greet {"name":"x"}\n' * 3 + 'call polite greet {"name":""}\n'
    plugkit("run", "plugins", stdin=calls, background=True).line("ready")
    wait_until(lambda: once(plugkit)["hello"]["calls"] == 4, "four calls to be counted")
    row = once(plugkit)["hello"]
    assert (row["failures"], row["restarts"]) == (1, 0)


def test_top_in_a_pipe_goes_on_until_the_reader_has_enough(running, plugkit, free_dir):
    running("hello")
    env = {**os.environ, "XDG_RUNTIME_DIR": str(free_dir / "run")}
    for options in ([], ["--json"]):
        with subprocess.Popen([PLUGKIT, "top", "--interval", "50ms", *options], stdout=subprocess.PIPE, env=env,
                              text=True) as top:
            lines = [top.stdout.readline() for _ in range(4)]
            top.stdout.close()
            assert top.wait(20) == -signal.SIGPIPE
        assert all("hello" in line for line in lines)


def test_top_is_live_on_a_terminal(running, plugkit, screen):
    running("hello", "text")
    top = screen("top", rows=24, columns=100)
    top.shows("host ", "2 plugins: 2 ready", "PLUGIN", "hello", "text", "quit")
    assert top.alternate and top.hidden
    assert top.lines[3].split()[:2] == ["PLUGIN", "STATE"]
    first = once(plugkit)["hello"]["pid"]

    os.kill(first, signal.SIGKILL)
    top.shows("backoff", "crashed: signal 9")
    top.until(lambda s: any(line.split()[:2] == ["hello", "ready"] for line in s.lines))
    top.until(lambda s: str(once(plugkit)["hello"]["pid"]) in s.text)
    assert str(first) not in [word for line in top.lines[3:6] for word in line.split()]

    plugkit("disable", "text")
    top.until(lambda s: any(line.split()[:2] == ["text", "disabled"] for line in s.lines))
    top.shows("1 ready, 1 disabled")

    top.type("q")
    assert top.end() == GOOD
    assert not top.alternate and not top.hidden and top.text == ""
    assert termios.tcgetattr(top.slave) == top.modes


def test_top_fits_every_window(running, screen):
    running("hello", "text", "lines", "json")
    for rows, columns in ((1, 10), (2, 20), (3, 40), (5, 30), (8, 80), (9, 50), (50, 200)):
        top = screen("top", rows=rows, columns=columns)
        top.shows("hello"[:columns])
        assert len(top.lines) == rows  # nothing has scrolled away: what is first stands first
        assert top.lines[0].startswith("host" if rows >= 5 else "PLUGIN" if rows >= 3 else "hello"), top.text
        top.type("q")
        assert top.end() == GOOD


def test_top_follows_the_window(running, screen):
    running("hello")
    top = screen("top", rows=30, columns=120)
    top.shows("RESTARTS", "PID")
    top.resize(6, 40)
    top.process.send_signal(signal.SIGWINCH)
    top.shows("hello", "STATE")
    assert "PID" not in top.text
    top.resize(30, 120)
    top.process.send_signal(signal.SIGWINCH)
    top.shows("PID")


def test_top_takes_keys(running, screen):
    running("hello", "text", "lines", "json")
    top = screen("top", rows=8, columns=80)
    top.shows("1-3 of 4, arrows move")
    assert "text" not in top.text
    top.type("\x1b[B")
    top.shows("2-4 of 4", "text")
    top.type("jjjjj")
    top.shows("2-4 of 4")
    top.type("\x1b[H")
    top.shows("1-3 of 4")
    for key in "cmrsnkx":
        top.type(key)
    top.shows("hello")
    top.type("\x04")
    assert top.end() == GOOD


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_top_gives_the_terminal_back_however_it_ends(running, screen, number):
    running("hello")
    top = screen("top")
    top.shows("hello")
    top.process.send_signal(number)
    assert top.end() == GOOD
    assert not top.alternate and not top.hidden
    assert termios.tcgetattr(top.slave) == top.modes


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash, whose jobs can be suspended")
def test_top_can_be_suspended(running, free_dir):
    running("hello")
    script = f"set -m; '{PLUGKIT}' top; echo it is stopped; fg >/dev/null; echo it is over"
    env = {"XDG_RUNTIME_DIR": str(free_dir / "run"), "TMPDIR": str(free_dir)}
    top = Screen(["bash", "-c", script], env=env)
    try:
        top.shows("hello")
        assert top.screens == 1
        top.type("\x1a")
        top.until(lambda s: s.screens == 2 and "hello" in s.text).type("q")
        top.shows("it is stopped", "it is over")
        assert top.end() == GOOD
    finally:
        top.close()


def test_top_waits_for_a_host_that_is_stopped(running, screen):
    run = running("hello")
    top = screen("top", columns=100)
    top.shows("hello")
    run.signal(signal.SIGSTOP)
    try:
        top.shows("does not answer", "hello")
    finally:
        run.signal(signal.SIGCONT)
    top.until(lambda s: "does not answer" not in s.text)
    top.type("q")
    assert top.end() == GOOD


def test_top_begins_with_a_host_that_is_stopped(running, screen):
    run = running("hello")
    run.signal(signal.SIGSTOP)
    try:
        top = screen("top", columns=100)
        top.shows(f"host {run.process.pid}", "does not answer")
    finally:
        run.signal(signal.SIGCONT)
    top.shows("hello", "ready")
    top.type("q")
    assert top.end() == GOOD


def test_top_ends_with_its_host(running, screen):
    run = running("hello")
    top = screen("top", columns=100)
    top.shows("hello")
    kill(run)
    assert top.end() == FAILED
    assert not top.alternate
    assert f"plugkit: the host {run.process.pid} has ended" in top.text


def test_what_plugins_say_does_not_drive_the_terminal(plugkit, running, screen, free_dir):
    """Its last words are the reason."""
    running(evil=CRASHES_WHEN_CALLED)
    plugkit("stop", "evil")
    (free_dir / "plugins/evil").write_text("#!/bin/sh\nprintf '\\033[2J\\033[?1049lgone\\n' >&2\nexit 3\n")
    assert plugkit("start", "evil").status == FAILED
    top = screen("top", columns=200)
    top.shows("evil", "exit status 3", "gone")
    assert top.alternate


# ---- start, stop, restart, enable, disable


def test_plugins_are_stopped_and_started(plugkit, running):
    running("hello", "text")
    before = once(plugkit)["hello"]["pid"]

    stop = plugkit("stop", "hello")
    assert (stop.status, stop.stdout, stop.stderr) == (GOOD, "hello\tstopped\n", "")
    assert [(p["status"], p["pid"], p["upMs"]) for p in [once(plugkit)["hello"]]] == [("stopped", None, None)]
    assert status_of(plugkit, "text") == "ready"

    start = plugkit("start", "hello", "text")
    assert (start.status, start.stdout) == (GOOD, "hello\tready\ntext\tready\n")
    assert once(plugkit)["hello"]["pid"] not in (None, before)

    plugkit("stop", "hello")
    assert plugkit("stop", "hello").stdout == "hello\tstopped\n"  # it is what was wanted


def test_restart_gives_a_new_process(plugkit, running):
    running("hello")
    before = once(plugkit)["hello"]

    restart = plugkit("restart", "hello", "--json")

    assert restart.status == GOOD
    assert json.loads(restart.stdout) == {"plugins": [{"id": "hello", "status": "ready", "error": None}]}
    after = once(plugkit)["hello"]
    assert (after["restarts"], after["status"]) == (1, "ready") and after["pid"] != before["pid"]


def test_disable_keeps_a_plugin_down(plugkit, running):
    running("hello")

    assert plugkit("disable", "hello").stdout == "hello\tdisabled\n"
    start = plugkit("start", "hello")
    assert (start.status, start.stdout) == (FAILED, "")
    assert "cannot start 'hello': it is disabled" in start.stderr
    assert status_of(plugkit, "hello") == "disabled"
    assert plugkit("disable", "hello").status == GOOD

    enable = plugkit("enable", "hello")
    assert enable.status == GOOD and "disabled" not in enable.stdout
    assert plugkit("start", "hello").stdout == "hello\tready\n"


def test_one_bad_name_does_not_keep_the_others(plugkit, running):
    running("hello", "text")

    stop = plugkit("stop", "helo", "text", "nobody", "../x", "", "--json")

    assert stop.status == NOTHING
    rows = json.loads(stop.stdout)["plugins"]
    assert [(row["id"], row["status"]) for row in rows] == [
        ("helo", None), ("text", "stopped"), ("nobody", None), ("../x", None), ("", None)]
    assert rows[0]["error"]["message"] == "there is no plugin 'helo': did you mean 'hello'?"
    assert rows[2]["error"]["message"] == "there is no plugin 'nobody'"
    assert status_of(plugkit, "hello") == "ready"


def test_a_plugin_that_does_not_start_is_explained(plugkit, running, free_dir):
    running("hello", brittle=CRASHES_WHEN_CALLED)
    plugkit("stop", "brittle")
    (free_dir / "plugins/brittle").write_text("#!/bin/sh\necho no disk >&2\nexit 3\n")

    start = plugkit("start", "brittle")

    assert (start.status, start.stdout) == (FAILED, "")
    assert "plugkit: cannot start 'brittle': exit status 3: no disk" in start.stderr


def test_a_host_is_stopped(plugkit, running, free_dir):
    run = running("hello")

    stop = plugkit("stop", "--everything")

    assert (stop.status, stop.stdout) == (GOOD, f"{run.process.pid}\tstopped\n")
    assert run.wait() == GOOD
    assert "everything" in run.stdout
    assert sockets(free_dir) == []


@pytest.mark.parametrize("args, message", [
    (["stop"], "'stop' needs the name of a plugin"),
    (["restart"], "'restart' needs the name of a plugin"),
    (["stop", "--everything", "x"], "'stop' needs either names of plugins or --everything"),
    (["restart", "--everything", "x"], "'restart' does not take --everything"),
    (["top", "x"], "there is nothing to do with 'x'"),
    (["top", "--interval", "soon"], "--interval takes a duration"),
    (["events", "--last", "many"], "--last takes a number"),
    (["top", "--folow"], "there is no option '--folow'"),
    (["tpo"], "did you mean 'top'?"),
])
def test_wrong_usage_is_said(plugkit, args, message):
    run = plugkit(*args)

    assert (run.status, run.stdout) == (USAGE, "")
    assert message in run.stderr


def test_the_plugin_hears_of_signals_only_from_its_host(plugkit, running):
    """An interrupt ends the command that waits, and what was wished goes on."""
    slow = CRASHES_WHEN_CALLED.replace("*shutdown*) exit 0 ;;", "*shutdown*) sleep 1; exit 0 ;;")
    running(slow=slow)
    stop = plugkit("stop", "slow", background=True)
    wait_until(lambda: status_of(plugkit, "slow") != "ready", "the stop to begin")
    stop.signal(signal.SIGINT)
    assert stop.wait() == 130
    wait_until(lambda: status_of(plugkit, "slow") == "stopped", "the stop to end")


# ---- events


def test_events_tell_the_past(plugkit, running):
    running("hello", "text")

    lines = [line.split("\t") for line in plugkit("events").stdout.splitlines()]
    assert {len(line) for line in lines} == {6}
    assert [line[2] for line in lines if line[1] == "hello"] == [
        "plugin.found", "plugin.probing", "plugin.stopped", "plugin.starting", "plugin.ready"]
    ready = [line for line in lines if line[1:3] == ["hello", "plugin.ready"]]
    assert ready[0][3:5] == ["starting", "running"] and "started in" in ready[0][5]

    assert len(plugkit("events", "--last", "2").stdout.splitlines()) == 2
    only = plugkit("events", "text", "--json").stdout.splitlines()
    assert {json.loads(line)["plugin"] for line in only} == {"text"}
    for line in only:
        event = json.loads(line)
        assert set(event) - {"pid", "startMs"} == {"time", "kind", "event", "plugin", "from", "to", "reason"}


def test_events_follow_a_crash_and_what_comes_of_it(plugkit, running):
    run = running("hello")
    events = plugkit("events", "--follow", "--json", background=True)
    events.line("plugin.ready")

    os.kill(once(plugkit)["hello"]["pid"], signal.SIGKILL)

    crash = json.loads(events.line("plugin.backoff"))
    assert crash["reason"]["message"] == "the plugin 'hello' crashed: signal 9 (killed)"
    restart = json.loads(events.line(lambda line: "plugin.ready" in line and '"from":"starting"' in line
                                     and json.loads(line)["time"] > crash["time"]))
    assert restart["pid"] == once(plugkit)["hello"]["pid"]

    run.signal(signal.SIGINT)
    events.line("manager.stopped")
    assert events.wait() == GOOD  # the host has said that it ends


def test_events_of_a_host_that_is_killed_end_with_a_word(plugkit, running):
    run = running("hello")
    events = plugkit("events", "--follow", background=True)
    events.line("plugin.ready")

    kill(run)

    assert events.wait() == FAILED
    assert f"the host {run.process.pid} " in events.stderr


def test_events_are_followed_until_an_interrupt(plugkit, running):
    running("hello")
    events = plugkit("events", "--follow", background=True)
    events.line("plugin.ready")
    events.signal(signal.SIGINT)
    assert (events.wait(), events.stderr) == (GOOD, "")


def test_events_on_a_terminal_are_for_people(running, screen):
    running("hello")
    shown = screen("events", "--follow", rows=20, columns=100)
    shown.shows("hello", "ready", "started in")
    assert "plugin.ready" not in shown.text and shown.colors
    shown.type("\x03")
    assert shown.end() == GOOD


def test_who_follows_and_does_not_read_disturbs_nobody(plugkit, running, free_dir):
    running("hello")
    (path,) = sockets(free_dir)
    token = path.with_name("control.token").read_text()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(path))
        idle.sendall(f"GET /events?follow=1 HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {token}\r\n\r\n".encode())
        for _ in range(5):
            assert plugkit("restart", "hello").status == GOOD
        assert once(plugkit)["hello"]["restarts"] == 5


# ---- which host


def test_without_a_host_that_is_said(plugkit, free_dir):
    empty = free_dir / "empty"
    empty.mkdir()
    for command in (["top", "--once"], ["events"], ["stop", "x"]):
        run = plugkit(*command, "--runtime-dir", empty)
        assert (run.status, run.stdout) == (NOTHING, "")
        assert f"no host runs below '{empty}'" in run.stderr and "plugkit run DIR" in run.stderr
    run = plugkit("top", "--once", "--json", "--runtime-dir", empty)
    assert json.loads(run.stdout)["error"]["name"] == "PK_ERR_NOT_FOUND"


def test_a_dead_host_leaves_a_socket_that_fools_nobody(plugkit, running, free_dir):
    dead = running("hello", folder="one")
    (path,) = sockets(free_dir)
    kill(dead)
    assert path.exists()

    run = plugkit("top", "--once", "--runtime-dir", free_dir / "run")
    assert run.status == NOTHING and "1 that was killed left a socket" in run.stderr
    run = plugkit("top", "--once", "--host", path)
    assert run.status == NOTHING and "its host has ended" in run.stderr

    running("text", folder="two")
    assert list(once(plugkit)) == ["text"]


def test_of_several_hosts_one_must_be_named(plugkit, running, free_dir):
    one = running("hello", folder="one")
    (first,) = sockets(free_dir)
    two = running("text", folder="two")
    (second,) = set(sockets(free_dir)) - {first}

    run = plugkit("top", "--once")
    assert (run.status, run.stdout) == (USAGE, "")
    assert "2 hosts run: say which one with --host" in run.stderr
    for host, folder in ((one, "one"), (two, "two")):
        assert any(str(host.process.pid) in line and f"/{folder} --eager" in line for line in run.stderr.splitlines())

    assert list(once(plugkit, "--host", one.process.pid)) == ["hello"]
    assert list(once(plugkit, "--host", first)) == ["hello"]
    assert list(once(plugkit, "--host", second.parent)) == ["text"]
    assert plugkit("stop", "hello", "--host", two.process.pid).status == NOTHING
    assert plugkit("stop", "hello", "--host", one.process.pid).status == GOOD


@pytest.mark.parametrize("name, message", [
    ("999999999", "there is no host with pid 999999999"),
    ("nowhere", "cannot reach a host at 'nowhere': No such file or directory"),
    ("/dev/null", "cannot reach a host at '/dev/null'"),
    ("x" * 200, "cannot reach a host at"),
])
def test_a_host_that_cannot_be_is_refused(plugkit, name, message):
    run = plugkit("top", "--once", "--host", name)

    assert (run.status, run.stdout) == (NOTHING, "")
    assert message in run.stderr


@pytest.mark.parametrize("token", ["", "0" * 64, "short", "\n"])
def test_with_a_wrong_token_nothing_is_done(plugkit, running, free_dir, token):
    running("hello")
    (path,) = sockets(free_dir)
    right = path.with_name("control.token").read_text()
    path.with_name("control.token").write_text(token)

    for command in (["top", "--once"], ["stop", "hello"], ["stop", "--everything"], ["events"], ["events", "--follow"]):
        refused = plugkit(*command)
        assert (refused.status, refused.stdout) == (FAILED, "")
        assert "the host does not take the token in" in refused.stderr

    path.with_name("control.token").write_text(right)
    assert status_of(plugkit, "hello") == "ready"
    path.with_name("control.token").unlink()
    assert "cannot read the host's token" in plugkit("top", "--once").stderr


def test_two_people_may_pull_at_once(plugkit, running):
    running("hello")
    threads = [threading.Thread(target=lambda: plugkit("restart", "hello")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert once(plugkit)["hello"]["status"] in ("ready", "stopped")
    assert plugkit("start", "hello").status == GOOD


# ---- a host of one's own


def test_a_patient_heals(plugkit, patient):
    organs = once(plugkit)
    assert {organ: organs[organ]["status"] for organ in organs} == {"brain": "ready", "heart": "ready", "lung": "ready"}

    os.kill(organs["lung"]["pid"], signal.SIGKILL)

    patient.line("- the plugin 'lung' crashed: signal 9 (killed)")
    patient.line(lambda line: "+ lung is up" in line and str(organs["lung"]["pid"]) not in line)
    patient.line("lung: breath 1, brain: thought")  # no call has failed


def test_a_patients_brain_goes_down_with_the_heart(plugkit, patient):
    organs = once(plugkit)

    os.kill(organs["heart"]["pid"], signal.SIGKILL)

    patient.line("- the plugin 'heart' crashed")
    patient.line(lambda line: "+ heart is up" in line and str(organs["heart"]["pid"]) not in line)
    patient.line(lambda line: "+ brain is up" in line and str(organs["brain"]["pid"]) not in line)
    assert once(plugkit)["lung"]["pid"] == organs["lung"]["pid"]


def test_a_patients_stopped_heart_is_replaced(plugkit, patient):
    heart = once(plugkit)["heart"]["pid"]

    os.kill(heart, signal.SIGSTOP)

    patient.line(lambda line: "+ heart is up" in line and str(heart) not in line, timeout=60)


def test_a_patient_is_given_up_and_comes_back_by_hand(plugkit, patient):
    def kill():
        row = once(plugkit)["heart"]
        if row["pid"]:
            os.kill(row["pid"], signal.SIGKILL)
        return row["status"] == "failed"

    wait_until(kill, "the host to give up", timeout=60)
    patient.line("! heart is given up")
    wait_until(lambda: status_of(plugkit, "heart") == "failed", "the heart to stay down")
    assert plugkit("start", "heart").stdout == "heart\tready\n"


def test_a_patient_says_what_it_lacks(plugkit, patient, free_dir):
    (free_dir / "smoke").touch()
    patient.line("~ plugin 'lung' is degraded: there is smoke")
    row = once(plugkit)["lung"]
    assert (row["status"], row["health"], row["reason"]) == ("degraded", "degraded", "there is smoke; without air")
    (free_dir / "smoke").unlink()
    wait_until(lambda: once(plugkit)["lung"]["health"] == "healthy", "the air to be good again")


def test_a_patient_can_be_disabled_and_stopped(plugkit, patient, free_dir):
    assert plugkit("disable", "lung").stdout == "lung\tdisabled\n"
    patient.line("lung: the plugin is disabled or failed")
    assert plugkit("enable", "lung").status == GOOD
    patient.line("lung: breath 1,")

    assert plugkit("stop", "--everything").status == GOOD
    assert patient.wait() == GOOD
    assert sockets(free_dir) == []


def test_the_patients_end_is_the_end_of_its_organs(plugkit, patient):
    pids = [row["pid"] for row in once(plugkit).values()]
    patient.signal(signal.SIGKILL)
    wait_until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids), "the organs to end")
