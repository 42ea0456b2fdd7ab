"""Limits of plugins: each is really hit by a plugin that wants too much, beside eight others that notice nothing."""

import json
import os
import pathlib
import shutil
import signal
import socket
import sys
import threading

import pytest

from conftest import ROOT
from driven import good, install, is_alive
from plugkit_pytest import wait_until

MIB = 1 << 20
HOSTILE = ROOT / "integration" / "plugins" / "hostile.c"
COUNTER = ROOT / "integration" / "plugins" / "counter.c"
INNOCENT = [f"innocent-{number}" for number in range(8)]
SOMEBODY = 54321  # whose user has no other processes
root = os.geteuid() == 0


@pytest.fixture
def plugins(free_dir, build):
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(build(HOSTILE), folder / "hostile")
    for name in INNOCENT:
        shutil.copy(build(COUNTER), folder / name)
    for place in (free_dir, folder):
        place.chmod(0o711)  # also for plugins of another user
    return folder


@pytest.fixture
def limited(driven, plugins):
    """limited(field=.., options={..}): a host with limits for `hostile` alone."""

    def start(options=None, **fields):
        return driven(**{"dir": plugins, "rules": [{"plugin": "hostile", "isolate": fields}], **(options or {})})

    return start


class Crowd:
    """Calls the eight others for as long as it lasts; each call has to succeed."""

    def __init__(self, host):
        self.host, self.bad, self.calls, self.over = host, [], 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over and not self.bad:
            tags = [self.host.begin(name, "POST /count") for name in INNOCENT]
            answers = [self.host.answer(tag) for tag in tags]
            self.bad += [answer for answer in answers if answer["error"]]
            self.calls += len(answers)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        assert not self.bad
        assert self.calls >= len(INNOCENT)


def tried(host, what):
    """What the plugin got, and what stopped it; meanwhile the others are called."""
    with Crowd(host):
        answer = host.call("hostile", f"POST /{what}")
    assert answer["error"] == "", answer
    return json.loads(answer["body"])


def about(host):
    answer = host.call("hostile", "GET /about")
    assert answer["error"] == "", answer
    return json.loads(answer["body"])


def state(host, limit):
    return host.plugin("hostile")["limits"][limit][0]


LASTING = "best effort" if root else "enforced"  # root may undo what it has not lost the right to


def test_without_limits_nothing_is_said_and_nothing_is_limited(limited):
    host = limited()
    assert host.call("hostile", "POST /open")["body"] == '[2000,""]'
    assert host.plugin("hostile")["limits"] == {}
    assert all(host.plugin(name)["limits"] == {} for name in INNOCENT)
    host.end()


def test_a_memory_eater_meets_its_address_space(limited):
    host = limited(address_space_bytes=256 * MIB)
    got, why = tried(host, "eat")
    assert 32 < got < 256 and why == os.strerror(12)
    assert state(host, "address space") == LASTING
    assert about(host)["pid"] == host.pid("hostile")  # it has survived that, and works
    host.end()


def test_a_hoarder_of_descriptors_is_given_no_more(limited):
    host = limited(files=48)
    got, why = tried(host, "open")
    assert 16 < got < 48 and why == os.strerror(24)
    assert state(host, "open files") == LASTING
    host.end()


def test_a_file_grows_to_its_limit_and_no_further(limited, free_dir):
    host = limited(file_size_bytes=MIB, directory=str(free_dir))
    assert tried(host, "write") == [MIB, os.strerror(27)]
    assert state(host, "file size") == LASTING
    host.end()


def test_one_that_computes_for_ever_is_ended_and_started_again(limited):
    host = limited(cpu_s=1)
    with Crowd(host):
        answer = host.call("hostile", "POST /burn")
    assert answer["error"] == "PK_ERR_PLUGIN_CONNECTION", answer
    assert "too much cpu time" in host.event("plugin.backoff", "hostile")["why"]
    assert about(host)["pid"] == host.pid("hostile")
    assert state(host, "cpu time") == LASTING
    host.end()


@pytest.mark.root  # needs a user without other processes
def test_a_fork_bomb_ends_at_the_number_of_processes(limited):
    host = limited(processes=12, uid=SOMEBODY, gid=SOMEBODY, options={"tcp": True})
    got, why = tried(host, "fork")
    assert 4 < got < 12 and why == os.strerror(11)
    assert host.plugin("hostile")["limits"]["processes"] == ["best effort", "all processes of its user are counted"]
    host.end()


