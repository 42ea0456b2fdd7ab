"""The main job (`make run`): what examples/10_files prints is true, and a clean stop is one."""

import collections
import os
import re
import shutil

import pytest

from conftest import PROGRAMS

PLUGINS = ["text", "lines", "storage", "analytics", "py-processor", "sh-processor"]
TEXT = "the quick brown fox jumps over\nanother quick brown rabbit\nbrown brown quick\n"


@pytest.fixture
def job(host, free_dir):
    """job(*files, plugins=[...]): runs it with copies of some plugins."""
    def run(*files, plugins=PLUGINS, **options):
        folder = free_dir / "plugins"
        folder.mkdir(exist_ok=True)
        for plugin in plugins:
            shutil.copy(PROGRAMS / "plugins" / plugin, folder / plugin)
        return host(PROGRAMS / "examples/10_files/host", folder, *files, **options)

    return run


def stages(output):
    """what it does -> the words of its line"""
    part = output.split("\nPlugins\n")[1].split("\nStopped\n")[0]
    found = {}
    for line in part.splitlines()[1:]:
        match = re.match(r"  (\S+) +(plugkit/1|lines|compiled in)? +(\S.*?)  +(\d+|not here)(.*)", line)
        if match:
            found[f"{match[1]}: {match[3]}"] = [match[4], *match[5].split()]
    return found


def test_counts_are_true(job, free_dir):
    (free_dir / "a.txt").write_text(TEXT)
    (free_dir / "b.txt").write_text(TEXT * 100)

    run = job("a.txt", "b.txt")

    words = len(TEXT.split()) * 101
    most = collections.Counter(word for word in TEXT.split() if len(word) >= 5).most_common(2)
    assert run.status == 0 and run.stderr == ""
    assert f"7.7 kB      303     {words:4}           2 files" in run.stdout
    for word, count in most:
        assert f"{word} {count * 100}" in run.stdout
    found = stages(run.stdout)
    assert found["built-in: counts words"][:2] == found["analytics: counts them again"][:2] == ["2", "0"]
    assert f"{words} words" in run.stdout
    assert found["text: writes capitals"][:6] == ["2", "0", "7.7", "kB", "7.7", "kB"]
    assert found["go-processor: packs with gzip"][0] == "not here"


def test_everything_is_stopped_and_gone(job, free_dir):
    (free_dir / "a.txt").write_text(TEXT)

    run = job("a.txt")

    assert re.search(r"\nStopped\n  6 processes in .*: none is left, and no file\n$", run.stdout)
    assert not [name for name in os.listdir(free_dir) if name.startswith("plugkit-run")]


def test_a_file_that_a_plugin_cannot_work_on_is_a_result(job, free_dir):
    (free_dir / "picture").write_bytes(bytes(range(256)))
    (free_dir / "a.txt").write_text(TEXT)

    run = job("picture", "a.txt", free_dir)  # directories are left out

    assert run.status == 0
    assert "upper refused picture: " in run.stdout and "is zero, so it is no text" in run.stdout
    assert stages(run.stdout)["text: writes capitals"][:2] == ["2", "1"]


def test_a_file_that_is_not_there_is_a_failure(job):
    run = job("missing.txt")

    assert run.status == 1
    assert "host: cannot open 'missing.txt'" in run.stderr


def test_plugins_that_are_missing_take_their_stages_along(job, free_dir):
    (free_dir / "a.txt").write_text(TEXT)

    run = job("a.txt", plugins=["text"])

    found = stages(run.stdout)
    assert run.status == 0
    assert [name for name, words in found.items() if words[0] != "not here"] == [
        "built-in: counts words", "text: writes capitals"]


def test_a_broken_plugin_is_shown_and_disturbs_nobody(job, free_dir):
    (free_dir / "a.txt").write_text(TEXT)
    broken = free_dir / "plugins" / "broken"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no luck' >&2\nexit 3\n")
    broken.chmod(0o755)

    run = job("a.txt", plugins=["text"])

    assert run.status == 0
    assert "rejected: cannot probe 'broken': exit status 3: no luck" in run.stdout
    assert stages(run.stdout)["text: writes capitals"][:2] == ["1", "0"]


def test_no_terminal_codes_in_a_pipe(job, free_dir):
    (free_dir / "a.txt").write_text(TEXT)

    run = job("a.txt", plugins=["text"], env={"TERM": "xterm-256color"})

    assert "\033" not in run.stdout and run.stderr == ""
