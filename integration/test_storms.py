"""Many plugins that fall at once, plugins that talk without end, that lie about being ready, or spoil lock files: the
host goes on, everybody else is served, and all of it comes back."""

import itertools
import os
import re
import shutil
import signal

import pytest

from conftest import PROGRAMS, ROOT
from driven import good, install
from plugkit_pytest import wait_until


PROBE = ROOT / "integration" / "plugins" / "probe.c"
COUNTER = ROOT / "integration" / "plugins" / "counter.c"
TIMEOUT = "PK_ERR_PLUGIN_TIMEOUT"


# ---- storms


@pytest.fixture
def many(driven, plugins, build):
    """A host with thirty plugins that all run, and their names."""
    names = [f"probe-{number}" for number in range(30)]
    program = build(PROBE, f"-I{ROOT}/contracts")
    for name in names:
        shutil.copy(program, plugins / name)
    host = driven(dir=plugins, providers=True)
    for name in names:
        assert host.call(name, "GET /instance")["error"] == ""
    assert good(host.call("fine"))
    return host, names


def pids_of(host, names):
    return {plugin["id"]: plugin["pid"] for plugin in host.list() if plugin["id"] in names}


def kill_all(host, names):
    """All at once, and waits until nobody is what he was. Somebody else is called meanwhile."""
    before = pids_of(host, names)
    assert all(before.values())
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: good(host.call("fine")) and not set(pids_of(host, names).values()) & set(before.values()),
               "all to be missed")


def test_plugins_that_fall_together_come_back_and_nobody_else_is_affected(many):
    host, names = many
    fine, before = host.pid("fine"), host.fds()

    for _ in range(4):
        kill_all(host, names)
        for name in names:  # also those that are still in their delay: the call waits
            assert host.call(name, "GET /instance")["error"] == ""

    assert host.pid("fine") == fine
    assert host.fds() == before
    assert {(plugin["starts"], plugin["plugin_status"]) for plugin in host.list() if plugin["id"] in names} == {
        (5, "ready")}
    host.end()


def test_plugins_that_fall_too_often_together_have_a_way_back(many):
    host, names = many
    for _ in range(5):
        kill_all(host, names)
        wait_until(lambda: all(plugin["plugin_status"] in ("ready", "failed") for plugin in host.list()), "an end")

    for name in names:
        assert host.plugin(name)["plugin_status"] == "failed"
        assert host.call(name, "GET /instance")["error"] == "PK_ERR_PLUGIN_DISABLED"
    tags = [host.ask(do="start", plugin=name) for name in names]
    assert {host.answer(tag)["error"] for tag in tags} == {""}
    for name in names:
        assert host.call(name, "GET /instance")["error"] == ""
    host.end()


def test_a_full_descriptor_table_stops_those_that_find_no_room_and_says_what_the_limit_is(many):
    host, names = many
    for tag in [host.ask(do="stop", plugin=name) for name in names]:
        assert host.answer(tag)["error"] == ""
    few = host.fds()

    host.fds(limit=few + 60)  # room for ten or so
    answers = [host.answer(tag) for tag in [host.ask(do="start", plugin=name) for name in names]]

    failed = [answer for answer in answers if answer["error"]]
    assert 5 < len(failed) < len(names) - 5
    for answer in failed:
        assert re.fullmatch(r"cannot start '.*': .*: Too many open files \(at most [0-9]+: ulimit -n\)", answer["msg"])
    assert good(host.call("fine"))
    host.fds(limit=few + 1000)
    for name in names:
        assert host.call(name, "GET /instance")["error"] == ""
    host.end()


def test_one_that_reports_without_end_is_heard_and_nobody_waits_for_it(driven, plugins):
    """Four thousand moves from well to less than well and back, as fast as it can write them."""
    install(plugins, "reports", times=2000)
    host = driven(dir=plugins)
    assert good(host.call("reports"))

    while not host.find(lambda line: line.get("event") == "plugin.degraded" and line["why"].endswith(": 1999")):
        assert good(host.call("fine"))
        assert good(host.call("reports"))

    host.event("plugin.recovered", "reports")
    moves = [line["event"] for line in host.lines() if line.get("event") in ("plugin.degraded", "plugin.recovered")]
    assert moves[:3999] == list(itertools.islice(itertools.cycle(("plugin.degraded", "plugin.recovered")), 3999))
    host.end()


