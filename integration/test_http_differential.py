"""Our HTTP readers against those of Python (http.client, http.server) and Node (llhttp), on messages made by chance.

Of answers and of requests, the same holds: what we accept the others read as we do, or refuse; what both of them accept
and read alike we accept, too. Each exception stands in one of the lists below, with what tells it and its reason: where
we are stricter, where another is, and where another is wrong. A message that two read in two ways is how requests are
smuggled, so nothing else may pass.

Messages come from a generator with a fixed seed, and from hypothesis where it is installed. HTTP_SEED=n and
HTTP_ROUNDS=n change it; `make fuzz` runs many. They are served raw, over a Unix socket, and most of them are proper
HTTP with one thing odd, or with a few bytes changed.
"""

import collections
import http.client
import http.server
import io
import json
import os
import random
import re
import shutil
import socket
import subprocess
import urllib.parse

import pytest

from conftest import PEERS, ROOT

try:
    import hypothesis
    import hypothesis.strategies as some
except ImportError:
    hypothesis = None

SEED = int(os.environ.get("HTTP_SEED", "1"))
ROUNDS = int(os.environ.get("HTTP_ROUNDS", "2500"))
TOOLS = ROOT / "tests" / "tools"
SEEN = PEERS / "http" / "seen.js"
UNIX = "http+unix://"

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="there is no node")

# ---- where we differ, and why

Rule = collections.namedtuple("Rule", "who says sign why")  # `says` is in the refusal, `sign` is found in the message

METHODS = rb"(?:GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS)"
TE = rb"(?i:\ntransfer-encoding:)"
BARE = rb"HTTP/1\.\d [23]04[ \r](?s:.*)" + TE
BLANKS = rb"\n[0-9a-fA-F]+(?:[ \t]+;|[^\n\"]*;[ \t]|[^\n\"]*[ \t][=;]|[^\n\"]*=[ \t]|[^\n]*\"[ \t]+;)"

