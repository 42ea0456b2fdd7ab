"""bad_plugin.py - plugins with bad manners. install() writes one; what it does wrong is its manner, a function below.

    bad_plugin.install(folder, "cuts-its-answer")                  # a plugin of that name
    bad_plugin.install(folder, "fine", name="other")               # a good one, of another name
    bad_plugin.install(folder, "prints", text="hello", times=3)    # keywords are for the manner

Every one speaks plugkit/1 over HTTP, with plain sockets, and offers the service ("c", its name). GET /healthz and POST
/shutdown are answered as they should be, unless that is what is wrong. Only the standard library is used, and little of
it: they start fast.
"""

import json
import os
import signal
import socket
import sys
import threading
import time

MANNERS = {}


def install(folder, manner, name=None, **settings):
    """Writes an executable with one of the manners below."""
    assert manner in MANNERS, manner
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (name or manner)
    path.write_text(f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {os.path.dirname(__file__)!r})\n"
                    f"sys.dont_write_bytecode = True\n"
                    f"import bad_plugin\nbad_plugin.main({manner!r}, {path.name!r}, {settings!r})\n")
    path.chmod(0o755)
    return path


def manner(function):
    MANNERS[function.__name__.replace("_", "-")] = function
    return function


class Request:
    def __init__(self, head, rest):
        lines = head.decode("latin-1").split("\r\n")
        self.verb, self.path, _ = lines[0].split(" ", 2)
        self.fields = {name.lower(): value.strip() for name, value in (line.split(":", 1)
                                  for line in lines[1:] if line)}
        self.length = int(self.fields.get("content-length", "0"))
        self.body = rest


class Plugin:
    """What a plugin has to do. Manners replace parts of it."""

    def __init__(self, name, settings):
        self.name, self.settings = name, settings
        self.control = None
        self.start = {}
        self.listener = None
        self.answer = lambda connection, request: ok(connection, b'"fine"')
        self.health = lambda connection, request: ok(connection, b"")
        self.shutdown = self.end
        self.reads_bodies = True

    # the protocol

    def capabilities(self):
        return {"types": {"c": [{"type": self.name}]}, "protocols": ["plugkit/1"]}

    def hear(self):
        """The host's first line."""
        self.control = socket.socket(fileno=int(os.environ["PLUGKIT_CONTROL_FD"]))
        line = b""
        while not line.endswith(b"\n"):
            line += self.control.recv(1)
        self.start = json.loads(line)

    def listen(self):
        address = self.start["listen"]
        if address.startswith("http+unix://"):
            self.listener = socket.socket(socket.AF_UNIX)
            os.umask(0o077)
            self.listener.bind(address[len("http+unix://"):])
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
            address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.listener.listen(64)
        return address

    def say(self, **line):
        self.control.sendall(json.dumps(line).encode() + b"\n")

    def announce(self):
        self.say(listening=self.listen())
        self.say(ready=True)

    def lifeline(self):
        """Ends with the host."""
        while self.control.recv(4096):
            pass
        os._exit(0)

    def serve(self):
        threading.Thread(target=self.lifeline, daemon=True).start()
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    more = connection.recv(65536)
                    if not more:
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                request = Request(head, data)
                if self.reads_bodies:
                    while len(data) < request.length:
                        data += connection.recv(65536)
                    request.body, data = data[:request.length], data[request.length:]
                {"/healthz": self.health,
    "/shutdown": self.shutdown}.get(request.path,
    self.answer)(connection,
     request)
        except OSError:
            pass
        finally:
            connection.close()

    def end(self, connection, _):
        ok(connection, b"")
        address = self.start.get("listen", "")
        if address.startswith("http+unix://"):
            os.unlink(address[len("http+unix://"):])
        os._exit(0)

    def run(self):
        self.hear()
        self.announce()
        self.serve()


def send(connection, text, body=b""):
    connection.sendall(text.replace("\n", "\r\n").encode("latin-1") + body)


def ok(connection, body):
    send(connection, f"HTTP/1.1 200 OK\nContent-Type: application/json\nContent-Length: {len(body)}\n\n", body)


def main(manner_name, name, settings):
    plugin = Plugin(name, settings)
    MANNERS[manner_name](plugin, **settings)
    if sys.argv[1:] == ["capabilities"]:
        told = plugin.capabilities()
        sys.stdout.buffer.write((told if isinstance(told, bytes) else json.dumps(told).encode()) + b"\n")
        return
    plugin.run()


# ---- manners: good

@manner
def fine(plugin):
    pass


@manner
def echoes(plugin):
    plugin.answer = lambda connection, request: ok(connection, json.dumps(
        {"length": len(request.body), "pid": os.getpid()}).encode())


@manner
def advertises(plugin, says, file, body="\"fine\"", status=200):
    """Its capabilities say this, too. That it runs, and what it is called with, goes into a file: a line each."""
    def note(text):
        with open(file, "ab") as out:
            out.write(text + b"\n")

    def run():
        note(b"started")
        Plugin.run(plugin)

    def answer(connection, request):
        note(request.body)
        send(connection, f"HTTP/1.1 {status} So\nContent-Type: application/json\nContent-Length: {len(body)}\n\n",
             body.encode())
    plugin.capabilities = lambda: {**Plugin.capabilities(plugin), **says}
    plugin.run, plugin.answer = run, answer


