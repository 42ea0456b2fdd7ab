"""Bodies of any size at constant memory, on both sides; cancelled calls, which both sides notice; events; and a server
that is ill-treated. PLUGKIT_STREAM_BYTES=10737418240 moves ten gibibytes each way instead of 256 MiB."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT
from plugkit_pytest import PATIENCE, wait_until

HERE = ROOT / "integration" / "programs"
BYTES = int(os.environ.get("PLUGKIT_STREAM_BYTES", 256 << 20))
GROWTH_KIB = 1024  # of the largest memory that either process ever had; buffers are 64 KiB


@pytest.fixture
def streams(build, free_dir):
    """streams(kind, bytes, workers=0): the host program, started in a folder with its plugin."""
    running = []

    def start(kind, size=0, workers=0):
        plugins = free_dir / "plugins"
        plugins.mkdir()
        shutil.copy(build(HERE / "streams_plugin.c", f"-DWORKERS={workers}"), plugins / "streams")
        run = subprocess.Popen([build(HERE / "streams_host.c"), "plugins", kind, str(size)], cwd=free_dir,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(run)
        return run

    yield start
    for run in running:
        run.kill()
        run.communicate()


def noted(folder, word):
    def look():
        notes = folder / "notes"
        return notes.exists() and word in notes.read_text().splitlines()

    wait_until(look, f"the note '{word}'")


@pytest.mark.parametrize("kind, workers", [
    ("up-reader", 1), ("up-file", 1), ("up-hand", 1), ("up-taken-reader", 0), ("up-taken-file", 0),
    ("down-reader", 0), ("down-file", 0), ("down-hand", 0), ("down-reader", 1),
])
def test_a_body_of_any_size_takes_no_more_memory_than_a_small_one(streams, kind, workers):
    run = streams(kind, BYTES, workers)

    out, _ = run.communicate(timeout=PATIENCE + BYTES / (20 << 20))

    assert run.returncode == 0, out
    words = out.split()
    assert words[::2] == ["host", "plugin"]
    assert all(int(kib) <= GROWTH_KIB for kib in words[1::2]), out


@pytest.mark.parametrize("kind, note, workers", [
    ("cancel-wait", "cancelled", 1),          # the handler asks pk_ctx_is_canceled
    ("cancel-up", "upload broke off", 1),     # it reads, and the reading fails
    ("cancel-down", "download given up", 0),  # its body is not asked for any more
])
def test_cancelling_a_call_is_noticed_by_the_plugin(streams, free_dir, kind, note, workers):
    run = streams(kind, workers=workers)
    assert run.stdout.readline() == "begun\n"
    noted(free_dir, "waiting")

    run.stdin.write("\n")
    run.stdin.flush()

    assert run.stdout.readline() == "over\n"
    noted(free_dir, note)
    run.communicate("\n", timeout=PATIENCE)
    assert run.returncode == 0


def test_events_arrive_and_their_end_is_noticed(streams, free_dir):
    run = streams("events", 1000)
    assert run.stdout.readline() == "1000 events, then: enough\n"
    noted(free_dir, "listener gone")  # while the host still runs
    run.communicate("\n", timeout=PATIENCE)
    assert run.returncode == 0
