"""A plugin made with plugkit_sdk.h, attacked through what it listens on: its socket and its control socket.

Whatever comes, it refuses in good words or not at all, serves the next one who asks properly, and ends when it is told.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

from conftest import ROOT
from plugkit_pytest import UNIX, call, wait_until

PROBE = ROOT / "integration" / "plugins" / "probe.c"


@pytest.fixture(scope="session")
def probe(build):
    return build(PROBE, f"-I{ROOT}/contracts")


def dial(plugin, timeout=20):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    wait_until(lambda: connected(connection, plugin.address[len(UNIX) :]), "a place in the queue")
    return connection


def connected(connection, path):
    """False: the queue is full just now. (One with a timeout does not wait for that, but fails with EAGAIN.)"""
    try:
        connection.connect(path)
    except BlockingIOError:
        return False
    return True


def hear(connection):
    """All that comes, and what ended it."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except OSError as error:
        return data, error.__class__.__name__
    return data, ""


def works(plugin):
    return plugin.call("GET /formats").json == {"formats": ["text/plain"]}


# ---- requests

HOST = b" HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /process" + HOST

REQUESTS = {  # the token is put in for %
    "garbage": (b"\x00\x01\x02\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "no target": (b"GET\r\n\r\n", 400),
    "no host": (b"GET /formats HTTP/1.1\r\n%\r\n", 400),
    "two hosts": (b"GET /formats" + HOST + b"Host: b\r\n%\r\n", 400),
    "space before colon": (b"GET /formats HTTP/1.1\r\nHost : a\r\n%\r\n", 400),
    "bare LF": (b"GET /formats HTTP/1.1\nHost: a\n\n", 400),
    "folded": (b"GET /formats" + HOST + b" X: b\r\n%\r\n", 400),
    "two framings": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n%\r\n0\r\n\r\n", 400),
    "plus": (POST + b"Content-Length: +5\r\n%\r\nhello", 400),
    "hex": (POST + b"Content-Length: 0x5\r\n%\r\nhello", 400),
    "list": (POST + b"Content-Length: 5, 5\r\n%\r\nhello", 400),
    "bad chunk": (POST + b"Transfer-Encoding: chunked\r\n%\r\n-1\r\n", 400),
    "gzip": (POST + b"Transfer-Encoding: gzip, chunked\r\n%\r\n0\r\n\r\n", 501),
    "long target": (b"GET /" + b"a" * 9000 + HOST + b"%\r\n", 414),
    "long header": (b"GET /formats" + HOST + b"X: " + b"y" * 20000 + b"\r\n%\r\n", 431),
    "many headers": (b"GET /formats" + HOST + b"A: b\r\n" * 200 + b"%\r\n", 431),
    "large body": (POST + b"Content-Length: 99999999\r\n%\r\n", 413),
    "large chunks": (
        POST + b"Transfer-Encoding: chunked\r\n%\r\n" + b"100000\r\n" + b"x" * 0x100000 + b"\r\n" * 9,
        400,
    ),
    "large body without token": (POST + b"Content-Length: 99999999\r\n\r\n", 401),
    "wrong token": (b"GET /formats" + HOST + b"PlugKit-Token: x\r\n\r\n", 401),
    "dots": (b"GET /../../etc/passwd" + HOST + b"%\r\n", 400),
    "NUL": (b"GET /a%00b" + HOST + b"\r\n", 400),
}


@pytest.mark.parametrize("workers", ["0", "3"])
def test_malformed_requests(probe, plugin, workers):
    attacked = plugin(probe, env={"PROBE_WORKERS": workers})
    token = f"PlugKit-Token: {attacked.token}\r\n".encode()
    wrong = []
    for name, (request, status) in REQUESTS.items():
        with dial(attacked) as connection:
            try:
                connection.sendall(request.replace(b"%\r\n", token + b"\r\n"))
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has heard enough
            answer, _ = hear(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        if (
            not head.startswith(b"HTTP/1.1 %d " % status) or json.loads(body)["statusCode"] != status
        ):  # and nothing behind
            wrong.append((name, answer[:200]))
    assert not wrong
    assert works(attacked)
    assert attacked.token not in attacked.stderr


def test_smuggled_requests_are_not_answered(probe, plugin):
    """Two parsers could see two requests in it: then the connection ends with the refusal."""
    attacked = plugin(probe)
    token = f"PlugKit-Token: {attacked.token}\r\n".encode()
    inner = b"GET /instance" + HOST + token + b"\r\n"
    for framing in (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ):
        with dial(attacked) as connection:
            connection.sendall(POST + framing + token + b"\r\n0\r\n\r\n" + inner)
            answer, _ = hear(connection)
        assert answer.count(b"HTTP/1.1 ") == 1 and answer[9:12] in (b"400", b"501"), (framing, answer)
        assert attacked.instance.encode() not in answer


# ---- many and slow


def test_slow_and_silent_connections_keep_nobody_out(probe, plugin):
    attacked = plugin(probe)
    head = f"POST /process HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {attacked.token}\r\n".encode()
    head += b"Content-Length: 1000\r\n\r\n"
    slow = [dial(attacked) for _ in range(240)]
    for number, connection in enumerate(slow):
        connection.sendall((b"", b"GET /for", head + b"abc")[number % 3])

    assert works(attacked)
    for connection in slow:
        connection.close()
    assert works(attacked)
    assert attacked.shutdown() == 0


def test_a_trickle_of_a_header_is_cut_off(probe, plugin):
    attacked = plugin(probe)
    with dial(attacked, 30) as connection:
        connection.sendall(b"GET /formats HTTP/1.1\r\nHost: a\r\nX: ")
        ended = threading.Event()

        def trickle():
            while not ended.wait(0.1):
                try:
                    connection.send(b"y")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        answer, _ = hear(connection)  # 10 s after the first byte, however many follow
        ended.set()
        thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert works(attacked)


def test_more_connections_than_descriptors(probe, plugin, free_dir):
    wrapper = free_dir / "few"
    wrapper.write_text(f"#!/bin/sh\nulimit -n 24\nexec '{probe}' \"$@\"\n")
    wrapper.chmod(0o755)
    attacked = plugin(wrapper)
    request = (
        f"GET /formats HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {attacked.token}\r\nConnection: close\r\n\r\n".encode()
    )
    crowd = [dial(attacked) for _ in range(60)]
    answered = 0
    for connection in crowd:
        try:
            connection.sendall(request)
        except OSError:
            pass  # it was turned away
    for connection in crowd:
        answered += hear(connection)[0].startswith(b"HTTP/1.1 200 ")  # nobody is left waiting
        connection.close()

    assert answered > 0
    wait_until(lambda: works(attacked), "it to serve again")


def test_more_connections_than_it_takes(probe, plugin):
    """The idle that have waited longest make room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 3000:
        pytest.skip("too few descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, hard))
    try:
        attacked = plugin(probe)
        crowd = []
        for _ in range(1100):
            crowd.append(dial(attacked))
        assert works(attacked)
        for connection in crowd:
            connection.close()
        assert works(attacked)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- others


def ask_as(uid, path, request):
    """What a process of another user is answered. It is forked: that user may not be able to start our Python."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        answer = b"failed"
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                connection.connect(path)
                try:
                    connection.sendall(request)
                    answer = connection.recv(1000)
                except OSError:
                    answer = b"refused"
        finally:
            os.write(theirs, answer)
            os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours, "rb") as said:
        return said.read()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_other_users_are_refused_even_with_the_token(probe, plugin, free_dir):
    attacked = plugin(probe)
    path = attacked.address[len(UNIX) :]
    os.chmod(path, 0o777)
    os.chmod(os.path.dirname(path), 0o755)
    os.chmod(free_dir, 0o755)
    request = f"GET /formats HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {attacked.token}\r\n\r\n".encode()

    assert ask_as(65534, path, request) in (b"", b"refused")
    assert ask_as(0, path, request).startswith(b"HTTP/1.1 200 ")
    assert works(attacked)


def test_two_plugins_with_one_socket(probe, free_dir):
    place = free_dir / "one.sock"
    with subprocess.Popen([probe, "--listen", place], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        first.stdout.readline()
        second = subprocess.run([probe, "--listen", place], capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert str(place) in second.stderr and str(first.pid) in second.stderr
        assert call(f"{UNIX}{place}", "GET /formats").status == 200
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
    assert not place.exists()


# ---- the control socket


@pytest.mark.parametrize(
    "junk",
    [
        b"garbage\n",
        b"[]\n",
        b"{",
        b'{"shutdown":"yes"}\n',
        b'{"shutdown":false}\n',
        b"\x00\xff\xfe\n",
        b"null\n7\n\n\n",
        b"[" * 60000 + b"\n",
        b'{"later":' + b'"x"' * 1000 + b"}\n",
        b'{"id":1,"call":"POST /process"}\n',
        b"{}\n" * 5000,
    ],
)
def test_nonsense_on_the_control_socket_is_ignored(probe, plugin, junk):
    attacked = plugin(probe)
    attacked._control.sendall(junk)
    assert works(attacked)
    attacked._control.sendall(b'\n{"shutdown":true}\n')
    assert attacked.wait() == 0


def test_an_endless_line_ends_the_conversation(probe, plugin):
    attacked = plugin(probe)

    def flood():
        try:
            for _ in range(200):
                attacked._control.sendall(b"x" * 65536)
        except OSError:
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    attacked.wait()  # where the next line begins cannot be known: as if the host had gone
    thread.join()


@pytest.mark.parametrize(
    "changes",
    [
        {"config": 7},
        {"config": [7]},
        {"config": [{"type": 7}]},
        {"config": {"type": "probe-config"}},
        {"token": 7},
        {"token": None},
        {"instance": ["x"]},
        {"listen": 7},
        {"listen": {}},
        {"idleTimeout": {}},
        {"idleTimeout": -1},
        {"idleTimeout": 1e300},
        {"host": 7},
        {"host": {"address": 7}},
        {"host": {"services": {}}},
    ],
)
def test_wrong_types_in_the_first_line(probe, changes):
    first = {"config": [], "instance": "x-1", "token": "0" * 64, "listen": "http://127.0.0.1:0", **changes}
    ours, theirs = socket.socketpair()
    with ours, theirs, subprocess.Popen(
        [probe],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ, PLUGKIT_PROTOCOL="plugkit/1", PLUGKIT_CONTROL_FD=str(theirs.fileno())),
    ) as process:
        theirs.close()
        ours.sendall(json.dumps(first).encode() + b"\n")
        said = json.loads(ours.makefile("rb").readline())
        assert process.wait(30) == 1
        assert said["code"] == "RPC_2004" and next(iter(changes)) in said["error"]
        assert said["error"] in json.loads(process.stderr.read())["msg"]


def test_sigterm_during_a_call(probe, plugin, free_dir):
    attacked = plugin(probe, env={"PROBE_WORKERS": "2"})
    answers = []
    callers = [
        threading.Thread(target=lambda name=name: answers.append(attacked.call(f"GET /wait{free_dir}/{name}")))
        for name in ("one", "two")
    ]
    for caller in callers:
        caller.start()
    for name in ("one", "two"):
        wait_until((free_dir / f"{name}.running").exists, "the calls to run")

    attacked.signal(signal.SIGTERM)
    wait_until(lambda: not os.path.exists(attacked.address[len(UNIX) :]), "it to stop listening")
    for name in ("one", "two"):
        (free_dir / name).write_text("")

    for caller in callers:
        caller.join()
    assert [answer.body for answer in answers] == [b"waited"] * 2
    assert attacked.wait() == 0
