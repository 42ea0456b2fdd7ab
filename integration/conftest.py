"""Shared by all tests in this folder: the fixtures of plugkit_pytest.py, and where things are."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from driven import driven, driven_program, plugins  # noqa: F401
from plugkit_pytest import *  # noqa: F401,F403

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("PLUGKIT_BUILD_DIR", str(ROOT / "build" / "pytest"))
PROGRAMS = pathlib.Path(os.environ.get("PLUGKIT_PROGRAMS", ROOT / "build"))  # what `make` has built
PEERS = ROOT / "integration" / "peers"
sys.path.insert(0, str(PEERS))



@pytest.fixture
def example(host, free_dir):
    """example("02_text", "upper", file, plugins=["text"]): runs an example's host with copies of some plugins."""
    def run(name, *args, plugins=(), **options):
        folder = free_dir / "plugins"
        folder.mkdir(exist_ok=True)
        for plugin in plugins:
            shutil.copy(PROGRAMS / "plugins" / plugin, folder / plugin)
        return host(PROGRAMS / "examples" / name / "host", *args, **options)

    return run


# ---- what is not everywhere: the Go framework's own SDK comes through Go's module system, musl's compiler is a package

NOT_RUN = pytest.StashKey()


def pytest_configure(config):
    config.addinivalue_line("markers", "gosdk: needs the Go framework's own SDK; left out, and said so, without it")
    config.addinivalue_line("markers", "mbedtls: needs mbedTLS; left out, and said so, without it")
    config.addinivalue_line("markers", "cgroup1: needs control groups of version 1; left out, and said so, without")
    config.addinivalue_line("markers", "root: needs root's rights; left out, and said so, without them")
    config.addinivalue_line("markers", "musl: needs musl-gcc; left out, and said so, without it")


def go_modules_missing():
    """Why the modules of peers/gosdk cannot be had; "" if they can."""
    if not shutil.which("go"):
        return "there is no go"
    try:
        run = subprocess.run(["go", "mod", "download"], cwd=PEERS / "gosdk", stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        return "go mod download takes longer than 90 s"
    return " ".join(run.stdout.split()) or "go mod download failed" if run.returncode else ""


def musl_missing():
    return "" if shutil.which("musl-gcc") else "there is no musl-gcc"


def cgroup1_missing():
    lists = pathlib.Path("/proc/self/cgroup")
    names = {name for line in lists.read_text().splitlines() for name in line.split(":")[1].split(",")} \
        if lists.exists() else set()
    return root_missing() or ("" if {"memory", "cpu", "pids"} <= names else "this system has other ones")


def root_missing():
    return "" if os.geteuid() == 0 else "this user is another one"


def mbedtls_flags():
    """What the compiler needs for mbedTLS; [] if it is not there."""
    run = subprocess.run(["sh", str(ROOT / "tests" / "mbedtls.sh"), os.environ.get("CC", "cc"), "--flags"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    return run.stdout.split()


def mbedtls_missing():
    return "" if mbedtls_flags() else "there is no mbedTLS"


def pytest_collection_modifyitems(config, items):
    config.stash[NOT_RUN] = []
    for marker, missing, what in (("gosdk", go_modules_missing, "tests with the Go framework's own SDK"),
                                  ("musl", musl_missing, "tests with musl"),
                                  ("cgroup1", cgroup1_missing, "tests with control groups of version 1"),
                                  ("root", root_missing, "tests that need root"),
                                  ("mbedtls", mbedtls_missing, "tests of TLS")):
        wanted = [item for item in items if item.get_closest_marker(marker)]
        why = missing() if wanted else ""
        if why:
            config.stash[NOT_RUN].append(f"{len(wanted)} {what}: {why}")
            config.hook.pytest_deselected(items=wanted)
            items[:] = [item for item in items if item not in wanted]


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(NOT_RUN, []):
        terminalreporter.write_line(f"NOT RUN: {line}", yellow=True)


@pytest.fixture(scope="session")
def gosdk(tmp_path_factory):
    """A folder with `plugin` and `host`, built from peers/gosdk with the framework's own SDK."""
    folder = tmp_path_factory.mktemp("gosdk")
    subprocess.run(["go", "build", "-o", str(folder), "./..."], cwd=PEERS / "gosdk", check=True)
    return folder