def test_what_holds_to_begin_with(limited, free_dir):
    host = limited(nice=7, umask=0o77, directory=str(free_dir), no_core=True)
    said = about(host)
    assert (said["nice"], said["umask"], said["directory"]) == (7, 0o77, str(free_dir))
    limits = host.plugin("hostile")["limits"]
    assert limits["umask"] == ["best effort", "it may choose another one"]
    assert limits["directory"] == ["best effort", "it may go to another one"]
    assert limits["nice"][0] == limits["core files"][0] == LASTING
    assert "0 " in pathlib.Path(f"/proc/{said['pid']}/limits").read_text().split("Max core file size")[1][:20]
    host.end()


def test_no_privileges_are_left(limited):
    host = limited(no_new_privileges=True, no_capabilities=True, files=100)
    said = about(host)
    assert (said["noNewPrivs"], int(said["capabilities"], 16)) == (1, 0)
    assert {name: state(host, name) for name in ("new privileges", "capabilities", "open files")} == {
        "new privileges": "enforced", "capabilities": "enforced", "open files": "enforced"}
    host.end()


@pytest.mark.root  # only root may change the user
def test_another_user_and_groups(limited):
    host = limited(uid=SOMEBODY, gid=SOMEBODY + 1, groups=[7, 8], options={"tcp": True})
    said = about(host)
    assert (said["uid"], said["gid"], said["groups"]) == (SOMEBODY, SOMEBODY + 1, [7, 8])
    assert int(said["capabilities"], 16) == 0
    assert state(host, "user") == "enforced"
    host.end()


@pytest.mark.root  # of whose processes the system keeps no count
def test_what_cannot_be_had_is_a_refusal(limited):
    host = limited(processes=10)
    why = host.plugin("hostile")
    assert why["plugin_status"] == "rejected"
    assert "processes: the system does not count root's: give it another uid" in why["msg"]
    assert host.call(INNOCENT[0], "POST /count")["error"] == ""
    host.end()


@pytest.mark.root  # of whose processes the system keeps no count
def test_or_it_goes_on_without_and_says_so(limited):
    host = limited(processes=10, files=100, go_on=True)
    assert about(host)["pid"] == host.pid("hostile")
    limits = host.plugin("hostile")["limits"]
    assert limits["processes"] == ["unavailable", "the system does not count root's: give it another uid"]
    assert limits["open files"][0] == LASTING
    said = [line["log"] for line in host.lines() if "log" in line and line.get("plugin") == "hostile"]
    assert said == ["it runs without limits of processes: the system does not count root's: give it another uid"]
    host.end()


def test_what_only_the_system_knows_not_to_be_there(limited, free_dir):
    nowhere = str(free_dir / "nowhere")
    host = limited(directory=nowhere)
    assert f"hostile': directory: {os.strerror(2).lower()}" in host.plugin("hostile")["msg"].lower()
    host.end()
    host = limited(directory=nowhere, files=100, go_on=True)
    assert about(host)["directory"] == os.readlink(f"/proc/{host.run.process.pid}/cwd")
    assert host.plugin("hostile")["limits"]["directory"] == ["unavailable", os.strerror(2)]
    assert state(host, "open files") == LASTING
    host.end()


def errors(host, what, path=None):
    """[what came of it, errno as text] for a path; the others are called meanwhile."""
    with Crowd(host):
        answer = host.call("hostile", f"POST /{what}", *([] if path is None else [str(path)]))
    assert answer["error"] == "", answer
    return json.loads(answer["body"])


def test_files_are_those_that_it_was_given(limited, free_dir, plugins):
    given, secret = free_dir / "given", free_dir / "secret"
    for folder in (given, secret):
        folder.mkdir()
        (folder / "file").write_text("text")
    shutil.copy("/bin/true", given / "true")
    (given / "link").symlink_to(secret / "file")
    host = limited(paths=[{"path": str(given), "write": True}, {"path": str(secret / "file")}])
    fine, denied = [0, ""], [-1, os.strerror(13)]
    assert host.plugin("hostile")["plugin_status"] == "stopped"  # its capabilities were asked for under the same rule
    assert errors(host, "read", given / "file") == errors(host, "make", given / "new") == fine
    assert errors(host, "read", secret / "file") == errors(host, "read", given / "link") == fine
    assert errors(host, "make", secret / "file") == errors(host, "make", secret / "new") == denied
    assert errors(host, "read", plugins / INNOCENT[0]) == errors(host, "make", "/etc/plugkit-new") == denied
    assert errors(host, "read", host.runtime()) == denied  # the sockets of the others
    assert errors(host, "run", "/bin/true") == fine and errors(host, "run", given / "true") == [99, ""]
    assert about(host)["noNewPrivs"] == 1
    assert host.plugin("hostile")["limits"] == {"paths": ["enforced", ""]}
    host.end()


