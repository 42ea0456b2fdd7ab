#!/usr/bin/env python3
"""gpf_plugin.py - a plugin of the Go Plugin Framework, imitated to the byte with Python's standard library.

It plays the framework's example, a data processor that writes text in capitals, built on its SDK: what it prints, what
it answers, which files it makes, and how it ends are those of the real thing (Go 1.26), its mistakes included. Tests
use it wherever Go cannot be had, and to make a Go plugin do what a Go plugin would not do when asked.

    gpf_plugin.py capabilities
    gpf_plugin.py --config '{"id":"x","type":"unix","idleTimeout":3600000000000}'

A manager takes a file for a plugin if its name has no extension; install() writes such a file:

    gpf_plugin.install(folder / "upper", socket_dir=folder)

Its keywords are the environment variables below, in lower case and without GPF_:

    GPF_FLAVOUR      skarlso: the framework (default); ocm: the system that it was taken from
    GPF_TYPE         the type that it serves (default: simple-text-processor)
    GPF_SOCKET_DIR   where the socket and its lock file are made (default: /tmp, as the framework does always)
    GPF_NOISE        lines that are printed before the address
    GPF_IDLE_CONN    seconds until an idle connection is closed (default: 15, ReadTimeout's)
    GPF_CONTRACT     the kind of plugin (default: dataProcessor)
    GPF_CONFIG_TYPES the configuration that it declares, separated by blanks
    GPF_CONFIG_COPY  a file that gets what was passed as --config
"""

import email.utils
import json
import os
import re
import shlex
import signal
import socket
import stat
import sys
import threading
import time

import golang
from golang import Map, encode, marshal, slog

SCHEMA = b'{"type": "object", "properties": {"format": {"type": "string"}}}'
SKARLSO = os.environ.get("GPF_FLAVOUR", "skarlso") == "skarlso"
REASONS = {100: "Continue", 200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized",
           404: "Not Found", 405: "Method Not Allowed", 500: "Internal Server Error", 505: "HTTP Version Not Supported"}
HOUR = 3600 * 10**9


def install(path, **settings):
    """Writes an executable that is this plugin with some settings."""
    words = [f"GPF_{name.upper()}={shlex.quote(str(value))}" for name, value in settings.items()]
    script = f"#!/bin/sh\nexec env {' '.join(words)} {shlex.quote(sys.executable)} {shlex.quote(__file__)} \"$@\"\n"
    path.write_text(script)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def capabilities():
    name = os.environ.get("GPF_TYPE", "simple-text-processor")
    if SKARLSO:
        contract = os.environ.get("GPF_CONTRACT", "dataProcessor")
        declared = os.environ.get("GPF_CONFIG_TYPES", "").split()
        return {"types": Map({contract: [{"type": name, "jsonSchema": SCHEMA}]}),
                **({"configTypes": declared} if declared else {})}
    spec_type = {"type": name, "aliases": None, "jsonSchema": SCHEMA}
    return {"capabilities": [{"type": "blobTransformer", "supportedTransformerSpecTypes": [spec_type]}]}


# ---- the configuration


class Config:
    """types.Config, read as strictly as encoding/json does."""

    def __init__(self, text):
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("json: cannot unmarshal into Go value of type types.Config")
        fields = {key.lower(): item for key, item in value.items() if item is not None}
        self.id = self._take(fields, "id", str, "string", "")
        self.type = self._take(fields, "type", str, "types.ConnectionType", "")
        self.idle_ns = self._take(fields, "idletimeout", int, "time.Duration", HOUR)
        entries = self._take(fields, "configtypes", list, "[]types.ConfigData", [])
        if SKARLSO:
            entries = [{"type": entry["type"], "data": golang.unmarshal_bytes(entry["data"])} for entry in entries]
        self.given = {"id": self.id, "type": self.type}
        self.given.update({"idleTimeout": self.idle_ns} if "idletimeout" in fields else {})
        self.given.update({"configTypes": entries} if entries else {})

    @staticmethod
    def _take(fields, key, kind, name, default):
        value = fields.get(key, default)
        if not isinstance(value, kind) or isinstance(value, bool):
            kinds = {str: "string", bool: "bool", list: "array", dict: "object"}
            given = kinds.get(type(value), "number")
            raise ValueError(f"json: cannot unmarshal {given} into Go struct field Config.{key} of type {name}")
        return value


