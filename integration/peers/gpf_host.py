#!/usr/bin/env python3
"""gpf_host.py - a host of the Go Plugin Framework, imitated to the byte with Python's standard library.

Two managers speak the framework's protocol, and they differ:

    skarlso  the framework's own. It starts every plugin at once, skips the bad ones, takes the first line of stdout for
             the address, and asks GET /healthz every 100 ms for 30 s, until it is answered with 200. (Its source does
             not compile; this is what it says.)
    ocm      the system that it was taken from. It starts a plugin when it is first needed, refuses all if one is bad,
             looks for a line that begins with http:// or http+unix:// in stdout and then in stderr, and takes any
             answer to GET /healthz for life. At the end it waits for the plugins.

In a test:

    with gpf_host.Host() as host:
        host.register(folder)
        plugin = host.get("dataProcessor")
        plugin.call("/process", "POST", {"data": b"x", "format": "text/plain"})

By hand:

    gpf_host.py [--ocm] [--tcp] DIR                               lists what it finds
    gpf_host.py [--ocm] [--tcp] DIR KIND ENDPOINT [METHOD [JSON]] calls a plugin, and prints its answer
"""

import argparse
import gzip
import http.client
import io
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import golang
from golang import marshal

HOUR = 3600 * 10**9
LOCATION = re.compile(r"http(\+unix)?://")


class Failed(Exception):
    """What the Go code would return as an error; its text is the same."""


# ---- net/http, the client's side


