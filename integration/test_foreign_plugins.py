"""The example plugins that use no SDK, each driven by a test that plays the host.

All of them fulfil dataProcessor, so all get the same questions; what each makes of a text is asked below.
"""

import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import zlib

import pytest

from conftest import ROOT
from plugkit_pytest import UNIX, b64, call, unb64, wait_until

LANGUAGES = ROOT / "examples" / "06_languages"
SCRIPTS = {"py": "python3", "js": "node", "sh": "base64"}  # and what each needs
HTTP = ["py", "js", "go"]


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    """The Go example, built with no module but its own: needs no network."""
    out = tmp_path_factory.mktemp("go") / "go-processor"
    subprocess.run(["go", "build", "-o", str(out), "."], cwd=LANGUAGES / "plugins" / "go-processor", check=True)
    return out


@pytest.fixture
def start(plugin, request):
    def start_one(language, **options):
        if language == "go":
            return plugin(request.getfixturevalue("go_program"), **options)
        return plugin(LANGUAGES / "plugins" / f"{language}-processor", **options)

    return start_one


def pytest_generate_tests(metafunc):
    if "language" in metafunc.fixturenames:
        wanted = getattr(metafunc.function, "languages", [*SCRIPTS, "go"])
        metafunc.parametrize("language", [language for language in wanted if here(language)])


def here(language):
    return shutil.which(SCRIPTS.get(language, "go")) is not None


def over_http(function):
    function.languages = HTTP
    return function


def process(plugin, data, **more):
    return plugin.call("POST /process", {"data": b64(data), **more})


def text_of(answer):
    assert answer.status == 200, answer
    return unb64(answer.json["data"]).decode()


# ---- what all have in common


def test_capabilities_name_type_contract_and_protocol(start, language):
    capabilities = start(language).capabilities

    (service,) = capabilities["types"]["dataProcessor"]
    assert service["type"] == f"{language}-processor"
    assert json.loads(service["jsonSchema"])["type"] == "object"
    assert capabilities["protocols"] == ["plugkit/1"]
    assert capabilities["contracts"] == {"dataProcessor": "1.0.0"}
    assert capabilities["methods"] == {"dataProcessor": {"process": "POST /process", "formats": "GET /formats"}}
    assert capabilities["configTypes"] == []


def test_started_by_hand_it_says_what_it_is(language, request):
    path = request.getfixturevalue("go_program") if language == "go" else LANGUAGES / f"plugins/{language}-processor"
    result = subprocess.run([str(path)], capture_output=True, text=True, timeout=20)

    assert result.returncode == 2
    assert f"{language}-processor is a plugin" in result.stderr
    assert result.stdout == ""


def test_says_where_it_listens_and_then_that_it_is_ready(start, language):
    plugin = start(language)

    assert [sorted(line) for line in plugin.lines] == [["listening"], ["ready"]]
    assert plugin.lines[1]["ready"] is True
    assert plugin.call("GET /healthz").status == 200


def test_lists_its_formats(start, language):
    formats = start(language).call("GET /formats").json["formats"]

    assert formats and all(isinstance(name, str) and "/" in name for name in formats)


def test_takes_an_empty_text(start, language):
    answer = process(start(language), "")

    assert answer.status == 200
    unb64(answer.json["data"])


@pytest.mark.parametrize("body", [{}, {"data": "no base64!"}, {"data": None}])
def test_refuses_data_that_is_none(start, language, body):
    answer = start(language).call("POST /process", body)

    assert answer.status == 400
    assert "data" in answer.json["message"] or "base64" in answer.json["message"]
    assert answer.json["statusCode"] == 400


def test_an_unknown_method_is_404_and_the_next_call_works(start, language):
    plugin = start(language)

    assert plugin.call("POST /nowhere", {}).status == 404
    assert process(plugin, "a\n").status == 200


