"""Hosts and plugins that do not sleep at once when they wait (spin_us): nothing changes but the time it takes, and who
has nothing to do uses no processor time."""

import shutil

import pytest

from conftest import ROOT

HERE = ROOT / "integration" / "programs"


@pytest.mark.parametrize("host_us, plugin_us, flags", [
    (100, 100, ["-DWORKERS=0"]),
    (100, 0, ["-DWORKERS=0"]),
    (0, 100, ["-DWORKERS=2"]),
    (1000000, 1000000, ["-DWORKERS=0", "-DPLUGKIT_NO_THREADS"]),
    (100, 100, ["-DWORKERS=0", "-Os"]),
])
def test_calls_are_what_they_are_asleep(build, host, free_dir, host_us, plugin_us, flags):
    plugins = free_dir / "plugins"
    plugins.mkdir()
    shutil.copy(build(HERE / "awake_plugin.c", f"-DSPIN_US={plugin_us}", *flags), plugins / "awake")

    run = host(build(HERE / "awake_host.c", f"-DSPIN_US={host_us}"), plugins)

    assert run.stderr == ""
    assert run.stdout == "all is well\n"
    assert run.status == 0
