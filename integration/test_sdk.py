"""A plugin made with plugkit_sdk.h, from outside: started by every way there is, asked, ended, and refused.

The plugin is plugins/probe.c, which does what a test wants; the tests play the host.
"""

import http.server
import json
import os
import re
import secrets
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from conftest import ROOT
from plugkit_pytest import UNIX, b64, call, unb64, wait_until

PROBE = ROOT / "integration" / "plugins" / "probe.c"
GONE = (ConnectionError, FileNotFoundError)


@pytest.fixture(scope="session")
def probe(build):
    return build(PROBE, f"-I{ROOT}/contracts")


@pytest.fixture(scope="session", params=["its own loop", "the program's loop"])
def either(request, build):
    return build(PROBE, f"-I{ROOT}/contracts", *(["-DOWN_LOOP"] if request.param != "its own loop" else []))


def run(path, *args, env=None, stdin=subprocess.DEVNULL, **more):
    """Runs a plugin that is expected to end by itself."""
    return subprocess.run([path, *args], stdin=stdin, capture_output=True, text=True, timeout=30, check=False,
                          env=dict(os.environ, **(env or {})), **more)


def free_id():
    """A name that nobody else uses in /tmp."""
    return f"probe-{secrets.token_hex(4)}"


def config(id, **more):
    return "--config=" + json.dumps({"id": id, "type": "unix", **more})


class Framework:
    """A plugin that was started as a host of the Go framework does it."""

    def __init__(self, path, id=None, env=None, **more):
        self.id = id or free_id()
        self.socket = f"/tmp/{self.id}-plugin.socket"
        self.process = subprocess.Popen([path, config(self.id, **more)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(env or {})))
        self.address = self.process.stdout.readline().rstrip("\n")

    def left(self):
        return [path for path in (self.socket, f"{self.socket}.lock") if os.path.exists(path)]