# ---- what the routes do


class Answer:
    def __init__(self, status=200, body=b"", **headers):
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def http_error(message, status):
    return Answer(status, message.encode() + b"\n", Content_Type="text/plain; charset=utf-8",
                  X_Content_Type_Options="nosniff")


def plugin_error(message, status):
    """plugins.NewError(...).Write(w)"""
    if not SKARLSO:
        return http_error(message, status)
    return Answer(status, encode({"message": message, "statusCode": status}), Content_Type="application/json")


def process(request):
    if request.verb != "POST":
        return http_error("Method not allowed", 405)
    try:
        value = json.loads(request.body())
        data = golang.unmarshal_bytes(value.get("data") or "")
        form = value.get("format") or ""
        config = value.get("config") or {}
        if not isinstance(form, str) or not all(isinstance(item, str) for item in config.values()):
            raise ValueError
    except (ValueError, AttributeError):
        return http_error("Invalid request body", 400)
    upper = data.decode("utf-8", "replace").upper().encode()
    metadata = Map({"processed_by": "simple-processor", "operation": "uppercase"})
    return Answer(200, encode({"data": upper, "format": form, "metadata": metadata}), Content_Type="application/json")


def formats(request):
    if request.verb != "GET":
        return http_error("Method not allowed", 405)
    return Answer(200, encode({"formats": ["text/plain", "text"]}), Content_Type="application/json")


def transform_blob(request):
    """OCM's blob transformer: the data are in a file, and so is the result."""
    credentials = request.headers.get("authorization")
    try:
        if credentials is not None and not isinstance(json.loads(credentials), dict):
            raise ValueError
    except ValueError:
        return http_error("incorrect authentication header format", 401)
    value = json.loads(request.body())
    source = value["location"]["value"]
    with open(source, encoding="utf-8") as file:
        text = file.read()
    with open(source + ".upper", "w", encoding="utf-8") as file:
        file.write(text.upper())
    return Answer(200, encode({"location": {"type": "localFile", "value": source + ".upper"}}),
                  Content_Type="text/plain; charset=utf-8")


def healthz(request):
    if request.verb in ("GET", "HEAD"):
        return Answer()
    return plugin_error("this endpoint may only be called with either HEAD or GET method", 405)


def panic(_request):
    raise RuntimeError("runtime error: index out of range")


# ---- net/http


class Malformed(Exception):
    """A request that Go's server answers with plain text and a closed connection."""

    def __init__(self, status, detail=""):
        super().__init__(detail)
        text = f"{status} {REASONS[status]}{': ' + detail if detail else ''}"
        self.answer = (f"HTTP/1.1 {text}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
                       f"{text}").encode()


class Request:
    def __init__(self, head, stream):
        self.stream = stream
        line, *fields = head.decode("latin-1").split("\r\n")
        parts = line.split(" ")
        if len(parts) != 3 or not re.fullmatch(r"HTTP/\d\.\d", parts[2]):
            raise Malformed(400)
        self.verb, target, self.version = parts
        self.path = target.split("?", 1)[0]
        self.headers = {}
        hosts = 0
        for field in fields:
            name, colon, value = field.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Malformed(400, "invalid header name" if colon else "")
            hosts += name.lower() == "host"
            self.headers[name.lower()] = value.strip(" \t")
        if self.version not in ("HTTP/1.0", "HTTP/1.1"):
            raise Malformed(505, "unsupported protocol version")
        if hosts > 1:
            raise Malformed(400)
        if self.version == "HTTP/1.1" and not hosts:
            raise Malformed(400, "missing required Host header")
        if " " in self.headers.get("host", ""):
            raise Malformed(400, "malformed Host header")
        length = self.headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,18}", length):
            raise Malformed(400)
        self.length = int(length)
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.read = None

    def body(self):
        if self.read is None:
            if self.headers.get("expect", "").lower() == "100-continue":
                self.stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.read = self._chunks() if self.chunked else self.stream.read(self.length)
        return self.read

    def _chunks(self):
        body = b""
        while True:
            size = int(self.stream.line().split(b";")[0], 16)
            if size == 0:
                while self.stream.line():
                    pass
                return body
            body += self.stream.read(size)
            self.stream.line()

    def keeps_open(self):
        return self.version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"


