"""The first process of a PID namespace, where process numbers can be dealt out: integration/test_survive.py runs it.

    unshare -p -f --mount-proc python3 reused_pids.py SCENARIO DRIVEN_HOST FOLDER

FOLDER holds plugins/counter. In each scenario a process that has nothing to do with any of this, the stranger, gets the
number of a plugin that is no more. Nothing may ever be signalled to it. Status 0 and "good" say so; 77: this machine
does not let numbers be dealt out.
"""

import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import time

LAST_PID = "/proc/sys/kernel/ns_last_pid"
WATCHED = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCONT, signal.SIGUSR1, signal.SIGQUIT]


class Host:
    def __init__(self, program, folder, **options):
        options = {"dir": str(folder / "plugins"), "runtime": str(folder / "run"), "survive_as": "test",
                   "rules": [{"survive": True}], "stop_ms": 400, **options}
        self.process = subprocess.Popen([program, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        self.said = []
        self.line(lambda line: "ready" in line)

    def line(self, fits, timeout=30):
        for line in self.said:
            if fits(line):
                return line
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            text = self.process.stdout.readline()
            if not text:
                break
            self.said.append(json.loads(text))
            if fits(self.said[-1]):
                return self.said[-1]
        sys.exit(f"the host did not say it: {self.said}")

    def tell(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def ask(self, tag, **command):
        self.tell(tag=tag, **command)
        return self.line(lambda line: line.get("tag") == tag)

    def event(self, name):
        return self.line(lambda line: line.get("event") == name)

    def count(self, tag):
        return self.ask(tag, do="call", plugin="counter", http="POST /count")["body"]

    def pid(self, tag):
        return self.ask(tag, do="list")["list"][0]["pid"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.tell(do="end")
        assert self.process.wait(60) == 0


class Stranger:
    """A process with just that number, which notes every signal that it gets."""

    def __init__(self, pid):
        self.pipe, write = os.pipe()
        for _ in range(200):
            pathlib.Path(LAST_PID).write_text(str(pid - 1))
            self.pid = os.fork()
            if self.pid == 0:
                os.setpgid(0, 0)
                for number in WATCHED:
                    signal.signal(number, lambda number, frame: os.write(write, b"%d " % number))
                while True:
                    signal.pause()
            if self.pid == pid:
                os.close(write)
                return
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        sys.exit(77)

    def check(self):
        noted = os.read(self.pipe, 100) if select.select([self.pipe], [], [], 0.2)[0] else b""
        assert noted == b"", f"it got the signals {noted}"
        assert os.waitpid(self.pid, os.WNOHANG) == (0, 0), "it was killed"
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def dead_record(start):
    """The plugin of a record has died, and its number is the stranger's."""
    host = start()
    assert host.count("1") == "1"
    pid = host.pid("2")
    host.kill()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    stranger = Stranger(pid)

    host = start()
    assert "cannot adopt 'counter'" in host.event("plugin.lost")["why"]
    assert host.count("3") == "1"
    assert host.pid("4") != pid
    host.ask("5", do="stop", plugin="counter")
    host.end()
    stranger.check()


def dies_unnoticed(start):
    """An adopted plugin dies and its number is given away while the host cannot see it, and is told to stop it."""
    host = start()
    assert host.count("1") == "1"
    host.kill()
    host = start()
    assert host.count("2") == "2"
    pid = host.pid("3")
    os.kill(host.process.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    stranger = Stranger(pid)

    host.tell(tag="4", do="stop", plugin="counter")
    os.kill(host.process.pid, signal.SIGCONT)
    host.line(lambda line: line.get("tag") == "4")
    host.end()
    stranger.check()


def child_answers(start, folder):
    """Who listened has died and its child answers in its place, knows the proof, and does not end when it is asked."""
    keep = folder / "run" / f"plugkit-{os.getuid()}" / "keep-test"
    keep.mkdir(parents=True)
    keep.chmod(0o700)
    keep.parent.chmod(0o700)
    listener = os.fork()
    if listener == 0:
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(keep / "counter-1.control"))
        door.listen()
        if os.fork():
            os._exit(0)
        os.setpgid(0, 0)  # the number of a group is not given away
        for number in WATCHED:
            signal.signal(number, lambda number, frame: (keep.parent / "signalled").write_text(str(number)))
        connection, _ = door.accept()
        heard = connection.recv(4096)
        assert json.loads(heard) == {"adopt": True, "token": "ab"}
        connection.sendall(b'{"adopted":"cd"}\n{"listening":"http+unix:///nowhere.sock"}\n{"ready":true}\n')
        while True:
            signal.pause()
    os.waitpid(listener, 0)
    (keep / "counter-1.json").write_text(json.dumps({
        "id": "counter", "instance": "counter-1", "path": str(folder / "plugins" / "counter"), "token": "ab",
        "proof": "cd", "pid": listener}))
    stranger = Stranger(listener)

    host = start()
    host.event("plugin.adopted")
    assert host.pid("1") == 0  # whose it is cannot be known
    host.ask("2", do="stop", plugin="counter")
    host.end()
    stranger.check()
    assert not (keep.parent / "signalled").exists()


def main():
    scenario, program, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    if os.getpid() != 1 or not os.access(LAST_PID, os.W_OK):
        sys.exit(77)
    (folder / "run").mkdir()

    def start():
        return Host(program, folder)

    child_answers(start, folder) if scenario == "child_answers" else globals()[scenario](start)
    print("good", flush=True)


main()