@pytest.fixture
def framework(probe):
    """framework(id=.., idleTimeout=..): starts the probe in the framework's way."""
    started = []

    def start(path=probe, **more):
        started.append(Framework(path, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()
        for path in one.left():
            os.unlink(path)


def raw(path, request):
    """The bytes of one answer; the server's idea of the date is left out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return re.sub(rb"Date: [^\r]*\r\n", b"", answer)


def process(plugin, text, **more):
    return plugin.call("POST /process", {"data": b64(text)}, **more)


# ---- capabilities, and being started by hand


def test_prints_its_capabilities_to_the_byte(either, request):
    result = run(either, "capabilities")

    assert (result.returncode, result.stderr) == (0, "")
    lifeline = '"lifeline":"group",' if either == request.getfixturevalue("probe") else ""  # only if main is the SDK's
    assert result.stdout == (
        '{"types":{"dataProcessor":[{"type":"probe","jsonSchema":"eyJ0eXBlIjoib2JqZWN0In0="},'
        '{"type":"other"}]},"configTypes":["probe-config","refused"],"protocols":["plugkit/1"],' + lifeline +
        '"survives":true,"contracts":{"dataProcessor":"1.0.0"},'
        '"methods":{"dataProcessor":{"process":"POST /process","formats":"GET /formats"}},'
        '"id":"probe","version":"1.0.0","description":"does what a test wants"}\n')


def test_prints_them_also_when_a_host_speaks_plugkit(probe):
    env = {"PLUGKIT_PROTOCOL": "plugkit/1", "PLUGKIT_CONTROL_FD": "77"}
    assert json.loads(run(probe, "capabilities", env=env).stdout)["id"] == "probe"


@pytest.mark.parametrize("args", [["capabilities"], [config("x")]])
def test_names_the_method_that_is_missing(build, args):
    result = run(build(PROBE, f"-I{ROOT}/contracts", "-DINCOMPLETE"), *args)

    assert (result.returncode, result.stdout) == (1, "")
    assert "cannot offer 'dataProcessor': method 'formats' is missing" in result.stderr


def test_says_when_its_output_goes_nowhere(probe):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([probe, "capabilities"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 1
    assert "cannot write" in result.stderr


def test_tells_people_what_it_is(probe):
    result = run(probe)

    assert (result.returncode, result.stdout) == (1, "")
    assert "probe 1.0.0 - does what a test wants" in result.stderr
    assert f"{probe} --listen ADDRESS" in result.stderr
    assert result.stderr.endswith("probe: missing required flag --config\n")


def test_helps(probe):
    result = run(probe, "--help")
    assert (result.returncode, result.stdout) == (0, "")
    assert "capabilities" in result.stderr


@pytest.mark.parametrize("args, says", [
    (["--confg", "{}"], "cannot understand the argument '--confg'"),
    (["--config"], "its value is missing"),
    (["--config", "{}"], "plugin config has no ID"),
    (["--config", '{"id":""}'], "plugin config has no ID"),
    (["--config", "{"], "cannot decode --config"),
    (["--config", '{"id":"../../etc/x"}'], "cannot use '../../etc/x' as an id"),
    (["--config", '{"id":"x","type":"carrier pigeon"}'], "connection type 'carrier pigeon'"),
    (["--config", '{"id":"x","idleTimeout":"soon"}'], "idleTimeout: expected duration"),
    (["--config", '{"id":"x","configTypes":[{"type":"unheard","data":{}}]}'],
     "does not understand the config type 'unheard' (it declares: probe-config, refused)"),
    (["--config", '{"id":"x","configTypes":[{"type":"probe-config","data":"a: b"}]}'],
     "neither base64 of JSON nor JSON"),
    (["--config", '{"id":"x","configTypes":[{"type":"probe-config","data":{"a":{"b":1,"b":2}}}]}'],
     "cannot configure 'probe' with 'probe-config': cannot parse JSON: line 1, column 13, offset 12: expected another"),
    (["--config", '{"id":"x","configTypes":[{"type":"probe-config","data":"eyJiIjoxLCJiIjoyfQ=="}]}'],
     "expected another key: this one stands there twice"),
    (["--config", '{"id":"x","configTypes":[{"type":"refused","data":{}}]}'],
     "cannot use this configuration: the test wants it so"),
    (["--listen", "http://0.0.0.0:80"], "loopback addresses only"),
    (["--listen", "/tmp/" + "x" * 120], "107"),
])
def test_refuses_to_start(either, args, says):
    result = run(either, *args)

    assert (result.returncode, result.stdout) == (1, "")
    assert says in result.stderr
    assert not os.path.exists("/tmp/x-plugin.socket")


@pytest.mark.parametrize("env, says", [
    ({"PLUGKIT_PROTOCOL": "plugkit/2", "PLUGKIT_CONTROL_FD": "3"}, "cannot speak 'plugkit/2'"),
    ({"PLUGKIT_PROTOCOL": "plugkit/1"}, "PLUGKIT_CONTROL_FD is missing"),
    ({"PLUGKIT_PROTOCOL": "plugkit/1", "PLUGKIT_CONTROL_FD": "99"}, "it is no stream socket"),
    ({"PLUGKIT_LISTEN_FD": "99"}, "PLUGKIT_LISTEN_FD"),
])
def test_refuses_a_broken_environment(probe, env, says):
    result = run(probe, env=env)
    assert result.returncode == 1
    assert says in result.stderr


def test_serves_where_it_is_told_by_hand(probe, free_dir):
    place = free_dir / "by-hand.sock"
    with subprocess.Popen([probe, "--listen", place], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as started:
        address = started.stdout.readline().strip()
        assert address == f"{UNIX}{place}"
        assert call(address, "GET /instance").body == b"probe"
        started.send_signal(signal.SIGINT)
        assert started.wait(20) == 0
    assert list(free_dir.iterdir()) == []


# ---- plugkit/1


def test_serves_by_plugkit(either, plugin):
    shout = plugin(either)

    assert shout.lines == [{"listening": shout.address}, {"ready": True}]
    assert unb64(process(shout, "hi").json["data"]) == b"1:hi"
    assert shout.call("GET /formats").json == {"formats": ["text/plain"]}
    assert shout.call("GET /instance").body.decode() == shout.instance
    assert shout.stdout == ""
    path = shout.address[len(UNIX):]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert not os.path.exists(f"{path}.lock")

    assert shout.shutdown() == 0
    assert not os.path.exists(path)


def test_says_its_lines_to_the_byte(probe, free_dir):
    ours, theirs = socket.socketpair()
    place = free_dir / "x-1.sock"
    with theirs, subprocess.Popen([probe], pass_fds=[theirs.fileno()], env=dict(
            os.environ, PLUGKIT_PROTOCOL="plugkit/1", PLUGKIT_CONTROL_FD=str(theirs.fileno()))) as started:
        theirs.close()
        ours.sendall(b'{"config":[],"instance":"x-1","token":"%s","listen":"%s%s"}\n' %
                     (b"0" * 64, UNIX.encode(), str(place).encode()))
        lines = ours.makefile("rb")
        assert lines.readline() == b'{"listening":"%s%s"}\n' % (UNIX.encode(), str(place).encode())
        assert lines.readline() == b'{"ready":true}\n'
        ours.sendall(b'{"tomorrow":["never","heard"]}\n{"shutdown":true}\n')
        assert started.wait(20) == 0
        assert lines.readline() == b""


@pytest.mark.parametrize("what", ["GET /formats", "POST /process", "GET /healthz", "GET /readyz", "POST /shutdown",
                                  "GET /nowhere"])
def test_answers_nobody_without_the_token(probe, plugin, what):
    shout = plugin(probe)

    assert call(shout.address, what).status == 401
    assert call(shout.address, what, token="0" * 64).status == 401
    assert call(shout.address, what, token=shout.token[:-1]).status == 401
    assert shout.call("GET /readyz").status == 200


def test_tells_services_with_one_path_apart_by_type(probe, plugin):
    shout = plugin(probe)
    answers = [process(shout, "x", headers=headers) for headers in
               ({}, {"PlugKit-Type": "probe"}, {"PlugKit-Type": "other"}, {"PlugKit-Type": "third"})]

    assert [answer.status for answer in answers] == [200, 200, 200, 404]
    assert [unb64(answer.json["data"]) for answer in answers[:3]] == [b"1:x", b"1:x", b"2:x"]
    assert answers[3].json["message"] == "no plugin found for type 'third'"


def test_tells_handlers_who_calls(probe, plugin):
    shout = plugin(probe)
    assert process(shout, "x", headers={"PlugKit-Caller": "audit-7"}).json["format"] == "audit-7"


@pytest.mark.parametrize("body, status, says", [
    ({"data": 7}, 400, "data: expected base64 text"), ({}, 400, "data"), (b"{", 400, "line 1"),
    ({"data": b64("fail")}, 404, "cannot find it"),
])
def test_answers_errors_with_the_place(probe, plugin, body, status, says):
    answer = plugin(probe).call("POST /process", body)

    assert answer.status == answer.json["statusCode"] == status
    assert says in answer.json["message"]


def test_takes_configuration(probe, plugin):
    shout = plugin(probe, config=[("probe-config", {"a": [1, 2]}), ("probe-config", "text")])
    assert shout.call("GET /config").body.decode() == 'probe-config={"a":[1,2]}\nprobe-config="text"\n'


@pytest.mark.parametrize("listen", ["http://127.0.0.1:0", None])
def test_listens_on_loopback(probe, plugin, listen):
    shout = plugin(probe, listen=listen)

    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", shout.address)
    assert process(shout, "x").status == 200
    assert call(shout.address, "GET /formats").status == 401


class Control:
    """The host's end of a control socket, with the plugin at the other: for starts that fail."""

    def __init__(self, path, env=None):
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [path], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True,
                env=dict(os.environ, **(env or {}), PLUGKIT_PROTOCOL="plugkit/1",
                         PLUGKIT_CONTROL_FD=str(theirs.fileno())))

    def end(self):
        """All that it says, its stderr, and its status."""
        said = b"".join(iter(lambda: self.socket.recv(65536), b""))
        out, err = self.process.communicate(timeout=30)
        self.socket.close()
        assert out == ""
        return [json.loads(line) for line in said.splitlines()], err, self.process.returncode


def first_line(**changes):
    line = {"config": [], "instance": "x-1", "token": "0" * 64, "listen": "http://127.0.0.1:0", **changes}
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode() + b"\n"


@pytest.mark.parametrize("sent, code, says", [
    (b"hello\n", "RPC_2004", "cannot decode the host's first line: line 1, column 1, offset 0: expected a value"),
    (b"{}\n", "RPC_2004", "instance"),
    (first_line(token=None), "RPC_2004", "token"),
    (first_line(token=""), "RPC_2004", "cannot use the host's token"),
    (first_line(instance="a b"), "PLUGIN_1001", "cannot use 'a b' as an instance's name"),
    (first_line(idleTimeout="soon"), "RPC_2004", "idleTimeout"),
    (first_line(listen="/tmp/" + "x" * 120), "PLUGIN_1004", "107"),
    (first_line(listen="http://[::]:0"), "PLUGIN_1004", "loopback addresses only"),
    (first_line(listen="/nowhere/at/all.sock"), "CORE_3007", "/nowhere/at/all.sock"),
    (first_line(config=[{"type": "unheard", "data": 1}]), "CONFIG_1703",
     "does not understand the config type 'unheard'"),
    (first_line(config=[{"type": "refused", "data": 1}]), "CONFIG_1703", "the test wants it so"),
    (first_line(host={"address": "nonsense", "services": [{"contract": "c", "type": "t", "version": "1.0.0",
                                                           "path": "/c"}]}), "PLUGIN_1004", "nonsense"),
])
def test_tells_the_host_why_it_does_not_start(probe, sent, code, says):
    control = Control(probe)
    control.socket.sendall(sent)
    said, err, status = control.end()

    assert status == 1
    assert [(line["code"], says in line["error"]) for line in said] == [(code, True)], said
    assert json.loads(err)["level"] == "ERROR" and says in json.loads(err)["msg"]
    assert "0" * 64 not in err


def test_tells_the_host_that_on_start_failed(probe):
    control = Control(probe, env={"PROBE_START": "fail"})
    control.socket.sendall(first_line())
    said, _, status = control.end()
    assert (said, status) == ([{"error": "cannot find what it needs", "code": "CORE_3008"}], 1)


def test_ends_when_the_host_dies_before_its_first_line(probe):
    control = Control(probe)
    control.socket.sendall(b'{"instance":')
    control.socket.shutdown(socket.SHUT_WR)
    said, err, status = control.end()
    assert status == 1
    assert "the control socket ended before the first line" in err and said[0]["code"] == "RPC_2004"


def test_takes_no_endless_first_line(probe):
    control = Control(probe)

    def flood():
        try:
            for _ in range(200):
                control.socket.sendall(b"x" * 65536)
        except OSError:
            pass

    thread = threading.Thread(target=flood)
    thread.start()
    control.process.wait(30)
    thread.join()
    assert control.process.returncode == 1
    assert "more than" in control.process.communicate()[1]
    control.socket.close()


def test_takes_a_socket_that_listens_already(probe, free_dir):
    ours, theirs = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(free_dir / "given.sock"))
    listener.listen()
    env = dict(os.environ, PLUGKIT_PROTOCOL="plugkit/1", PLUGKIT_CONTROL_FD=str(theirs.fileno()),
               PLUGKIT_LISTEN_FD=str(listener.fileno()))
    with subprocess.Popen([probe], pass_fds=[theirs.fileno(), listener.fileno()], env=env) as started:
        theirs.close()
        listener.close()
        ours.sendall(first_line(listen=None))
        address = json.loads(ours.makefile("rb").readline())["listening"]
        assert address == f"{UNIX}{free_dir}/given.sock"
        assert call(address, "GET /formats", token="0" * 64).status == 200
        ours.close()
        assert started.wait(20) == 0
    assert (free_dir / "given.sock").exists()  # whoever made it removes it


