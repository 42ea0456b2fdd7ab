"""Go Plugin Framework: the imitations of peers/ against each other, against the framework's own SDK, and against ours.

The imitations are only worth something if they are exact. So the first part holds them against bytes that the real ones
sent (Go 1.26), and the same list is asked of the framework's own SDK wherever Go's modules can be had.
"""

import io
import json
import os
import pathlib
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import threading

import gpf_host
import gpf_plugin
import pytest
from golang import Map, marshal

from conftest import PEERS, PROGRAMS
from plugkit_pytest import UNIX, b64, wait_until

DATE = rb"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
PLAIN = b"Content-Type: text/plain; charset=utf-8"
NOSNIFF = b"X-Content-Type-Options: nosniff"
JSON = b"Content-Type: application/json"


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: unix\r\n\r\n".encode()


def post(path, body, *fields):
    head = [f"POST {path} HTTP/1.1", "Host: unix", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def answer(status, *fields, body=b""):
    """An answer as Go writes it: the handler's fields, the date, the length."""
    length = [] if b"Transfer-Encoding: chunked" in fields else [b"Content-Length: %d" % len(body)]
    late = [field for field in fields if field.split(b":")[0] in (b"Connection", b"Transfer-Encoding")]
    early = [field for field in fields if field not in late]
    return b"\r\n".join([b"HTTP/1.1 " + status, *early, b"Date", *length, *late, b"", body])


def bad_request(text):
    return b"HTTP/1.1 " + text + b"\r\n" + PLAIN + b"\r\nConnection: close\r\n\r\n" + text


# What is sent, and what the real SDK answers; Date stands for the date.
ANY_PLUGIN = [
    (get("/healthz"), answer(b"200 OK")),
    (b"HEAD /healthz HTTP/1.1\r\nHost: unix\r\n\r\n", b"HTTP/1.1 200 OK\r\nDate\r\n\r\n"),
    (b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\nDate\r\nContent-Length: 0\r\n\r\n"),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", answer(b"200 OK", b"Connection: close")),
    (post("/healthz", b'{"a":1}'), answer(
        b"405 Method Not Allowed", JSON,
        body=b'{"message":"this endpoint may only be called with either HEAD or GET method","statusCode":405}\n')),
    (get("/nope"), answer(b"404 Not Found", PLAIN, NOSNIFF, body=b"404 page not found\n")),
    (get("//healthz"), answer(
        b"307 Temporary Redirect", b"Content-Type: text/html; charset=utf-8", b"Location: /healthz",
        body=b'<a href="/healthz">Temporary Redirect</a>.\n\n')),
    (post("//healthz", b"{}"), answer(b"307 Temporary Redirect", b"Location: /healthz")),
    (get("/panic"), answer(
        b"500 Internal Server Error", JSON, body=b'{"message":"panic recovered","statusCode":500}\n')),
    (b"GET /healthz HTTP/1.1\r\n\r\n", bad_request(b"400 Bad Request: missing required Host header")),
    (b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", bad_request(b"400 Bad Request: malformed Host header")),
    (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", bad_request(b"400 Bad Request")),
    (b"GET /healthz HTTP/1.1\r\nBad Name: x\r\nHost: b\r\n\r\n", bad_request(b"400 Bad Request: invalid header name")),
    (b"POST /process HTTP/1.1\r\nHost: b\r\nContent-Length: x\r\n\r\n", bad_request(b"400 Bad Request")),
    (b"GET /healthz HTTP/2.0\r\nHost: b\r\n\r\n",
     bad_request(b"505 HTTP Version Not Supported: unsupported protocol version")),
    (b"garbage\r\n\r\n", bad_request(b"400 Bad Request")),
]
METADATA = b'"metadata":{"operation":"uppercase","processed_by":"simple-processor"}}\n'
LONG = b'{"data":"' + b"QUFB" * 1000 + b'"'
THE_EXAMPLE = [
    (post("/process", b'{"data":"aGVsbG8=","format":"<a&b>"}'),
     answer(b"200 OK", JSON, body=b'{"data":"SEVMTE8=","format":"\\u003ca\\u0026b\\u003e",' + METADATA)),
    (post("/process", b"{}", "Expect: 100-continue"),
     b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"200 OK", JSON, body=b'{"data":"","format":"",' + METADATA)),
    (b"POST /process HTTP/1.1\r\nHost: u\r\nTransfer-Encoding: chunked\r\n\r\n"
     b'5\r\n{"dat\r\n9\r\na":"YQ=="\r\n1\r\n}\r\n0\r\n\r\n',
     answer(b"200 OK", JSON, body=b'{"data":"QQ==","format":"",' + METADATA)),
    (post("/process", b'{"data":1}'),
     answer(b"400 Bad Request", PLAIN, NOSNIFF, body=b"Invalid request body\n")),
    (get("/process"), answer(b"405 Method Not Allowed", PLAIN, NOSNIFF, body=b"Method not allowed\n")),
    (get("/formats"), answer(b"200 OK", JSON, body=b'{"formats":["text/plain","text"]}\n')),
    (post("/process", LONG + b"}"),
     answer(b"200 OK", JSON, b"Transfer-Encoding: chunked",
            body=b"fff\r\n" + LONG + b',"format":"",' + METADATA + b"\r\n0\r\n\r\n")),
]


def forget_lock(socket_path):
    """The framework's SDK removes its lock file when it ends, unless the process has ended before: mostly."""
    pathlib.Path(f"{socket_path}.lock").unlink(missing_ok=True)


def exchange(path, request):
    """Sends bytes, half-closes, and gives everything that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(path)
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return re.sub(DATE, b"Date", received)
            received += piece


@pytest.fixture
def imitation(plugin, free_dir):
    """Starts gpf_plugin.py with the fixture that plays the host."""
    def start(name="simple-processor", config=(), **settings):
        settings.setdefault("socket_dir", free_dir)
        return plugin(gpf_plugin.install(free_dir / name, **settings), config=config)

    return start


@pytest.fixture
def plugins(free_dir):
    """A plugin folder: plugins("upper", type="up") puts an imitation there."""
    folder = free_dir / "plugins"
    folder.mkdir()

    def add(name, **settings):
        return gpf_plugin.install(folder / name, socket_dir=free_dir, **settings)

    add.folder = folder
    return add


@pytest.fixture
def gpf(free_dir):
    """Makes hosts of the framework, and ends their plugins."""
    hosts = []

    def make(flavour="skarlso", **options):
        hosts.append(gpf_host.Host(flavour, log=io.StringIO(), **options))
        return hosts[-1]

    yield make
    for one in hosts:
        one.__exit__()


# ---- the plugin is what the real one is


def test_imitated_plugin_answers_to_the_byte(imitation):
    path = imitation().address[len(UNIX):]

    for request, expected in ANY_PLUGIN + THE_EXAMPLE:
        assert (request, exchange(path, request)) == (request, expected)


@pytest.mark.gosdk
def test_real_plugin_answers_to_the_byte(gosdk, plugin):
    real = plugin(gosdk / "plugin")
    path = real.address[len(UNIX):]

    for request, expected in ANY_PLUGIN:
        assert (request, exchange(path, request)) == (request, expected)
    assert real.shutdown() == 0
    forget_lock(path)


def test_imitated_capabilities_to_the_byte():
    run = subprocess.run([str(PEERS / "gpf_plugin.py"), "capabilities"], capture_output=True, timeout=20, check=True)

    assert run.stdout == (
        b'{"types":{"dataProcessor":[{"type":"simple-text-processor","jsonSchema":'
        b'"eyJ0eXBlIjogIm9iamVjdCIsICJwcm9wZXJ0aWVzIjogeyJmb3JtYXQiOiB7InR5cGUiOiAic3RyaW5nIn19fQ=="}]}}\n')
    assert re.fullmatch(rb'\{"time":"[^"]+Z","level":"INFO","msg":"capabilities sent"\}\n', run.stderr)


@pytest.mark.parametrize("arguments, status, message", [
    ([], 1, '"missing required flag --config"'),
    (["--config"], 2, "flag needs an argument: -config"),
    (["--other"], 2, "flag provided but not defined: -other"),
    (["--config={}"], 1, '"plugin config has no ID"'),
    (["-config", '{"type":"unix"}'], 1, '"plugin config has no ID"'),
    (["--config", '{"id":"x","type":"pipe"}'], 1, "unknown plugin type: pipe"),
    (["--config", '{"id":"x","type":"unix","idleTimeout":"5m"}'], 1,
     "json: cannot unmarshal string into Go struct field Config.idletimeout of type time.Duration"),
])
def test_imitated_plugin_refuses_what_the_real_one_refuses(arguments, status, message):
    run = subprocess.run([str(PEERS / "gpf_plugin.py"), *arguments], capture_output=True, text=True, timeout=20,
                         check=False)

    assert run.returncode == status
    assert message in run.stderr


def test_imitated_plugin_leaves_its_lock_and_not_its_socket(imitation):
    plugin = imitation()
    path = plugin.address[len(UNIX):]
    with open(path + ".lock", encoding="ascii") as lock:
        assert lock.read() == str(plugin.process.pid)

    assert plugin.shutdown() == 1

    assert not os.path.exists(path)
    assert os.path.exists(path + ".lock")


def test_imitated_plugin_of_ocm_leaves_nothing(imitation):
    plugin = imitation(flavour="ocm")
    path = plugin.address[len(UNIX):]

    plugin.signal(signal.SIGINT)

    assert plugin.wait() == 0
    assert not os.path.exists(path) and not os.path.exists(path + ".lock")


def start_with_socket(free_dir, lock):
    """The exit status and the log of a plugin that finds a socket with this content in its lock file."""
    (free_dir / "old-plugin.socket").touch()
    if lock is not None:
        (free_dir / "old-plugin.socket.lock").write_text(lock)
    run = subprocess.run([str(PEERS / "gpf_plugin.py"), "--config", '{"id":"old","type":"unix","idleTimeout":1}'],
                         capture_output=True, text=True, timeout=20, check=False,
                         env={**os.environ, "GPF_SOCKET_DIR": str(free_dir)})
    return run.stdout, run.stderr


@pytest.mark.parametrize("lock, why", [
    (None, "lock file does not exists unable to determine using process"),
    ("12 ", r'could not parse PID: strconv.Atoi: parsing \"12 \": invalid syntax'),
    (str(os.getpid()), f"process using socket file is still alive under pid {os.getpid()}"),
])
def test_imitated_plugin_does_not_take_a_socket_from_others(free_dir, lock, why):
    stdout, stderr = start_with_socket(free_dir, lock)

    assert stdout == ""
    assert "could not determine location: could not cleanup socket" in stderr
    assert why in stderr


def test_imitated_plugin_takes_the_socket_of_the_dead(free_dir):
    with subprocess.Popen(["true"]) as dead:
        dead.wait()

    stdout, _ = start_with_socket(free_dir, str(dead.pid))

    assert stdout == f"{UNIX}{free_dir}/old-plugin.socket\n"


def test_go_json_is_escaped_and_sorted_as_go_does():
    assert marshal({"b": Map({"z": 1, "a": None}), "a": "<&>\u2028\"\u00e9\n", "data": b"\xff"}) == (
        '{"b":{"a":null,"z":1},"a":"\\u003c\\u0026\\u003e\\u2028\\"\u00e9\\n","data":"/w=="}')


# ---- the host is what the real one is


@pytest.fixture
def recorder(free_dir):
    """A server that keeps the requests it gets and answers {}."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(free_dir / "recorder.sock"))
    listener.listen()
    got = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while True:
                    request = connection.recv(65536)
                    if not request:
                        break
                    got.append(request)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    got_and_path = (got, f"{UNIX}{free_dir}/recorder.sock")
    yield got_and_path
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(20)


def test_imitated_host_asks_to_the_byte(recorder):
    got, address = recorder
    plugin = gpf_host.Plugin("/any", {"type": "unix", "idle_ns": 1, "types": []}, "skarlso", io.StringIO())
    plugin.client = gpf_host.GoClient(address, "unix")

    plugin.call("/healthz")
    plugin.call("process", "POST", {"data": b"<hi>", "format": "a&b"},
                headers={"X-Z": "1", "Authorization": '{"type":"x"}'})
    plugin.client.request("GET", "/healthz")
    plugin.client.request("POST", "/shutdown")
    plugin.client.close()

    both = b"Host: unix\r\nUser-Agent: Go-http-client/1.1\r\n"
    assert got == [
        b"GET /healthz HTTP/1.1\r\n" + both +
        b"Accept: application/json\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        b"POST /process HTTP/1.1\r\n" + both + b"Content-Length: 39\r\nAccept: application/json\r\n"
        b'Authorization: {"type":"x"}\r\nContent-Type: application/json\r\nX-Z: 1\r\nAccept-Encoding: gzip\r\n\r\n'
        b'{"data":"PGhpPg==","format":"a\\u0026b"}',
        b"GET /healthz HTTP/1.1\r\n" + both + b"Accept-Encoding: gzip\r\n\r\n",
        b"POST /shutdown HTTP/1.1\r\n" + both + b"Content-Length: 0\r\nAccept-Encoding: gzip\r\n\r\n",
    ]


@pytest.mark.parametrize("flavour, types, argument", [
    ("skarlso", [("database-config", b'{"host":"localhost","port":5432}')],
     '{"id":"simple-processor","type":"unix","idleTimeout":300000000000,"configTypes":[{"type":"database-config",'
     '"data":"eyJob3N0IjoibG9jYWxob3N0IiwicG9ydCI6NTQzMn0="}]}'),
    ("skarlso", [], '{"id":"simple-processor","type":"unix","idleTimeout":300000000000}'),
    ("ocm", [("c/v1", {"a": 1})],
     '{"id":"simple-processor","type":"unix","pluginType":"","idleTimeout":300000000000,'
     '"configTypes":[{"a":1,"type":"c/v1"}]}'),
])
def test_imitated_host_writes_config_to_the_byte(flavour, types, argument):
    config = {"type": "unix", "idle_ns": 300 * 10**9, "types": types}

    assert gpf_host.Plugin("/x/simple-processor", config, flavour, io.StringIO()).argument() == argument


# ---- the pair


@pytest.mark.parametrize("flavour, kind", [
    ("skarlso", "unix"), ("skarlso", "tcp"), ("ocm", "unix"),  # OCM never finds an address without http:// before it
])
def test_pair_works(plugins, gpf, flavour, kind):
    plugins("simple-processor")
    host = gpf(flavour, kind=kind)
    host.register(plugins.folder)

    answer = host.get("dataProcessor").call("/process", "POST", {"data": b"hello", "format": "text/plain"})

    assert answer == {"data": b64("HELLO"), "format": "text/plain",
                      "metadata": {"operation": "uppercase", "processed_by": "simple-processor"}}
    assert host.get("dataProcessor").call("/formats") == {"formats": ["text/plain", "text"]}


def test_pair_survives_a_connection_that_was_closed_for_idleness(plugins, gpf):
    plugins("simple-processor", idle_conn="0.05")
    host = gpf()
    host.register(plugins.folder)
    plugin = host.get("dataProcessor")
    wait_until(lambda: select.select([plugin.client.connection], [], [], 0)[0], "the plugin to close the connection")

    assert plugin.call("/formats")["formats"]


def test_pair_ocm_skips_lines_that_are_no_address(plugins, gpf):
    plugins("simple-processor", noise="hello\nlistening soon")
    host = gpf("ocm")
    host.register(plugins.folder)

    assert host.get("dataProcessor").call("/formats")


def test_pair_reports_errors_in_gos_words(plugins, gpf):
    plugins("simple-processor")
    host = gpf()
    host.register(plugins.folder)
    plugin = host.get("dataProcessor")

    with pytest.raises(gpf_host.Failed, match=r"^plugin returned status code 400: additional information: Invalid re"):
        plugin.call("/process", "POST", {"data": 1})
    with pytest.raises(gpf_host.Failed, match='^plugin returned status code 500: .*"panic recovered","statusCode":500'):
        plugin.call("/panic")
    with pytest.raises(gpf_host.Failed, match=r"^plugin returned status code 404: .*404 page not found"):
        plugin.call("/nowhere")


def test_pair_passes_configuration(plugins, gpf):
    plugins("simple-processor")
    host = gpf(config_types=[("database-config", b'{"port":5432}')])
    host.register(plugins.folder)
    (record,) = wait_until(lambda: [r for r in host.get("dataProcessor").records if r[1] == "config data"],
                           "the plugin's log")

    assert dict(record[2])["config"]["configTypes"] == [{"type": "database-config", "data": b64('{"port":5432}')}]


def test_imitated_plugin_ends_when_idle(plugins):
    plugins("simple-processor")
    plugin = gpf_host.Plugin(str(plugins.folder / "simple-processor"), {"type": "unix", "idle_ns": 10**6, "types": []},
                             "ocm", io.StringIO())
    plugin.process = subprocess.Popen([plugin.path, "--config", plugin.argument()], stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL)

    assert plugin.wait() == 1


def test_host_skips_or_refuses_bad_plugins(plugins, gpf):
    plugins("good")
    plugins("same")
    (plugins.folder / "no-plugin").write_text("#!/bin/sh\nexit 3\n")
    (plugins.folder / "no-plugin").chmod(0o755)
    (plugins.folder / "garbage").write_text("#!/bin/sh\necho no json\n")
    (plugins.folder / "garbage").chmod(0o755)
    (plugins.folder / "notes.txt").write_text("has an extension")
    (plugins.folder / "not-executable").write_text("")
    host = gpf()
    host.register(plugins.folder)

    assert sorted(host.skipped) == ["garbage", "no-plugin", "not-executable", "same"]
    assert host.skipped["no-plugin"] == "exit status 3"
    assert host.skipped["same"] == 'external plugin for type "dataProcessor" already registered'
    assert host.skipped["not-executable"].endswith("permission denied")
    assert host.get("dataProcessor").id == "good"
    with pytest.raises(gpf_host.Failed, match="^failed to start plugin garbage: "):
        gpf("ocm").register(plugins.folder)
    with pytest.raises(gpf_host.Failed, match='^no plugin found for type "transformer"$'):
        host.get("transformer")


def test_host_finds_nothing_in_an_empty_folder(gpf, free_dir):
    with pytest.raises(gpf_host.Failed, match="^no plugins found$"):
        gpf().register(free_dir)
    with pytest.raises(gpf_host.Failed, match="no plugins found$"):
        gpf().register(free_dir / "none")


# ---- the imitations against the framework's own SDK


@pytest.mark.gosdk
def test_imitated_host_runs_a_real_plugin(gosdk, gpf, free_dir):
    name = f"go-upper-{os.getpid()}"
    (free_dir / "plugins").mkdir()
    (free_dir / "plugins" / name).symlink_to(gosdk / "plugin")
    for flavour in ("skarlso", "ocm"):
        host = gpf(flavour)
        host.register(free_dir / "plugins")
        answer = host.get("dataProcessor").call("/process", "POST", {"data": b"hello", "format": "text/plain"})
        assert answer == {"data": b64("HELLO"), "format": "text/plain", "metadata": {"bytes": 5, "sdk": "go"}}
        host.__exit__()
    forget_lock(f"/tmp/{name}-plugin.socket")


@pytest.mark.gosdk
def test_real_host_runs_an_imitated_plugin(gosdk, plugins):
    plugins("simple-processor")
    run = subprocess.run([str(gosdk / "host"), str(plugins.folder), "dataProcessor", "/process", "POST",
                          json.dumps({"data": b64("hello"), "format": "text/plain"})], capture_output=True, text=True,
                         timeout=60, check=False)

    assert json.loads(run.stdout)["data"] == b64("HELLO")
    assert "exit status 1" in run.stderr  # the example's way to end


# ---- our plugins under the framework's hosts


@pytest.fixture
def ours(free_dir):
    """A plugin folder with one of our own plugins, under a name that nobody else uses in /tmp."""
    folder = free_dir / "ours"
    folder.mkdir()

    def add(name):
        return shutil.copy(PROGRAMS / "plugins" / name, folder / f"{name}-{secrets.token_hex(4)}")

    add.folder = folder
    return add


@pytest.mark.parametrize("flavour", ["skarlso", "ocm"])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_our_plugin_works_under_the_frameworks_hosts(ours, gpf, flavour, kind):
    path = ours("text")
    host = gpf(flavour, kind=kind)
    host.register(ours.folder)
    plugin = host.get("dataProcessor")

    assert [entry["type"] for entry in plugin.types["dataProcessor"]] == ["upper", "lower", "wordcount"]
    answer = plugin.call("/process", "POST", {"data": b"<hello>", "format": "text/plain"})
    assert answer == {"data": b64("<HELLO>"), "format": "text/plain", "metadata": {}}
    assert plugin.call("/formats") == {"formats": ["text/plain", "text/markdown"]}
    if kind == "unix":
        assert plugin.location == f"{UNIX}/tmp/{plugin.id}-plugin.socket"
        with open(f"/tmp/{plugin.id}-plugin.socket.lock", encoding="ascii") as lock:
            assert lock.read() == str(plugin.process.pid)  # digits and nothing else: Go's Atoi takes no newline

    host.shutdown()

    assert plugin.wait() == 0
    assert not os.path.exists(f"/tmp/{os.path.basename(path)}-plugin.socket")
    assert not os.path.exists(f"/tmp/{os.path.basename(path)}-plugin.socket.lock")


def test_our_plugins_errors_are_the_frameworks(ours, gpf):
    ours("text")
    host = gpf()
    host.register(ours.folder)
    plugin = host.get("dataProcessor")

    with pytest.raises(gpf_host.Failed) as failed:
        plugin.call("/process", "POST", {"data": b"a\0"})
    words = re.fullmatch(r"plugin returned status code (\d+): additional information: (.*)\n", str(failed.value))
    status, body = words.groups()
    error = json.loads(body)
    assert (error["message"], error["statusCode"]) == (
        "cannot process the data: byte 1 is zero, so it is no text", int(status))
    with pytest.raises(gpf_host.Failed, match="status code 404"):
        plugin.call("/nowhere")
    with pytest.raises(gpf_host.Failed, match="status code 405"):
        plugin.call("/healthz", "POST", {})


def test_our_plugin_ends_on_the_frameworks_shutdown(ours, gpf):
    ours("text")
    host = gpf("ocm")
    host.register(ours.folder)
    plugin = host.get("dataProcessor")

    status, _, _ = plugin.client.request("POST", "/shutdown")

    assert status == 200
    assert plugin.wait() == 0


def test_our_plugin_logs_as_the_frameworks_do(ours, gpf):
    ours("text")
    host = gpf("ocm")
    host.register(ours.folder)
    plugin = host.get("dataProcessor")
    host.shutdown()

    assert all(level in ("DEBUG", "INFO", "WARN", "ERROR") for level, _, _ in plugin.records)


def test_our_plugin_takes_configuration_in_the_frameworks_form(ours, gpf, free_dir):
    ours("storage")
    directory = json.dumps({"directory": str(free_dir)}).encode()
    host = gpf(config_types=[("storage-config", directory)])
    host.register(ours.folder)

    assert host.skipped == {}
    client = host.get("blobStore").client
    status, _, body = client.request("POST", "/store", b"bytes", {"Content-Type": "application/octet-stream"})
    assert (status, json.loads(body)["size"]) == (200, 5)


def test_our_plugin_refuses_configuration_that_it_does_not_declare(ours, gpf):
    ours("text")
    host = gpf(config_types=[("other-config", b"{}")])
    host.register(ours.folder)

    (why,) = host.skipped.values()
    assert "plugin did not output connection location" in why
    wait_until(lambda: "other-config" in host.log.getvalue(), "the plugin's log to tell the type")


@pytest.mark.gosdk
def test_our_plugin_works_under_a_real_host(gosdk, ours):
    path = ours("text")
    listed = subprocess.run([str(gosdk / "host"), str(ours.folder)], capture_output=True, text=True, timeout=60,
                            check=True)
    assert [line.split()[1:3] for line in listed.stdout.splitlines()] == [
        ["dataProcessor", "upper"], ["dataProcessor", "lower"], ["dataProcessor", "wordcount"]]

    run = subprocess.run([str(gosdk / "host"), str(ours.folder), "dataProcessor", "/process", "POST",
                          json.dumps({"data": b64("hello"), "format": "text/plain"})], capture_output=True, text=True,
                         timeout=60, check=False)

    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"data": b64("HELLO"), "format": "text/plain", "metadata": {}}
    assert not os.path.exists(f"/tmp/{os.path.basename(path)}-plugin.socket")


# ---- the framework's plugins under our manager: the host of examples/06_languages runs every "...-processor"


@pytest.mark.parametrize("settings", [
    {}, {"noise": "starting up\nsoon"}, {"idle_conn": "0.05"}, {"flavour": "ocm", "contract": "x"},
])
def test_imitated_plugin_works_under_our_manager(host, plugins, free_dir, settings):
    plugins("gpf", type="gpf-processor", **settings)
    (free_dir / "text").write_text("hello <you>\n")

    run = host(PROGRAMS / "examples" / "06_languages" / "host", "text")

    if settings.get("flavour") == "ocm":  # a blobTransformer, which is nothing for this host: found, not called
        assert (run.status, run.stdout, run.stderr) == (0, "", "")
    else:
        assert (run.status, run.stdout, run.stderr) == (0, "gpf-processor\n    HELLO <YOU>\n", "")
    assert not list(free_dir.glob("*.socket"))


def test_our_manager_passes_configuration_in_gos_form(host, plugins, free_dir, build):
    """The imitation reads --config as strictly as encoding/json does: integers for times, base64 for bytes."""
    source = free_dir / "config_host.c"
    source.write_text(CONFIG_HOST)
    plugins("gpf", type="gpf-processor", config_types="database-config", config_copy=free_dir / "copy")

    run = host(build(source), "plugins")

    assert (run.status, run.stdout) == (0, "SEED\n"), run.stderr
    form = (r'\{"id":"gpf-[\w-]+","type":"unix","idleTimeout":90000000000,"configTypes":'
            r'\[\{"type":"database-config","data":"eyJwb3J0Ijo1NDMyfQ=="\}\]\}')
    assert re.fullmatch(form, (free_dir / "copy").read_text())


CONFIG_HOST = r"""
#define PLUGKIT_IMPLEMENTATION
#include "plugkit.h"
#include "contracts/data_processor.h"
#include <stdio.h>

static void on_log(void *user, pk_log_level level, const char *event, pk_str text, const pk_meta *fields, size_t count)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s: %" PK_FMT, event, PK_ARG(text));
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, " %" PK_FMT "=%" PK_FMT, PK_ARG(fields[i].name), PK_ARG(fields[i].value));
    }
    fprintf(stderr, "\n");
}

int main(int argc, char **argv)
{
    pk_plugin_config config = {.type = "database-config", .data = PK_STR("{\"port\":5432}")};
    pk_manager_desc desc = {.plugin_dir = argv[argc - 1], .config = &config, .config_count = 1, .idle_ms = 90000,
                            .on_log = on_log};
    process_request request = {.data = PK_STR("seed")};
    process_response response = {0};
    pk_manager *manager = NULL;
    data_processor dp;
    pk_error err = {0};
    if (pk_manager_create(&manager, &desc, &err) || pk_manager_start(manager, &err) ||
        data_processor_bind(&dp, pk_manager_caller(manager), PK_STR("gpf-processor"), &err) ||
        dp.process(&dp, NULL, &request, &response, &err)) {
        fprintf(stderr, "host: %s\n", err.msg);
    } else {
        printf("%" PK_FMT "\n", PK_ARG(response.data));
    }
    pk_mem_free(&response.mem);
    pk_manager_destroy(manager);
    return err.code != PK_OK;
}
"""


@pytest.mark.gosdk
def test_real_plugin_works_under_our_manager(gosdk, host, free_dir, build):
    (free_dir / "plugins").mkdir()
    shutil.copy(gosdk / "plugin", free_dir / "plugins" / "go-sdk")
    source = free_dir / "config_host.c"
    source.write_text(CONFIG_HOST.replace("gpf-processor", "go-upper").replace("database-config", "go-config"))

    run = host(build(source), "plugins")

    assert (run.status, run.stdout) == (0, "SEED\n"), run.stderr
    assert "configured" in run.stderr and '{"port":5432}' in run.stderr.replace("\\", "")
    for name in set(re.findall(r"go-sdk-1-[0-9a-f]{8}", run.stderr)):
        forget_lock(f"/tmp/{name}-plugin.socket")