def test_ignores_lines_and_fields_that_it_does_not_know(start, language):
    plugin = start(language)

    plugin.say({"verb of a later version": {"id": 1}})

    assert process(plugin, "a\n", later="field").status == 200


def test_ends_when_asked_and_leaves_no_socket(start, language, free_dir):
    plugin = start(language)

    assert plugin.shutdown() == 0
    assert list((free_dir / "sockets").iterdir()) == []


def test_ends_when_its_host_has_gone(start, language, free_dir):
    plugin = start(language)

    plugin.drop()

    assert plugin.wait() == 0
    assert list((free_dir / "sockets").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_on_a_signal(start, language, number):
    plugin = start(language)

    plugin.signal(number)

    assert plugin.wait() == 0


def test_logs_are_json_lines_on_stderr(start, language):
    plugin = start(language)
    wait_until(lambda: "\n" in plugin.stderr, "the first log record")

    for line in plugin.stderr.splitlines():
        assert {"level", "msg"} <= json.loads(line).keys()
    assert plugin.stdout == ""


# ---- what those have in common that speak HTTP


@over_http
def test_the_socket_is_for_its_owner_alone(start, language):
    plugin = start(language)
    path = plugin.address[len(UNIX):]

    assert os.stat(path).st_mode & 0o077 == 0


@over_http
@pytest.mark.parametrize("what", ["GET /healthz", "POST /process", "POST /shutdown", "GET /nowhere"])
@pytest.mark.parametrize("token", ["0" * 64, "short", None])
def test_refuses_requests_without_the_token(start, language, what, token):
    plugin = start(language)

    answer = call(plugin.address, what, {}, token=token)

    assert answer.status == 401
    assert "token" in answer.json["message"]
    assert plugin.call("GET /healthz").status == 200


@over_http
def test_the_wrong_verb_is_405(start, language):
    plugin = start(language)

    assert plugin.call("GET /process").status == 405
    assert plugin.call("POST /formats", {}).status == 405


@over_http
def test_head_of_healthz_has_no_body(start, language):
    answer = start(language).call("HEAD /healthz")

    assert (answer.status, answer.body) == (200, b"")


@over_http
def test_refuses_a_body_that_is_not_json(start, language):
    answer = start(language).call("POST /process", b'{"data":')

    assert answer.status == 400
    assert answer.json["message"]


@over_http
def test_refuses_a_body_over_its_limit(start, language):
    plugin = start(language)

    try:
        assert plugin.call("POST /process", b"x" * (8 << 20) + b"x").status == 413
    except (ConnectionError, http.client.HTTPException):
        pass  # it may close while we still send
    assert plugin.call("GET /healthz").status == 200


@over_http
def test_takes_a_body_in_chunks(start, language):
    message = json.dumps({"data": b64("one\ntwo\n")}).encode()
    pieces = (message[at:at + 5] for at in range(0, len(message), 5))

    answer = start(language).call("POST /process", pieces, headers={"Content-Type": "application/json"})

    assert answer.status == 200


@over_http
def test_answers_many_requests_on_one_connection(start, language):
    plugin = start(language)
    request = f"GET /healthz HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {plugin.token}\r\n\r\n".encode()

    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(plugin.address[len(UNIX):])
        for _ in range(3):
            connection.sendall(request)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, answer.read()) == (200, b"")


@over_http
def test_ends_also_when_nobody_waits_for_the_answer(start, language):
    plugin = start(language)
    request = f"POST /shutdown HTTP/1.1\r\nHost: x\r\nPlugKit-Token: {plugin.token}\r\nContent-Length: 0\r\n\r\n"

    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(plugin.address[len(UNIX):])
        connection.sendall(request.encode())

    assert plugin.wait() == 0


@over_http
def test_listens_on_the_loopback_when_no_socket_is_given(start, language):
    plugin = start(language, listen=None)

    assert plugin.address.startswith("http://127.0.0.1:")
    assert plugin.call("GET /healthz").status == 200
    assert plugin.shutdown() == 0