# ---- the Go framework's way


def test_serves_as_the_framework_does(framework):
    shout = framework(configTypes=[{"type": "probe-config", "data": b64('{"a":1}')},
                                   {"type": "probe-config", "data": "[2]"}])

    assert shout.address == f"{UNIX}{shout.socket}"
    assert stat.S_IMODE(os.stat(shout.socket).st_mode) == 0o600
    with open(f"{shout.socket}.lock", encoding="ascii") as lock:
        assert lock.read() == str(shout.process.pid)
    assert call(shout.address, "GET /config").body == b'probe-config={"a":1}\nprobe-config=[2]\n'
    assert call(shout.address, "GET /instance").body.decode() == shout.id
    assert call(shout.address, "POST /process", {"data": b64("x")}).status == 200

    assert call(shout.address, "POST /shutdown").status == 200
    assert shout.process.wait(20) == 0
    assert shout.left() == []


def test_answers_the_frameworks_questions_to_the_byte(framework):
    path = framework().socket

    assert raw(path, b"GET /healthz HTTP/1.1\r\nHost: unix\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\n"
                     b"Content-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert raw(path, b"HEAD /healthz HTTP/1.1\r\nHost: unix\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
    refused = raw(path, b"POST /healthz HTTP/1.1\r\nHost: unix\r\nContent-Length: 0\r\n\r\n")
    head, body = refused.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n") and b"\r\nContent-Length: 95" in head
    assert b"\r\nContent-Type: application/json" in head
    assert body == (b'{"message":"this endpoint may only be called with either HEAD or GET method","statusCode":405}\n')


def test_listens_on_loopback_for_the_framework(framework):
    shout = framework(type="tcp")
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", shout.address)
    assert call(shout.address, "GET /healthz").status == 200
    assert shout.left() == []


def test_any_verb_shuts_it_down_there_and_only_post_elsewhere(framework, probe, plugin):
    shout = framework()
    assert call(shout.address, "GET /shutdown").status == 200
    assert shout.process.wait(20) == 0
    assert plugin(probe).call("GET /shutdown").status == 405


def test_keeps_stray_prints_away_from_the_framework(framework):
    shout = framework(env={"PROBE_START": "print"})
    assert shout.address == f"{UNIX}{shout.socket}"
    for _ in range(10):
        call(shout.address, "GET /print")
    call(shout.address, "POST /shutdown")
    out, err = shout.process.communicate(timeout=20)
    assert out == ""
    assert err == "http://127.0.0.1:1 is not the address\n" + 10 * "stray print\n"


def test_a_second_one_with_the_same_id_is_refused(framework, probe):
    shout = framework()
    second = run(probe, config(shout.id))

    assert (second.returncode, second.stdout) == (1, "")
    assert str(shout.process.pid) in json.loads(second.stderr)["msg"]
    assert call(shout.address, "GET /healthz").status == 200
    assert len(shout.left()) == 2


def test_takes_the_socket_of_the_dead(framework):
    dead = framework()
    dead.process.kill()
    dead.process.wait()
    assert len(dead.left()) == 2

    again = framework(id=dead.id)

    assert call(again.address, "GET /healthz").status == 200


@pytest.mark.parametrize("lock", ["living", "missing"])
def test_does_not_take_a_socket_from_others(probe, lock):
    id = free_id()
    path = f"/tmp/{id}-plugin.socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        try:
            if lock == "living":  # as a Go plugin leaves it: a pid, and no lock of the kernel's
                with open(f"{path}.lock", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))
            result = run(probe, config(id))
            assert (result.returncode, result.stdout) == (1, "")
            assert os.path.exists(path)
        finally:
            os.unlink(path)
            if os.path.exists(f"{path}.lock"):
                os.unlink(f"{path}.lock")


