"""PlugKit by TLS against others: OpenSSL's commands, curl, Python, Go and Node; what works, and what is refused."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

from conftest import PEERS, ROOT, mbedtls_flags
from pki import Pki

pytestmark = pytest.mark.mbedtls
TOOLS = ROOT / "tests" / "tools"
TLS = PEERS / "tls"


def needs(program):
    path = shutil.which(program)
    if not path:
        pytest.skip(f"there is no {program}")
    return path


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    """An authority, a server, a client, and people of whom nobody knows anything."""
    needs("openssl")
    pki = Pki(tmp_path_factory.mktemp("pki"))
    pki.ca, pki.other_ca, pki.impostor = (pki.authority(name) for name in ("Test CA", "Other CA", "Test CA"))
    pki.server = pki.certificate("server", pki.ca, dns="localhost", ip="127.0.0.1", use="serverAuth")
    pki.client = pki.certificate("client", pki.ca, uri="urn:test:client", use="clientAuth")
    return pki


@pytest.fixture(scope="session")
def tools(build):
    flags = mbedtls_flags()
    return {name: build(TOOLS / f"{name}.c", "-O0", "-DPLUGKIT_WITH_TLS", *flags) for name in ("http_get", "http_serve")}


@pytest.fixture(scope="session")
def has_13(tools, house):
    done = subprocess.run([tools["http_get"], "https://localhost:1", "/"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False,
                          env=surroundings(trust=house.ca.cert, least="1.3"))
    return "insist on TLS 1.3" not in done.stderr


def surroundings(cert=None, trust=None, crl=None, name=None, least=None):
    env = {**os.environ}
    if cert:
        env.update(TLS_CERT=str(cert.cert), TLS_KEY=str(cert.key))
    for key, value in (("TLS_TRUST", trust), ("TLS_CRL", crl), ("TLS_NAME", name), ("TLS_LEAST", least)):
        if value:
            env[key] = str(value)
    return env


class Serving:
    """A server that prints a line when it listens, and ends when its stdin does; end() gives whom it has refused."""

    def __init__(self, *argv, env=None):
        self.process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=env)
        self.line = self.process.stdout.readline().strip()
        assert self.line, self.process.stderr.read()
        self.errors = ""

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.errors = self.process.communicate(timeout=20)[1]
        assert self.process.returncode == 0, self.errors
        return re.findall(r"^refused: (.*)$", self.errors, re.M)


@pytest.fixture
def serve(tools):
    running = []

    def start(cert, listen="https://127.0.0.1:0", workers=0, **options):
        server = Serving(tools["http_serve"], listen, workers, env=surroundings(cert, **options))
        running.append(server)
        return server

    yield start
    for server in running:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(params=["waiting", "loop"])
def get(request, tools):
    def ask(*options, status=0, **tls):
        how = ["-l"] if request.param == "loop" else []
        done = subprocess.run([tools["http_get"], *how, *map(str, options)], stdin=subprocess.DEVNULL, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=surroundings(**tls),
                              check=False)
        assert done.returncode == status, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()] if status == 0 else done.stderr

    return ask


# ---- the server, asked by others

def curl(server, house, path, *options, status=0, client=True):
    base = [needs("curl"), "-sS", "--max-time", "20", "--cacert", house.ca.cert]
    base += ["--cert", house.client.cert, "--key", house.client.key] if client else []
    if server.line.startswith("https+unix://"):
        base += ["--unix-socket", server.line.removeprefix("https+unix://")]
        url = "https://localhost"
    else:
        url = server.line
    done = subprocess.run([*map(str, [*base, *options]), url + path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("where", ["tcp", "unix"])
@pytest.mark.parametrize("workers", [0, 2])
def test_curl_asks(serve, house, has_13, free_dir, where, workers, tmp_path):
    listen = "https://127.0.0.1:0" if where == "tcp" else f"https+unix://{free_dir}/s.sock"
    server = serve(house.server, listen, workers, trust=house.ca.cert)
    assert curl(server, house, "/healthz", "-w", "%{http_code} %{http_version}") == b"200 1.1"
    who = json.loads(curl(server, house, "/who"))
    assert (who["name"], who["uri"]) == ("client", "urn:test:client")
    assert who["version"] == ("TLSv1.3" if has_13 else "TLSv1.2")
    assert json.loads(curl(server, house, "/who", "--tls-max", "1.2"))["version"] == "TLSv1.2"
    big = tmp_path / "big"
    big.write_bytes(b"b" * 3_000_000)
    assert curl(server, house, "/echo", "--data-binary", f"@{big}") == big.read_bytes()
    uploaded = curl(server, house, "/upload", "-X", "POST", "-T", big, "-H", "Expect: 100-continue")
    assert json.loads(uploaded)["size"] == 3_000_000
    assert len(curl(server, house, "/stream?2000000")) == 2_000_000
    assert curl(server, house, "/stream?1000", "--http1.0") == b"s" * 1000  # as long as the connection, and said so
    program = tmp_path / "program"
    curl(server, house, "/file", "-o", program)
    assert program.read_bytes()[:4] == b"\x7fELF" and program.stat().st_size > 100_000
    url = server.line if where == "tcp" else "https://localhost"
    urls = [url + "/healthz"] * 4
    assert curl(server, house, "/healthz", *urls, "-w", "%{num_connects}") == b"10000"  # one connection for all
    assert server.end() == []


def python_context(house, client=True, **options):
    context = ssl.create_default_context(cafile=str(house.ca.cert))
    if client:
        context.load_cert_chain(house.client.cert, house.client.key)
    for key, value in options.items():
        setattr(context, key, value)
    return context


def port_of(server):
    return int(server.line.rsplit(":", 1)[1])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_python_asks_and_resumes(serve, house, has_13, version):
    if version == ssl.TLSVersion.TLSv1_3 and not has_13:
        pytest.skip("this mbedTLS speaks 1.2")
    server = serve(house.server, trust=house.ca.cert)
    context = python_context(house, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    session = None
    for attempt in range(3):
        with socket.create_connection(("127.0.0.1", port_of(server))) as plain:
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
                connection.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = http.client.HTTPResponse(connection)
                answer.begin()
                who = json.loads(answer.read())
                assert (who["name"], who["resumed"]) == ("client", attempt > 0)
                assert connection.selected_alpn_protocol() == "http/1.1"
                assert connection.session_reused == (attempt > 0)
                session = connection.session
    connection = http.client.HTTPSConnection("localhost", port_of(server), context=context, timeout=20)
    for body in (b"x", b"y" * 100_000):
        connection.request("POST", "/echo", body)
        assert connection.getresponse().read() == body
    connection.close()
    assert server.end() == []


@pytest.fixture(scope="session")
def go_build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("go-tls")

    def build(name):
        program = folder / name
        if not program.exists():
            done = subprocess.run([needs("go"), "build", "-o", program, TLS / f"{name}.go"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
            assert done.returncode == 0, done.stdout
        return program

    return build


@pytest.mark.parametrize("whose", ["go", "node"])
def test_go_and_node_ask(serve, house, go_build, whose):
    server = serve(house.server, trust=house.ca.cert)
    program = [go_build("client")] if whose == "go" else [needs("node"), TLS / "client.js"]
    argv = [*program, server.line, house.ca.cert, house.client.cert, house.client.key]
    done = subprocess.run([str(arg) for arg in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert json.loads(out["who"]["body"])["name"] == "client"
    assert out["echo"]["size"] == 500_000 and out["stream"]["size"] == 3_000_000
    assert out["again"]["resumed"] and json.loads(out["again"]["body"])["resumed"]
    assert json.loads(out["again"]["body"])["name"] == "client"
    assert server.end() == []


# ---- the client, answered by others

@pytest.fixture(params=["python", "python 1.2", "node", "go"])
def peer(request, house, go_build):
    files = [house.ca.cert, house.server.cert, house.server.key]
    argv = {"python": [sys.executable, TLS / "server.py", *files],
            "python 1.2": [sys.executable, TLS / "server.py", *files, "1.2"],
            "node": ["node", TLS / "server.js", *files]}.get(request.param)
    if request.param in ("node", "go"):
        needs(request.param)
    server = Serving(*(argv or [go_build("server"), *files]))
    server.is_python = "python" in request.param
    yield server
    server.end()


def test_client_is_answered(peer, get, house, tmp_path):
    url = f"https://localhost:{peer.line}"
    mine = {"cert": house.client, "trust": house.ca.cert}
    answers = get("-n", 3, url, "/who", **mine)
    assert [a["reused"] for a in answers] == [False, True, True]
    assert all(a["first"].startswith("client ") for a in answers)
    answers = get("-o", "-n", 3, url, "/who", **mine)  # a connection each: the later ones resume
    assert [a["first"].lower().split()[-1] for a in answers] == ["false", "true", "true"]
    if not peer.is_python or "1.2" in str(peer.process.args):  # Python keeps no certificate in a session of 1.3
        assert all(a["first"].startswith(("client ", " ")) for a in answers)
    text = tmp_path / "text"
    text.write_bytes(b"t" * 400_000)
    for how in ("-f",) if peer.is_python else ("-f", "-r"):
        assert get("-X", "POST", how, text, url, "/echo", **mine)[0]["sum"] == 400_000 * ord("t")
    assert get(url, "/long", **mine)[0]["size"] == 3_000_000
    if peer.is_python:
        assert get(url, "/until_close", **mine)[0]["first"] == "all"
        assert "no close_notify" in get(url, "/cut", status=1, **mine)


@contextlib.contextmanager
def s_server(house, *options, cert=None, key=None):
    """`openssl s_server -www`, which answers any request in HTTP/1.0."""
    shown = [] if cert is False else ["-cert", cert or house.server.cert, "-key", key or house.server.key]
    process = subprocess.Popen([needs("openssl"), "s_server", "-accept", "127.0.0.1:0", "-www", *map(str, shown),
                                *map(str, options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    try:
        seen = ""
        while "ACCEPT" not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        yield f"https://localhost:{seen.rsplit(':', 1)[1].strip()}"
    finally:
        process.kill()
        process.communicate()


def test_openssl_answers(get, house, has_13):
    for options in (["-tls1_2"], ["-tls1_3"] if has_13 else ["-tls1_2", "-cipher", "ECDHE+CHACHA20"]):
        with s_server(house, *options) as url:
            answer = get(url, "/", trust=house.ca.cert)[0]
            assert answer["status"] == 200 and answer["size"] > 500


# ---- refused: servers, by our client

OTHER_USE = {"serverAuth": "clientAuth", "clientAuth": "serverAuth"}


def flaws(house):
    """What is wrong with a certificate, and what we say of it. Made for both directions."""
    make = house.certificate
    far = {"dns": "localhost"}

    def forged(kind):
        return lambda use: house.forged(make("forged", house.authority("Test CA", kind), use=use, **far))

    return {
        "self-signed": (lambda use: make("alone", None, use=use, **far), "is self-signed"),
        "wrong authority": (lambda use: make("it", house.other_ca, use=use, **far), "is signed by 'CN=Other CA'"),
        "impostor": (lambda use: make("it", house.impostor, use=use, **far),
                     "the signature is not that of 'CN=Test CA'"),
        "expired": (lambda use: make("it", house.ca, use=use, start=-2, end=-1, **far), "it has expired since 20"),
        "not yet valid": (lambda use: make("it", house.ca, use=use, start=1, end=2, **far),
                          "it is not valid before 20"),
        "wrong usage": (lambda use: make("it", house.ca, use=OTHER_USE[use], **far),
                        "it is not meant for this use (extended key usage)"),
        "forged, P-256": (forged("p256"), "the signature is not that of 'CN=Test CA'"),
        "forged, P-384": (forged("p384"), "the signature is not that of 'CN=Test CA'"),
        "forged, RSA": (forged("rsa"), "the signature is not that of 'CN=Test CA'"),
    }


FLAWS = ["self-signed", "wrong authority", "impostor", "expired", "not yet valid", "wrong usage", "forged, P-256",
         "forged, P-384", "forged, RSA"]


@pytest.mark.parametrize("what", FLAWS)
def test_client_refuses_a_server_of_openssl(get, house, what):
    make, reason = flaws(house)[what]
    bad = make("serverAuth")
    with s_server(house, cert=bad.cert, key=bad.key) as url:
        error = get(url, "/", status=1, trust=house.ca.cert)
    assert "the peer's certificate is refused: " in error and reason in error


def test_client_refuses_the_wrong_name(get, house):
    with s_server(house) as url:
        error = get(url, "/", status=1, trust=house.ca.cert, name="elsewhere.example")
    assert "it is that of 'CN=server', and has no name 'elsewhere.example'" in error


def test_client_refuses_who_is_revoked(get, house):
    bad = house.certificate("bad", house.ca, dns="localhost")
    with s_server(house, cert=bad.cert, key=bad.key) as url:
        assert get(url, "/", trust=house.ca.cert)[0]["status"] == 200
        error = get(url, "/", status=1, trust=house.ca.cert, crl=house.revoked(bad, house.ca))
    assert "it has been revoked" in error


@pytest.mark.parametrize("options, reason", [
    (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "version"),
    (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "version"),
    (["-tls1_2", "-cipher", "AES128-SHA"], "the peer refuses: it finds no cipher"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "the peer refuses: it finds no cipher"),
    (["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"], "the peer refuses: it finds no cipher"),
    (["-alpn", "h2"], "the peer refuses: it does not speak http/1.1 there"),
    (["-cert", None, "-Verify", "1"], "certificate"),
], ids=["TLS 1.1", "TLS 1.0", "no forward secrecy", "no AEAD", "no certificate", "no http/1.1", "asks for a certificate"])
def test_client_and_openssl_do_not_agree(get, house, options, reason):
    cert = False if options[1:] == ["-cipher", "aNULL:@SECLEVEL=0"] else None
    given = [option for option in options if option not in ("-cert", None)]
    with s_server(house, *given, *(["-nocert"] if cert is False else []), cert=cert) as url:
        error = get(url, "/", status=1, trust=house.ca.cert)
    assert reason in error


def test_client_says_that_the_server_is_plain(get, house, tools):
    plain = Serving(tools["http_serve"], "http://127.0.0.1:0")
    error = get(plain.line.replace("http:", "https:"), "/", status=1, trust=house.ca.cert, name="localhost")
    plain.end()
    assert "the peer does not speak TLS" in error


# ---- refused: clients, by our server

def s_client(server, *options):
    """`openssl s_client`, with a request; what it prints, and whether an answer came."""
    argv = [needs("openssl"), "s_client", "-connect", f"127.0.0.1:{port_of(server)}", "-quiet", "-no_ign_eof", *options]
    done = subprocess.run([str(arg) for arg in argv], input=b"GET /healthz HTTP/1.0\r\n\r\n", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, check=False)
    return done.stdout.decode(errors="replace")


def test_s_client_asks(serve, house):
    server = serve(house.server, trust=house.ca.cert)
    shown = ["-cert", house.client.cert, "-key", house.client.key]
    assert "HTTP/1.1 200 OK" in s_client(server, *shown, "-ign_eof")
    assert server.end() == []


@pytest.mark.parametrize("what", ["no certificate", *FLAWS])
def test_server_refuses_a_client_of_openssl(serve, house, what):
    make, reason = flaws(house).get(what, (None, "the client shows no certificate"))
    server = serve(house.server, trust=house.ca.cert)
    shown = []
    if make:
        bad = make("clientAuth")
        shown = ["-cert", bad.cert, "-key", bad.key]
    for version in ("-tls1_2", "-no_tls1_2"):
        seen = s_client(server, *shown, version, "-ign_eof")
        assert "HTTP/1.1" not in seen
    refused = server.end()
    assert refused and reason in refused[0]
    assert "alert" in seen  # it is told


@pytest.mark.parametrize("options, reason", [
    (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "no version of TLS that is accepted"),
    (["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "no version of TLS that is accepted"),
    (["-tls1_2", "-cipher", "AES128-SHA"], "no cipher or signature that both accept"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], "no cipher or signature that both accept"),
    (["-alpn", "h2"], ""),
], ids=["TLS 1.1", "TLS 1.0", "no forward secrecy", "no AEAD", "no http/1.1"])
def test_server_and_openssl_do_not_agree(serve, house, options, reason):
    server = serve(house.server)
    seen = s_client(server, *options, "-ign_eof")
    refused = server.end()
    assert "HTTP/1.1" not in seen and "alert" in seen
    assert refused and reason in refused[0]


def test_a_downgrade_by_the_client_is_refused(serve, house, has_13):
    """Falls back to 1.2 and says that it does: a server that speaks 1.3 lets itself be found (RFC 8446, 4.1.3)."""
    server = serve(house.server)
    with socket.create_connection(("127.0.0.1", port_of(server))) as s:
        random = bytes(32)
        extensions = bytes.fromhex("000a000400020017" "000d000600040403" "0804")
        hello = b"\x03\x03" + random + b"\x00" + b"\x00\x02\xc0\x2b" + b"\x01\x00"
        hello += len(extensions).to_bytes(2, "big") + extensions
        body = b"\x01" + len(hello).to_bytes(3, "big") + hello
        s.sendall(b"\x16\x03\x01" + len(body).to_bytes(2, "big") + body)
        answer = s.recv(5000)
    assert answer[:1] == b"\x16" and answer[5:6] == b"\x02"
    server_random = answer[11:43]
    assert (server_random[-8:] == b"DOWNGRD\x01") == has_13
    assert len(server.end()) == 1


def test_plain_http_to_a_tls_port(serve, house):
    server = serve(house.server)
    plain = server.line.replace("https:", "http:")
    done = subprocess.run([needs("curl"), "-sS", "-w", " %{http_code}", plain + "/healthz"], stdout=subprocess.PIPE,
                          text=True, check=False)
    assert done.stdout.endswith(" 400") and "this port speaks TLS: ask it by https" in done.stdout
    assert server.end() == ["cannot serve a connection: the peer does not speak TLS, but plain HTTP"]


def test_what_is_reloaded_is_shown_to_the_next(serve, house, tmp_path):
    for source, name in ((house.server.cert, "cert.pem"), (house.server.key, "key.pem")):
        shutil.copy(source, tmp_path / name)

    class Files:
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    server = serve(Files)
    context = python_context(house, client=False)

    def shown():
        plain = socket.create_connection(("127.0.0.1", port_of(server)))
        connection = context.wrap_socket(plain, server_hostname="localhost")
        return connection, dict(pair[0] for pair in connection.getpeercert()["subject"])["commonName"]

    old, name = shown()
    assert name == "server"
    (tmp_path / "cert.pem").write_text("nonsense")
    assert "cannot read certificate" in server.ask("reload")
    assert shown()[1] == "server"
    new = house.certificate("new", house.ca, dns="localhost", kind="rsa")
    shutil.copy(new.cert, Files.cert)
    shutil.copy(new.key, Files.key)
    assert server.ask("reload") == "reloaded"
    assert shown()[1] == "new"
    old.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")  # goes on
    assert old.recv(1000).startswith(b"HTTP/1.1 200 OK")
    old.close()
    assert server.end() == []


# ---- the programs of README and manual

def test_the_host_of_the_readme_speaks_tls_with_its_plugin(build, tmp_path):
    blocks = re.findall(r"^```c\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.S | re.M)
    program = tmp_path / "host.c"
    program.write_text(next(block for block in blocks if "PK_MTLS_REQUIRED" in block))
    (tmp_path / "plugins").mkdir()
    plugin = build(ROOT / "examples/01_hello/plugins/hello.c", "-O0", "-DPLUGKIT_WITH_TLS", *mbedtls_flags())
    shutil.copy(plugin, tmp_path / "plugins" / "hello")

    done = subprocess.run([build(program, "-O0", *mbedtls_flags())], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True)

    assert done.stdout == '{"text":"Hello, you!"}\n'


def test_the_program_of_the_manual_says_hello(house, build, tmp_path):
    text = (ROOT / "docs/tls.md").read_text(encoding="utf-8")
    program = tmp_path / "hello.c"
    program.write_text(re.search(r"^```c\n(.*?)^```$", text, re.S | re.M).group(1))
    shutil.copy(house.server.cert, tmp_path / "server.pem")
    shutil.copy(house.server.key, tmp_path / "server.key")
    shutil.copy(house.ca.cert, tmp_path / "ca.pem")
    built = build(program, "-O0", *mbedtls_flags())
    process = subprocess.Popen([built], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        connection = http.client.HTTPSConnection("localhost", int(address.rsplit(":", 1)[1]), timeout=20,
                                                 context=python_context(house))
        connection.request("GET", "/hello")
        assert connection.getresponse().read() == b"Hello, client!"
        connection.close()
    finally:
        process.kill()
        process.communicate()
