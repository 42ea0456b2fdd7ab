"""The fixtures themselves, used as somebody outside of this repository would: copied beside his own tests."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from plugkit_pytest import wait_until

GOOD = r'''#!/bin/sh
if [ "$1" = capabilities ]; then
    echo '{"types":{"x":[{"type":"good"}]},"protocols":["plugkit/1"]}'
    exit
fi
%s
read -r hello <&3
printf '%%s\n' '{"listening":"lines:"}' '{"ready":true}' >&3
while read -r line <&3; do
    id=${line#*:}
    printf '{"id":%%s,"status":200,"body":{"said":"%%s"}}\n' "${id%%%%,*}" hello >&3
done
%s
'''


@pytest.fixture
def outside(tmp_path):
    """outside(test, before="", after=""): runs a test file in a folder of its own, with a plugin called `good`."""
    shutil.copy(ROOT / "integration" / "plugkit_pytest.py", tmp_path)
    (tmp_path / "conftest.py").write_text("from plugkit_pytest import *\n")

    def run(test, before="", after="", **env):
        (tmp_path / "good").write_text(GOOD % (before, after))
        (tmp_path / "good").chmod(0o755)
        (tmp_path / "test_it.py").write_text("from plugkit_pytest import *\n"
                                             "import os, pathlib, signal, subprocess, pytest\n"
                                             "HERE = pathlib.Path(__file__).parent\n" + test)
        result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
                                capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False,
                                env={**os.environ, "PLUGKIT_PATIENCE": "1", **env})
        return result.stdout + result.stderr

    return run


CALLS = """
def test_it(plugin):
    good = plugin(HERE / "good")
    assert good.type == "good" and good.protocol == "plugkit/1" and good.address == "lines:"
    assert good.call("POST /x", {"a": 1}).json == {"said": "hello"}
"""


def test_a_plugin_is_started_called_and_ended(outside):
    assert "1 passed" in outside(CALLS)


def test_what_a_plugin_wrote_is_shown_when_its_test_fails(outside):
    output = outside(CALLS + "    assert False\n", before="echo this is the log >&2")

    assert "1 failed" in output
    assert "good (pid " in output and "this is the log" in output


def test_a_plugin_that_outlives_its_host_fails_the_test_and_is_killed(outside, tmp_path):
    output = outside(CALLS, after=f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 1; done")

    assert "goes on although its host has gone" in output
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}/status"), "the plugin to be killed")


def test_a_process_that_outlives_its_plugin_fails_the_test_and_is_killed(outside, tmp_path):
    output = outside(CALLS, before=f"sleep 1000 3>&- & echo $! >{tmp_path}/pid")

    assert "left processes behind" in output
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not os.path.exists(f"/proc/{pid}/status"), "the process to be killed")


def test_a_plugin_that_dies_at_once_is_an_error_that_tells_its_status(outside):
    output = outside(CALLS, before="echo cannot live >&2; exit 7")

    assert "ended with 7 instead of saying 'listening'" in output
    assert "cannot live" in output


def test_a_plugin_that_says_nothing_is_given_up(outside):
    assert "waited 1 s for" in outside(CALLS, before="cat <&3 >/dev/null")


def test_a_plugin_without_capabilities_is_an_error(outside):
    output = outside("def test_it(plugin):\n    plugin('/bin/false')\n")

    assert "1 failed" in output and "capabilities" in output


def test_wait_until_names_what_it_waited_for(outside):
    output = outside("def test_it():\n    wait_until(lambda: False, 'the moon', timeout=0.01)\n")

    assert "waited 0.01 s for the moon" in output


def test_free_dir_is_private_short_and_removed(outside, tmp_path):
    output = outside(f"""
def test_it(free_dir):
    assert len(str(free_dir)) < 60 and free_dir.stat().st_mode & 0o777 == 0o700
    (free_dir / "a").mkdir()
    (free_dir / "a" / "b").touch()
    (free_dir / "a").chmod(0)
    pathlib.Path("{tmp_path}/where").write_text(str(free_dir))
""")

    assert "1 passed" in output
    assert not os.path.exists((tmp_path / "where").read_text())


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are found through /proc")
def test_a_process_left_in_free_dir_fails_the_test(outside):
    output = outside("""
def test_it(free_dir):
    subprocess.Popen(["sleep", "1000"], cwd=free_dir)
""")

    assert "processes were left behind" in output


def test_a_host_that_was_asked_to_end_is_not_asked_again_while_it_tidies_up(outside):
    output = outside("""
HOST = '''trap 'trap "exit 130" INT TERM; touch ending; sleep 0.5 & wait; rmdir "$XDG_RUNTIME_DIR"/plugkit-0/abc
      exit 0' INT; mkdir -p "$XDG_RUNTIME_DIR"/plugkit-0/abc; echo up; while :; do sleep 0.1; done'''
def test_it(host, free_dir):
    run = host("/bin/sh", "-c", HOST, background=True)
    run.line("up")
    run.signal(signal.SIGINT)
    wait_until(lambda: (free_dir / "ending").exists(), "the host to begin to end")
""")

    assert "1 passed" in output and "left behind" not in output


def test_host_runs_a_program_and_fails_on_what_it_leaves(outside):
    output = outside("""
def test_good(host):
    run = host("/bin/sh", "-c", "echo out; echo err >&2; cat; exit 3", stdin="in")
    assert (run.status, run.stdout, run.stderr) == (3, "out\\nin", "err\\n")
def test_background(host):
    run = host("/bin/sh", "-c", "echo one; exec sleep 1000", background=True)
    assert run.line("one") == "one" and run.status is None
def test_leaves_a_process(host):
    host("/bin/sh", "-c", "sleep 1000 & ")
def test_leaves_a_socket(host):
    host("/bin/sh", "-c", 'mkdir -p "$XDG_RUNTIME_DIR/plugkit-0/abc"')
def test_waits_in_vain(host):
    host("/bin/sh", "-c", "echo some").line("other")
""")

    assert "4 passed" in output and "1 failed" in output and "2 errors" in output  # errors: after they passed
    assert "the plugins to end with their host" in output
    assert "left behind: " in output
    assert "ended with 0 and never printed 'other'" in output


def test_build_compiles_once_and_shows_what_the_compiler_says(outside, tmp_path):
    (tmp_path / "one.c").write_text('#include "two.h"\n#include <stdio.h>\nint main(void) { puts(WORD); return 0; }\n')
    (tmp_path / "two.h").write_text('#define WORD "first"\n')
    (tmp_path / "bad.c").write_text("int main(void) { int unused; return 0; }\n")
    (tmp_path / "three.cpp").write_text('extern "C" int three();\nint main() { return three(); }\n')
    (tmp_path / "four.c").write_text("int three(void);\nint three(void) { return 33; }\n")
    output = outside("""
def test_once(build):
    first = build(HERE / "one.c")
    before = first.stat().st_mtime_ns
    assert build(HERE / "one.c") == first and first.stat().st_mtime_ns == before
    assert subprocess.check_output([str(first)]) == b"first\\n"
    (HERE / "two.h").write_text('#define WORD "second"\\n')
    assert subprocess.check_output([str(build(HERE / "one.c"))]) == b"second\\n"
def test_bad(build):
    build(HERE / "bad.c")
def test_mixed(build):
    assert subprocess.call([str(build(HERE / "three.cpp", sources=[HERE / "four.c"]))]) == 33
""", PLUGKIT_BUILD_DIR=str(tmp_path / "kept"))

    assert "2 passed" in output and "1 failed" in output
    assert "unused" in output and "bad.c" in output
