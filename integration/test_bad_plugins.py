"""Plugins that do everything wrong, one way each, beside one that does not, in a real host.

What must come of it: one error that names the plugin and the reason, once; the good plugin works on; and when the host
ends, nothing is left: no process, no socket, no descriptor, no memory. The plugins are plugins/bad_plugin.py, the host
is tests/tools/driven_host.c.
"""

import os
import re
import shutil
import signal
import sys
import time

import gpf_plugin
import pytest

from conftest import PROGRAMS
from driven import good, install, is_alive, pid_in
from plugkit_pytest import wait_until

CONNECTION, FAULT, HTTP, LIMIT, TIMEOUT, PROTOCOL, START, ENDPOINT, EXEC = (
    f"PK_ERR_{name}"
    for name in (
        "PLUGIN_CONNECTION",
        "PLUGIN_FAULT",
        "HTTP",
        "LIMIT",
        "PLUGIN_TIMEOUT",
        "PROTOCOL",
        "START",
        "BAD_ENDPOINT",
        "EXEC",
    )
)
NO, MAYBE, ANSWERED = range(3)  # pk_sent


def check_all(host, table, begin):
    """Begins everything at once, and compares what comes: code, sentence (a regular expression), and more."""
    tags = {name: begin(name) for name in table}
    wrong = []
    for name, (code, sentence, *more) in table.items():
        answer = host.answer(tags[name])
        fits = answer["error"] == code and re.fullmatch(sentence, answer["msg"], re.DOTALL)
        if not fits or (more and answer["sent"] != more[0]):
            wrong.append((name, answer))
    assert good(host.call("fine"))
    assert not wrong
    assert all(len(host.answers(tag)) == 1 for tag in tags.values())


# ---- answers

OK = "HTTP/1.1 200 OK\r\n"
CUT = "cannot call '{}': cannot read the answer: it was cut off: the connection was closed"