WE_REFUSE = [  # what both of the others take, and for the same
    Rule("", "malformed or second Transfer-Encoding", TE + rb"(?![ \t]*(?i:chunked)\r\n)|" + TE + rb"(?s:.*)" + TE,
         "what is not \"chunked\", once, has no certain end"),
    Rule("", "transfer coding other than chunked", TE + rb"[^\n]*,[ \t]*(?i:chunked)\r\n", "the same"),
    Rule("", "Transfer-Encoding in HTTP/1.0", rb"(?s)HTTP/1\.0.*" + TE,
         "1.0 has none: some go by it, some read to the end"),
    Rule("", "malformed or second Content-Length", rb"(?i)\ncontent-length:[ \t]*\d{19}", "larger than 2^63 - 1"),
    Rule("", "Connection names a vital header", rb"(?i)\nconnection:[^\n]*(content-length|transfer-encoding|host)",
         "a proxy would take it away, and the message would end elsewhere"),
    Rule("", "switches protocols", rb"HTTP/1\.\d 101", "nobody asked for it"),
    Rule("", "misplaced character", rb"HTTP/1\.\d \d\d\d [^\r\n]*[\0-\x08\x0a-\x1f\x7f]", "no control characters"),
    Rule("", "not an HTTP message", rb"\A\r[^\n]", "a bare CR, which llhttp passes over before a message"),
    Rule("", "bare CR", rb"\r[^\n]", "the same, and behind a reason phrase"),
    Rule("", "malformed chunk size", rb"\n[0-9a-fA-F]{16}", "fifteen digits are enough"),
    Rule("", "malformed chunk extension", rb"\n[0-9a-fA-F]+[^\n]*;(?:[^\n]*=[;\r]|[=;]|[^\n]*;[=;])",
         "llhttp lets a name or a value be empty"),
    Rule("", "malformed or forbidden trailer", rb"(?is)\n0+[^\n]*\n.*(?:host|content-length|transfer-encoding):",
         "it frames or routes a message (RFC 9110, 6.5.1)"),
    Rule("", "trailer is too long", rb"(?s)\n0+[^\n]*\n.{4096}", "4 KiB, or an attacker could go on for ever"),
]
WE_REFUSE_REQUESTS = WE_REFUSE + [
    Rule("", "malformed or second Host", rb"(?i)\nhost:", "nobody else may route it in another way"),
    Rule("", "missing required Host", rb"(?is)(?:\A|\r\n\r\n)(?:(?!\nhost:|\r\n\r\n).)+\r\n\r\n", "RFC 9112, 3.2"),
    Rule("", "HTTP version other", rb" HTTP/(?:0\.9|2\.0)\r\n", "there are two"),
    Rule("", "malformed request target",
         rb"(?m)^\S+ (?:[^/ ]\S*|[^ \r]*(?:%|#|\\|\.\.|[\x80-\xff])[^ \r]*)[ \r]|^\S+ \S+\r$",
         "see src/wire/url.h; and 0.9, which has no version"),
    Rule("", "nothing here knows method", rb"(?m)^(?!" + METHODS + rb" )\S+ ", "501; the last one on its connection"),
    Rule("", "not an HTTP message", rb"(?m)^[^\n]*  ", "one space between the parts of a line (RFC 9112, 3)"),
    Rule("", "expectation other", rb"(?i)\nexpect:", "417 (RFC 9110, 10.1.1)"),
]
THEY_REFUSE = [  # what we take
    Rule("node", "HPE_INVALID_VERSION", rb"HTTP/1\.[2-9]", "it is read as the highest that is known (RFC 9110, 2.5)"),
    Rule("node", "HPE_INVALID_CONTENT_LENGTH", rb"(?i)\ncontent-length:[^\n]*\t\r\n",
         "a tab is a blank (RFC 9110, 5.6.3)"),
    Rule("node", "HPE_CLOSED_CONNECTION", rb"(?is)HTTP/1\.\d 1\d\d .*\nconnection:[^\n]*close",
         "an interim answer that says close: it is the last one that counts"),
    Rule("", "", rb"(?is)HTTP/1\.0.*\nconnection:[^\n]*keep-alive[ \t,]",
         "they hang up: nothing else may stand there to keep a connection of 1.0"),
    Rule("node", "HPE_", BLANKS, "blanks in chunk extensions: see src/wire/http_chunk.h"),
    Rule("node", "HPE_INVALID_METHOD", rb"(?m)^(?!" + METHODS + rb" )\S+ ", "any token is one (RFC 9110, 9.1)"),
    Rule("python", "", BARE, "it reads chunks where there is no body: see below"),
    Rule("python", "", rb"\A\r\n|\r\nGET /canary", "one empty line before a request is passed over (RFC 9112, 2.2)"),
]
THEY_ARE_WRONG = [  # what we take for something else
    Rule("python", "", BARE, "no body follows 204 and 304 (RFC 9112, 6.3); http.client reads chunks all the same"),
]


def excused(rules, who, says, data):
    return any(rule.who in ("", who) and rule.says in says and re.search(rule.sign, data) for rule in rules)


# ---- readers of answers

Answer = collections.namedtuple("Answer", "status fields body")


class Refused(str):
    """The message was refused, or not whole, and why."""


def plain(fields):
    """Names in lower case, values without the blanks around them."""
    return [(name.lower(), value.strip(" \t")) for name, value in fields]


class Site:
    """A server that answers with what it is told, byte by byte, and a program that asks it once for each line."""

    def __init__(self, folder, name, *argv):
        self.path = f"{folder}/{name}.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(8)
        self.listener.settimeout(20)
        self.process = subprocess.Popen([str(arg).replace("SOCKET", self.path) for arg in argv],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, method, data):
        self.process.stdin.write(method.encode() + b"\n")
        self.process.stdin.flush()
        with self.listener.accept()[0] as s:
            asked = b""
            while b"\r\n\r\n" not in asked:
                part = s.recv(4096)
                assert part, f"{self.process.args} hung up"
                asked += part
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has seen enough
            out = json.loads(self.process.stdout.readline())
        if out.get("error"):
            return Refused(out["error"])
        return Answer(out["status"], plain(out["fields"]), out["body"])

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()
        self.listener.close()


class Patient(http.client.HTTPResponse):
    """Waits for the last answer. (http.client takes 103 for one: it passes over none but 100.)"""

    def _read_status(self):
        version, status, reason = super()._read_status()
        while 100 < status < 200 and status != 101:
            http.client.parse_headers(self.fp)
            version, status, reason = super()._read_status()
        return version, status, reason


def ask_python(method, data):
    class Sock:
        def makefile(self, _):
            return io.BytesIO(data)

    answer = Patient(Sock(), method=method)
    try:
        answer.begin()
        body = answer.read()
    except (http.client.HTTPException, ValueError, OSError, OverflowError) as why:
        return Refused(f"{type(why).__name__}: {why}")
    return Answer(answer.status, plain(answer.headers.items()), body.decode("latin-1"))


