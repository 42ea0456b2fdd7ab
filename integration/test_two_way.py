"""A plugin calls a function that its host offers, from inside of a call: with the manager's own thread and with a loop
that the host steps, and whether the plugin has one thread or several."""

import re
import shutil

import pytest

from conftest import ROOT

HERE = ROOT / "integration" / "programs"

# A plugin in lines mode that asks its host; {call_host} is the function in docs/writing-plugins.md.
SCRIPT = """#!/usr/bin/env python3
import http.client, json, socket, sys

{call_host}
if sys.argv[1:] == ["capabilities"]:
    print(json.dumps({{"types": {{"twoWay": [{{"type": "plugin"}}]}}, "protocols": ["plugkit/1"]}}))
    sys.exit(0)
control = socket.socket(fileno=3).makefile("rw")
start = json.loads(control.readline())
print(json.dumps({{"listening": "lines:"}}), json.dumps({{"ready": True}}), sep="\\n", file=control, flush=True)
for line in control:
    call = json.loads(line)
    if "shutdown" in call:
        break
    answer = {{"id": call["id"], "status": 200}}
    if call["call"] == "POST /say":
        try:
            answer["body"] = call_host({start}, "twoWay", "POST /say", call["body"])
        except RuntimeError as error:
            answer.update(status=500, error=str(error))
    print(json.dumps(answer), file=control, flush=True)
"""


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("loop", ["own", "mine"])
def test_a_plugin_calls_its_host_while_it_is_called(build, host, free_dir, loop, workers):
    plugins = free_dir / "plugins"
    plugins.mkdir()
    shutil.copy(build(HERE / "two_way_plugin.c", f"-DWORKERS={workers}"), plugins / "two-way")

    run = host(build(HERE / "two_way_host.c"), loop, plugins)

    assert run.stdout == "hi! by two-way-1\n" * 3
    assert run.status == 0


def test_without_a_host_that_offers_anything_the_call_says_so(build, plugin):
    """A plugin that was started by somebody else has no host to call, and says so."""
    other = plugin(build(HERE / "two_way_plugin.c", "-DWORKERS=0"))

    answer = other.call("POST /say", {"text": "hi"})

    assert answer.status == 404
    assert "no plugin found" in answer.json["message"]


def python_plugin(folder, start="start"):
    manual = (ROOT / "docs/writing-plugins.md").read_text(encoding="utf-8")
    call_host = re.search(r"^```python\n(def call_host.*?)^```$", manual, re.S | re.M).group(1)
    folder.mkdir()
    (folder / "two-way").write_text(SCRIPT.format(call_host=call_host, start=start))
    (folder / "two-way").chmod(0o755)
    return folder


def test_a_plugin_without_the_sdk_calls_its_host_as_the_manual_says(build, host, free_dir):
    run = host(build(HERE / "two_way_host.c"), "own", python_plugin(free_dir / "plugins"))

    assert run.stdout == "hi! by two-way-1\n" * 3
    assert run.status == 0


@pytest.mark.parametrize("start", ["{**start, 'token': 'a' * 64}", "{**start, 'instance': 'other-1'}"])
def test_a_token_belongs_to_one_instance(build, host, free_dir, start):
    run = host(build(HERE / "two_way_host.c"), "own", python_plugin(free_dir / "plugins", start))

    assert "the token is missing or wrong" in run.stdout
    assert run.status == 1