# ---- health


@pytest.mark.parametrize("says, status, body", [
    ("", 200, b""),
    ("d disk is slow", 200, b'{"status":"degraded","reason":" disk is slow","unavailable":[]}'),
    ("b no disk", 503, None),
])
def test_answers_health_as_the_plugin_says(probe, plugin, free_dir, says, status, body):
    file = free_dir / "health"
    shout = plugin(probe, env={"PROBE_HEALTH": str(file)})
    if says:
        file.write_text(says)

    answer = shout.call("GET /healthz")

    assert answer.status == status
    if body is not None:
        assert answer.body == body
    else:
        assert (answer.json["message"], answer.json["statusCode"]) == (" no disk", 503)
    assert shout.call("HEAD /healthz").body == b""
    assert shout.call("POST /healthz").status == 405


def reports(shout, text):
    assert shout.call("POST /report", text.encode()).status == 200


def test_says_how_it_is_without_being_asked(probe, plugin):
    shout = plugin(probe)

    reports(shout, "dslow disk;db,cache")

    degraded = {"status": "degraded", "reason": "slow disk", "unavailable": ["db", "cache"]}
    assert shout.hear("health") == degraded
    assert shout.call("GET /healthz").json == degraded
    reports(shout, "uno disk;")
    assert shout.hear("health") == {"status": "unhealthy", "reason": "no disk", "unavailable": []}
    assert shout.call("GET /healthz").json["message"] == "no disk"
    reports(shout, "h")
    assert shout.hear("health") == {"status": "healthy", "unavailable": []}
    assert shout.call("GET /healthz").body == b""