# ---- lies about being ready


def test_ready_but_it_never_accepts(driven, plugins):
    install(plugins, "never-accepts")
    host = driven(dir=plugins, health_ms=50, stop_ms=400)

    assert host.call("never-accepts", timeout_ms=300)["error"] == TIMEOUT

    assert "is not healthy" in host.event("plugin.backoff", "never-accepts")["why"]
    assert good(host.call("fine"))
    host.end()


def test_ready_where_another_one_listens(driven, plugins):
    """It has no token of that one: its calls are refused there, and the other one notices nothing."""
    install(plugins, "listens-elsewhere", of="text")
    shutil.copy(PROGRAMS / "plugins" / "text", plugins / "text")
    host = driven(dir=plugins, health_ms=50, restart_max=3)
    assert host.call("text", "GET /formats")["error"] == ""
    pid = host.pid("text")

    answer = host.call("listens-elsewhere", "GET /formats")

    assert answer["error"] == "PK_ERR_PLUGIN_FAULT" and answer["status"] == 401
    assert "is not healthy" in host.event("plugin.backoff", "listens-elsewhere")["why"]
    host.event("plugin.failed", "listens-elsewhere")
    assert host.call("text", "GET /formats")["error"] == "" and host.pid("text") == pid
    host.end()


@pytest.mark.parametrize("lines", [
    ['{"listening":"%"}', '{"ready":true}', '{"ready":true}', '{"listening":"http+unix:///nowhere"}', '{"ready":false}'],
    ['{"ready":false}', '{"listening":"%"}', '{"listening":"http+unix:///nowhere"}', '{"ready":true}'],
])
def test_what_is_said_again_changes_nothing(driven, plugins, lines):
    install(plugins, "says-lines", lines=lines)
    host = driven(dir=plugins)

    assert good(host.call("says-lines"))
    assert good(host.call("says-lines"))
    assert host.plugin("says-lines")["starts"] == 1
    host.end()


# ---- lock files: what counts is the kernel's lock, not what a plugin has written into them

SPOILT = {"garbage": "\x1b[31mno number\n", "a stranger": "1", "nothing": ""}


@pytest.fixture
def survivor(driven, plugins, build):
    """A host that keeps its plugin over its own death, and the lock file of its name."""
    shutil.copy(build(COUNTER), plugins / "counter")

    def start(**options):
        host = driven(dir=plugins, survive_as="test", rules=[{"survive": True}], **options)
        return host, host.runtime().parent / "keep-test" / "lock"

    return start


@pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_lock_file_still_locks(survivor, text):
    host, lock = survivor()
    assert host.call("counter", "POST /count")["body"] == "1"

    lock.write_text(text, encoding="ascii")

    second, _ = survivor(ready=False)
    said = second.find(lambda line: "ready" in line)
    assert said["error"] == "PK_ERR_BUSY" and "\x1b" not in said["msg"], said
    assert host.call("counter", "POST /count")["body"] == "2"
    host.end()
    assert not lock.parent.exists()


@pytest.mark.parametrize("text", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_lock_file_does_not_keep_the_next_host_out(survivor, text):
    host, lock = survivor()
    assert host.call("counter", "POST /count")["body"] == "1"
    lock.write_text(text, encoding="ascii")
    host.run.killed = True
    host.run.signal(signal.SIGKILL)
    host.run.wait()

    host, lock = survivor()

    assert host.call("counter", "POST /count")["body"] == "2"
    host.end()
    assert not lock.parent.exists()


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_without_its_lock_file_a_second_host_may_come_and_takes_nothing_away(survivor, how):
    host, lock = survivor()
    assert host.call("counter", "POST /count")["body"] == "1"
    pid = host.pid("counter")
    lock.unlink()
    if how == "replaced":
        lock.write_text("1", encoding="ascii")

    second, _ = survivor()
    assert second.call("counter", "POST /count")["body"] == "1"  # one of its own: the other one has a host
    second.end()

    assert host.call("counter", "POST /count")["body"] == "2" and host.pid("counter") == pid
    host.end()
