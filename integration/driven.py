"""driven.py - drives tests/tools/driven_host.c: a host that does what it is told, one line at a time.

    host = driven(dir=folder)               # the fixture; keywords are the host's options
    answer = host.call("shout", "POST /process", {"data": "aGk="})
    answer["error"], answer["msg"]          # "" if all went well
    host.end()                              # must leave nothing behind, and this checks that it does

What the host says is kept in host.said, a list of decoded lines in order.
"""

import itertools
import json
import os
import pathlib
import sys

import pytest

from plugkit_pytest import PATIENCE, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "plugins"))
from bad_plugin import install  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "tools" / "driven_host.c"
SHOUT = ROOT / "examples" / "14_object" / "shout" / "shout.c"  # is compiled in


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pid_in(path):
    wait_until(lambda: path.exists() and path.read_text(), f"{path.name}")
    return int(path.read_text())


def good(answer):
    return (answer["error"], answer["msg"], answer.get("body")) == ("", "", '"fine"')


class Driven:
    """A driven host. Commands return at once if `wait` is false; then `answer` waits for what came of it."""

    def __init__(self, run, pipe):
        self.run, self.said, self._pipe = run, [], pipe
        self._tags = itertools.count(1)
        self._read = 0  # bytes of its output

    def lines(self):
        output = self.run.process.stdout.bytes
        end = output.rfind(b"\n") + 1
        self.said += [json.loads(line) for line in output[self._read:end].splitlines()]
        self._read = max(self._read, end)
        return self.said

    def find(self, fits):
        return next((line for line in self.lines() if fits(line)), None)

    def line(self, fits, what, timeout=PATIENCE):
        """Waits for a line; fails if the host ends without it."""
        def look():
            over = self.run.process.ended.is_set() and self.run.process.stdout.over
            found = self.find(fits)
            return found or ("over" if over else None)

        found = wait_until(look, what, timeout)
        if found == "over":
            pytest.fail(f"the host ended with {self.run.status} before {what}")
        return found

    def tell(self, **command):
        os.write(self._pipe, json.dumps(command).encode() + b"\n")

    def ask(self, **command):
        tag = f"t{next(self._tags)}"
        self.tell(tag=tag, **command)
        return tag

    def answer(self, tag, timeout=PATIENCE):
        return self.line(lambda line: line.get("tag") == tag, f"the answer to {tag}", timeout)

    def answers(self, tag):
        """Every answer to one command: there must be one."""
        return [line for line in self.lines() if line.get("tag") == tag]

    def begin(self, plugin, http="POST /go", body=None, **more):
        text = {} if body is None else {"body": body if isinstance(body, str) else json.dumps(body)}
        return self.ask(do="call", plugin=plugin, http=http, **text, **more)

    def call(self, plugin, http="POST /go", body=None, patience=PATIENCE, **more):
        return self.answer(self.begin(plugin, http, body, **more), patience)

    def start(self, plugin):
        return self.answer(self.ask(do="start", plugin=plugin))

    def stop(self, plugin):
        return self.answer(self.ask(do="stop", plugin=plugin))

    def enable(self, plugin):
        return self.answer(self.ask(do="enable", plugin=plugin))

    def disable(self, plugin):
        return self.answer(self.ask(do="disable", plugin=plugin))

    def list(self):
        return self.answer(self.ask(do="list"))["list"]

    def plugin(self, id):
        return next(plugin for plugin in self.list() if plugin["id"] == id)

    def pid(self, id):
        return self.plugin(id)["pid"]

    def fds(self, limit=0):
        return self.answer(self.ask(do="fds", limit=limit))["fds"]

    def event(self, name, plugin, timeout=PATIENCE):
        return self.line(lambda line: line.get("event") == name and line["plugin"] == plugin, f"{name} of {plugin}",
                         timeout)

    def events(self):
        """[(event, plugin)], all of them so far."""
        return [(line["event"], line["plugin"]) for line in self.lines() if "event" in line]

    def runtime(self):
        return pathlib.Path(self.line(lambda line: "ready" in line, "the host to be ready")["runtime"])

    def sockets(self):
        return sorted(path.name for path in self.runtime().iterdir())

    def hang_up(self):
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def end(self, timeout=60):
        """Ends the host, which must give everything back."""
        self.hang_up()
        status = self.run.wait(timeout)
        last = self.lines()[-1]
        assert (status, last.get("ended"), last.get("allocations")) == (0, True, 0), (status, last)
        return last


@pytest.fixture(scope="session")
def driven_program(build):
    return build(SOURCE, "-DPLUGKIT_COMPILED_IN=shout_plugin", "-ldl", sources=(SHOUT,))


@pytest.fixture
def driven(driven_program, host, free_dir, request):
    """driven(dir=.., **options): starts a driven host and gives it when its manager has started.

    program, cwd and env go to the program, everything else is the manager's. `ready=False` expects that it fails.
    """
    started = []

    def start(dir=None, program=None, cwd=None, env=None, ready=True, **options):
        fifo = free_dir / f"in-{len(started)}"
        os.mkfifo(fifo)
        keep = os.open(fifo, os.O_RDWR)  # so that nobody has to wait for the other end
        options = {key: str(value) if isinstance(value, pathlib.Path) else value for key, value in options.items()}
        if dir is not None:
            options["dir"] = str(dir)
        one = Driven(None, os.open(fifo, os.O_WRONLY))
        started.append(one)
        one.run = host(program or driven_program, json.dumps(options), cwd=cwd, env=env, background=True, stdin=fifo)
        os.close(keep)
        said = one.line(lambda line: "ready" in line, "the host to be ready", 60)
        assert said["ready"] == ready, said
        return one

    yield start
    for one in started:
        one.hang_up()
    for one in started:
        if one.run and not one.run.killed:
            one.run.process.ended.wait(PATIENCE)


@pytest.fixture
def plugins(free_dir):
    """A folder of plugins, with one in it that does everything well."""
    folder = free_dir / "plugins"
    install(folder, "fine")
    return folder