def test_one_that_belongs_to_its_host_alone(build, plugin):
    small = build(ROOT / "examples/01_hello/plugins/hello.c", "-DPLUGKIT_NO_SURVIVE", "-DPLUGKIT_STATIC")
    hello = plugin(small)

    assert "survives" not in hello.capabilities
    assert hello.call("GET /capabilities").status == 404
    assert hello.call("POST /greet", {"name": "you"}).json == {"text": "Hello, you!"}
    assert hello.shutdown() == 0


# ---- idleness


def test_ends_when_nobody_needs_it(either, plugin):
    shout = plugin(either, env={"PROBE_IDLE_MS": "200"})
    path = shout.address[len(UNIX):]
    assert shout.wait() == 0
    assert not os.path.exists(path)


@pytest.mark.parametrize("timeout", [200_000_000, "200ms"])
def test_takes_the_idle_timeout_from_the_framework(framework, timeout):
    shout = framework(idleTimeout=timeout)
    assert shout.process.wait(20) == 0
    assert shout.left() == []


def test_a_running_request_holds_idleness_off_and_its_end_counts(probe, plugin, free_dir):
    shout = plugin(probe, env={"PROBE_IDLE_MS": "150", "PROBE_WORKERS": "1"})
    answers = []
    thread = threading.Thread(target=lambda: answers.append(shout.call(f"GET /wait{free_dir}/go")))
    thread.start()
    wait_until((free_dir / "go.running").exists, "the request to run")
    for _ in range(60):  # much longer than the timeout; asking for health is no work, and does not end it either
        assert shout.call("GET /healthz").status == 200
        time.sleep(0.01)
    (free_dir / "go").touch()
    thread.join()
    assert answers[0].body == b"waited"
    assert shout.wait() == 0


