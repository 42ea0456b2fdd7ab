"""Rules for single plugins, with real processes: who needs whom, who is disabled, who is restarted, and how long a stop
may take.
"""

import os
import signal

import pytest

from driven import install
from plugkit_pytest import wait_until


# db <- store <- web, and one that stands alone
RULES = [{"plugin": "web", "needs": ["store"]}, {"plugin": "store", "needs": ["db"]}]


@pytest.fixture
def plugins(free_dir):
    folder = free_dir / "plugins"
    for name in ("db", "store", "web", "alone"):
        install(folder, "fine", name=name)
    return folder


def test_what_is_needed_is_started_before_and_stopped_after(driven, plugins):
    host = driven(dir=plugins, rules=RULES)
    assert host.call("web")["error"] == ""
    host.end()

    ready = [plugin for event, plugin in host.events() if event == "plugin.ready"]
    down = [plugin for event, plugin in host.events() if event == "plugin.stopped"][-3:]
    assert (ready, down) == (["db", "store", "web"], ["web", "store", "db"])


def test_if_what_is_needed_crashes_those_that_need_it_are_started_anew(driven, plugins):
    host = driven(dir=plugins, rules=RULES, eager=True)
    before = {name: host.pid(name) for name in ("db", "store", "web", "alone")}

    os.kill(before["store"], signal.SIGKILL)

    wait_until(lambda: host.pid("web") not in (0, before["web"]), "web to be started anew")
    after = {name: host.pid(name) for name in before}
    assert {name for name in before if after[name] != before[name]} == {"store", "web"}
    names = [(event.removeprefix("plugin."), plugin) for event, plugin in host.events()]
    late = names[names.index(("backoff", "store")):]
    assert late.index(("ready", "store")) < late.index(("ready", "web"))
    host.end()


@pytest.mark.parametrize("state", ["missing", "rejected", "disabled", "broken"])
def test_without_what_it_needs_it_does_not_start_and_says_why(driven, plugins, state):
    rules = [{"plugin": "web", "needs": ["db"]}]
    if state == "missing":
        (plugins / "db").unlink()
    elif state == "rejected":
        (plugins / "db").write_text("#!/bin/sh\nexit 3\n")
    elif state == "disabled":
        rules.append({"plugin": "db", "disabled": True})
    else:
        (plugins / "db").write_text("#!/bin/sh\n[ \"$1\" != capabilities ] && exit 4\n"
                                    "echo '{\"types\":{\"c\":[{\"type\":\"db\"}]},\"protocols\":[\"plugkit/1\"]}'\n")
    host = driven(dir=plugins, rules=rules)

    answer = host.call("web")

    assert answer["error"] == "PK_ERR_START"
    why = {
        "missing": "cannot start 'web': it needs 'db': there is no such plugin",
        "rejected": "cannot start 'web': it needs 'db': cannot probe 'db': exit status 3",
        "disabled": "cannot start 'web': it needs 'db': it is disabled",
        "broken": "cannot start 'web': what it needs does not start: cannot start 'db': exit status 4",
    }[state]
    assert why in answer["msg"]
    assert host.call("alone")["error"] == ""
    host.end()


def test_a_disabled_one_is_down_until_it_is_enabled(driven, plugins):
    host = driven(dir=plugins, eager=True, rules=[{"plugin": "alone", "disabled": True}])
    assert host.plugin("alone")["plugin_status"] == "disabled"
    pid = host.pid("db")

    assert host.disable("db")["error"] == ""

    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "db to end")
    answer = host.call("db")
    assert (answer["error"], answer["msg"]) == ("PK_ERR_PLUGIN_DISABLED", "cannot call 'db': it is disabled")
    for name in ("db", "alone"):
        assert host.enable(name)["error"] == ""
        assert host.call(name)["error"] == ""
    host.end()


def test_one_that_is_needed_may_be_stopped_while_others_wait_for_it(driven, plugins):
    (plugins / "db").write_text("#!/bin/sh\n[ \"$1\" = capabilities ] || exec sleep 1000\n"
                                "echo '{\"types\":{\"c\":[{\"type\":\"db\"}]},\"protocols\":[\"plugkit/1\"]}'\n")
    host = driven(dir=plugins, rules=RULES, stop_ms=400)
    tag = host.begin("web")
    host.event("plugin.starting", "db")

    assert host.stop("web")["error"] == ""

    answer = host.answer(tag)
    assert (answer["error"], answer["msg"]) == ("PK_ERR_STOPPED", "cannot start 'web': it is stopped")
    host.end()


def test_each_has_its_own_grace(driven, plugins):
    install(plugins, "is-deaf", name="hasty")
    host = driven(dir=plugins, stop_ms=600000, rules=[{"plugin": "hasty", "stop_ms": 200}])
    assert host.call("hasty")["error"] == ""

    assert host.stop("hasty")["error"] == ""  # or this takes ten minutes

    host.end()