class Stream:
    """A connection with a buffer. Its end is an EOFError."""

    def __init__(self, connection):
        self.connection, self.buffer = connection, b""

    def _more(self):
        piece = self.connection.recv(65536)
        if not piece:
            raise EOFError
        self.buffer += piece

    def until(self, mark):
        while mark not in self.buffer:
            self._more()
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def line(self):
        return self.until(b"\r\n")

    def read(self, size):
        while len(self.buffer) < size:
            self._more()
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def write(self, data):
        self.connection.sendall(data)


def render(request, answer):
    """The bytes that net/http makes of an answer whose handler wrote the body in one piece."""
    fields = [f"{name}: {value}" for name, value in sorted(answer.headers.items())]
    fields.append(f"Date: {email.utils.formatdate(usegmt=True)}")
    body, close = answer.body, not request.keeps_open()
    if request.verb == "HEAD":
        body = b""
    elif len(body) <= 2048:  # the size of net/http's buffer
        fields.append(f"Content-Length: {len(body)}")
    elif request.version == "HTTP/1.1":
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    if close and request.version == "HTTP/1.1":
        fields.append("Connection: close")
    if len(answer.body) > 2048 and request.version == "HTTP/1.1" and request.verb != "HEAD":
        fields.append("Transfer-Encoding: chunked")
    head = f"{request.version} {answer.status} {REASONS[answer.status]}\r\n" + "\r\n".join(fields) + "\r\n\r\n"
    return head.encode() + body


# ---- the plugin


