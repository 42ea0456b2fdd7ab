"""plugkit_pytest.py - pytest fixtures for people who write plugins and hosts. PlugKit's own tests use them as well.

Copy this file beside your tests, and import it in conftest.py:

    from plugkit_pytest import *

Then a test reads

    def test_shouts(build, plugin):
        shout = plugin(build("shout.c"))
        answer = shout.call("POST /process", {"data": "aGk="})
        assert answer.json["data"] == "SEk="

What there is:

    build(source, ...)      compiles a C file against plugkit.h or plugkit_sdk.h, once for all tests: gives the program
    plugin(path, ...)       starts a plugin without any host: this module plays the host's part, in plugkit/1 (HTTP or
                            lines) or in the Go framework's way, and gives a Plugin: call, shutdown, drop, wait
    host(path, *args)       runs a host program or the command line tool: gives a Run with status, stdout and stderr;
                            with background=True it goes on while the test does
    free_dir                a folder of the test's own; its path is short enough for sockets
    call(address, ...)      one HTTP request, over a Unix socket or TCP
    wait_until(fact, what)  waits for a condition, never for a time

Nothing is left behind: what a test started and did not stop is stopped after it, and a plugin that outlives its host,
a process that outlives its plugin, and a socket that outlives both fail the test. What a program wrote to stdout and
stderr is shown when a test fails. Tests may run in parallel.

Environment: CC (the compiler, "cc"), CFLAGS (added), PLUGKIT_INCLUDE (the folder of the two headers; otherwise the one
above this file, or the compiler finds them), PLUGKIT_BUILD_DIR (where programs are kept; otherwise pytest's cache),
PLUGKIT_PATIENCE (seconds until a test gives up on something that should take milliseconds, 20).
Needs pytest and Python 3.8, and nothing else.
"""

import base64
import contextlib
import fcntl
import hashlib
import http.client
import itertools
import json
import os
import pathlib
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

__all__ = ["Answer", "Plugin", "Run", "b64", "build", "call", "free_dir", "host", "plugin", "pytest_runtest_makereport",
           "unb64", "wait_until"]

PATIENCE = float(os.environ.get("PLUGKIT_PATIENCE", "20"))
UNIX = "http+unix://"


# A shell starts what runs in its background with SIGINT ignored: plugins that are told to end so must not inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# ---- small things


def b64(data):
    """Bytes or text as base64, the way messages carry them."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def wait_until(fact, what, timeout=PATIENCE):
    """Calls fact() until it gives something true, and returns that. Fails, naming `what`, when it takes too long."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s for {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


class Answer:
    """The answer to a call: status, headers (names in lower case), body, and the body as JSON."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<Answer {self.status} {self.body[:200]!r}>"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("unix", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def _connection(address, timeout):
    if address.startswith(UNIX):
        return _UnixConnection(address[len(UNIX):], timeout)
    return http.client.HTTPConnection(address.split("://", 1)[-1].rstrip("/"), timeout=timeout)


def call(address, what, body=None, token=None, headers=None, timeout=PATIENCE):
    """One HTTP request: call("http+unix:///run/x.sock", "POST /process", {...}, token).

    body: None, bytes (sent as they are), an iterator over bytes (sent in chunks), or anything else (sent as JSON).
    """
    verb, path = what.split(" ", 1)
    fields = {"PlugKit-Token": token} if token else {}
    if body is not None and not isinstance(body, bytes) and not hasattr(body, "__next__"):
        body = json.dumps(body).encode()
        fields["Content-Type"] = "application/json"
    fields.update(headers or {})
    connection = _connection(address, timeout)
    try:
        connection.request(verb, path, body, fields, encode_chunked=hasattr(body, "__next__"))
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def _processes_in(folder):
    """pid -> command line of every process that was started from within a folder. Empty where there is no /proc."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            places = [os.readlink(entry / "cwd"), os.readlink(entry / "exe"), *command]
            if any(f"{place}/".startswith(f"{folder}/") for place in places) and int(entry.name) != os.getpid():
                found[int(entry.name)] = " ".join(command)
    return found


# ---- processes