# ---- manners: of answers

@manner
def says(plugin, text, then=""):
    """Answers with these bytes; then "close"s, "wait"s, or goes on."""
    def answer(connection, _):
        connection.sendall(text.encode("latin-1"))
        if then == "close":
            connection.shutdown(socket.SHUT_RDWR)
        elif then == "wait":
            time.sleep(1000)
    plugin.answer = answer


@manner
def says_once(plugin, text):
    """The first answer is these bytes, all others are good."""
    def answer(connection, _):
        connection.sendall(text.encode("latin-1"))
        plugin.answer = lambda connection, request: ok(connection, b'"fine"')
    plugin.answer = answer


@manner
def answers_much(plugin, size, chunked=False, said=True):
    """So many bytes; a body without a length ends with the connection."""
    def answer(connection, _):
        kind = "Transfer-Encoding: chunked\n" if chunked else f"Content-Length: {size}\n" if said else ""
        send(connection, f"HTTP/1.1 200 OK\n{kind}\n")
        piece = b"x" * 65536
        for at in range(0, size, len(piece)):
            part = piece[:size - at]
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        elif not said:
            connection.shutdown(socket.SHUT_RDWR)
    plugin.answer = answer


@manner
def answers_before_it_reads(plugin, status=200, close=True):
    def answer(connection, request):
        send(connection, f"HTTP/1.1 {status} Too soon\nContent-Type: application/json\nContent-Length: 8\n"
                         f"Connection: {'close' if close else 'keep-alive'}\n\n", b'"early!"')
        if close:
            raise OSError
    plugin.answer = answer
    plugin.reads_bodies = False


@manner
def never_answers(plugin):
    plugin.answer = lambda connection, request: time.sleep(1000)


@manner
def dribbles(plugin, pause, head="HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", at_once=0):
    def answer(connection, _):
        text = (head + "x" * 100).encode()
        connection.sendall(text[:at_once])
        for byte in text[at_once:]:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
    plugin.answer = answer


@manner
def dies(plugin, when="/die", how="kill", after=0):
    """GET or POST `when` ends it: "kill", "exit", "status" (3), "words" (says why, then 3). All else waits for ever."""
    def answer(connection, request):
        if request.path == "/fine":
            ok(connection, b'"fine"')
            return
        if request.path != when:
            time.sleep(1000)
        time.sleep(after)
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "words":
            print("first I stumbled\nthen I fell", file=sys.stderr, flush=True)
        os._exit(0 if how == "exit" else 3)
    plugin.answer = answer


# ---- manners: of starting

@manner
def says_lines(plugin, lines, then="serve"):
    """Says these lines instead of where it listens and that it is ready; a % stands for the address."""
    def run():
        plugin.hear()
        address = plugin.listen()
        for line in lines:
            plugin.control.sendall(line.replace("%", address).encode() + b"\n")
        if then == "exit":
            os._exit(0)
        plugin.serve()
    plugin.run = run


@manner
def floods_control(plugin, size):
    def run():
        plugin.hear()
        while size:
            plugin.control.sendall(b"x" * 65536)
    plugin.run = run


@manner
def never_ready(plugin, words=""):
    def run():
        plugin.hear()
        print(words, file=sys.stderr, flush=True)
        time.sleep(1000)
    plugin.run = run


@manner
def exits_at_once(plugin, status, words=""):
    def run():
        print(words, file=sys.stderr, flush=True)
        os._exit(status)
    plugin.run = run


@manner
def forgets_to_listen(plugin):
    """Is ready at an address where nobody is."""
    def run():
        plugin.hear()
        plugin.say(listening=plugin.start["listen"])
        plugin.say(ready=True)
        plugin.lifeline()
    plugin.run = run


@manner
def never_accepts(plugin):
    """Listens, and lets everybody wait."""
    plugin.serve = plugin.lifeline


@manner
def listens_elsewhere(plugin, of):
    """Says that it listens where another one does."""
    def listen():
        folder = os.path.dirname(plugin.start["listen"][len("http+unix://"):])
        other = next(name for name in os.listdir(folder) if name.startswith(of) and name.endswith(".sock"))
        return f"http+unix://{folder}/{other}"
    plugin.listen = listen
    plugin.serve = plugin.lifeline


@manner
def reports(plugin, times):
    """After its first answer: less than well, well, less than well ..., as fast as it can."""
    def talk():
        for number in range(times):
            plugin.say(health={"status": "degraded", "reason": str(number)})
            plugin.say(health={"status": "healthy"})

    def answer(connection, _):
        plugin.answer = lambda connection, request: ok(connection, b'"fine"')
        threading.Thread(target=talk, daemon=True).start()
        ok(connection, b'"fine"')
    plugin.answer = answer