def test_asking_for_health_is_no_work(probe, plugin):
    shout = plugin(probe, env={"PROBE_IDLE_MS": "300"})

    def is_over():
        try:
            return shout.call("GET /healthz").status != 200
        except GONE:
            return True

    wait_until(is_over, "the plugin to end although it is asked all the time")
    assert shout.wait() == 0


# ---- ends


@pytest.fixture
def busy(either, plugin, free_dir):
    """A plugin with a request that goes on until `finish()`, which gives the answer."""
    shout = plugin(either, env={"PROBE_WORKERS": "2", "PROBE_CLOSED": str(free_dir / "closed")})
    shout.answers = []

    def ask():
        try:
            shout.answers.append(shout.call(f"GET /wait{free_dir}/go"))
        except OSError as error:
            shout.answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until((free_dir / "go.running").exists, "the request to run")

    def finish():
        (free_dir / "go").touch()
        thread.join()
        return shout.answers[0]

    shout.finish = finish
    yield shout
    finish()


def ask_for_ever(shout, free_dir):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(shout.address[len(UNIX):])
    connection.sendall(f"GET /wait{free_dir}/never HTTP/1.1\r\nHost: x\r\n"
                       f"PlugKit-Token: {shout.token}\r\n\r\n".encode())
    wait_until((free_dir / "never.running").exists, "the request to run")
    return connection


@pytest.mark.parametrize("how", ["shutdown", "SIGTERM", "SIGINT", "line"])
def test_running_requests_get_their_answers(busy, free_dir, how):
    path = busy.address[len(UNIX):]
    if how == "shutdown":
        assert busy.call("POST /shutdown").status == 200
    elif how == "line":
        busy.say({"shutdown": True})
    else:
        busy.signal(getattr(signal, how))
    wait_until(lambda: not os.path.exists(path), "the socket to go")
    with pytest.raises(GONE):
        busy.call("GET /formats")
    assert busy.process.status is None

    assert busy.finish().body == b"waited"

    assert busy.wait() == 0
    assert (free_dir / "closed").exists()


def test_ends_after_its_host_although_a_worker_never_returns(probe, plugin, free_dir):
    shout = plugin(probe, env={"PROBE_WORKERS": "1"})
    path = shout.address[len(UNIX):]
    connection = ask_for_ever(shout, free_dir)
    shout.drop()
    assert shout.wait() == -signal.SIGKILL  # the last that it does is to kill its process group
    assert "ended while 1 requests were still running" in shout.stderr
    assert not os.path.exists(path)
    connection.close()