@over_http
def test_says_why_it_cannot_listen(plugin, language, request, free_dir):
    path = request.getfixturevalue("go_program") if language == "go" else LANGUAGES / f"plugins/{language}-processor"
    nowhere = f"{UNIX}{free_dir}/no/such/folder/x.sock"

    reason = "ended with 1: cannot (serve|listen): .*([Nn]o such file|ENOENT|EACCES)"
    with pytest.raises(pytest.fail.Exception, match=reason):
        plugin(path, listen=nowhere)


# ---- the work of each


def test_python_counts_words(start):
    answer = process(start("py"), "To be, or not to be", config={"top": 2})

    assert text_of(answer) == "      2 be\n      2 to\n"
    assert answer.json["metadata"] == {"words": 6, "distinct": 4}
    assert text_of(process(start("py"), "a word is a word", config={"min_length": 3})) == "      2 word\n"


@pytest.mark.parametrize("config", [{"top": 0}, {"top": "3"}, {"top": True}, {"min_length": -1}, "none"])
def test_python_refuses_bad_settings(start, config):
    answer = process(start("py"), "a b", config=config)

    assert answer.status == 400
    assert answer.json["message"].startswith("cannot count words: '")


def test_python_names_the_byte_that_is_not_text(start):
    answer = process(start("py"), b"ab\xffcd")

    assert (answer.status, answer.json["message"]) == (400, "cannot count words: byte 2 is not UTF-8")


@pytest.mark.skipif(not here("js"), reason="needs node")
def test_node_draws_an_outline(start):
    text = "# One\n\ntext # no\n\n## Sub #\n```\n# code\n```\n# Two\n### Deep\n#hashtag\n"

    answer = process(start("js"), text)

    assert text_of(answer) == "1 One\n  1.1 Sub\n2 Two\n    2.1 Deep\n"
    assert answer.json["metadata"] == {"headings": 4}
    assert text_of(process(start("js"), text, config={"depth": 1})) == "1 One\n2 Two\n"


@pytest.mark.skipif(not here("js"), reason="needs node")
def test_node_refuses_bad_settings(start):
    answer = process(start("js"), "# One", config={"depth": 7})

    assert (answer.status, answer.json["message"]) == (400, "cannot draw an outline: 'depth' must be 1 to 6, not 7")


@pytest.mark.skipif(not here("go"), reason="needs go")
def test_go_packs(start):
    data = bytes(range(256)) * 100

    answer = process(start("go"), data, config={"level": 9})

    packed = unb64(answer.json["data"])
    assert gzip.decompress(packed) == data
    assert answer.json["format"] == "application/gzip"
    assert answer.json["metadata"] == {"size": len(data), "packed": len(packed)}


@pytest.mark.skipif(not here("go"), reason="needs go")
def test_go_refuses_bad_settings(start):
    answer = process(start("go"), "x", config={"level": 10})

    assert (answer.status, answer.json["message"]) == (400, "cannot pack: 'level' must be 1 to 9, not 10")


def test_sh_sorts_lines(start):
    plugin = start("sh")

    assert text_of(process(plugin, "b\na\nb\n")) == "a\nb\nb\n"
    assert text_of(process(plugin, "b\na\nb\n", config={"unique": True})) == "a\nb\n"
    assert plugin.address == "lines:"


def test_sh_takes_any_bytes(start):
    data = bytes(byte for byte in range(256) if byte != 10)

    assert unb64(process(start("sh"), data).json["data"]) == data + b"\n"


def test_sh_refuses_bad_settings(start):
    answer = process(start("sh"), "x", config={"unique": "yes"})

    assert (answer.status, answer.json["message"]) == (400, "cannot sort: 'unique' must be true or false")


def test_sh_takes_a_long_line(start):
    lines = [f"{zlib.crc32(str(number).encode()):08x}" for number in range(20000)]

    assert text_of(process(start("sh"), "\n".join(lines))) == "\n".join(sorted(lines)) + "\n"
