"""What a host knows of its plugins' health, from its own questions and from what they say themselves."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys

import gpf_plugin
import pytest

from conftest import PROGRAMS, ROOT
from driven import install, is_alive
from plugkit_pytest import wait_until


PROBE = ROOT / "integration" / "plugins" / "probe.c"


def health(host, name):
    plugin = host.plugin(name)
    return plugin["plugin_status"], plugin["health"], plugin["health_reason"], plugin["unavailable"]


def test_reports_are_heard_at_once(driven, plugins, build):
    shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), plugins / "probe")
    host = driven(dir=plugins)  # which asks every ten seconds: none of this comes from asking
    assert health(host, "probe")[1] == ""
    assert host.call("probe", "GET /instance")["error"] == ""
    assert health(host, "probe") == ("ready", "unknown", "", "")
    assert host.plugin("probe")["up_time"] > 0

    host.call("probe", "POST /report", "dslow disk;db,cache")

    why = host.event("plugin.degraded", "probe")["why"]
    assert why == "plugin 'probe' is degraded: slow disk (unavailable: db,cache)"
    assert health(host, "probe") == ("degraded", "degraded", "slow disk", "db,cache")
    host.call("probe", "POST /report", "h")
    host.event("plugin.recovered", "probe")
    assert health(host, "probe") == ("ready", "healthy", "", "")
    host.end()


def test_one_that_says_that_it_is_not_well_is_asked_and_then_started_anew(driven, plugins, build):
    shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), plugins / "probe")
    host = driven(dir=plugins, health_ms=30)
    host.call("probe", "GET /instance")

    host.call("probe", "POST /report", "uno disk;")

    assert "plugin 'probe' is not healthy: " in host.event("plugin.backoff", "probe")["why"]
    wait_until(lambda: host.plugin("probe")["plugin_status"] == "ready", "the next one")
    plugin = host.plugin("probe")
    assert (plugin["crashes"], plugin["starts"]) == (1, 2)
    host.end()


def answer(body):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"


@pytest.mark.parametrize("body, expected", [
    ('{"status":"degraded","reason":"tired","unavailable":["a,b","","c"]}', ("degraded", "degraded", "tired", "a,b,c")),
    ('{"status":"fine, thanks"}', ("ready", "healthy", "", "")),
    ('{"status":7,"reason":[]}', ("ready", "healthy", "", "")),
    ('{"status":"degraded"', ("ready", "healthy", "", "")),
    ('{"status":"degraded","reason":"\\u001b[31m' + "x" * 5000 + '"}', None),
    (json.dumps({"status": "degraded", "unavailable": ["x" * 300] * 300}), None),
])
def test_nonsense_as_health_is_bounded_and_harmless(driven, plugins, body, expected):
    install(plugins, "is-sick", health=answer(body))
    host = driven(dir=plugins, health_ms=20)
    assert host.call("is-sick")["error"] == ""
    wait_until(lambda: health(host, "is-sick")[1] != "unknown", "an answer")

    said = health(host, "is-sick")

    assert said == expected or (expected is None and said[0] == "degraded")
    assert len(said[2]) < 200 and len(said[3]) < 200 and "\x1b" not in said[2]
    assert host.call("is-sick")["error"] == ""
    host.end()


def test_one_that_answers_well_but_says_unhealthy_is_not(driven, plugins):
    install(plugins, "is-sick", health=answer('{"status":"unhealthy","reason":"no license"}'))
    host = driven(dir=plugins, health_ms=20)
    assert host.call("is-sick")["error"] == ""

    assert host.event("plugin.backoff", "is-sick")["why"] == "plugin 'is-sick' is not healthy: no license"
    host.end()


def test_nonsense_on_the_control_socket_is_harmless(driven, plugins):
    lines = [{"health": {"status": "great"}}, {"health": {"status": "degraded", "reason": "\x1b[31m" + "x" * 3000}}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    install(plugins, "speaks-lines", name="odd", answers=[text + '{"id":%,"body":1}\n'])
    host = driven(dir=plugins)

    assert host.call("odd", body={})["body"] == "1"

    assert health(host, "odd")[0:2] == ("degraded", "degraded")
    assert len(health(host, "odd")[2]) < 200
    assert host.call("odd", body={})["body"] == "1"
    host.end()


# ---- processes that stand still


def add(folder, free_dir, kind):
    """A plugin of one kind: how it is spoken to, and whether it is asked for health."""
    if kind == "framework":
        gpf_plugin.install(folder / kind, type="gpf", socket_dir=free_dir)
    elif kind == "http":
        install(folder, "fine", name=kind)
    else:
        script = (PROGRAMS / "plugins" / "sh-processor").read_text()
        (folder / kind).write_text(script if kind == "lines-asked" else script.replace('"health":true,', ""))
        (folder / kind).chmod(0o755)


@pytest.mark.parametrize("kind", ["lines", "lines-asked", "framework", "http"])
def test_one_that_is_stopped_while_it_is_idle_is_started_anew(driven, plugins, free_dir, kind):
    add(plugins, free_dir, kind)
    host = driven(dir=plugins, health_ms=100)
    assert host.start(kind)["error"] == ""
    pid = host.pid(kind)

    os.kill(pid, signal.SIGSTOP)

    why = host.event("plugin.backoff", kind)["why"]
    assert why.startswith(f"plugin '{kind}' is not healthy: ")
    assert ("its process is stopped" in why) == (kind in ("lines", "framework"))
    wait_until(lambda: host.plugin(kind)["plugin_status"] == "ready", "the next one")
    assert not is_alive(pid) and host.pid(kind) != pid
    host.end()


def test_one_that_is_stopped_and_goes_on_is_the_same_afterwards(driven, plugins, free_dir):
    add(plugins, free_dir, "lines")
    host = driven(dir=plugins, health_ms=1000)
    assert host.start("lines")["error"] == ""
    pid = host.pid("lines")

    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T", "it to stop")
    os.kill(pid, signal.SIGCONT)

    assert host.call("lines", "GET /formats")["error"] == ""
    assert (host.pid("lines"), host.plugin("lines")["crashes"]) == (pid, 0)
    host.end()


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0]


SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17


@contextlib.contextmanager
def breakpoint_in(pid):
    """Holds a process as a debugger does that stands at a breakpoint."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    threads = [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    for thread in threads:
        if libc.ptrace(SEIZE, thread, None, None):
            pytest.skip(f"nobody may trace here: {os.strerror(ctypes.get_errno())}")
        assert libc.ptrace(INTERRUPT, thread, None, None) == 0
        wait_until(lambda thread=thread: state_of(thread) == "t", "it to stand")
    yield
    for thread in threads:
        libc.ptrace(DETACH, thread, None, None)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells of debuggers")
@pytest.mark.parametrize("kind", ["lines", "lines-asked", "framework", "http"])
def test_one_at_a_breakpoint_is_left_alone(driven, plugins, free_dir, kind):
    add(plugins, free_dir, kind)
    install(plugins, "is-sick", health="HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
    host = driven(dir=plugins, health_ms=30, restart_max=1000)
    assert host.start(kind)["error"] == ""
    pid = host.pid(kind)

    with breakpoint_in(pid):
        late = host.begin(kind, "GET /healthz", timeout_ms=100)  # and a call that has no answer does not matter
        assert host.answer(late)["error"] == "PK_ERR_PLUGIN_TIMEOUT"
        assert host.start("is-sick")["error"] == ""
        wait_until(lambda: host.events().count(("plugin.backoff", "is-sick")) >= 4, "others to be ended meanwhile", 30)
        assert is_alive(pid)

    assert host.call(kind, "GET /healthz")["error"] == ""
    assert (host.pid(kind), host.plugin(kind)["crashes"]) == (pid, 0)
    host.end()