ANSWERS = {  # manner, settings, then what comes of it
    "s500": (
        "says",
        {
            "text": 'HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n'
            '{"message":"no disk","statusCode":500}'
        },
        FAULT,
        "cannot call '{}': 500 Internal Server Error: no disk",
        ANSWERED,
    ),
    "text": (
        "says",
        {"text": "HTTP/1.1 500 Oops\r\nContent-Length: 17\r\n\r\n<b>\x1b[31mred</b>\n\x01"},
        FAULT,
        r"cannot call '{}': 500 Internal Server Error: <b>\\x1b\[31mred</b>\\x0a\\x01",
        ANSWERED,
    ),
    "moved": (
        "says",
        {"text": "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
        FAULT,
        "cannot call '{}': 302 Found",
        ANSWERED,
    ),
    "upgrade": (
        "says",
        {"text": "HTTP/1.1 101 Now\r\n\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: it switches protocols, which nobody asked for",
        MAYBE,
    ),
    "mid-body": ("says", {"text": OK + "Content-Length: 100\r\n\r\nabc", "then": "close"}, CONNECTION, CUT, ANSWERED),
    "mid-head": ("says", {"text": OK + "Content-Le", "then": "close"}, CONNECTION, CUT, MAYBE),
    "mid-chunk": (
        "says",
        {"text": OK + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "then": "close"},
        CONNECTION,
        CUT,
        ANSWERED,
    ),
    "closes": (
        "says",
        {"text": "", "then": "close"},
        CONNECTION,
        "cannot call '{}': cannot read the answer: it did not come: the connection was closed",
        MAYBE,
    ),
    "bad-chunk": (
        "says",
        {"text": OK + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: malformed chunk size",
        ANSWERED,
    ),
    "minus": (
        "says",
        {"text": OK + "Content-Length: -5\r\n\r\nabc"},
        HTTP,
        "cannot call '{}': cannot read the answer: malformed or second Content-Length",
        MAYBE,
    ),
    "two-lengths": (
        "says",
        {"text": OK + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"},
        HTTP,
        "cannot call '{}': cannot read the answer: malformed or second Content-Length",
        MAYBE,
    ),
    "both": (
        "says",
        {"text": OK + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: both Content-Length and Transfer-Encoding",
        MAYBE,
    ),
    "20-digits": (
        "says",
        {"text": OK + "Content-Length: 99999999999999999999\r\n\r\nabc"},
        HTTP,
        "cannot call '{}': cannot read the answer: malformed or second Content-Length",
        MAYBE,
    ),
    "too-short": (
        "says",
        {"text": OK + "Content-Length: 999999999999999999\r\n\r\nabc", "then": "wait"},
        TIMEOUT,
        "cannot call '{}': .*the deadline passed",
        ANSWERED,
    ),
    "big-head": (
        "says",
        {"text": OK + f"X-Long: {'y' * 17000}\r\n\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: header is too large",
        MAYBE,
    ),
    "many-fields": (
        "says",
        {"text": OK + "A: b\r\n" * 150 + "\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: header is too large",
        MAYBE,
    ),
    "garbage": (
        "says",
        {"text": "\x00\x01\xff\xfeSSH-2.0-OpenSSH\r\n\r\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: not an HTTP message",
        MAYBE,
    ),
    "words": (
        "says",
        {"text": "hello there, this is no http\n"},
        HTTP,
        "cannot call '{}': cannot read the answer: not an HTTP message",
        MAYBE,
    ),
    "never": ("never-answers", {}, TIMEOUT, "cannot call '{}': .*the deadline passed", MAYBE),
    "drips": ("dribbles", {"pause": 0.2}, TIMEOUT, "cannot call '{}': .*the deadline passed", MAYBE),
    "drips-body": (
        "dribbles",
        {"pause": 0.2, "at_once": 50},
        TIMEOUT,
        "cannot call '{}': .*the deadline passed",
        ANSWERED,
    ),
    "deaf-ears": ("never-reads", {}, TIMEOUT, "cannot call '{}': .*the deadline passed", MAYBE),
    "much": (
        "answers-much",
        {"size": 9 << 20},
        LIMIT,
        "cannot take the answer of '{}': more than 8388608 bytes",
        ANSWERED,
    ),
    "much-chunked": (
        "answers-much",
        {"size": 9 << 20, "chunked": True},
        LIMIT,
        "cannot take the answer of '{}': more than 8388608 bytes",
        ANSWERED,
    ),
    "much-unsaid": (
        "answers-much",
        {"size": 9 << 20, "said": False},
        LIMIT,
        "cannot take the answer of '{}': more than 8388608 bytes",
        ANSWERED,
    ),
    "early-no": (
        "answers-before-it-reads",
        {"status": 413},
        FAULT,
        "cannot call '{}': 413 Content Too Large: early!",
        ANSWERED,
    ),
    "killed": ("dies", {}, CONNECTION, "cannot call '{}': .*", MAYBE),
    "unreachable": (
        "forgets-to-listen",
        {},
        CONNECTION,
        r"cannot call '{}': cannot connect to '.*/{}-\d\.sock': No such file or directory",
        NO,
    ),
}


def test_bad_answers(driven, plugins):
    for name, (manner, settings, *_) in ANSWERS.items():
        install(plugins, manner, name=name, **settings)
    host = driven(dir=plugins, stop_ms=2000)
    before = host.fds()

    check_all(
        host,
        {name: (code, sentence.replace("{}", name), sent) for name, (_, _, code, sentence, sent) in ANSWERS.items()},
        lambda name: host.begin(
            name, "POST /die", timeout_ms=3000, size={"early-no": 1 << 20, "deaf-ears": 8 << 20}.get(name, 1000)
        ),
    )

    for name in ANSWERS:
        host.stop(name)
    host.stop("fine")
    assert host.fds() == before
    assert host.sockets() == []
    host.end()


def test_answers_that_are_odd_and_good(driven, plugins):
    """What a client must take, and what must not spoil the next call."""
    odd = {
        "interim": {"text": "HTTP/1.1 100 Continue\r\n\r\n" + OK + 'Content-Length: 6\r\n\r\n"fine"'},
        "no-length": {"text": OK + '\r\n"fine"', "then": "close"},
        "chunked": {"text": OK + 'Transfer-Encoding: chunked\r\n\r\n6;x=y\r\n"fine"\r\n0\r\nX: trailer\r\n\r\n'},
    }
    for name, settings in odd.items():
        install(plugins, "says", name=name, **settings)
    install(
        plugins,
        "says-once",
        text=OK + 'Content-Length: 6\r\n\r\n"fine"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPOISON',
    )
    install(plugins, "answers-before-it-reads", name="early")
    host = driven(dir=plugins)

    for name in odd:
        assert good(host.call(name)), name
    assert [host.call("says-once")["body"] for _ in range(3)] == ['"fine"'] * 3
    assert host.call("early", size=1 << 20)["body"] == '"early!"'
    assert host.call("early")["body"] == '"early!"'
    host.end()


def test_one_that_dies_takes_its_own_calls_along_and_no_others(driven, plugins):
    install(plugins, "dies", name="victim")
    install(plugins, "never-answers", name="other")
    host = driven(dir=plugins, stop_ms=400)
    host.start("victim")
    others = [host.begin("other", timeout_ms=60000) for _ in range(3)]
    calls = [host.begin("victim", "POST /wait", **{"async": number % 2 == 1}) for number in range(6)]
    wait_until(
        lambda: host.plugin("victim")["in_flight"] == 6 and host.plugin("other")["in_flight"] == 3, "all calls"
    )

    fatal = host.begin("victim", "POST /die")

    for tag in [*calls, fatal]:
        answer = host.answer(tag)
        assert (answer["error"], answer["sent"]) == (CONNECTION, MAYBE)
        assert answer["msg"].startswith("cannot call 'victim': ")
    why = host.event("plugin.backoff", "victim")["why"]
    assert "'victim' crashed: signal 9 (killed)" in why or "'victim' is not healthy: " in why  # it was asked before
    assert good(host.call("victim", "POST /fine"))
    assert all(not host.answers(tag) for tag in others)
    assert good(host.call("fine"))
    host.end()
    assert {host.answers(tag)[0]["error"] for tag in others} == {CONNECTION}
    assert all(len(host.answers(tag)) == 1 for tag in [*calls, fatal, *others])


def test_last_words_and_giving_up(driven, plugins):
    install(plugins, "dies", name="talks", how="words")
    host = driven(dir=plugins, restart_max=3)

    for _ in range(3):
        assert host.call("talks", "POST /die")["error"] == CONNECTION

    why = "the plugin 'talks' crashed: exit status 3: first I stumbled | then I fell"
    assert host.event("plugin.failed", "talks")["why"] == why
    answer = host.call("talks")
    assert (answer["error"], answer["msg"]) == (
        "PK_ERR_PLUGIN_DISABLED",
        f"cannot call 'talks': it failed too often: {why}",
    )
    assert host.start("talks")["error"] == ""  # by hand it may try again
    assert good(host.call("talks", "POST /fine"))
    host.end()


def test_one_that_can_no_longer_be_reached_is_started_anew(driven, plugins):
    install(plugins, "stops-listening")
    host = driven(dir=plugins, stop_ms=3600000)  # and ended by a signal, at once

    assert good(host.call("stops-listening"))
    assert good(host.call("stops-listening"))
    assert host.plugin("stops-listening")["starts"] == 2
    host.end()


@pytest.mark.parametrize("health", ["HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", "garbage\r\n\r\n"])
def test_one_that_is_not_healthy_is_started_anew(driven, plugins, health):
    install(plugins, "is-sick", health=health)
    host = driven(dir=plugins, health_ms=20)
    pid = host.start("is-sick") and host.pid("is-sick")

    why = host.event("plugin.backoff", "is-sick")["why"]

    assert why.startswith("plugin 'is-sick' is not healthy: cannot call 'is-sick': ")
    assert good(host.call("is-sick"))
    assert not is_alive(pid)
    host.end()


def test_one_that_hangs_is_started_anew_although_it_is_called_all_the_time(driven, plugins):
    install(plugins, "stops-itself")
    host = driven(dir=plugins, health_ms=50)
    assert host.call("stops-itself", timeout_ms=300)["error"] == TIMEOUT
    pid = host.pid("stops-itself")

    answer = host.call("stops-itself", "GET /healthz", timeout_ms=60000)  # in flight while it is asked how it is

    assert answer["error"] == ""
    assert not is_alive(pid)
    assert "is not healthy" in host.event("plugin.backoff", "stops-itself")["why"]
    host.end()


def test_a_file_that_nobody_wants_kills_no_host(driven, plugins, free_dir):
    """sendfile into a closed connection raises SIGPIPE."""
    install(plugins, "answers-before-it-reads", name="early", status=413)
    install(plugins, "says", name="closes", text="", then="close")
    (free_dir / "large").write_bytes(bytes(6 << 20))
    host = driven(dir=plugins)

    for more in ({}, {"async": True}):
        assert host.call("early", file=str(free_dir / "large"), **more)["error"] in (FAULT, CONNECTION)
        assert host.call("closes", file=str(free_dir / "large"), **more)["error"] == CONNECTION
    assert good(host.call("fine"))
    host.end()


# ---- plugins by lines

GONE = "cannot call '{}': cannot finish the call: the plugin has gone"
UNREADABLE = "cannot call '{}': cannot decode its answer: "
LINES = {  # the lines that are the answer to a call, and what comes of it
    "wrong-id": (['{"id":999,"status":200}\n'], TIMEOUT, "cannot call '{}': the deadline passed"),
    "silent": ([], TIMEOUT, "cannot call '{}': the deadline passed"),
    "half": (['{"id":%,'], TIMEOUT, "cannot call '{}': the deadline passed"),
    "fails": (['{"id":%,"error":"no disk"}\n'], FAULT, "cannot call '{}': 500 Internal Server Error: no disk"),
    "zero": (['{"id":%,"status":0}\n'], PROTOCOL, "cannot call '{}': cannot use its answer: 0 is no status"),
    "huge": (['{"id":%,"status":99999}\n'], PROTOCOL, "cannot call '{}': cannot use its answer: 99999 is no status"),
    "text-status": (['{"id":%,"status":"200"}\n'], PROTOCOL,
                    UNREADABLE + 'status: expected integer, got "200" .line 1, column .*'),
    "garbage": (["garbage\n"], PROTOCOL, UNREADABLE + '.* near "garbage"'),
    "text-id": (['{"id":"%"}\n'], PROTOCOL, UNREADABLE + "id: expected integer.*"),
    "gives-up": (['{"error":"I am sick"}\n'], PROTOCOL, "cannot call '{}': the plugin '{}' gave up: I am sick"),
    "dies": (["exit"], CONNECTION, GONE),
    "dies-half-way": (['{"id":%,', "exit"], CONNECTION, GONE),
    "endless": (
        ['{"id":%,"body":"' + "x" * (9 << 20) + '"}\n'],
        PROTOCOL,
        "cannot call '{}': cannot read a control line: it has more than 8388608 bytes",
    ),
}


def test_bad_lines(driven, plugins):
    for name, (answers, _, _) in LINES.items():
        install(plugins, "speaks-lines", name=name, answers=answers)
    install(plugins, "speaks-lines", name="never-reads", answers=[], reads=False)
    install(plugins, "speaks-lines", name="twice", answers=['{"id":%,"status":200,"body":1}\n'] * 2)
    odd = ['{"ready":true}\n{"listening":"http://127.0.0.1:1"}\n', '{"id":%,"body":2,"later":[]}\n']
    install(plugins, "speaks-lines", name="ready-again", answers=odd)
    host = driven(dir=plugins, stop_ms=600)

    check_all(
        host,
        {name: (code, sentence.replace("{}", name)) for name, (_, code, sentence) in LINES.items()},
        lambda name: host.begin(name, body={}, timeout_ms=2000),
    )

    for _ in range(3):
        assert host.call("twice")["body"] == "1"
        assert host.call("ready-again")["body"] == "2"
        answer = host.call("never-reads", body="9" * (6 << 20), timeout_ms=200)
        assert answer["error"] in (TIMEOUT, PROTOCOL, CONNECTION)
    assert good(host.call("fine"))
    host.end()


# ---- capabilities

NAMES = "a name holds control characters"
CAPABILITIES = {  # beside those of tests/unit/test_capabilities.c
    "newline": ('{"types":{"a\\nb":[{"type":"c"}]}}', NAMES),
    "escape": ('{"types":{"c":[{"type":"c\\u001b[31mt"}]}}', NAMES),
    "no-utf8": ('{"types":{"c":[{"type":"\xff"}]}}', "cannot parse JSON: .*expected UTF-8, got byte 0xFF.*"),
    "deep": ('{"types":' + "[" * 300 + "]" * 300 + "}", "cannot parse JSON: .*nested deeper than 256 levels"),
    "two": ("{}{}", "cannot parse JSON: .*"),
    "smuggles": (
        '{"types":{"c":[{"type":"t"}]},"methods":{"c":{"go":"POST /x HTTP/1.1\\r\\nEvil: y"}}}',
        'a method should read "POST /path"',
    ),
    "many": (
        '{"types":{"c":[' + ",".join('{"type":"t%d"}' % number for number in range(3000)) + "]}}",
        "it offers more than 1024 types",
    ),
    "flood": ('{"types":{"x":"' + "x" * (2 << 20) + '"}}', "it prints more than 1 MiB"),
}


def test_bad_capabilities(driven, plugins):
    for name, (text, _) in CAPABILITIES.items():
        install(plugins, "says-capabilities", name=name, text=text)
    host = driven(dir=plugins)

    listed = {plugin["id"]: (plugin["plugin_status"], plugin["msg"]) for plugin in host.list()}

    for name, (_, why) in CAPABILITIES.items():
        status, said = listed[name]
        assert status == "rejected", (name, said)
        assert re.fullmatch(f"cannot use the capabilities of '{name}': {why}", said), (name, said)
    assert good(host.call("fine"))
    host.end()


# ---- starts

WAITED = "it was not ready within 1500 ms"
NOT_UNDERSTOOD = "cannot understand the plugin '{}': cannot "

STARTS = {
    "never": (
        "never-ready",
        {"words": "still looking for the disk"},
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not say where it listens: still looking for the disk",
    ),
    "half": (
        "says-lines",
        {"lines": ['{"listening":"%"}']},
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not say that it is ready",
    ),
    "exits": (
        "exits-at-once",
        {"status": 3, "words": "no license"},
        START,
        "cannot start '{}': exit status 3: no license",
    ),
    "accents": (
        "exits-at-once",
        {"status": 3, "words": "é€" * 300},
        START,
        "cannot start '{}': exit status 3: .*€.*",
    ),
    "exits-well": (
        "says-lines",
        {"lines": ["{}"], "then": "exit"},
        START,
        "cannot start '{}': it ended before it was ready: exit status 0",
    ),
    "complains": (
        "says-lines",
        {"lines": ['{"error":"no \\u001b[31mlicense","code":"L1"}']},
        START,
        r"cannot start '{}': no \\x1b\[31mlicense",
    ),
    "nowhere": (
        "says-lines",
        {"lines": ['{"ready":true}']},
        PROTOCOL,
        "cannot start '{}': it says that it is ready, but not where it listens",
    ),
    "pigeon": (
        "says-lines",
        {"lines": ['{"listening":"carrier pigeon"}']},
        ENDPOINT,
        "cannot talk to '{}': cannot use address 'carrier pigeon': .*",
    ),
    "long": (
        "says-lines",
        {"lines": ['{"listening":"http+unix:///%s"}' % ("x" * 200)]},
        ENDPOINT,
        r"cannot talk to '{}': cannot use address 'http\+unix:///x*\.\.\.': the socket path has 201 bytes, "
        "and 107 is the most that fits",
    ),
    "number": (
        "says-lines",
        {"lines": ['{"listening":7}']},
        PROTOCOL,
        NOT_UNDERSTOOD + "decode a control line: listening: expected string, got 7 .line 1, column 14, offset 13.",
    ),
    "no-json": (
        "says-lines",
        {"lines": ["hello"]},
        PROTOCOL,
        NOT_UNDERSTOOD + 'decode a control line: .* near "hello"',
    ),
    "array": (
        "says-lines",
        {"lines": ["[1,2]"]},
        PROTOCOL,
        NOT_UNDERSTOOD + r"decode a control line: expected object, got \[1,2\] .line 1, column 1, offset 0.",
    ),
    "endless": (
        "floods-control",
        {"size": 1},
        PROTOCOL,
        NOT_UNDERSTOOD + "read a control line: it has more than 8388608 bytes",
    ),
}


def test_bad_starts(driven, plugins):
    for name, (manner, settings, *_) in STARTS.items():
        install(plugins, manner, name=name, **settings)
    host = driven(dir=plugins, start_ms=1500, stop_ms=1000)
    before = host.fds()

    check_all(
        host,
        {name: (code, sentence.replace("{}", name), NO) for name, (_, _, code, sentence) in STARTS.items()},
        lambda name: host.begin(name, timeout_ms=30000),
    )

    assert {plugin["plugin_status"] for plugin in host.list()} == {"stopped", "ready"}  # the next call may try again
    host.stop("fine")
    assert host.fds() == before
    assert host.sockets() == []
    host.end()


def test_a_call_with_a_shorter_deadline_says_that_it_waited_for_the_start(driven, plugins):
    install(plugins, "never-ready")
    host = driven(dir=plugins, stop_ms=500)

    answer = host.call("never-ready", timeout_ms=300)

    assert (answer["error"], answer["msg"]) == (
        TIMEOUT,
        "cannot call 'never-ready': it was not ready before the deadline passed",
    )
    host.end()


def test_odd_starts_that_are_good(driven, plugins):
    install(
        plugins,
        "says-lines",
        name="talks-much",
        lines=[
            '{"hello":{"deep":[1,{}]}}',
            "",
            '{"listening":"%","ready":true,"later":1}',
            '{"ready":true}',
            '{"ready":false}',
            '{"listening":"http://127.0.0.1:1"}',
        ],
    )
    install(plugins, "closes-its-outputs")
    install(plugins, "closes-its-control")
    host = driven(dir=plugins)

    for name in ("talks-much", "closes-its-outputs", "closes-its-control"):
        assert good(host.call(name)), name
        assert host.stop(name)["error"] == ""
    assert host.sockets() == []
    host.end()


# ---- output


@pytest.mark.parametrize("stream", [1, 2])
def test_a_line_of_100_mb_is_cut_and_stalls_nobody(driven, plugins, stream):
    install(plugins, "prints", size=100 << 20, stream=stream)
    host = driven(dir=plugins)

    assert host.call("prints")["body"] == '"printed"'
    logs = [line for line in host.lines() if "log" in line]
    assert [(set(line["log"]), line["plugin"]) for line in logs] == [({"p", "."} & set(logs[0]["log"]), "prints")]
    assert len(logs[0]["log"]) <= 65536
    with open(f"/proc/{host.run.process.pid}/status", encoding="ascii") as status:
        assert int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) < 40 << 10  # it was not kept
    host.end()


def test_no_descriptors_left_in_the_plugin(driven, plugins):
    install(plugins, "uses-up-descriptors")
    host = driven(dir=plugins)

    assert good(host.call("uses-up-descriptors"))
    assert good(host.call("uses-up-descriptors"))  # on the connection that it has
    host.end()


# ---- processes


@pytest.mark.parametrize("session", [False, True])
def test_a_grandchild_that_holds_the_pipes_holds_nobody_up(driven, plugins, free_dir, session):
    file = free_dir / "grandchild"
    install(plugins, "leaves-a-grandchild", file=str(file), session=session)
    host = driven(dir=plugins)
    assert good(host.call("leaves-a-grandchild"))

    assert host.stop("leaves-a-grandchild")["error"] == ""

    if session:  # it has left the group, and is nobody's any more: SECURITY.md
        assert is_alive(pid_in(file))
        os.kill(pid_in(file), signal.SIGKILL)
    wait_until(lambda: not is_alive(pid_in(file)), "the grandchild to end")
    host.end()


def test_one_that_becomes_a_daemon_ends_with_its_first_process(driven, plugins, free_dir):
    file = free_dir / "daemon"
    install(plugins, "daemonizes", file=str(file))
    host = driven(dir=plugins)

    assert good(host.call("daemonizes"))

    host.event("plugin.stopped", "daemonizes")
    wait_until(lambda: not is_alive(pid_in(file)), "the daemon to end")
    wait_until(lambda: host.sockets() == [], "its socket to be removed")
    host.end()


def test_a_deaf_one_is_killed_after_the_grace_with_all_its_group(driven, plugins, free_dir):
    file = free_dir / "child"
    install(plugins, "is-deaf", file=str(file))
    host = driven(dir=plugins, stop_ms=400)
    assert good(host.call("is-deaf"))
    pid = host.pid("is-deaf")

    assert host.stop("is-deaf")["error"] == ""

    wait_until(lambda: not is_alive(pid) and not is_alive(pid_in(file)), "both to be killed")
    assert host.sockets() == []
    assert good(host.call("is-deaf"))
    host.end()
    wait_until(lambda: not is_alive(pid_in(file)), "its child to be killed")


def test_one_that_has_moved_to_its_hosts_group_is_killed_alone(driven, plugins):
    install(plugins, "moves-away")
    host = driven(dir=plugins, stop_ms=400)
    assert good(host.call("moves-away"))
    pid = host.pid("moves-away")
    assert os.getpgid(pid) == os.getpgid(host.run.process.pid)

    assert host.stop("moves-away")["error"] == ""

    assert not is_alive(pid)
    assert good(host.call("fine"))
    host.end()


# ---- what is in the directory

DIRECTORY = {  # name: content or None, mode, status, why
    "empty": (
        b"",
        0o755,
        "rejected",
        r"cannot start '.*/empty': exec: .* no script that begins with #!: Exec format error",
    ),
    "other-machine": (
        b"\x7fELF\x02\x01\x01garbage",
        0o755,
        "rejected",
        "cannot start '.*/other-machine': exec: no program of this kind of machine.*",
    ),
    "no-interpreter": (
        b"#!/no/such\n",
        0o755,
        "rejected",
        "cannot start '.*/no-interpreter': exec: the interpreter .*: No such file or directory",
    ),
    "-dash": (b"#!/bin/sh\n", 0o755, "rejected", "cannot name a plugin '-dash': .*"),
    "two words": (b"#!/bin/sh\n", 0o755, "rejected", "cannot name a plugin 'two words': .*"),
    "q'\"uote": (b"#!/bin/sh\n", 0o755, "rejected", "cannot name a plugin 'q'\"uote': .*"),
    "new\nline": (b"#!/bin/sh\n", 0o755, "rejected", r"cannot name a plugin 'new\\x0aline': .*"),
    "red\x1b[31m": (b"#!/bin/sh\n", 0o755, "rejected", r"cannot name a plugin 'red\\x1b\[31m': .*"),
    "ümlaut": (b"#!/bin/sh\n", 0o755, "rejected", "cannot name a plugin 'ümlaut': .*"),
    "x" * 65: (b"#!/bin/sh\n", 0o755, "rejected", f"cannot name a plugin '{'x' * 65}': 1 to 64 letters, digits.*"),
    "plain": (b"hello", 0o644, "skipped", "it is not executable: chmod .*"),
    "script.sh": (b"#!/bin/sh\n", 0o755, "skipped", r"it has the extension '\.sh': .*"),
    "open": (b"#!/bin/sh\n", 0o777, "skipped", "everybody may write to it: chmod o-w '.*/open'"),
}


def test_what_is_in_the_directory_is_used_or_listed_with_the_reason(driven, plugins):
    for name, (content, mode, _, _) in DIRECTORY.items():
        (plugins / name).write_bytes(content)
        (plugins / name).chmod(mode)
    odd = plugins / "a 'b' \"c\"\n\x1b[31md"
    install(odd, "fine", name="odd")
    install(plugins / "later", "exits-at-once", name="fine", status=9)  # the id is taken
    install(plugins, "fine", name="y" * 64)
    host = driven(dir=plugins)

    listed = {(plugin["path"], plugin["plugin_status"]): plugin["msg"] for plugin in host.list()}

    for name, (_, _, status, why) in DIRECTORY.items():
        assert re.fullmatch(why, listed.get((str(plugins / name), status), "not there"), re.DOTALL), (name, listed)
    assert listed[str(plugins / "later" / "fine"), "rejected"] == (
        f"cannot add plugin 'fine': the id is taken by '{plugins}/fine'"
    )
    assert [good(host.call(name)) for name in ("fine", "odd", "y" * 64)] == [True] * 3
    assert not [line for line in host.lines() if line.get("event") == "plugin.rejected" and not line["why"]]
    host.end()


def test_a_directory_that_vanishes(driven, plugins):
    install(plugins, "dies", name="runs")
    host = driven(dir=plugins)
    assert good(host.call("runs", "POST /fine"))

    shutil.rmtree(plugins)

    assert good(host.call("runs", "POST /fine"))
    answer = host.call("fine")
    assert (answer["error"], answer["msg"]) == (
        EXEC,
        f"cannot start '{plugins}/fine': exec: No such file or directory",
    )
    assert host.call("runs", "POST /die")["error"] == CONNECTION
    assert host.call("runs", "POST /fine")["error"] == EXEC
    host.end()


def test_a_program_that_is_replaced_while_it_runs(driven, plugins):
    install(plugins, "echoes", name="tool")
    host = driven(dir=plugins)
    old = host.call("tool")

    install(plugins, "fine", name="new").rename(plugins / "tool")
    assert host.call("tool")["body"] == old["body"]
    host.stop("tool")
    assert good(host.call("tool"))
    host.stop("tool")
    (plugins / "tool").write_text("#!/bin/sh\necho wrong version >&2\nexit 5\n")
    answer = host.call("tool")
    assert (answer["error"], answer["msg"]) == (START, "cannot start 'tool': exit status 5: wrong version")
    with open(plugins / "tool", "r+", encoding="ascii"):  # somebody is still writing it
        answer = host.call("tool")
        assert (answer["error"], answer["msg"]) == (EXEC, f"cannot start '{plugins}/tool': exec: Text file busy")
    host.end()


# ---- runtime directories


def test_a_runtime_directory_whose_path_is_too_long_for_sockets(driven, plugins, free_dir):
    shutil.copy(PROGRAMS / "plugins" / "text", plugins / "text")
    gpf_plugin.install(plugins / "gpf", type="gpf", socket_dir=free_dir)
    runtime = free_dir / ("r" * 80)
    runtime.mkdir(mode=0o700)
    host = driven(dir=plugins, runtime=runtime)

    for name in ("fine", "text"):
        answer = host.call(name, "GET /formats")
        assert answer["error"] == ENDPOINT
        assert re.fullmatch(
            f"cannot start '{name}': the path of its socket would have 1[1-9][0-9] bytes, and 107 is the most "
            f"that fits: choose a shorter runtime_dir than '{free_dir}/r*\\.\\.\\.'",
            answer["msg"],
        )
        assert host.plugin(name)["pid"] == 0
    assert host.call("gpf", "GET /formats")["error"] == ""  # has its socket elsewhere
    host.end()
    assert list(runtime.glob("*/*")) == []

    host = driven(dir=plugins, runtime=runtime, tcp=True)
    assert good(host.call("fine"))
    host.end()


def make(path, mode):
    path.mkdir()
    path.chmod(mode)


def private(path):
    path.mkdir(mode=0o700)
    return path / f"plugkit-{os.getuid()}"


RUNTIME = {
    "missing": (lambda path: None, "cannot use '{}': No such file or directory"),
    "file": (lambda path: path.write_text(""), "cannot use '{}': not a directory"),
    "world-writable": (lambda path: make(path, 0o777), r"cannot use '{}': others may write to it \(mode 0777\)"),
    "not-private": (
        lambda path: make(private(path), 0o755),
        "cannot use '{}/plugkit-.*': its mode is 0755 and must be 0700",
    ),
    "taken": (lambda path: private(path).write_text(""), "cannot use '{}/plugkit-.*': not a directory"),
    "link": (lambda path: private(path).symlink_to("/tmp"), "cannot use '{}/plugkit-.*': it is a symbolic link"),
}


@pytest.mark.parametrize("what", RUNTIME)
def test_bad_runtime_directories_are_refused_at_once(driven, plugins, free_dir, what):
    prepare, sentence = RUNTIME[what]
    path = free_dir / what
    prepare(path)

    host = driven(dir=plugins, runtime=path, ready=False)

    assert re.fullmatch(sentence.replace("{}", str(path)), host.said[0]["msg"])
    assert host.run.wait() == 1
    assert host.lines()[-1]["allocations"] == 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_runtime_directory_that_cannot_be_written_is_refused(driven, plugins, free_dir):
    make(free_dir / "r", 0o500)
    host = driven(dir=plugins, runtime=free_dir / "r", ready=False)
    assert "Permission denied" in host.said[0]["msg"] and str(free_dir / "r") in host.said[0]["msg"]


def test_a_plugin_directory_that_everybody_may_write_to_is_refused(driven, plugins):
    plugins.chmod(0o777)
    host = driven(dir=plugins, ready=False)
    assert host.said[0]["msg"] == f"cannot use '{plugins}': others may write to it (mode 0777)"


# ---- descriptors of the host


def test_no_descriptors_left_in_the_host(driven, plugins):
    install(plugins, "echoes")
    host = driven(dir=plugins, stop_ms=2000)
    assert host.call("echoes")["error"] == ""
    pid, busy = host.pid("echoes"), host.fds()
    tried = []

    for spare in range(12):
        host.fds(limit=busy + spare)
        first, second = host.begin("echoes"), host.begin("echoes")  # one needs a new connection, perhaps
        tried.append(host.call("fine"))
        both = [host.answer(first), host.answer(second)]
        host.fds(limit=1000)
        host.stop("fine")
        assert [answer["error"] for answer in both if answer["error"] not in ("", "PK_ERR_OS")] == []
        assert all("Too many open files" in answer["msg"] for answer in both if answer["error"])

    failed = [answer for answer in tried if answer["error"]]
    assert 0 < len(failed) < len(tried) and good(tried[-1])
    for answer in failed:
        assert re.fullmatch(
            r"cannot (start|call) '.*fine': .*: Too many open files \(at most [0-9]+: ulimit -n\)", answer["msg"]
        ), answer
    assert host.pid("echoes") == pid  # nobody took our lack for its fault
    assert good(host.call("fine"))
    host.stop("fine")
    host.stop("echoes")
    host.end()


# ---- plugins of the Go framework


def script(folder, name, body):
    """A framework plugin in a few lines."""
    path = folder / name
    path.write_text(
        f"#!{sys.executable} -IS\nimport json, os, socket, sys, time\n"
        f"if sys.argv[1:] == ['capabilities']:\n"
        f"    print(json.dumps({{'types': {{'c': [{{'type': {name!r}}}]}}}}))\n    sys.exit()\n"
        f"def serve(answer):\n"
        f"    path = {str(folder)!r} + '/' + str(os.getpid())\n"
        f"    s = socket.socket(socket.AF_UNIX)\n    s.bind(path)\n    s.listen()\n"
        f"    print('http+unix://' + path, flush=True)\n    os.unlink(path) if not answer else None\n"
        f"    while True:\n        c, _ = s.accept()\n        c.recv(9999)\n        c.sendall(answer)\n"
        f"        c.close()\n"
        + body
        + "\n"
    )
    path.chmod(0o755)


FRAMEWORK = {
    "silent": ("time.sleep(1000)", TIMEOUT, f"cannot start '{{}}': {WAITED}: it did not say where it listens"),
    "exits": ("sys.exit('no license')", START, "cannot start '{}': exit status 1: no license"),
    "noisy": (
        "print('x' * 300000, flush=True); print('http://example.com/ is our page', flush=True); time.sleep(1000)",
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not say where it listens",
    ),
    "absent": (
        "print('http+unix:///tmp/nobody-is-there.sock', flush=True); time.sleep(1000)",
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not answer GET /healthz: .*No such file or directory",
    ),
    "garbled": (
        "serve(b'garbage\\r\\n\\r\\n')",
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not answer GET /healthz: .*not an HTTP message",
    ),
    "long": (
        "print('http+unix:///' + 'x' * 200, flush=True); time.sleep(1000)",
        ENDPOINT,
        "cannot talk to '{}': cannot use address '.*': the socket path has 201 bytes, and 107 is the most that fits",
    ),
    "no-output": (
        "os.close(1); time.sleep(1000)",
        TIMEOUT,
        f"cannot start '{{}}': {WAITED}: it did not say where it listens",
    ),
}


def test_bad_framework_plugins(driven, plugins, free_dir):
    for name, (body, _, _) in FRAMEWORK.items():
        script(plugins, name, body)
    gpf_plugin.install(plugins / "gpf", type="gpf", socket_dir=free_dir)
    host = driven(dir=plugins, start_ms=1500, stop_ms=1000)

    check_all(
        host,
        {name: (code, sentence.replace("{}", name), NO) for name, (_, code, sentence) in FRAMEWORK.items()},
        lambda name: host.begin(name, "GET /formats", timeout_ms=30000),
    )

    assert host.call("gpf", "GET /formats")["error"] == ""
    host.end()


def test_a_framework_plugin_that_is_killed_leaves_neither_socket_nor_lock(driven, plugins, free_dir):
    gpf_plugin.install(plugins / "gpf", type="gpf", socket_dir=free_dir)
    host = driven(dir=plugins)
    assert host.call("gpf", "GET /formats")["error"] == ""
    assert len(list(free_dir.glob("*.socket*"))) == 2

    os.kill(host.pid("gpf"), signal.SIGKILL)

    assert host.call("gpf", "GET /formats", idempotent=True)["error"] == ""
    assert len(list(free_dir.glob("*.socket*"))) == 2
    host.end()
    assert list(free_dir.glob("*.socket*")) == []


def test_two_hosts_on_one_directory(driven, plugins, free_dir):
    shutil.copy(PROGRAMS / "plugins" / "text", plugins / "text")
    gpf_plugin.install(plugins / "gpf", type="gpf", socket_dir=free_dir)
    first, second = driven(dir=plugins), driven(dir=plugins)

    for host in (first, second):
        for name in ("fine", "text", "gpf"):
            assert host.call(name, "GET /formats")["error"] == "", name
    os.kill(first.pid("text"), signal.SIGKILL)
    assert second.call("text", "GET /formats")["error"] == ""
    first.end()
    for name in ("fine", "text", "gpf"):
        assert second.call(name, "GET /formats")["error"] == "", name
    second.end()


def test_the_clock_of_a_dribble_is_the_calls_own(driven, plugins):
    """An answer that drips in time is an answer, however long each byte takes."""
    install(plugins, "dribbles", pause=0.002, at_once=20)
    host = driven(dir=plugins)
    began = time.monotonic()

    answer = host.call("dribbles", timeout_ms=30000)

    assert (answer["error"], answer["size"]) == ("", 100)
    assert time.monotonic() - began > 0.2
    host.end()