class Plugin:
    def __init__(self, config):
        self.config = config
        self.path = None  # of the socket
        self.stopping = threading.Event()
        self.working = 0
        self.lock = threading.Lock()
        self.idle_since = time.monotonic()
        self.routes = {"/process": process, "/formats": formats, "/panic": panic, "/healthz": healthz}
        if not SKARLSO:
            self.routes["/blob/transform"] = transform_blob

    def start(self):
        """Returns the exit status: the framework's example takes the server's regular end for a failure."""
        try:
            listener, location = self.listen()
        except (OSError, ValueError) as error:
            slog("ERROR", "failed to start plugin", error=str(error))
            return 1
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)
        print(location, flush=True)
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        while not self.stopping.wait(0.02):  # signals and the idle timer
            with self.lock:
                idle = 0 if self.working else time.monotonic() - self.idle_since
            if idle * 10**9 >= self.config.idle_ns:
                slog("INFO", "Gracefully shutting down plugin", id=self.config.id)
                break
        if self.path:
            os.unlink(self.path)
        if SKARLSO:  # it exits before it gets to the lock file, which stays
            slog("ERROR", "failed to start plugin", error="http: Server closed")
            return 1
        if self.path:
            os.unlink(self.path + ".lock")
        return 0

    def on_signal(self, number, _frame):
        slog("INFO", "Received signal. Shutting down.", signal=number)
        slog("INFO", "Gracefully shutting down plugin", id=self.config.id)
        self.stopping.set()

    def listen(self):
        if self.config.type == "tcp":
            listener = socket.create_server(("127.0.0.1", 0))  # the framework listens on all interfaces, and says so
            return listener, f"[::]:{listener.getsockname()[1]}"
        if self.config.type != "unix":
            raise ValueError(f"could not determine location: unknown plugin type: {self.config.type}")
        path = f"{os.environ.get('GPF_SOCKET_DIR', '/tmp')}/{self.config.id}-plugin.socket"
        if os.path.lexists(path):
            self.clean_up(path)
        with open(path + ".lock", "wb") as lock:
            lock.write(str(os.getpid()).encode())
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        self.path = path
        return listener, "http+unix://" + path

    @staticmethod
    def clean_up(path):
        """Takes the place of a plugin that has died, but not of one that is alive."""
        def refuse(why):
            return ValueError(f"could not determine location: could not cleanup socket: {why}")

        try:
            with open(path + ".lock", "rb") as lock:
                content = lock.read()
        except OSError:
            raise refuse("lock file does not exists unable to determine using process: "
                         f"stat {path}.lock: no such file or directory") from None
        if not re.fullmatch(rb"[+-]?[0-9]+", content):
            raise refuse(f"could not parse PID: strconv.Atoi: parsing {marshal(content.decode())}: invalid syntax")
        try:
            os.kill(int(content), 0)
        except OSError:
            os.unlink(path + ".lock")
            os.unlink(path)
            return
        raise refuse(f"process using socket file is still alive under pid {int(content)}")

    def accept(self, listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = Stream(connection)
        try:
            with connection:
                connection.settimeout(float(os.environ.get("GPF_IDLE_CONN", "15")))
                while self.one_request(stream):
                    pass
        except (OSError, EOFError):
            pass

    def one_request(self, stream):
        try:
            request = Request(stream.until(b"\r\n\r\n"), stream)
        except Malformed as malformed:
            stream.write(malformed.answer)
            return False
        if request.path == "/shutdown":
            slog("INFO", "Shutting down plugin", id=self.config.id)
            slog("INFO", "Gracefully shutting down plugin", id=self.config.id)
            self.stopping.set()  # the process ends before the answer is written
            return False
        stream.write(render(request, self.run(request)))
        request.body()  # what the handler did not read
        return request.keeps_open()

    def run(self, request):
        clean = os.path.normpath("/" + request.path.lstrip("/"))
        if clean != request.path.rstrip("/") and request.path != "/":
            redirect = Answer(307, Location=clean)
            if request.verb in ("GET", "HEAD"):
                redirect.headers["Content-Type"] = "text/html; charset=utf-8"
                redirect.body = f'<a href="{clean}">Temporary Redirect</a>.\n\n'.encode() * (request.verb == "GET")
            return redirect
        handler = self.routes.get(request.path)
        if not handler:
            return http_error("404 page not found", 404)
        with self.lock:
            self.working += 1
        try:
            return handler(request)
        except RuntimeError as error:
            slog("ERROR", "panic recovered", error=str(error))
            return plugin_error("panic recovered", 500)
        finally:
            with self.lock:
                self.working -= 1
                self.idle_since = time.monotonic()


def flag_config(arguments):
    """Go's flag package, for one flag: -config X, --config X, -config=X. None if it was not given."""
    usage = "Usage of gpf_plugin:\n  -config string\n    \tPlugin config."
    value = None
    while arguments and re.match("--?[^-]", arguments[0]):
        name, equals, given = arguments.pop(0).lstrip("-").partition("=")
        if name != "config":
            print(f"flag provided but not defined: -{name}\n{usage}", file=sys.stderr)
            sys.exit(2)
        if not equals and not arguments:
            print(f"flag needs an argument: -config\n{usage}", file=sys.stderr)
            sys.exit(2)
        value = given if equals else arguments.pop(0)
    return value


def main():
    if sys.argv[1:2] == ["capabilities"]:
        print(marshal(capabilities()), flush=True)
        slog("INFO", "capabilities sent")
        return 0
    text = flag_config(sys.argv[1:])
    if not text:
        slog("ERROR", "missing required flag --config")
        return 1
    if "GPF_CONFIG_COPY" in os.environ:
        with open(os.environ["GPF_CONFIG_COPY"], "w", encoding="utf-8") as copy:
            copy.write(text)
    try:
        config = Config(text)
    except (ValueError, KeyError, TypeError) as error:
        slog("ERROR", "failed to unmarshal config", error=str(error))
        return 1
    slog("DEBUG", "config data", config=config.given)
    if not config.id:
        slog("ERROR", "plugin config has no ID")
        return 1
    slog("INFO", "starting up plugin", plugin=config.id)
    for line in filter(None, os.environ.get("GPF_NOISE", "").split("\n")):
        print(line)
    return Plugin(config).start()


if __name__ == "__main__":
    sys.exit(main())
