"""Mutual TLS between a host and the plugins that it starts: whole programs, strangers with OpenSSL, hosts that die."""

import json
import pathlib
import re
import shutil
import socket
import ssl

import pytest

from conftest import mbedtls_flags
from driven import SOURCE
from test_survive import COUNTER, SURVIVE, about, count, die

pytestmark = pytest.mark.mbedtls
WITH_TLS = ["-DPLUGKIT_WITH_TLS"]


@pytest.fixture
def secure(driven, build, free_dir):
    """secure(**options): a host that requires mutual TLS, with a plugin that can, and all that it offers to plugins."""
    flags = WITH_TLS + mbedtls_flags()
    program, counter = build(SOURCE, *flags), build(COUNTER, *flags)
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(counter, folder / "counter")

    def start(**options):
        return driven(**{"dir": folder, "program": program, "mtls": True, **options})

    return start


@pytest.mark.parametrize("own_loop", [False, True])
@pytest.mark.parametrize("tcp", [False, True])
def test_a_plugin_is_called_and_nothing_secret_is_seen(secure, own_loop, tcp):
    host = secure(own_loop=own_loop, tcp=tcp)

    assert [count(host), count(host)] == [1, 2]
    plugin = host.plugin("counter")
    assert plugin["address"].startswith("https://127.0.0.1:" if tcp else "https+unix://"), plugin
    seen = b"".join(pathlib.Path(f"/proc/{plugin['pid']}/{name}").read_bytes() for name in ("cmdline", "environ"))
    assert b"plugkit://" not in seen and b"tls" not in seen.lower()
    files = [path for path in host.runtime().rglob("*") if path.is_file()]
    assert files == []  # sockets are there, and nothing else
    host.end()
    assert not re.search(r'"key"|BEGIN|plugkit://', json.dumps(host.said))


def test_a_plugin_that_cannot_is_refused_with_the_reason(secure, free_dir, build):
    shutil.copy(build(COUNTER), free_dir / "plugins" / "plain")
    host = secure()

    answer = host.call("plain", "POST /count")

    assert answer["error"] == "PK_ERR_HANDSHAKE"
    assert answer["msg"] == ("cannot start 'plain': mutual TLS is required, and its capabilities do not say "
                             '"mtls":true')
    host.end()


def test_a_plugin_calls_its_host_over_tls_too_also_the_next_one(secure):
    for _ in range(2):
        host = secure(offers=True, survive_as="test", rules=SURVIVE)
        answer = host.call("counter", "POST /host")
        assert answer["error"] == "", answer
        assert json.loads(answer["body"])["text"] == f"{host.run.process.pid} greets counter-1"
        with pytest.raises((ssl.SSLError, ConnectionError)):  # without a certificate nobody is heard there
            stranger = socket.socket(socket.AF_UNIX)
            stranger.settimeout(10)
            stranger.connect(str(host.runtime() / "host.sock"))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = context.wrap_socket(stranger)
            stream.sendall(b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            if not stream.recv(100):
                raise ConnectionError
        die(host)
    secure(offers=True, survive_as="test", rules=SURVIVE).end()


@pytest.mark.parametrize("tcp", [False, True])
def test_strangers_with_openssl_are_refused(secure, tcp):
    host = secure(tcp=tcp)
    assert count(host) == 1
    address = host.plugin("counter")["address"]

    for plain in (False, True):
        if tcp:
            sock = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 10)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10)
            sock.connect(address.removeprefix("https+unix://"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        got = b""
        try:
            stream = sock if plain else context.wrap_socket(sock)
            stream.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            got = stream.recv(1000)
        except (ssl.SSLError, ConnectionError, TimeoutError) as why:
            assert not isinstance(why, TimeoutError)
        assert b" 200 " not in got and b" 401 " not in got, got  # it does not come so far as to miss a token
        sock.close()

    assert count(host) == 2
    host.end()


def test_a_plugin_that_survives_gets_a_certificate_of_the_next_host(secure):
    host = secure(survive_as="test", rules=SURVIVE)
    assert [count(host), count(host)] == [1, 2]
    pid = about(host)["pid"]

    for expected in (3, 4):
        die(host)
        host = secure(survive_as="test", rules=SURVIVE)
        host.event("plugin.adopted", "counter")
        assert count(host) == expected
        assert about(host)["pid"] == pid
    host.end()


def test_one_that_served_without_is_not_adopted_by_a_host_that_requires_it(secure):
    host = secure(survive_as="test", rules=SURVIVE, mtls=False)
    assert count(host) == 1
    pid = about(host)["pid"]
    die(host)

    host = secure(survive_as="test", rules=SURVIVE)
    why = host.event("plugin.lost", "counter")["why"]

    assert "it serves without TLS" in why, why
    assert count(host) == 1  # a new one
    assert about(host)["pid"] != pid
    host.end()
