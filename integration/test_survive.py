"""Plugins that survive their host: the next host finds them again, with all that they hold."""

import json
import os
import shutil
import signal
import socket
import threading

import pytest

from conftest import PROGRAMS, ROOT
from plugkit_pytest import wait_until
from test_bad_plugins import is_alive

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
