"""Folders with manifests, with real processes: the three forms side by side, and what they need of each other."""

import json
import os
import signal

import pytest

from conftest import PROGRAMS
from driven import install
from plugkit_pytest import wait_until


def put(folder, name, manifest=None, file="plugin.json", entry=None):
    """A plugin in a folder of its own; with an entry its program has that name."""
    home = folder / name
    install(home, "fine", name=name)
    if entry:
        (home / entry).parent.mkdir(exist_ok=True)
        (home / name).rename(home / entry)
    text = manifest if isinstance(manifest, str) else json.dumps(manifest or {"name": name, "version": "1.0.0"})
    (home / file).write_text(text)
    return home


def need(name, *dependencies, version="1.0.0"):
    return {"name": name, "version": version, "source": {"type": "local", "path": name},
            "dependencies": [dict(zip(("name", "version", "optional"), d)) for d in dependencies]}


@pytest.fixture
def plugins(free_dir):
    return free_dir / "plugins"


def test_the_three_forms_and_none_side_by_side(driven, plugins):
    put(plugins, "bridge", {"id": "bridge", "name": "A bridge", "version": "1.2.3", "type": "processor",
                            "entryPoint": "bin/tool.py", "dependencies": ["hole@^2"]}, "manifest.json", "bin/tool.py")
    put(plugins, "hole", need("hole", version="2.1.0"))
    put(plugins, "gopher", {"name": "gopher", "version": "1.0.0", "transport": "exec", "endpoint": "run.sh",
                            "requirements": {"required_plugins": ["bridge"], "optional_plugins": ["nobody"]}},
        entry="run.sh")
    install(plugins, "fine", name="plain")
    host = driven(dir=plugins)

    for name in ("gopher", "plain"):
        assert host.call(name)["error"] == ""

    ready = [plugin for event, plugin in host.events() if event == "plugin.ready"]
    assert ready == ["hole", "bridge", "gopher", "plain"]
    host.end()
    down = [plugin for event, plugin in host.events() if event == "plugin.stopped"][-4:]
    assert down.index("gopher") < down.index("bridge") < down.index("hole")


def test_if_what_is_needed_crashes_those_that_need_it_are_started_anew(driven, plugins):
    put(plugins, "db", need("db"))
    put(plugins, "store", need("store", ("db", "^1.0.0")))
    put(plugins, "web", need("web", ("store", "*"), ("log", "*", True)))
    put(plugins, "log", need("log"))
    host = driven(dir=plugins, eager=True)
    before = {name: host.pid(name) for name in ("db", "store", "web", "log")}

    os.kill(before["log"], signal.SIGKILL)  # it may do without
    wait_until(lambda: host.pid("log") not in (0, before["log"]), "log to be started anew")
    os.kill(before["store"], signal.SIGKILL)
    wait_until(lambda: host.pid("web") not in (0, before["web"]), "web to be started anew")

    after = {name: host.pid(name) for name in before}
    assert {name for name in before if after[name] != before[name]} == {"log", "store", "web"}
    names = [(event.removeprefix("plugin."), plugin) for event, plugin in host.events()]
    fell = names.index(("backoff", "store"))
    assert ("starting", "web") not in names[names.index(("backoff", "log")):fell]
    late = names[fell:]
    assert late.index(("ready", "store")) < late.index(("ready", "web"))
    host.end()


def test_what_cannot_start_says_why_and_the_others_run(driven, plugins):
    put(plugins, "missing", need("missing", ("nobody", ">=1.2 <3")))
    put(plugins, "conflict", need("conflict", ("db", "^2.0.0")))
    put(plugins, "early", need("early", ("rc", "^2.0.0")))
    put(plugins, "a", need("a", ("b", "*")))
    put(plugins, "b", need("b", ("c", "*")))
    put(plugins, "c", need("c", ("a", "*")))
    put(plugins, "follows", need("follows", ("missing", "*")))
    put(plugins, "broken", "{")
    put(plugins, "unlike", need("another"))
    put(plugins, "on-broken", need("on-broken", ("broken", "*")))
    put(plugins, "db", need("db", version="1.4.0"))
    put(plugins, "rc", need("rc", version="2.0.0-rc.1"))
    put(plugins, "fine", need("fine", ("db", "~1.4"), ("nobody", "*", True), ("rc", "^2.0.0-rc.0")))
    host = driven(dir=plugins)

    why = {
        "missing": "cannot start 'missing': it needs 'nobody' >=1.2 <3, and there is no such plugin",
        "conflict": "cannot start 'conflict': it needs 'db' ^2.0.0, but 'db' is 1.4.0",
        "early": "cannot start 'early': it needs 'rc' ^2.0.0, but 'rc' is 2.0.0-rc.1",
        "a": "cannot start 'a': it needs itself: 'a' -> 'b' -> 'c' -> 'a'",
        "c": "cannot start 'c': it needs itself: 'c' -> 'a' -> 'b' -> 'c'",
        "follows": "cannot start 'follows': it needs 'missing', which cannot start: it needs 'nobody' >=1.2 <3, and "
                   "there is no such plugin",
        "broken": "/broken/plugin.json': cannot decode manifest: line 1, column 2",
        "unlike": "/unlike/plugin.json': its name is 'another', and its folder is called 'unlike'",
        "on-broken": "cannot start 'on-broken': it needs 'broken', which cannot be used: cannot use '",
    }
    for name, words in why.items():
        assert words in host.call(name)["msg"]
    assert host.call("fine")["error"] == ""
    host.end()


def test_the_command_shows_what_a_manifest_says(host, plugins):
    more = {"tags": ["sql", "fast"], "author": "Somebody", "license": "MIT"}
    put(plugins, "db", {**need("db", ("nobody", "^1")), **more})

    listed = host(PROGRAMS / "plugkit", "list", plugins, "--json")
    shown = host(PROGRAMS / "plugkit", "inspect", plugins, "db", "--no-start")

    assert (listed.status, shown.status) == (0, 1)
    rows, text = json.loads(listed.stdout)["plugins"], shown.stdout

    manifest = rows[0]["manifest"]
    assert (manifest["form"], manifest["tags"], manifest["author"]) == ("blackhole", ["sql", "fast"], "Somebody")
    assert manifest["dependencies"] == [{"id": "nobody", "range": "^1", "optional": False}]
    assert rows[0]["reason"]["message"] == "cannot start 'db': it needs 'nobody' ^1, and there is no such plugin"
    assert "tags\tsql, fast\n" in text and "needs\tnobody ^1\n" in text and "license\tMIT\n" in text