class _Output:
    """Reads a pipe to its end on a thread, so that nobody who writes ever waits."""

    def __init__(self, fd):
        self.bytes = b""
        self.changed = threading.Condition()
        self.over = False
        self.thread = threading.Thread(target=self._read, args=(fd,), daemon=True)
        self.thread.start()

    def _read(self, fd):
        while True:
            try:
                piece = os.read(fd, 65536)
            except OSError:
                piece = b""
            with self.changed:
                self.bytes += piece
                self.over = not piece
                self.changed.notify_all()
            if not piece:
                os.close(fd)
                return

    @property
    def text(self):
        return self.bytes.decode("utf-8", "replace")

    def line(self, wanted, what, timeout=PATIENCE):
        """Waits for the first complete line for which wanted(line) is true; None if the output ends without one."""
        def look():
            lines = self.text.split("\n")
            return next((line for line in lines[:-1] if wanted(line)), None)

        with self.changed:
            if not self.changed.wait_for(lambda: look() is not None or self.over, timeout):
                pytest.fail(f"waited {timeout:g} s for {what}")
            return look()


class _Process:
    """A child in a process group of its own, with both outputs read, and reaped as soon as it ends."""

    def __init__(self, argv, env, cwd=None, control=None, stdin=None):
        self.name = os.path.basename(str(argv[0]))
        self.status = None  # exit status, or minus the signal
        self.ended = threading.Event()
        self.lock = threading.Lock()
        out, err = os.pipe(), os.pipe()
        source = os.open(stdin or os.devnull, os.O_RDONLY)
        # Descriptors are moved by the child itself, between fork and exec: sources must not be targets.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in
                (source, out[1], err[1], *([control] if control is not None else []))]
        try:
            with _folder(cwd):
                self.pid = os.posix_spawn(
                    str(argv[0]), [str(arg) for arg in argv], env, setpgroup=0,
                    file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(high)],
                    setsigdef=[signal.SIGPIPE], setsigmask=[])
        finally:
            for fd in (source, out[1], err[1], *high):
                os.close(fd)
        self.stdout, self.stderr = _Output(out[0]), _Output(err[0])
        threading.Thread(target=self._reap, daemon=True).start()

    def _reap(self):
        # The pid stays taken until the status is fetched, and that happens with the lock held: no kill() of ours can
        # meet a stranger's process.
        if hasattr(os, "waitid"):  # not on every system in every Python
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            with self.lock:
                self._fetch_status()
        else:
            self._fetch_status()
        self.ended.set()

    def _fetch_status(self):
        status = os.waitpid(self.pid, 0)[1]
        self.status = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)

    def signal(self, number):
        with self.lock:
            if self.status is None:
                os.kill(self.pid, number)

    def wait(self, timeout=PATIENCE):
        """Waits for the end. Returns the exit status, or minus the number of the signal that killed it."""
        if not self.ended.wait(timeout):
            pytest.fail(f"waited {timeout:g} s for {self.name} (pid {self.pid}) to end")
        return self.status

    def kill_group(self):
        """Ends what is left of the process and its children. True if there was anything."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
            return True
        return False

    def sections(self):
        title = f"{self.name} (pid {self.pid}, " + ("running" if self.status is None else f"ended with {self.status}")
        return [(f"{title}, {name})", output.text) for name, output in
                (("stdout", self.stdout), ("stderr", self.stderr)) if output.text]


_spawning = threading.Lock()


@contextlib.contextmanager
def _folder(path):
    """posix_spawn has no way to say where to start: the folder is changed around it."""
    if path is None:
        yield
        return
    with _spawning:
        before = os.open(".", os.O_RDONLY)
        try:
            os.chdir(path)
            yield
        finally:
            os.fchdir(before)
            os.close(before)


class Plugin:
    """A running plugin, with the test as its host."""

    def __init__(self, path, folder, protocol=None, env=None):
        self.path, self.folder, self.protocol = str(path), folder, protocol
        self.process = None  # once it was started
        self.capabilities = {}
        self.type = ""       # the first that its capabilities name
        self.address = None  # where it listens; "lines:" if calls travel on the control socket
        self.lines = []      # what it said on the control socket, decoded
        self.token = secrets.token_hex(32)
        self.instance = f"{os.path.basename(self.path)[:20]}-{secrets.token_hex(4)}"
        self._ids = itertools.count(1)
        self._control = None
        self._env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}
        self._env.update(env or {})

    def start(self, config=(), listen="unix"):
        self.capabilities = self._probe()
        self.type = self._first_type()
        if self.protocol is None:
            self.protocol = "plugkit/1" if "plugkit/1" in self.capabilities.get("protocols", []) else "gpf"
        (self._start_gpf if self.protocol == "gpf" else self._start_plugkit)(config, listen)

    def _probe(self):
        result = subprocess.run([self.path, "capabilities"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                timeout=PATIENCE, check=True)
        return json.loads(result.stdout)

    def _first_type(self):
        for types in self.capabilities.get("types", {}).values():
            for entry in types:
                return entry["type"]
        return ""

    def _start_plugkit(self, config, listen):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._control = ours
        env = dict(self._env, PLUGKIT_PROTOCOL="plugkit/1", PLUGKIT_CONTROL_FD="3")
        with theirs:
            self.process = _Process([self.path], env, control=theirs.fileno())
        ours.settimeout(PATIENCE)
        self._reader = ours.makefile("rb")
        start = {"config": [{"type": kind, "data": data} for kind, data in config], "instance": self.instance,
                 "token": self.token}
        if listen == "unix":
            start["listen"] = f"{UNIX}{self.folder}/{self.instance}.sock"
        elif listen:
            start["listen"] = listen
        with contextlib.suppress(BrokenPipeError):  # it has ended: what it said before, or its status, tells why
            self.say(start)
        self.address = self._line("listening")["listening"]
        self._line("ready")

    def _start_gpf(self, config, listen):
        given = {"id": self.instance, "type": "tcp" if listen == "tcp" else "unix", "idleTimeout": 3600 * 10**9}
        if config:
            given["configTypes"] = [{"type": kind, "data": b64(json.dumps(data))} for kind, data in config]
        text = json.dumps(given, separators=(",", ":"))
        self.process = _Process([self.path, "--config", text], self._env)
        line = self.process.stdout.line(lambda line: "://" in line or ":" in line, f"the address of {self.path}")
        if line is None:
            pytest.fail(f"{self.path} ended with {self.process.wait()} and said nowhere where it listens")
        self.address = line if "://" in line else f"http://{line}".replace("[::]", "127.0.0.1")
        wait_until(self._answers, f"{self.path} to answer /healthz")

    def _answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return call(self.address, "GET /healthz").status == 200
        return False

    def say(self, value):
        """Writes one line to the control socket."""
        self._control.sendall(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")

    def _line(self, key, wanted=lambda line: True):
        """Reads lines from the control socket up to the first that has a key."""
        while True:
            try:
                text = self._reader.readline()
            except socket.timeout:
                pytest.fail(f"waited {PATIENCE:g} s for {self.path} to say '{key}'")
            except ConnectionResetError:  # it ended without having read what it was told
                text = b""
            if not text:
                pytest.fail(f"{self.path} ended with {self.process.wait()} instead of saying '{key}'")
            line = json.loads(text)
            self.lines.append(line)
            if "error" in line and "id" not in line:
                pytest.fail(f"{self.path} ended with {self.process.wait()}: {line['error']}")
            if key in line and wanted(line):
                return line

    def hear(self, key):
        """Waits for the next line on the control socket that has this key, and gives what it says."""
        return self._line(key)[key]

    def call(self, what, body=None, token=None, headers=None, timeout=PATIENCE):
        """One call: "POST /process" and a message. Takes what call() takes; the token is the right one if not given."""
        if self.address == "lines:":
            number = next(self._ids)
            self.say({"id": number, "call": what, "type": self.type, "body": body})
            line = self._line("id", lambda line: line["id"] == number)
            return Answer(line["status"], {}, json.dumps(line.get("body")).encode())
        if token is None and self.protocol != "gpf":
            token = self.token
        return call(self.address, what, body, token, headers, timeout)

    def shutdown(self):
        """Asks it to end, as a host does, and waits for that. Returns its exit status."""
        if self.address == "lines:":
            self.say({"shutdown": True})
        else:
            with contextlib.suppress(ConnectionError, http.client.HTTPException):  # it may go before it has answered
                self.call("POST /shutdown")
        return self.process.wait()

    def drop(self):
        """Does what the death of a host does: the control socket is closed."""
        if self._control:
            self._reader.close()
            self._control.close()
            self._control = None

    def signal(self, number):
        self.process.signal(number)

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    @property
    def stderr(self):
        return self.process.stderr.text

    @property
    def stdout(self):
        return self.process.stdout.text

    def _finish(self):
        """After the test: a plugin ends with its host, and takes its children along."""
        problem = None
        if self._control:
            self.drop()
        elif self.protocol == "gpf":
            self.signal(signal.SIGINT)
        if not self.process.ended.wait(PATIENCE):
            problem = f"{self.path} (pid {self.process.pid}) goes on although its host has gone"
            self.process.kill_group()
            self.process.ended.wait(PATIENCE)
        elif self.process.kill_group():
            problem = f"{self.path} left processes behind"
        return problem


class Run:
    """A host program: what it did, or what it is doing."""

    def __init__(self, path, args, folder, env, cwd, stdin):
        self.folder = folder
        runtime = folder / "run"
        runtime.mkdir(mode=0o700, exist_ok=True)
        self._env = dict(os.environ, XDG_RUNTIME_DIR=str(runtime), TMPDIR=str(folder))
        self._env.update(env or {})
        source = None
        if isinstance(stdin, pathlib.Path):
            source = stdin
        elif stdin is not None:
            source = folder / f"stdin-{secrets.token_hex(4)}"
            source.write_bytes(stdin.encode() if isinstance(stdin, str) else stdin)
        self.killed = self.asked = False
        self.process = _Process([path, *args], self._env, cwd=cwd or folder, stdin=source)

    @property
    def status(self):
        return self.process.status

    @property
    def stdout(self):
        return self.process.stdout.text

    @property
    def stderr(self):
        return self.process.stderr.text

    def line(self, wanted, timeout=PATIENCE):
        """Waits for a line on stdout: one that contains a text, or for which wanted(line) is true."""
        fits = wanted if callable(wanted) else lambda line: wanted in line
        line = self.process.stdout.line(fits, f"{self.process.name} to print {wanted!r}", timeout)
        if line is None:
            pytest.fail(f"{self.process.name} ended with {self.process.wait()} and never printed {wanted!r}")
        return line

    def signal(self, number):
        self.killed = self.killed or number == signal.SIGKILL
        self.asked = self.asked or number in (signal.SIGINT, signal.SIGTERM)
        self.process.signal(number)

    def wait(self, timeout=PATIENCE):
        status = self.process.wait(timeout)
        deadline = time.monotonic() + PATIENCE  # whoever was left behind may hold the pipes
        for output in (self.process.stdout, self.process.stderr):
            output.thread.join(max(0, deadline - time.monotonic()))
        return status

    def _finish(self):
        if self.asked:
            self.process.ended.wait(PATIENCE)  # a second signal ends many programs at once, with things left behind
        if not self.process.ended.is_set():
            self.process.signal(signal.SIGTERM)
            if not self.process.ended.wait(PATIENCE):
                self.process.kill_group()
                self.process.ended.wait(PATIENCE)
                return f"{self.process.name} goes on although it was asked to end"
        return None


# ---- fixtures


def _remember(request, started):
    started_here = getattr(request.node, "plugkit_started", None)
    if started_here is None:
        started_here = request.node.plugkit_started = []
    started_here.append(started)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows what the programs of a failed test wrote."""
    report = (yield).get_result()
    if report.failed:
        for started in getattr(item, "plugkit_started", []):
            if started.process:
                report.sections.extend(started.process.sections())


