"""PlugKit's HTTP server and client against those of others: curl, Python, Node and Go, whichever are here."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

from conftest import PEERS, ROOT
from plugkit_pytest import call

TOOLS = ROOT / "tests" / "tools"
HTTP = PEERS / "http"


@contextlib.contextmanager
def serving(*argv):
    """Runs a server that prints a line when it listens, and ends when its stdin does."""
    process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline().strip()
        assert line, f"{argv[0]} ended with {process.wait()}"
        yield line
    finally:
        process.stdin.close()
        assert process.wait(20) == 0
        process.stdout.close()


class Address(str):
    """Where http_serve listens; `size` is that of its program, which it serves as /file."""


@pytest.fixture(params=["unix", "unix-workers", "tcp"])
def server(request, build, free_dir):
    program = build(TOOLS / "http_serve.c")
    where = "http://127.0.0.1:0" if request.param == "tcp" else f"unix:{free_dir}/s.sock"
    with serving(program, where, "2" if "workers" in request.param else "0") as line:
        address = Address(line)
        address.size = os.path.getsize(program)
        yield address


UNIX = "http+unix://"
over_unix_sockets = pytest.mark.parametrize("server", ["unix", "unix-workers"], indirect=True)


def connect(address):
    if address.startswith(UNIX):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address.removeprefix(UNIX))
    else:
        s = socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1])))
    s.settimeout(20)
    return s


def needs(program):
    path = shutil.which(program)
    if not path:
        pytest.skip(f"there is no {program}")
    return path


def run(*argv, status=0):
    result = subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=120, check=False)
    assert result.returncode == status, result.stderr.decode(errors="replace")
    return result.stdout


# ---- the server, asked by others


class Curl:
    def __init__(self, address):
        self.base = [needs("curl"), "-sS", "--max-time", "20"]
        if address.startswith("http+unix://"):
            self.base += ["--unix-socket", address[len("http+unix://"):]]
            self.url = "http://unix"
        else:
            self.url = address

    def __call__(self, path, *options, status=0):
        return run(*self.base, *options, self.url + path, status=status)


def test_curl_asks(server, tmp_path):
    curl = Curl(server)
    assert curl("/healthz", "-w", "%{http_code} %{size_download}") == b"200 0"
    assert curl("/echo", "-d", '{"a":1}', "-w", " %{content_type}") == b'{"a":1} application/x-www-form-urlencoded'
    assert curl("/file", "-I").startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {server.size}\r\n".encode() in curl("/file", "-I")
    curl("/file", "-o", tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == server.size
    assert curl("/stream?1000000", "-o", "/dev/null", "-w", "%{size_download}") == b"1000000"
    assert curl("/stream?1000", "--http1.0") == b"s" * 1000
    assert curl("/status/204", "-w", "%{http_code}") == b"204"
    assert curl("/status/304", "-w", "%{http_code}") == b"304"
    assert curl("/show/a%20b/../c?d=e", "--path-as-is") == b"GET /show/c ?d=e"
    assert curl("/nope", "-w", "%{http_code}").endswith(b"}\n404")
    assert curl("/echo", "-X", "OPTIONS", "-i").startswith(b"HTTP/1.1 204 No Content\r\nAllow: POST, OPTIONS\r\n")


def test_curl_uploads(server, tmp_path):
    curl = Curl(server)
    big = tmp_path / "big"
    big.write_bytes(b"b" * 3_000_000)  # curl asks with Expect: 100-continue before it sends that much
    expected = json.dumps({"size": 3_000_000, "sum": 98 * 3_000_000}, separators=(",", ":")).encode()
    assert curl("/upload", "-X", "POST", "-T", big, "-H", "Expect: 100-continue") == expected
    assert curl("/upload", "-X", "POST", "-T", big, "-H", "Transfer-Encoding: chunked") == expected
    assert curl("/echo", "--data-binary", f"@{big}", "-w", " %{http_code}") == b"b" * 3_000_000 + b" 200"
    big.write_bytes(b"b" * 20_000_000)
    assert b" 413" in curl("/echo", "--data-binary", f"@{big}", "-w", " %{http_code}")
    assert b" 429" in curl("/ignore", "-T", big, "-w", " %{http_code}")


def test_curl_keeps_its_connection(server):
    curl = Curl(server)
    urls = [part for _ in range(5) for part in (curl.url + "/healthz", "-w", "%{num_connects} ")]
    assert run(*curl.base, *urls) == b"1 0 0 0 0 "


def test_python_asks(server):
    assert call(server, "GET /healthz").status == 200
    assert call(server, "POST /echo", b"x" * 100_000).body == b"x" * 100_000
    answer = call(server, "POST /upload", iter([b"one", b"two" * 30_000]))
    assert answer.json == {"size": 90_003, "sum": sum(b"one") + 30_000 * sum(b"two")}
    assert call(server, "GET /stream?200000").body == b"s" * 200_000
    assert call(server, "GET /nope").json["statusCode"] == 404
    connection = http.client.HTTPConnection("x")
    connection.sock = connect(server)
    for i in range(3):
        connection.request("HEAD" if i % 2 else "GET", "/show/y")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read() == (b"" if i % 2 else b"GET /show/y ?")
    connection.close()


def test_pipelined_requests_are_answered_in_order(server):
    with connect(server) as s:
        requests = b"".join(b"GET /show/%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(500))
        s.sendall(requests + b"GET /show/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = b""
        while part := s.recv(65536):
            answers += part
    lines = answers.replace(b"HTTP/1.1 200 OK", b"\n").split(b"\r\n")
    seen = [line.split(b" ?")[0] for line in lines if line.startswith(b"GET /show/")]
    assert seen == [b"GET /show/%d" % i for i in range(500)] + [b"GET /show/last"]


def test_a_reader_that_is_slow_gets_everything(server):
    with connect(server) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /stream?2000000 HTTP/1.0\r\n\r\n")
        size = 0
        while part := s.recv(3000):
            size += len(part)
    assert 2_000_000 < size < 2_001_000
    assert call(server, "GET /healthz").status == 200


def check_script(out, size, header=lambda headers, name: headers.get(name)):
    assert out["get"]["status"] == 200 and out["get"]["size"] == 0
    assert out["head"]["status"] == 200 and out["head"]["size"] == 0
    assert header(out["head"]["headers"], "content-length") == str(size)
    assert out["echo"]["body"] == '{"a":1}'
    assert json.loads(out["chunked"]["body"])["size"] in (170_000, 170_001)
    assert out["expected"]["body"] == "hello"
    assert out["stream"]["size"] == 3_000_000
    assert out["empty"]["status"] == 204 and out["empty"]["size"] == 0
    assert out["unchanged"]["status"] == 304
    assert json.loads(out["missing"]["body"])["statusCode"] == 404
    assert out["wrong"]["status"] == 405 and header(out["wrong"]["headers"], "allow") == "POST, OPTIONS"


@over_unix_sockets
def test_node_asks(server):
    out = json.loads(run(needs("node"), HTTP / "client.js", server.removeprefix(UNIX)))
    check_script(out, server.size)
    assert out["sockets"] == 1  # kept through all of it


@pytest.fixture(scope="session")
def go_build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go")

    def build(name):
        program = folder / name
        if not program.exists():
            run(needs("go"), "build", "-o", program, HTTP / f"{name}.go")
        return program

    return build


@over_unix_sockets
def test_go_asks(server, go_build):
    out = json.loads(run(go_build("client"), server.removeprefix(UNIX)))
    check_script(out, server.size, lambda headers, name: headers.get(name.title(), [None])[0])
    assert out["dials"] == 1


# ---- the client, answered by others


@pytest.fixture(params=["python", "node", "go"])
def peer(request, go_build, free_dir):
    path = free_dir / "p.sock"
    if request.param == "python":
        argv = [sys.executable, HTTP / "server.py", path]
    elif request.param == "node":
        argv = [needs("node"), HTTP / "server.js", path]
    else:
        needs("go")
        argv = [go_build("server"), path]
    with serving(*argv) as line:
        assert line == "ready"
        yield f"unix:{path}"


@pytest.fixture(params=["waiting", "loop"])
def get(request, build):
    program = build(TOOLS / "http_get.c")

    def ask(*options, status=0):
        options = options if request.param == "waiting" else ("-l", *options)
        return [json.loads(line) for line in run(program, *options, status=status).decode().splitlines()]

    return ask


def test_client_is_answered(peer, get, tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"0123456789" * 50_000)
    total = sum(b"0123456789") * 50_000
    for path in ("/echo", "/sized"):
        answers = get("-X", "POST", "-d", '{"a":1}', "-n", "3", peer, path)
        assert [a["first"] for a in answers] == ['{"a":1}'] * 3
        assert [a["reused"] for a in answers] == [False, True, True]
        for how in ("-f", "-r"):
            answers = get("-X", "POST", how, text, "-n", "2", peer, path)
            assert [(a["status"], a["size"], a["sum"]) for a in answers] == [(200, 500_000, total)] * 2, (path, how)
    assert [a["reused"] for a in get("-n", "3", peer, "/empty")] == [False, True, True]
    assert [a["reused"] for a in get("-X", "HEAD", "-n", "3", peer, "/empty")] == [False, True, True]
    assert [a["reused"] for a in get("-n", "2", peer, "/close")] == [False, False]
    assert get(peer, "/early")[0]["first"] == "late"
    assert get(peer, "/long")[0]["size"] == 3_000_000
    missing = get(peer, "/nope")[0]
    assert missing["status"] == 404


def test_client_is_refused_early(peer, get, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"b" * 30_000_000)
    for how in ("-f", "-r"):
        answer = get("-X", "POST", how, big, peer, "/refuse")[0]
        assert answer["status"] == 413 and "too much" in answer["first"]


def test_client_notices_that_an_answer_was_cut_off(peer, get):
    answer = get(peer, "/cut", status=1)[0]
    assert answer["size"] == 4 and answer["sent"] == 2 and "cut off" in answer["error"]


def test_client_says_who_is_not_there(get, free_dir):
    answer = get(f"unix:{free_dir}/nobody.sock", "/", status=1)[0]
    assert answer["sent"] == 0 and "cannot connect to 'http+unix://" in answer["error"]