class GoClient:
    """Sends requests with the bytes of Go's http.Client, on one connection that it keeps open."""

    def __init__(self, location, kind, timeout=30.0):
        self.location, self.kind, self.timeout = location, kind, timeout
        self.connection = None
        self.sent = b""  # the last request: for tests that look at it

    def request(self, verb, path, body=None, headers=None):
        """Returns (status, headers, body). Go sends a request again if a kept connection turns out to be closed."""
        self.sent = self._render(verb, path, body, headers or {})
        reused = self.connection is not None
        try:
            return self._exchange(verb)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            if not reused or verb not in ("GET", "HEAD"):
                raise
            return self._exchange(verb)

    def _render(self, verb, path, body, headers):
        host = "unix" if self.kind == "unix" else self.location.split("://")[-1]
        lines = [f"{verb} {path} HTTP/1.1", f"Host: {host}", "User-Agent: Go-http-client/1.1"]
        if body is not None or verb in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body or b'')}")
        lines += [f"{name}: {headers[name]}" for name in sorted(headers)]
        lines.append("Accept-Encoding: gzip")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")

    def _connect(self):
        if self.kind == "unix":
            connection = socket.socket(socket.AF_UNIX)
            address = self.location.replace("http+unix://", "")
        else:
            connection = socket.socket(socket.AF_INET)
            name, _, port = self.location.split("://")[-1].rpartition(":")
            address = ("127.0.0.1" if name in ("[::]", "") else name, int(port))
        connection.settimeout(self.timeout)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection

    def _exchange(self, verb):
        if self.connection is None:
            self.connection = self._connect()
        self.connection.sendall(self.sent)
        answer = http.client.HTTPResponse(self.connection, method=verb)
        answer.begin()
        body = answer.read()
        if answer.will_close:
            self.close()
        if answer.getheader("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        return answer.status, dict(answer.getheaders()), body

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


# ---- a plugin


class Plugin:
    def __init__(self, path, config, flavour, log):
        self.id = os.path.basename(path)
        self.path = path.strip(",;:'\"|&*!@#$")  # the managers' way of cleaning a path
        self.config, self.flavour, self.log = dict(config, id=self.id), flavour, log
        self.capabilities = None
        self.types = {}  # kind of plugin -> [{"type", "jsonSchema": bytes}]
        self.process = None
        self.location = None
        self.client = None
        self.records = []  # what it logged, decoded

    def probe(self):
        """Runs `PLUGIN capabilities` and reads what it prints the way encoding/json does."""
        try:
            run = subprocess.run([self.path, "capabilities"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise Failed(f"fork/exec {self.path}: {os.strerror(error.errno).lower()}") from None
        self.log.write(run.stderr.decode("utf-8", "replace"))
        if run.returncode:
            raise Failed(f"exit status {run.returncode}")
        try:
            self.capabilities = json.loads(run.stdout)
            self.types = self._decode(self.capabilities)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Failed(f"failed to unmarshal capabilities: {error}") from None

    def _decode(self, value):
        if self.flavour == "ocm" and "capabilities" in value:
            kinds = {}
            for spec in value["capabilities"]:
                lists = [item for name, item in spec.items() if name != "type"]
                kinds[spec["type"]] = [self._type(entry) for entries in lists for entry in entries]
            return kinds
        return {kind: [self._type(entry) for entry in entries] for kind, entries in value["types"].items()}

    @staticmethod
    def _type(entry):
        if not isinstance(entry.get("type", ""), str):
            raise ValueError("json: cannot unmarshal into Go struct field TypeInfo.type of type string")
        return {"type": entry.get("type", ""), "jsonSchema": golang.unmarshal_bytes(entry.get("jsonSchema") or "")}

    def argument(self):
        """The --config that the manager passes."""
        fields = {"id": self.id, "type": self.config["type"]}
        if self.flavour == "ocm":
            fields["pluginType"] = ""
        fields["idleTimeout"] = self.config["idle_ns"]
        if self.config["types"]:
            fields["configTypes"] = [dict(value, type=kind) if self.flavour == "ocm" else {"type": kind, "data": value}
                                     for kind, value in self.config["types"]]
        return marshal(fields)

    def start(self):
        self.process = subprocess.Popen([self.path, "--config", self.argument()], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, lines, "stdout"), daemon=True).start()
        threading.Thread(target=self._read, args=(self.process.stderr, lines, "stderr"), daemon=True).start()
        try:
            self.location = self._find_location(lines)
            self.client = GoClient(self.location, self.config["type"])
            self._wait_until_ready()
        except Failed:
            self.kill()
            raise

    def _read(self, pipe, lines, name):
        for line in io.TextIOWrapper(pipe, encoding="utf-8", errors="replace", newline="\n"):
            lines.put((name, line.rstrip("\n")))
            if name == "stderr":
                self.log.write(line)
                self._record(line)
        lines.put((name, None))

    def _record(self, line):
        """OCM's log streamer: JSON objects with level and msg are records, all else is dropped."""
        try:
            value = json.loads(line)
            self.records.append((value.pop("level"), value.pop("msg"), sorted(value.items())))
        except (ValueError, KeyError, AttributeError, TypeError):
            pass

    def _find_location(self, lines):
        deadline = time.monotonic() + 30
        over = set()
        while True:
            try:
                name, line = lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failed("timed out waiting for server to start") from None
            if line is None:
                over.add(name)
                if name == "stdout" and self.flavour == "skarlso":
                    raise Failed("plugin did not output connection location")
                if len(over) == 2:
                    raise Failed("timed out waiting for server to start")  # as it would, after 30 s
            elif self.flavour == "ocm" and LOCATION.match(line):
                return line
            elif self.flavour == "skarlso" and name == "stdout":
                if not line.strip():
                    raise Failed("plugin output empty location")
                return line.strip()

    def _wait_until_ready(self):
        budget = 30 if self.flavour == "skarlso" else 5
        deadline = time.monotonic() + budget
        while time.monotonic() < deadline:
            if self.flavour == "skarlso":
                time.sleep(0.1)  # its ticker comes first
            try:
                if self.flavour == "ocm":
                    self.client.request("GET", "/healthz")
                else:
                    self.call("/healthz", "GET")
                return
            except (OSError, http.client.HTTPException, Failed):
                if self.flavour == "ocm":
                    time.sleep(0.1)
        raise Failed(f"timed out waiting for plugin {self.id}" if self.flavour == "ocm" else
                     "plugin failed to become ready: timeout waiting for plugin to become ready")

    def call(self, endpoint, method="GET", payload=None, headers=None, query=""):
        """plugins.Call: JSON in, JSON out. Bytes in the payload become base64."""
        body = None if payload is None else marshal(payload).encode()
        fields = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        try:
            status, _, answer = self.client.request(method, "/" + endpoint.lstrip("/") + query, body, fields)
        except (OSError, http.client.HTTPException) as error:
            raise Failed(f"failed to send request to plugin: {error}") from None
        if status != 200:
            raise Failed(f"plugin returned status code {status}: additional information: {answer.decode()}" if answer
                         else f"plugin returned status code: {status} (no details were given)")
        if not answer:
            return None
        try:
            return json.loads(answer)
        except ValueError as error:
            raise Failed(f"failed to decode response from plugin: {error}") from None

    def interrupt(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)

    def wait(self, timeout=20):
        status = self.process.wait(timeout)
        if self.client:
            self.client.close()
        self.process.stdout.close()
        return status

    def kill(self):
        self.process.kill()
        self.wait()


# ---- the manager


def find(folder):
    """filepath.Walk: every file whose name has no extension, in the order of its names. Not a look at modes."""
    if not os.path.isdir(folder):
        raise Failed("could not fetch plugins: failed to discover plugins: no plugins found")
    found = []

    def walk(path):
        for name in sorted(os.listdir(path)):
            place = os.path.join(path, name)
            if os.path.isdir(place) and not os.path.islink(place):
                walk(place)
            elif "." not in name:
                found.append(place)

    walk(str(folder))
    return found


def connection_type():
    """A Unix socket if one can be made in the temporary folder, else TCP."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(os.path.join(folder, "plugin.sock"))
            return "unix"
        except OSError:
            return "tcp"


class Host:
    """The manager and its registry. `config_types`: pairs of a type and bytes (skarlso) or a dict (ocm)."""

    def __init__(self, flavour="skarlso", idle_ns=HOUR, config_types=(), kind=None, log=None, accept=lambda id: True):
        self.flavour, self.accept = flavour, accept
        self.config = {"type": kind or connection_type(), "idle_ns": idle_ns, "types": list(config_types)}
        self.log = log or sys.stderr
        self.plugins = {}  # kind -> Plugin
        self.skipped = {}  # id -> why
        self.all = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        for plugin in self.all:
            if plugin.process:
                try:
                    plugin.wait()
                except subprocess.TimeoutExpired:
                    plugin.kill()

    def register(self, folder):
        paths = [path for path in find(folder) if self.accept(os.path.basename(path))]
        if not paths:
            raise Failed("no plugins found")
        for path in paths:
            plugin = Plugin(path, self.config, self.flavour, self.log)
            try:
                plugin.probe()
                self._add(plugin)
            except Failed as error:
                if self.flavour == "ocm":
                    raise Failed(f"failed to start plugin {plugin.id}: {error}") from None
                self.skipped[plugin.id] = str(error)

    def _add(self, plugin):
        for kind in plugin.types:
            if kind in self.plugins:
                raise Failed(f'external plugin for type "{kind}" already registered')
        self.all.append(plugin)
        if self.flavour == "skarlso":
            try:
                plugin.start()
            except Failed as error:
                raise Failed(f"failed to wait for plugin {plugin.id} to start: {error}") from None
        for kind in plugin.types:
            self.plugins[kind] = plugin

    def get(self, kind):
        plugin = self.plugins.get(kind)
        if plugin is None:
            raise Failed(f'no plugin found for type "{kind}"')
        if plugin.process is None:
            plugin.start()
        return plugin

    def shutdown(self):
        """SIGINT to each plugin, once. OCM waits for their end."""
        for plugin in self.all:
            plugin.interrupt()
        if self.flavour == "ocm":
            for plugin in self.all:
                if plugin.process:
                    plugin.wait()


def main():
    parser = argparse.ArgumentParser(description="A host of the Go Plugin Framework.")
    parser.add_argument("--ocm", action="store_true", help="behave as OCM's manager does")
    parser.add_argument("--tcp", action="store_true", help="have plugins listen on TCP")
    parser.add_argument("folder")
    parser.add_argument("call", nargs="*", metavar="KIND ENDPOINT [METHOD [JSON]]")
    options = parser.parse_args()
    with Host("ocm" if options.ocm else "skarlso", kind="tcp" if options.tcp else None) as host:
        try:
            host.register(options.folder)
            if options.call:
                kind, endpoint, method, text = (options.call + ["GET", "null"][len(options.call) - 2:])[:4]
                print(marshal(host.get(kind).call(endpoint, method, json.loads(text))))
            else:
                for kind, plugin in sorted(host.plugins.items()):
                    print(kind, plugin.id, *(entry["type"] for entry in plugin.types[kind]))
                for name, why in host.skipped.items():
                    print("skipped", name, why)
        except Failed as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