@manner
def stops_listening(plugin):
    """After its first answer nobody can connect any more, and the connection is closed."""
    def answer(connection, _):
        plugin.listener.shutdown(socket.SHUT_RDWR)
        plugin.listener.close()
        ok(connection, b'"fine"')
        raise OSError
    plugin.answer = answer

    def serve():
        try:
            Plugin.serve(plugin)
        except OSError:
            time.sleep(1000)
    plugin.serve = serve


@manner
def is_sick(plugin, health):
    plugin.health = lambda connection, _: connection.sendall(health.encode("latin-1"))


# ---- manners: of descriptors and output

@manner
def closes_its_outputs(plugin):
    def run():
        os.close(1)
        os.close(2)
        Plugin.run(plugin)
    plugin.run = run


@manner
def closes_its_control(plugin):
    """Right after it is ready. What is left to end it are /shutdown and signals."""
    def serve():
        plugin.control.shutdown(socket.SHUT_RDWR)
        plugin.control.close()
        while True:
            connection, _ = plugin.listener.accept()
            threading.Thread(target=plugin.converse, args=(connection,), daemon=True).start()
    plugin.serve = serve


@manner
def prints(plugin, size, stream=2):
    """So many bytes in one line, with each answer."""
    def answer(connection, _):
        left = size
        while left > 0:
            left -= os.write(stream, b"p" * min(left, 1 << 16))
        os.write(stream, b"\n")
        ok(connection, b'"printed"')
    plugin.answer = answer


@manner
def uses_up_descriptors(plugin):
    """With its first answer there are none left."""
    def answer(connection, _):
        try:
            while True:
                os.open("/dev/null", os.O_RDONLY)
        except OSError:
            pass
        ok(connection, b'"fine"')
    plugin.answer = answer


# ---- manners: of processes

def child(work, session=False):
    """Forks; the child does its work and never returns."""
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        work()
        os._exit(0)
    return pid


@manner
def leaves_a_grandchild(plugin, file, session):
    """A process that holds the pipes and the control socket, in the same group or in a session of its own."""
    def run():
        plugin.hear()

        def work():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            with open(file, "w", encoding="ascii") as out:
                out.write(str(os.getpid()))
            time.sleep(1000)
        child(work, session)
        plugin.announce()
        plugin.serve()
    plugin.run = run


@manner
def daemonizes(plugin, file):
    """Its first process ends as soon as the second one is ready, as daemons do."""
    def run():
        plugin.hear()

        def work():
            child(second)

        def second():
            with open(file, "w", encoding="ascii") as out:
                out.write(str(os.getpid()))
            plugin.announce()
            plugin.serve()
        os.waitpid(child(work), 0)
        while not os.path.exists(file):
            time.sleep(0.01)
        time.sleep(0.2)
        os._exit(0)
    plugin.run = run


@manner
def is_deaf(plugin, file=""):
    """Ignores signals, /shutdown and the end of the control socket; its child does, too."""
    def run():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

        def work():
            with open(file, "w", encoding="ascii") as out:
                out.write(str(os.getpid()))
            time.sleep(1000)
        if file:
            child(work)
        plugin.hear()
        plugin.announce()
        while True:
            connection, _ = plugin.listener.accept()
            threading.Thread(target=plugin.converse, args=(connection,), daemon=True).start()
    plugin.run = run
    plugin.shutdown = lambda connection, _: time.sleep(1000)


@manner
def moves_away(plugin):
    """Joins the process group of its host, and is deaf."""
    def run():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.setpgid(0, os.getpgid(os.getppid()))
        Plugin.run(plugin)
    plugin.run = run
    plugin.shutdown = lambda connection, _: time.sleep(1000)


@manner
def never_reads(plugin):
    """Not even what it is sent. Some of it fits into the socket's buffer."""
    def converse(connection):
        if connection.recv(100, socket.MSG_PEEK).startswith((b"GET /healthz", b"POST /shutdown")):
            Plugin.converse(plugin, connection)
        time.sleep(1000)
    plugin.converse = converse


@manner
def stops_itself(plugin):
    plugin.answer = lambda connection, request: os.kill(os.getpid(), signal.SIGSTOP)


@manner
def says_capabilities(plugin, text):
    plugin.capabilities = lambda: text.encode("latin-1")


@manner
def speaks_lines(plugin, answers, reads=True, says=None):
    """A plugin in lines mode. For each call these lines, in which % stands for the call's number."""
    plugin.capabilities = lambda: {**Plugin.capabilities(plugin), **(says or {})}

    def run():
        plugin.hear()
        plugin.say(listening="lines:")
        plugin.say(ready=True)
        lines = plugin.control.makefile("rb")
        while reads:
            line = json.loads(lines.readline() or b"null")
            if not line or "shutdown" in line:
                return
            for answer in answers:
                if answer == "exit":
                    os._exit(4)
                plugin.control.sendall(answer.replace("%", str(line["id"])).encode("latin-1"))
        plugin.control.recv(1, socket.MSG_PEEK)
        time.sleep(1000)
    plugin.run = run


@manner
def kills(plugin, file, number):
    """Sends a signal to the process whose pid is in a file: to the host."""
    def answer(connection, _):
        with open(file, encoding="ascii") as source:
            os.kill(int(source.read()), number)
        ok(connection, b'"fine"')
    plugin.answer = answer