@pytest.fixture
def free_dir():
    """A folder of the test's own, 0700, removed afterwards. Its path leaves room for the names of sockets."""
    base = tempfile.gettempdir()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pk-", dir=base if len(base) < 40 else "/tmp"))
    yield folder
    deadline = time.monotonic() + 2  # plugins of a host that was killed have a moment to end
    while (left := _processes_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    for place, folders, _ in os.walk(folder):
        for name in folders:  # before they are looked into
            if not os.path.islink(os.path.join(place, name)):
                os.chmod(os.path.join(place, name), 0o700)
    shutil.rmtree(folder, ignore_errors=True)
    assert not left, f"processes were left behind: {left}"


@pytest.fixture
def plugin(request, free_dir):
    """plugin(path, protocol=None, config=(), env=None, listen="unix"): starts a plugin and gives a Plugin.

    protocol  "plugkit/1", "gpf", or None: plugkit/1 if its capabilities name it, else the Go framework's way
    config    pairs of a config type and its data
    listen    "unix": in a folder of the test's; None: the plugin's choice; or an address
    """
    started = []

    def start(path, protocol=None, config=(), env=None, listen="unix"):
        sockets = free_dir / "sockets"
        sockets.mkdir(mode=0o700, exist_ok=True)
        one = Plugin(path, sockets, protocol, env)
        started.append(one)
        _remember(request, one)
        one.start(config, listen)
        return one

    yield start
    problems = [problem for problem in (one._finish() for one in started if one.process) if problem]
    assert not problems, "; ".join(problems)


@pytest.fixture
def host(request, free_dir):
    """host(path, *args, cwd=None, env=None, stdin=None, background=False): runs a program and gives a Run.

    stdin is what the program reads there: text, bytes, or the Path of a file or fifo.
    It starts in free_dir and keeps its sockets below it; what is left there afterwards fails the test, unless the
    test itself has killed the program.
    """
    started = []

    def start(path, *args, cwd=None, env=None, stdin=None, background=False, timeout=60.0):
        run = Run(path, args, free_dir, env, cwd, stdin)
        started.append(run)
        _remember(request, run)
        if not background:
            run.wait(timeout)
        return run

    yield start
    problems = [problem for problem in (run._finish() for run in started) if problem]
    if not any(run.killed for run in started):
        wait_until(lambda: not _processes_in(free_dir), "the plugins to end with their host")
        problems += [f"left behind: {path}" for path in (free_dir / "run").glob("plugkit-*/*")]
    assert not problems, "; ".join(problems)


def _headers():
    given = os.environ.get("PLUGKIT_INCLUDE")
    above = pathlib.Path(__file__).resolve().parent.parent
    if given:
        return [given]
    return [str(above)] if (above / "plugkit.h").is_file() else []


@pytest.fixture(scope="session")
def build(pytestconfig, tmp_path_factory):
    """build(source, *flags, sources=(), std="c11"): compiles a program and gives its path.

    Files that end in .cpp are C++11. The same program is compiled once, also by tests that run in parallel: what it
    was made of is its name. Warnings are errors. Flags that begin with -l, -L or -Wl go to the linker, and those that
    begin with -fsanitize to both.
    """
    kept, cache = os.environ.get("PLUGKIT_BUILD_DIR"), getattr(pytestconfig, "cache", None)
    folder = pathlib.Path(kept or (cache.mkdir("plugkit") if cache else tmp_path_factory.mktemp("build"))).absolute()
    always = ["-O1", "-g", "-Wall", "-Wextra", "-Werror", *shlex.split(os.environ.get("CFLAGS", ""))]
    always += [f"-I{path}" for path in _headers()]

    def run(command):
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                check=False)
        if result.returncode:
            pytest.fail(f"{shlex.join(command)}\n{result.stdout.decode(errors='replace')}", pytrace=False)
        return result.stdout

    def compiler(file):
        return shlex.split(os.environ.get("CXX", "c++") if file.endswith(".cpp") else os.environ.get("CC", "cc"))

    def make(source, *flags, sources=(), std="c11"):
        files = [str(source), *(str(other) for other in sources)]
        libraries = [flag for flag in flags if flag.startswith(("-l", "-L", "-Wl,"))]
        plans = [[*compiler(file), "-std=c++11" if file.endswith(".cpp") else f"-std={std}", *always,
                  *(flag for flag in flags if flag not in libraries), file] for file in files]
        key = hashlib.sha256(json.dumps([plans, libraries]).encode())
        for plan in plans:
            parts = run([*plan, "-MM"]).decode().replace("\\\n", " ").split()
            for part in parts[1:]:
                key.update(pathlib.Path(part).read_bytes())
        place = folder / key.hexdigest()[:24]
        program = place / pathlib.Path(files[0]).stem
        place.mkdir(parents=True, exist_ok=True)
        with open(place / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                objects = [str(place / f"{number}.o") for number in range(len(files))]
                for plan, made in zip(plans, objects):
                    run([*plan, "-c", "-o", made])
                linker = next((compiler(file) for file in files if file.endswith(".cpp")), compiler(files[0]))
                half = place / ".half"
                run([*linker, *shlex.split(os.environ.get("CFLAGS", "")), "-o", str(half), *objects, "-pthread",
                     *(flag for flag in flags if flag.startswith("-fsanitize")), *libraries])
                half.replace(program)
        return program

    return make
