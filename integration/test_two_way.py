"""A plugin calls a function that its host offers, from inside of a call: with the manager's own thread and with a loop
that the host steps, and whether the plugin has one thread or several."""

import shutil

import pytest

from conftest import ROOT

HERE = ROOT / "integration" / "programs"


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