def test_a_path_that_is_not_there_is_named(limited, free_dir):
    host = limited(paths=[{"path": str(free_dir / "no")}])
    assert f"paths: {free_dir / 'no'}: {os.strerror(2)}" in host.plugin("hostile")["msg"]
    host.end()


@pytest.mark.parametrize("calls", ["run", "serve"])
def test_system_calls_are_those_of_the_list(limited, free_dir, calls):
    host = limited(calls=calls, directory=str(free_dir))
    assert errors(host, "calls") == [1, 1, 1, 1, 1, 38]
    assert errors(host, "read", "/etc/passwd") == [0, ""]
    assert errors(host, "run", "/bin/true") == ([0, ""] if calls == "run" else [-1, os.strerror(1)])
    assert errors(host, "write")[0] == 64 << 20
    assert host.plugin("hostile")["limits"]["system calls"] == ["enforced", ""]
    assert about(host)["pid"] == host.pid("hostile")
    host.end()


@pytest.fixture
def neighbour():
    """The port of a server on 127.0.0.1 that everybody may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_plugin_without_a_network_is_called_and_reaches_nobody(limited, neighbour):
    host = limited(no_network=True, no_ipc=True)
    interfaces, here, there, shared = errors(host, "net", neighbour)
    assert interfaces <= 4 and here == there == 101 and shared == 2  # ENETUNREACH, ENOENT
    about_it = host.plugin("hostile")
    assert about_it["limits"] == {"network": ["enforced", ""], "ipc": ["enforced", ""]}
    spaces = {name: os.readlink(f"/proc/{about_it['pid']}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
              for name in ("net", "ipc", "mnt", "pid")}
    assert spaces == {"net": True, "ipc": True, "mnt": False, "pid": False}
    host.end()
    free = limited()
    assert errors(free, "net", neighbour)[1] == 0
    free.end()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_tmp_of_its_own_has_a_size_and_nothing_of_others(limited, free_dir, plugins, tcp):
    (free_dir / "secret").write_text("text")
    host = limited(private_tmp_bytes=4 * MIB, directory="/tmp", options={"tcp": tcp})
    got, why = tried(host, "write")
    assert 3 * MIB < got <= 4 * MIB and why == os.strerror(28)  # ENOSPC
    assert errors(host, "make", "/tmp/mine") == [0, ""] and not pathlib.Path("/tmp/mine").exists()
    assert errors(host, "read", free_dir / "secret") == [-1, os.strerror(2)]
    assert errors(host, "read", plugins / "hostile") == [0, ""]
    assert about(host)["directory"] == "/tmp"
    assert host.plugin("hostile")["limits"]["tmp"] == ["enforced", ""]
    host.end()


def test_the_old_tmp_is_not_reached_from_where_the_host_was(limited, free_dir):
    (free_dir / "secret").write_text("text")
    host = limited(private_tmp_bytes=4 * MIB, options={"cwd": free_dir})
    assert about(host)["directory"] == "/"
    assert errors(host, "read", "secret") == errors(host, "read", "../secret") == [-1, os.strerror(2)]
    host.end()


def groups_here():
    """controller -> the directory of this process's control group of version 1."""
    found = {}
    places = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for _, mount, kind, options, *_ in places:
            for name in names.split(","):
                if kind == "cgroup" and name in options.split(","):
                    found[name] = pathlib.Path(mount + path)
    return found


@pytest.fixture
def groups():
    """Groups for hosts, of the controllers memory, cpu and pids. All that hosts make in them has to be gone again."""
    made = []
    for name in ("memory", "cpu", "pids"):
        folder = groups_here()[name] / f"plugkit-test-{os.getpid()}"
        folder.mkdir()
        made.append(folder)
    yield [str(folder) for folder in made]
    left = [child.name for folder in made for child in folder.iterdir() if child.is_dir()]
    for folder in made:
        for child in [child for child in folder.iterdir() if child.is_dir()]:
            child.rmdir()
        folder.rmdir()
    assert left == []


