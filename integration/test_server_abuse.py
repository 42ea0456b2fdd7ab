"""A server under load and abuse, from outside: crowds that do next to nothing, descriptors that run out, peers that
never read, tear down, or pipeline without end. What one turn of the loop may do is in tests/unit/test_http_server_abuse.c, and
bench/http_crowd.c measures ten thousand connections."""

import os
import resource
import socket
import struct
import subprocess
import time

import pytest

from conftest import ROOT
from plugkit_pytest import PATIENCE, wait_until

PROGRAM = ROOT / "integration" / "programs" / "hello_server.c"
HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"


class Server:
    def __init__(self, run, address):
        self.run, self.address = run, address

    def dial(self):
        s = socket.create_connection(self.address, timeout=PATIENCE)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def cpu_seconds(self):
        with open(f"/proc/{self.run.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def files(self):
        return len(os.listdir(f"/proc/{self.run.pid}/fd"))

    def kib(self):
        with open(f"/proc/{self.run.pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))

    def is_fine(self):
        with self.dial() as s:
            s.sendall(HELLO)
            return receive(s, len(ANSWER)) == ANSWER


def receive(s, count):
    data = b""
    while len(data) < count:
        piece = s.recv(count - len(data))
        if not piece:
            break
        data += piece
    return data


@pytest.fixture
def server(build, free_dir):
    """server(*args, files=n): hello_server.c, with at most n descriptors."""
    running = []

    def start(*args, files=None):
        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        run = subprocess.Popen([build(PROGRAM), *args], cwd=free_dir, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, text=True, preexec_fn=limit)
        running.append(run)
        host, port = run.stdout.readline().strip().removeprefix("http://").rsplit(":", 1)
        return Server(run, (host, int(port)))

    yield start
    for run in running:
        run.kill()
        run.communicate()


def test_a_crowd_that_does_next_to_nothing_costs_little_and_delays_nobody_for_good(server):
    site = server("http://127.0.0.1:0", "1000")
    assert site.is_fine()
    before, crowd = site.kib(), []
    for i in range(600):
        s = site.dial()
        if i % 3 == 0:
            s.sendall(HELLO)
            assert receive(s, len(ANSWER)) == ANSWER  # and is idle
        elif i % 3 == 1:
            s.sendall(HELLO[:20])  # and trickles
        crowd.append(s)
    wait_until(lambda: site.files() >= 600, "all of them")
    for at in range(20, 30):
        for s in crowd[1::3]:
            s.sendall(HELLO[at:at + 1])
        assert site.is_fine()
    assert (site.kib() - before) / 600 <= 1
    for s in crowd[1::3]:  # whoever comes to an end is answered
        s.sendall(HELLO[30:])
        assert receive(s, len(ANSWER)) == ANSWER
    for s in crowd:
        s.close()
    wait_until(lambda: site.files() < 20, "their end")
    assert site.is_fine()


def test_slow_heads_do_not_keep_others_out(server):
    """All places are taken by heads that do not come to an end: the next one is answered nevertheless."""
    site = server("http://127.0.0.1:0", "50")
    crowd = [site.dial() for _ in range(60)]
    for s in crowd:
        s.sendall(b"GET /he")
    assert site.is_fine()
    assert site.is_fine()
    for s in crowd:
        s.close()


def test_without_descriptors_it_neither_spins_nor_loses_its_listener(server):
    site = server("http://127.0.0.1:0", "1000", files=40)
    crowd = []
    for _ in range(100):  # those that it cannot take wait in the queue, or are turned away
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(site.address)
        crowd.append(s)
    wait_until(lambda: site.files() >= 39, "the end of its descriptors")
    used, began = site.cpu_seconds(), time.monotonic()
    wait_until(lambda: time.monotonic() - began > 1, "a second")
    assert (site.cpu_seconds() - used) / (time.monotonic() - began) <= 0.05
    for s in crowd:
        s.close()
    wait_until(lambda: site.files() < 20, "free descriptors")
    assert site.is_fine()


def test_a_hundred_thousand_pipelined_requests_are_all_answered(server):
    site = server()
    with site.dial() as s:
        count, sent, got = 100_000, 0, 0
        requests = memoryview(HELLO * 1000)
        s.setblocking(False)
        deadline = time.monotonic() + 6 * PATIENCE
        tail = b""
        while got < count * len(ANSWER) and time.monotonic() < deadline:
            if sent < count * len(HELLO):
                at = sent % len(requests)
                try:
                    sent += s.send(requests[at:])
                except BlockingIOError:
                    pass
            try:
                piece = s.recv(1 << 20)
            except BlockingIOError:
                continue
            assert piece
            tail = (tail + piece)[-len(ANSWER):]
            got += len(piece)
        assert got == count * len(ANSWER) and tail == ANSWER
    assert site.is_fine()


def test_whoever_tears_down_in_the_midst_of_an_answer_leaves_nothing(server):
    site = server()
    assert site.is_fine()
    wait_until(lambda: site.files() < 10, "an end")
    files = site.files()
    for i in range(50):
        s = site.dial()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing is a reset
        s.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * (1 + i % 3))
        if i % 2:
            s.recv(1)
        s.close()
    wait_until(lambda: site.files() == files, "their end")
    assert site.is_fine()


def test_a_tiny_window_gets_it_all_in_the_end_and_holds_up_nobody(server):
    site = server()
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least there is
        s.settimeout(PATIENCE)
        s.connect(site.address)
        s.sendall(b"GET /large HTTP/1.0\r\n\r\n")
        first = receive(s, 5000)
        assert site.is_fine()
        rest = 0
        while piece := s.recv(1 << 16):
            rest += len(piece)
    head = first.index(b"\r\n\r\n") + 4
    assert len(first) - head + rest == 8 << 20


def test_half_open_connections_are_served_to_the_end(server):
    """The peer has ended its side behind the request: it still gets its answer, and then the end."""
    site = server()
    with site.dial() as s:
        s.sendall(HELLO)
        s.shutdown(socket.SHUT_WR)
        assert receive(s, 1000) == ANSWER
    with site.dial() as s:
        s.sendall(HELLO[:10])
        s.shutdown(socket.SHUT_WR)
        assert receive(s, 1000) == b""
