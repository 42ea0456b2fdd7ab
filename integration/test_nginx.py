"""nginx as a proxy in front of a plugin, over the plugin's Unix socket: what comes through is what was sent."""

import contextlib
import hashlib
import http.client
import random
import re
import shutil
import socket
import subprocess

import pytest

from conftest import ROOT
from plugkit_pytest import wait_until

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(not NGINX, reason="there is no nginx")

# nginx speaks HTTP/1.0 to what is behind it unless it is told otherwise, and closes each connection.
UPSTREAM = {
    "1.0": "",
    "1.0 kept": "proxy_set_header Connection keep-alive;",
    "1.1": "proxy_http_version 1.1;",
    "1.1 kept": 'proxy_http_version 1.1; proxy_set_header Connection "";',
}
CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 0; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
    fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    upstream plugin {{ server unix:{plugin}; {keep} }}
    server {{
        listen unix:{folder}/front.sock;
        location / {{ {version} proxy_pass http://plugin; }}
        location /as-it-comes/ {{ {version} proxy_pass http://plugin/; proxy_buffering off; proxy_request_buffering off; }}
    }}
}}
"""


@contextlib.contextmanager
def running(argv, **options):
    process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.PIPE, **options)
    try:
        yield process
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(20)


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(str(path))
    return s


def is_open(path):
    """A socket has its name a moment before anybody listens there."""
    try:
        connect(path).close()
        return True
    except OSError:
        return False


@pytest.fixture(params=UPSTREAM)
def front(request, build, free_dir):
    """Where nginx listens, in front of a server of ours."""
    server = build(ROOT / "tests/tools/http_serve.c", "-DPLUGKIT_WITH_STREAMS")
    (free_dir / "nginx.conf").write_text(CONFIG.format(
        folder=free_dir, plugin=free_dir / "p.sock", version=UPSTREAM[request.param],
        keep="keepalive 4;" if "kept" in request.param else ""))
    with running([server, f"unix:{free_dir}/p.sock"], stdout=subprocess.PIPE) as ours:
        assert ours.stdout.readline()
        with running([NGINX, "-p", free_dir, "-e", free_dir / "errors", "-c", free_dir / "nginx.conf"]):
            path = free_dir / "front.sock"
            wait_until(lambda: is_open(path), "nginx listens")
            yield path
    errors = [line for line in (free_dir / "errors").read_text().splitlines()
              if re.search(r"\[(error|crit|alert|emerg)\]", line)]
    assert errors == []


def ask(front, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("front")
    connection.sock = connect(front)
    connection.request(method, path, body, headers, encode_chunked=body is not None and not isinstance(body, bytes))
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def test_statuses_and_heads_come_through(front):
    for _ in range(3):  # on the same connection behind, where it is kept
        assert ask(front, "GET", "/healthz").status == 200
        head = ask(front, "HEAD", "/file")
        assert head.status == 200 and int(head.headers["Content-Length"]) > 100_000 and head.body == b""
        for status in (204, 304):
            answer = ask(front, "GET", f"/status/{status}")
            assert answer.status == status and answer.body == b"" and answer.headers["ETag"] == '"1"'
        assert ask(front, "GET", "/nope").status == 404
        wrong = ask(front, "PUT", "/echo", b"")
        assert wrong.status == 405 and wrong.headers["Allow"] == "POST, OPTIONS"
        assert ask(front, "GET", "/show/a%20b?c=%2F").body == b"GET /show/a b ?c=%2F"


@pytest.mark.parametrize("where", ["", "/as-it-comes"])
def test_large_bodies_come_through_both_ways(front, where):
    body = random.Random(1).randbytes(5_000_000)

    assert hashlib.sha256(ask(front, "POST", f"{where}/echo", body).body).digest() == hashlib.sha256(body).digest()
    answer = ask(front, "POST", f"{where}/upload", iter([body, body, b"end"]), **{"Transfer-Encoding": "chunked"})
    assert answer.body == b'{"size":%d,"sum":%d}' % (2 * len(body) + 3, 2 * sum(body) + sum(b"end"))
    assert ask(front, "GET", f"{where}/stream?20000000").body == b"s" * 20_000_000
    file = ask(front, "GET", f"{where}/file")
    assert len(file.body) == int(ask(front, "HEAD", f"{where}/file").headers["Content-Length"])


def test_who_hangs_up_in_the_middle_leaves_the_others_alone(front):
    for _ in range(5):
        with connect(front) as s:
            s.sendall(b"GET /as-it-comes/stream?50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert s.recv(1000).startswith(b"HTTP/1.1 200 OK")
        with connect(front) as s:
            s.sendall(b"POST /as-it-comes/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbeginning")
        assert ask(front, "GET", "/healthz").status == 200


def read_until(s, text):
    got = b""
    while text not in got:
        part = s.recv(1000)
        assert part, got
        got += part
    return got


def test_events_come_through_one_by_one_and_both_ends_notice_the_end(front):
    for _ in range(2):
        with connect(front) as s:
            s.sendall(b"GET /as-it-comes/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            wait_until(lambda: ask(front, "POST", "/tell", b"0").status == 200, "somebody listens")
            assert b"Content-Type: text/event-stream\r\n" in read_until(s, b"event: told\ndata: 0\n\n")
            for number in range(1, 20):  # each is there before the next one is sent
                assert ask(front, "POST", "/tell", b"%d" % number).status == 200
                read_until(s, b"event: told\ndata: %d\n\n" % number)
        wait_until(lambda: ask(front, "POST", "/tell", b"?").status == 404, "the server knows that nobody listens")