@pytest.mark.cgroup1
def test_a_memory_eater_is_ended_by_its_group(limited, groups):
    host = limited(groups_in=groups, memory_bytes=64 * MIB)
    with Crowd(host):
        answer = host.call("hostile", "POST /eat")
    assert answer["error"] == "PK_ERR_PLUGIN_CONNECTION", answer
    assert "signal 9 (killed)" in host.event("plugin.backoff", "hostile")["why"]
    assert about(host)["pid"] == host.pid("hostile")
    assert state(host, "memory") == LASTING
    host.end()


@pytest.mark.cgroup1
def test_a_fork_bomb_of_root_ends_at_the_tasks_of_its_group(limited, groups):
    host = limited(groups_in=groups, tasks=20, no_capabilities=True)
    got, why = tried(host, "fork")
    assert 4 < got < 20 and why == os.strerror(11)
    assert host.plugin("hostile")["limits"]["tasks"] == ["enforced", ""]
    host.end()


@pytest.mark.cgroup1
def test_a_share_of_a_cpu_is_set_for_its_group(limited, groups):
    host = limited(groups_in=groups, cpu_percent=30, options={"stop_ms": 200})
    pid = about(host)["pid"]
    group = next(folder for folder in pathlib.Path(groups[1]).iterdir() if folder.is_dir())
    assert str(pid) in (group / "cgroup.procs").read_text().split()
    assert [(group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")] == ["30000\n", "100000\n"]
    with Crowd(host):
        host.call("hostile", "POST /burn", timeout_ms=1000)
    throttled = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    assert int(throttled["nr_throttled"]) > 0 and state(host, "cpu share") == LASTING
    host.end()


@pytest.mark.cgroup1
def test_what_has_left_the_process_group_is_killed_with_the_control_group(limited, groups):
    host = limited(groups_in=groups, tasks=50)
    child = errors(host, "leave")[0]
    assert is_alive(child)
    assert host.call("hostile", "POST /die")["error"] == "PK_ERR_PLUGIN_CONNECTION"
    wait_until(lambda: not is_alive(child), "the end of what was left")
    host.end()


@pytest.mark.cgroup1
def test_a_group_without_the_controller_or_that_is_not_there_is_told_of(limited, groups):
    host = limited(groups_in=groups[2:], memory_bytes=MIB)
    assert "memory: none of the control groups has a controller for it" in host.plugin("hostile")["msg"]
    host.end()
    host = limited(groups_in=["/no/such/group"], tasks=5)
    assert f"tasks: control group: {os.strerror(2)}" in host.plugin("hostile")["msg"]
    host.end()


def test_scripts_run_within_all_of_it(driven, free_dir):
    folder = free_dir / "scripts"
    install(folder, "fine")
    own = [pathlib.Path(sys.executable).resolve().parent.parent, sys.base_prefix, sys.prefix]  # it need not be in /usr
    paths = [{"path": str(path), "execute": True} for path in own] + [{"path": str(HOSTILE.parent)}]
    host = driven(dir=folder, rules=[{"isolate": {"paths": paths, "calls": "serve", "files": 64,
                                                  "no_capabilities": True}}])
    assert good(host.call("fine")), host.plugin("fine")
    assert {name: limit[0] for name, limit in host.plugin("fine")["limits"].items()} == {
        "paths": "enforced", "system calls": "enforced", "open files": "enforced", "capabilities": "enforced"}
    host.end()


def test_what_runs_in_the_process_of_its_host_is_not_run_if_it_is_to_have_limits(driven):
    host = driven(compiled=["shout"], rules=[{"isolate": {"files": 64}}])
    assert host.plugin("shout")["plugin_status"] == "rejected"
    assert "its rule has limits, and it runs in the process of its host" in host.plugin("shout")["msg"]
    host.end()


def test_one_that_has_survived_its_host_keeps_them(plugins, driven):
    shutil.copy(plugins / INNOCENT[0], plugins / "hostile")
    rules = [{"plugin": "hostile", "survive": True, "isolate": {"files": 48}}]
    first = driven(dir=plugins, survive_as="limited", rules=rules)
    assert first.call("hostile", "POST /count")["body"] == "1"
    first.run.killed = True
    first.run.signal(signal.SIGKILL)
    first.run.wait()
    host = driven(dir=plugins, survive_as="limited", rules=rules)
    host.event("plugin.adopted", "hostile")
    assert host.call("hostile", "POST /count")["body"] == "2"
    plugin = host.plugin("hostile")
    assert plugin["limits"] == {"limits": ["best effort", "those that the host gave it which started it"]}
    held = pathlib.Path(f"/proc/{plugin['pid']}/limits").read_text().split("Max open files")[1].split()
    assert held[:2] == ["48", "48"]
    host.end()