@pytest.fixture(name="clients", scope="module")
def clients_fixture(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    ours = Site(folder, "ours", build(TOOLS / "http_get.c"), "-i", UNIX + "SOCKET", "/")
    node = Site(folder, "node", "node", SEEN, "client", "SOCKET")
    yield {"ours": ours, "python": ask_python, "node": node}
    ours.close()
    node.close()


def compare_answers(clients, method, data):
    """True: all of them read it."""
    read = {who: ask(method, data) for who, ask in clients.items()}
    ours = read.pop("ours")
    shown = f"{method}: {data!r}\n  ours: {ours!r}\n" + "\n".join(f"  {who}: {it!r}" for who, it in read.items())
    if isinstance(ours, Refused):
        alike = read["python"] == read["node"] and not isinstance(read["node"], Refused)
        assert not alike or excused(WE_REFUSE, "", ours, data), f"only we refuse {shown}"
        return False
    for who, it in read.items():
        if isinstance(it, Refused):
            assert excused(THEY_REFUSE, who, it, data), f"{who} refuses what we accept: {shown}"
        elif it != ours:
            assert excused(THEY_ARE_WRONG, who, "", data), f"{who} reads it in another way: {shown}"
    return not any(isinstance(it, Refused) for it in read.values())


# ---- readers of requests: what they make of a connection

Request = collections.namedtuple("Request", "method path query fields body")  # the body is None if it was not read
Seen = collections.namedtuple("Seen", "requests refused closes")  # closes: does not want to hear any more


def path_and_query(target):
    """As src/wire/url.h reads a target, for one that it accepts."""
    target = re.sub(r"^[a-z]+://[^/?]*", "", target, flags=re.I)
    path, _, query = target.partition("?")
    path = re.sub("/+", "/", urllib.parse.unquote_to_bytes(path.encode("latin-1")).decode("latin-1"))
    parts = []
    for part in path.split("/")[1:]:
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    is_folder = path.endswith(("/", "/.", "/.."))
    return "/" + "/".join(part for part in parts if part) + ("/" if is_folder and any(parts) else ""), query


def ask_ours(address, data):
    requests, refused, closes = [], "", False
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(address.removeprefix(UNIX))
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has seen enough
        answers = s.makefile("rb")
        while line := answers.readline():
            fields = http.client.parse_headers(answers)
            if line.startswith(b"HTTP/1.1 100"):
                continue
            body = answers.read(int(fields.get("Content-Length", "0")))
            closes = fields.get("Connection") == "close"
            if line.startswith(b"HTTP/1.1 200"):
                it = json.loads(body)
                requests.append(Request(it["method"], it["path"], it["query"], plain(it["fields"]), it["body"]))
            elif not closes or line.startswith(b"HTTP/1.1 204"):
                requests.append(None)  # read, and answered by the server itself: OPTIONS, methods that nothing knows
            else:
                refused = json.loads(body)["message"]
    return Seen(requests, Refused(refused), closes)


class Handler(http.server.BaseHTTPRequestHandler):
    """http.server leaves bodies to whoever uses it, and does not know chunks: requests with them are its last ones."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.see
        raise AttributeError(name)

    def see(self):
        body = None
        if self.headers.get("Transfer-Encoding") is None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(max(0, min(length, 1 << 20)))
            if len(body) != length:
                raise ValueError("cut")
        else:
            self.close_connection = True
        path, query = path_and_query(self.path)
        self.server.append(Request(self.command, path, query, plain(self.headers.items()),
                                   None if body is None else body.decode("latin-1")))
        self.send_response_only(200)
        self.end_headers()

    def send_error(self, code, message=None, explain=None):
        raise ValueError(f"{code} {message}")

    def log_message(self, *_):
        pass


def serve_python(data):
    ours, its = socket.socketpair()
    requests, refused = [], ""
    with ours, its:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        its.settimeout(20)
        try:
            Handler(its, "", requests)
        except (ValueError, OSError, OverflowError) as why:
            refused = f"{type(why).__name__}: {why}"
    return Seen(requests, Refused(refused), bool(requests) and requests[-1].body is None)


class Node:
    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen(["node", SEEN, "server", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def __call__(self, data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(self.path)
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
        it = json.loads(self.process.stdout.readline())
        requests = [Request(one["method"], *path_and_query(one["target"]), plain(one["fields"]), one["body"])
                    for one in it["requests"]]
        return Seen(requests, Refused(it["error"]), False)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()


@pytest.fixture(name="servers", scope="module")
def servers_fixture(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    program = subprocess.Popen([build(TOOLS / "http_serve.c"), f"unix:{folder}/ours.sock", "0", "all"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    address = program.stdout.readline().strip()
    node = Node(f"{folder}/node.sock")
    yield {"ours": lambda data: ask_ours(address, data), "python": serve_python, "node": node}
    node.close()
    program.stdin.close()
    assert program.wait(20) == 0
    program.stdout.close()


CANARY = b"GET /canary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def same_request(one, other):
    return one is None or one._replace(body=None) == other._replace(body=None) and other.body in (None, one.body)


def compare_requests(servers, data):
    """True: all of them read one."""
    read = {who: ask(data) for who, ask in servers.items()}
    ours = read.pop("ours")
    shown = f"{data!r}\n  ours: {ours!r}\n" + "\n".join(f"  {who}: {it!r}" for who, it in read.items())
    for who, it in read.items():
        for one, other in zip(ours.requests, it.requests):
            if not same_request(one, other):
                assert excused(THEY_ARE_WRONG, who, "", data), f"{who} reads it in another way: {shown}"
        if any(ours.requests[len(it.requests):]) and not it.closes:
            assert excused(THEY_REFUSE, who, it.refused, data), f"{who} refuses what we accept: {shown}"
    if all(len(it.requests) > len(ours.requests) for it in read.values()) and (ours.refused or not ours.closes):
        assert excused(WE_REFUSE_REQUESTS, "", ours.refused, data), f"only we refuse {shown}"
    return bool(ours.requests) and all(it.requests for it in read.values())


# ---- messages by chance

NAMES = ["X", "Date", "Server", "Content-Type", "ETag", "Set-Cookie", "x-a.b_c", "!#$%&'*+-.^_`|~9", "Vary", "Link"]
VALUES = ["", "a", "a b", "text/html; charset=utf-8", "\"quoted, string\"", "a\tb", "\xfc\xff\x80", "a, b,, c", "=;,:",
          "Sun, 06 Nov 1994 08:49:37 GMT", "x" * 50, "chunked", "5", "close"]
TOKENS = ["\r\n", "\r", "\n", "\r\n\r\n", " ", "\t", ":", ";", ",", "=", "\"", "\\", "0", "5", "f", "-", "+", "0x", "_",
          "\0", "\x01", "\x0b", "\x0c", "\x1c", "\x7f", "\x80", "\x85", "\xa0", "\xff", "HTTP/1.1", "HTTP/1.0",
          "chunked", "identity", "gzip", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length",
          "Transfer-Encoding", "\r\n ", "Host: b\r\n", "X: y\r\n", "X : y\r\n", ": y\r\n", "0\r\n\r\n", "3\r\nabc\r\n",
          "Connection: close\r\n", ";a=b", "From x\r\n", "/", "//", "..", "%2e", "%", "?", "#", "*", "http://a/",
          "Expect: 100-continue\r\n", "Connection: keep-alive\r\n", "Upgrade: x\r\n", "GET"]
BODIES = ["", "a", "hello", "0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
          "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
          "\r\n", "5\r\nhello\r\n0\r\n\r\n", "\0\xff\r\r\n", "b" * 700]


def often(rng, usual, *rare, chance=0.06):
    """The usual, but for some of the time."""
    return rng.choice(rare) if rng.random() < chance else usual


def some_case(rng, text):
    return often(rng, text, text.lower(), text.upper(), text.swapcase())


def field(rng, name, value):
    return f"{name}:{often(rng, ' ', '', '  ', chr(9))}{value}{often(rng, '', ' ', chr(9))}\r\n"


def some_fields(rng):
    count = often(rng, rng.randrange(4), 30, 90, 105, chance=0.04)
    return [field(rng, rng.choice(NAMES), rng.choice(VALUES)) for _ in range(count)]


def some_extension(rng):
    """Of a chunk: most are proper, some with blanks, some not."""
    blank = often(rng, "", " ", "\t", "  ")
    name = rng.choice(["a", "name", "!#$%&'*+-.^_`|~", "0"])
    value = rng.choice(["", "=b", "=b", "=\"\"", "=\"q; = \\\" \\\\ \t\xff\"", "=5"])
    wrong = rng.choice(["", "=", "=\"", ";", " ", "\"", "=b c", "=\"b\"c", "=b=c", ",b", "\xff", "=\xfc", "=\"\\"])
    return f"{blank};{often(rng, '', ' ', chr(9))}{name}{value}{wrong if rng.random() < 0.08 else ''}"


def in_chunks(rng, body):
    text, extend = "", rng.random() < 0.3
    while True:
        size = min(len(body), rng.choice((1, 2, 5, 16, 300)))
        digits = often(rng, f"{size:x}", f"{size:X}", f"0{size:x}", f"{size:015x}", f"{size:016x}", f" {size:x}",
                       f"{size:x} ", f"0x{size:x}", f"+{size:x}", f"-{size:x}", chance=0.05)
        text += digits + (some_extension(rng) if extend and rng.random() < 0.7 else "")
        if size == 0:
            return text + "\r\n" + "".join(some_fields(rng) if rng.random() < 0.2 else ()) + "\r\n"
        text += "\r\n" + body[:size] + "\r\n"
        body = body[size:]


def some_framing(rng, body):
    """Fields that say how long the body is, and the body. None of them is right for sure."""
    kind = rng.randrange(10)
    length = str(len(body))
    if kind < 4:
        length = often(rng, length, "0" + length, "+" + length, "-" + length, length + ".0", f"{length}, {length}",
                       f"{length},", str(len(body) + 1), str(max(0, len(body) - 1)), f"0x{len(body):x}", "",
                       length + " 0", "1_0", "9" * 19, "9" * 20, length + "\x0b", chance=0.1)
        fields = [field(rng, some_case(rng, "Content-Length"), length)]
        if rng.random() < 0.06:
            fields += [field(rng, "Content-Length", often(rng, length, "0", "9", chance=0.5))]
    elif kind < 8:
        coding = often(rng, "chunked", "Chunked", "CHUNKED", "gzip, chunked", "chunked, gzip", "identity",
                       "chunked, chunked", "xchunked", "chunked;q=1", "\"chunked\"", "", ",chunked", "chunked,",
                       "gzip", chance=0.1)
        fields = [field(rng, some_case(rng, "Transfer-Encoding"), coding)]
        fields += [fields[0]] if rng.random() < 0.03 else []
        body = in_chunks(rng, body)
        if rng.random() < 0.06:
            fields += [field(rng, "Content-Length", rng.choice((length, str(len(body)))))]
    else:
        fields = []
    return fields, body


def some_connection(rng):
    return [field(rng, "Connection", rng.choice(["close", "keep-alive", "Close", "x, close", "close, keep-alive", "te",
                                                 "content-length", "upgrade"]))] if rng.random() < 0.25 else []


def mixed(rng, *lists):
    fields = [one for each in lists for one in each]
    rng.shuffle(fields)
    return "".join(fields)


def some_answer(rng):
    status = often(rng, "200", "201", "204", "206", "304", "404", "500", "599", "205", "600", "999", "099", "20", "101",
                   chance=0.3)
    version = often(rng, "HTTP/1.1", "HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1")
    line = f"{version} {status}{often(rng, ' OK', '', ' ', ' Not Found', ' ' + chr(0xfc) + chr(9) + ' x')}\r\n"
    before = "".join(f"HTTP/1.1 {rng.choice((100, 102, 103))} X\r\n{mixed(rng, some_fields(rng))}\r\n"
                     for _ in range(often(rng, 0, 1, 2)))
    fields, body = some_framing(rng, rng.choice(BODIES))
    behind = often(rng, "", "HTTP/1.1 200 OK\r\n\r\n", "x", "\r\n")
    return before + line + mixed(rng, some_fields(rng), fields, some_connection(rng)) + "\r\n" + body + behind


def some_request(rng):
    method = often(rng, rng.choice(("GET", "POST")), "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "X-Y", "get",
                   "TRACE")
    target = often(rng, rng.choice(("/x", "/a/b?c=d&e", "/")), "*", "http://a/x", "http://a", "a:80", "/a%20b",
                   "/%e4%b8%ad?%", "//x", "/a/../b", "/a/./b/", "/a?b?c", "/a;b", "/%2f", "/a#b", "/\xfc",
                   "http://b/x", "", "x", "/a\\b", chance=0.25)
    version = often(rng, "HTTP/1.1", "HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "", "http/1.1")
    name = often(rng, "a", "a:80", "", "a b", "[::1]", "a/b", "a,b", "@")
    host = often(rng, [field(rng, some_case(rng, "Host"), name)], [], ["Host: a\r\nHost: a\r\n"],
                 ["Host: a\r\nHost: b\r\n"], chance=0.06)
    fields, body = some_framing(rng, rng.choice(BODIES)) if method != "GET" or rng.random() < 0.2 else ([], "")
    expect = [field(rng, "Expect", often(rng, "100-continue", "200-ok"))] if rng.random() < 0.04 else []
    return (f"{method} {target}{' ' if version else ''}{version}\r\n"
            f"{mixed(rng, some_fields(rng), host, fields, some_connection(rng), expect)}\r\n{body}")


def changed(rng, text):
    """The text with a few characters or tokens changed."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        if rng.random() < 0.5:  # beside something that matters
            places = [m.start() for m in re.finditer(r"[\r\n:; ,]", text)]
            at = rng.choice(places) + rng.randrange(2) if places else at
        how = rng.randrange(5)
        if how == 0:
            text = text[:at] + rng.choice(TOKENS) + text[at:]
        elif how == 1:
            text = text[:at] + text[at + rng.choice((1, 1, 2, 5)):]
        elif how == 2:
            text = text[:at] + chr(rng.randrange(256)) + text[at + 1:]
        elif how == 3:
            text = text[:at] + rng.choice(TOKENS) + text[at + 1:]
        else:
            text = text[:at] + text[at:at + rng.choice((1, 2, 20))] + text[at:]
    return text


def an_answer(rng):
    text = some_answer(rng)
    return often(rng, "GET", "HEAD", "POST"), (changed(rng, text) if rng.random() < 0.4 else text).encode("latin-1")


def a_request(rng):
    """A request, and behind it one that shows where it ended."""
    text = some_request(rng)
    return ((changed(rng, text) if rng.random() < 0.4 else text).encode("latin-1") + CANARY,)


# ---- the tests

def by_chance(compare, readers, some_one):
    rng = random.Random(SEED)
    read = sum(compare(readers, *some_one(rng)) for _ in range(ROUNDS))
    assert read > ROUNDS / 3  # or it is not HTTP that is made here


@needs_node
def test_answers_are_read_as_others_read_them(clients):
    by_chance(compare_answers, clients, an_answer)


@needs_node
def test_requests_are_read_as_others_read_them(servers):
    by_chance(compare_requests, servers, a_request)


OK = b"HTTP/1.1 200 OK\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a\r\n"


@needs_node
@pytest.mark.parametrize("method, data", [
    ("GET", OK + b"Transfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("GET", OK + b"Transfer-Encoding: chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0;a=\"\r\n\r\n"),
    ("GET", OK + b"Transfer-Encoding: chunked\r\n\r\n5 ; a = \"b;\\\"\"\r\nhello\r\n0\r\n\r\n"),
    ("GET", OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("GET", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK + b"\r\nhello"),
    ("HEAD", OK + b"Content-Length: 5\r\n\r\nhello"), ("GET", OK + b"X: a\r\n b\r\n\r\n"),
    ("GET", OK + b"X: \x85\xa0\r\n\r\n")])
def test_answers_where_readers_differ(clients, method, data):
    compare_answers(clients, method, data)


@needs_node
@pytest.mark.parametrize("data", [
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    POST + b"Transfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0;a=\"\r\n\r\n",
    POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    POST + b"Content-Length: 0, 5\r\n\r\nhello", POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    POST + b"Content-Length : 5\r\n\r\nhello", POST + b"X: a\nContent-Length: 5\r\n\r\nhello"])
def test_requests_where_readers_differ(servers, data):
    compare_requests(servers, data + CANARY)


if hypothesis:
    @needs_node
    @hypothesis.settings(deadline=None, max_examples=100, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(some.randoms(use_true_random=False))
    def test_answers_by_hypothesis(clients, rng):
        compare_answers(clients, *an_answer(rng))

    @needs_node
    @hypothesis.settings(deadline=None, max_examples=100, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(some.randoms(use_true_random=False))
    def test_requests_by_hypothesis(servers, rng):
        compare_requests(servers, *a_request(rng))