def test_workers_do_not_keep_health_waiting(probe, plugin, free_dir):
    shout = plugin(probe, env={"PROBE_WORKERS": "1"})
    threads = [threading.Thread(target=shout.call, args=(f"GET /wait{free_dir}/go",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until((free_dir / "go.running").exists, "the request to run")
    assert shout.call("GET /healthz").status == 200
    assert shout.call("GET /readyz").status == 200
    (free_dir / "go").touch()
    for thread in threads:
        thread.join()


def test_ends_with_its_host(probe, plugin, free_dir):
    shout = plugin(probe, env={"PROBE_CLOSED": str(free_dir / "closed")})
    path = shout.address[len(UNIX):]
    shout.drop()
    assert shout.wait() == -signal.SIGKILL
    assert not os.path.exists(path) and (free_dir / "closed").exists()


def test_ends_with_its_host_although_a_handler_never_returns(probe, plugin, free_dir):
    shout = plugin(probe)  # no workers: the handler has the loop's thread
    connection = ask_for_ever(shout, free_dir)
    shout.drop()
    assert shout.wait() == -signal.SIGKILL
    connection.close()


HOST = """
import os, socket, subprocess, sys, time
ours, theirs = socket.socketpair()
env = dict(os.environ, PLUGKIT_PROTOCOL="plugkit/1", PLUGKIT_CONTROL_FD=str(theirs.fileno()))
plugin = subprocess.Popen([sys.argv[1]], pass_fds=[theirs.fileno()], env=env)
theirs.close()
ours.sendall(sys.argv[2].encode())
ours.makefile("rb").readline()
child = os.fork() if sys.argv[3] == "forked" else 0   # keeps the host's end of the socket
if child or sys.argv[3] == "plain":
    print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["plain", "forked"])
def test_ends_when_its_host_is_killed(probe, free_dir, how):
    place = free_dir / "x-1.sock"
    line = first_line(listen=f"{UNIX}{place}").decode()
    with subprocess.Popen([sys.executable, "-c", HOST, probe, line, how], stdout=subprocess.PIPE, text=True) as host:
        forked = int(host.stdout.readline())
        host.kill()
        host.wait()
        try:
            wait_until(lambda: not place.exists(), "the plugin to end")
        finally:
            if forked:
                os.kill(forked, signal.SIGKILL)


def test_survives_a_log_that_nobody_reads(probe, free_dir):
    control = Control(probe)
    place = free_dir / "x-1.sock"
    control.socket.sendall(first_line(listen=f"{UNIX}{place}"))
    control.socket.recv(4096)
    control.process.stderr.close()
    for _ in range(3):
        assert call(f"{UNIX}{place}", "GET /log", token="0" * 64).body == b"logged"
    control.socket.close()
    assert control.process.wait(20) == 0
    control.process.stdout.close()


def test_logs_as_slog_does(probe, plugin):
    shout = plugin(probe)
    shout.call("GET /log")
    line = shout.process.stderr.line(lambda line: "logged" in line, "the log")
    assert re.fullmatch(r'\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",'
                        r'"level":"WARN","msg":"logged","answer":"42"\}', line)


# ---- calling the host


@pytest.fixture
def host_services(free_dir):
    """A host that offers audit/log, and remembers what was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["PlugKit-Token"], self.headers["PlugKit-Caller"], body))
            answer = json.dumps({"text": f"host says {body['text']}"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

        def address_string(self):
            return "plugin"

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_UNIX

        def server_bind(self):
            socket.socket.bind(self.socket, self.server_address)

    server = Server(str(free_dir / "host.sock"), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"address": f"{UNIX}{free_dir}/host.sock",
           "services": [{"contract": "audit", "type": "log", "version": "1.1.0", "path": "/services/audit/log"}]}, asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_calls_its_host(probe, free_dir, host_services, workers):
    offer, asked = host_services
    control = Control(probe, env={"PROBE_WORKERS": workers})
    place = free_dir / "x-1.sock"
    control.socket.sendall(first_line(listen=f"{UNIX}{place}", host=offer))
    control.socket.recv(4096)
    for _ in range(2):
        answer = call(f"{UNIX}{place}", "POST /host", b"hello", token="0" * 64,
                      headers={"PlugKit-Caller": "somebody-1"})
        assert (answer.status, answer.body) == (200, b"host says hello")
    assert asked == 2 * [("/services/audit/log/write", "0" * 64, "x-1", {"text": "hello"})]
    control.socket.close()
    assert control.process.wait(20) == 0
    control.process.communicate()


def test_says_that_the_host_does_not_offer_it(probe, plugin):
    answer = plugin(probe).call("POST /host", b"x")
    assert (answer.status, answer.json["message"]) == (404, "no plugin found: host offers no 'log'")
