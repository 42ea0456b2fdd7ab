"""The command: what each part of it prints, for people and for programs, its exit statuses, what it leaves behind."""

import base64
import concurrent.futures
import errno
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from conftest import PROGRAMS
from plugkit_pytest import b64, unb64, wait_until

GOOD, FAILED, USAGE, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130

PLUGKIT_LINES = """#!/bin/sh
if [ "$1" = capabilities ]; then
    echo '{"types":{"%(contract)s":[{"type":"%(type)s"}]},"protocols":["plugkit/1"]%(more)s}'
    exit 0
fi
IFS= read -r start <&3
%(before)s
printf '%%s\\n' '{"listening":"lines:"}' '{"ready":true}' >&3
while IFS= read -r line <&3; do
    id=${line#'{"id":'}
    id=${id%%%%,*}
    case $line in
        *'"call":"GET /healthz"'*) echo '{"id":'"$id"',"status":200}' >&3 ;;
        '{"shutdown":true'*) exit 0 ;;
        *) %(answer)s ;;
    esac
done
"""


@pytest.fixture
def plugins(free_dir):
    """plugins("text", "hello", broken="#!/bin/sh..."): a directory with copies of built plugins, and with scripts."""
    folder = free_dir / "plugins"

    def make(*names, **scripts):
        folder.mkdir(exist_ok=True)
        for name in names:
            shutil.copy(PROGRAMS / "plugins" / name, folder / name)
        for name, text in scripts.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        return folder

    return make


@pytest.fixture
def plugkit(host):
    def run(*args, **options):
        return host(PROGRAMS / "plugkit", *args, **options)

    return run


def lines_plugin(contract="echo", type="echo", more="", before="", answer="""echo '{"id":'"$id"',"status":200}' >&3"""):
    return PLUGKIT_LINES % {"contract": contract, "type": type, "more": more, "before": before, "answer": answer}


# ---- shapes. A small part of JSON Schema, which jsonschema checks where it is installed, and check() everywhere.

TEXT, NUMBER, INT = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def maybe(schema):
    return {"anyOf": [schema, {"type": "null"}]}


def record(**keys):
    return {"type": "object", "properties": keys, "required": sorted(keys), "additionalProperties": False}


def rows(schema):
    return {"type": "array", "items": schema}


ERROR = {"type": "object", "additionalProperties": False, "required": ["code", "name", "kind", "message"],
         "properties": {"code": TEXT, "name": TEXT, "kind": TEXT, "message": TEXT, "status": INT, "pluginCode": TEXT}}
PLUGIN = record(
    id=TEXT, path=maybe(TEXT), status=TEXT, reason=maybe(ERROR), version=maybe(TEXT),
    services=rows(record(contract=TEXT, type=TEXT, version=maybe(TEXT))), dialect=maybe(TEXT), address=maybe(TEXT),
    pid=maybe(INT), hostDeath=maybe(TEXT),
    health=maybe(record(status=TEXT, reason=maybe(TEXT), unavailable=maybe(TEXT))), starts=INT, crashes=INT,
    startMs=maybe(NUMBER), upMs=maybe(NUMBER), calls=INT, failures=INT, inFlight=INT, bytesIn=INT, bytesOut=INT,
    outputDropped=INT, capabilities=maybe({"type": "object"}), manifest=maybe({"type": "object"}))
HEALTH = maybe(record(status={"enum": ["ok", "degraded", "bad", "unknown"]}, reason=maybe(TEXT), durationMs=NUMBER))
FINDING = record(level={"enum": ["note", "warning", "error"]}, subject=TEXT, what=TEXT, cure=maybe(TEXT))
SCHEMAS = {
    "list": record(directory=TEXT, plugins=rows(PLUGIN), skipped=rows(record(id=TEXT, path=TEXT, reason=TEXT))),
    "inspect": record(plugin=PLUGIN, methods=rows(record(contract=TEXT, method=TEXT, http=TEXT)),
                      configTypes=rows(TEXT), health=HEALTH),
    "doctor": record(directory=TEXT, ok={"type": "boolean"}, findings=rows(FINDING), plugins=rows(record(
        id=TEXT, path=TEXT, verdict={"enum": ["ok", "failed", "skipped"]}, startMs=maybe(NUMBER), health=HEALTH,
        stopMs=maybe(NUMBER), findings=rows(FINDING)))),
    "call": {"type": "object", "additionalProperties": False,
             "required": ["plugin", "contract", "type", "method", "status", "headers", "durationMs", "error"],
             "properties": {"plugin": TEXT, "contract": maybe(TEXT), "type": maybe(TEXT), "method": TEXT,
                            "status": maybe(INT), "headers": {"type": "object"}, "durationMs": NUMBER,
                            "error": maybe(ERROR), "body": {}, "text": TEXT, "base64": TEXT, "file": TEXT,
                            "bytes": INT}},
    "error": record(error=ERROR),
    "version": record(version=TEXT),
    "help": record(commands=rows(record(name=TEXT, synopsis=TEXT, summary=TEXT, options=rows(
        record(name=TEXT, value=maybe(TEXT), help=TEXT))))),
}
LINES = {
    "event": {"type": "object", "additionalProperties": False,
              "required": ["time", "kind", "event", "plugin", "from", "to", "reason"],
              "properties": {"time": TEXT, "kind": TEXT, "event": TEXT, "plugin": maybe(TEXT), "from": maybe(TEXT),
                             "to": maybe(TEXT), "reason": maybe(ERROR), "pid": INT, "startMs": NUMBER}},
    "log": record(time=TEXT, kind=TEXT, level={"enum": ["debug", "info", "warn", "error"]}, event=TEXT,
                  plugin=maybe(TEXT), message=TEXT, fields={"type": "object"}),
    "note": record(time=TEXT, kind=TEXT, plugin=maybe(TEXT), note=TEXT, message=TEXT),
    "error": record(time=TEXT, kind=TEXT, error=ERROR),
    "reply": {**SCHEMAS["call"], "properties": {**SCHEMAS["call"]["properties"], "time": TEXT, "kind": TEXT}},
}
KINDS = {"string": str, "number": (int, float), "integer": int, "boolean": bool, "object": dict, "array": list,
         "null": type(None)}


def fits(schema, value):
    try:
        check(schema, value)
    except AssertionError:
        return False
    return True


def check(schema, value, where="$"):
    """The part of JSON Schema that is used above."""
    if "anyOf" in schema:
        assert any(fits(one, value) for one in schema["anyOf"]), f"{where}: {value!r}"
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "type" in schema:
        assert isinstance(value, KINDS[schema["type"]]), f"{where}: {value!r} is no {schema['type']}"
        assert not isinstance(value, bool) or schema["type"] == "boolean", f"{where}: {value!r}"
    if isinstance(value, dict):
        missing = set(schema.get("required", [])) - set(value)
        assert not missing, f"{where}: {missing} missing"
        for key, item in value.items():
            assert key in schema.get("properties", {}) or schema.get("additionalProperties", True), f"{where}: {key}?"
            check(schema.get("properties", {}).get(key, {}), item, f"{where}.{key}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            check(schema.get("items", {}), item, f"{where}[{number}]")


def shaped(name, run):
    """What a command printed with --json; it has the documented shape."""
    value = json.loads(run.stdout)
    schema = SCHEMAS[name]
    check(schema, value)
    try:
        import jsonschema
    except ImportError:
        return value
    jsonschema.validate(value, schema)
    return value


def events_of(run):
    found = []
    for line in run.stdout.splitlines():
        value = json.loads(line)
        check(LINES[value["kind"]], value)
        found.append(value)
    return found


# ---- list


def test_list_prints_one_line_with_five_columns_for_each_plugin(plugkit, plugins):
    run = plugkit("list", plugins("text", "hello", "analytics"))

    assert run.status == GOOD and run.stderr == ""
    assert [line.split("\t") for line in run.stdout.splitlines()] == [
        ["analytics", "stopped", "1.0.0", "analytics/text", ""],
        ["hello", "stopped", "", "greeter/polite", ""],
        ["text", "stopped", "1.0.0", "dataProcessor/upper,dataProcessor/lower,dataProcessor/wordcount", ""],
    ]


def test_list_shows_what_cannot_be_used_and_why(plugkit, plugins):
    folder = plugins("hello", noise="#!/bin/sh\necho hello\n", quits="#!/bin/sh\necho 'no database' >&2\nexit 3\n")
    (folder / "tool").write_text("#!/bin/sh\n")
    (folder / "notes.txt").write_text("nothing to see")
    shutil.copy(folder / "hello", folder / "greeter.exe")

    run = plugkit("list", folder)

    rows_by_id = {line.split("\t")[0]: line.split("\t") for line in run.stdout.splitlines()}
    assert run.status == GOOD
    assert sorted(rows_by_id) == ["greeter.exe", "hello", "noise", "quits", "tool"]
    assert rows_by_id["noise"][1] == "rejected" and "cannot use the capabilities of 'noise'" in rows_by_id["noise"][4]
    assert rows_by_id["quits"][4] == "cannot probe 'quits': exit status 3: no database"
    assert rows_by_id["tool"][1] == "skipped" and "chmod +x" in rows_by_id["tool"][4]
    assert rows_by_id["greeter.exe"][1] == "skipped" and "rename it to 'greeter'" in rows_by_id["greeter.exe"][4]


def test_list_as_json(plugkit, plugins):
    folder = plugins("text", noise="#!/bin/sh\necho hello\n")
    (folder / "tool").write_text("#!/bin/sh\n")

    found = shaped("list", plugkit("list", folder, "--json"))

    noise, text = found["plugins"]
    assert found["directory"] == str(folder)
    assert noise["reason"]["code"] == "PLUGIN_1011" and noise["capabilities"] is None
    assert text["reason"] is None and text["capabilities"]["version"] == "1.0.0"
    assert text["services"][0] == {"contract": "dataProcessor", "type": "upper", "version": "1.0.0"}
    assert [skipped["id"] for skipped in found["skipped"]] == ["tool"]


def test_list_finds_nothing(plugkit, free_dir):
    (free_dir / "empty").mkdir()

    empty, missing = plugkit("list", "empty"), plugkit("list", "missing", "--json")
    file = plugkit("list", PROGRAMS / "plugkit")

    assert (empty.status, missing.status, file.status) == (NOTHING, NOTHING, NOTHING)
    assert "no plugin found in 'empty'" in empty.stderr and empty.stdout == ""
    assert "cannot look into 'missing': No such file" in missing.stderr
    assert shaped("error", missing)["error"]["kind"] == "not_found"
    assert "it is no directory" in file.stderr


def test_directories_may_have_any_name(plugkit, plugins, free_dir):
    odd = free_dir / "a b\n'c\""
    plugins("hello").rename(odd)

    run = plugkit("call", odd, "polite", "greet", '{"name":"you"}')

    assert run.status == GOOD and json.loads(run.stdout) == {"text": "Hello, you!"}
    assert json.loads(plugkit("list", odd, "--json").stdout)["directory"] == str(odd)


# ---- call


def test_call_by_type_and_by_plugin(plugkit, plugins):
    folder = plugins("hello")

    for target in ("polite", "hello"):
        run = plugkit("call", folder, target, "greet", '{"name":"you"}')
        assert run.status == GOOD and run.stdout == '{"text":"Hello, you!"}\n' and run.stderr == ""


def test_call_takes_the_request_from_a_file_or_stdin(plugkit, plugins, free_dir):
    folder = plugins("hello")
    (free_dir / "request.json").write_text('{"name":"file"}')

    from_file = plugkit("call", folder, "polite", "greet", "@request.json")
    from_stdin = plugkit("call", folder, "polite", "greet", "-", stdin='{"name":"stdin"}')
    from_nowhere = plugkit("call", folder, "polite", "greet", "@nowhere.json")

    assert json.loads(from_file.stdout) == {"text": "Hello, file!"}
    assert json.loads(from_stdin.stdout) == {"text": "Hello, stdin!"}
    assert from_nowhere.status == FAILED and "cannot open 'nowhere.json'" in from_nowhere.stderr


def test_call_as_json(plugkit, plugins):
    run = plugkit("call", plugins("text"), "upper", "process", json.dumps({"data": b64("hi")}), "--json")

    answer = shaped("call", run)

    assert run.status == GOOD
    assert (answer["plugin"], answer["contract"], answer["type"]) == ("text", "dataProcessor", "upper")
    assert answer["status"] == 200 and answer["error"] is None
    assert unb64(answer["body"]["data"]) == b"HI"


def test_call_shows_how_a_plugin_failed(plugkit, plugins):
    folder = plugins("hello")

    run = plugkit("call", folder, "polite", "greet", '{"name":""}', "--json")

    answer = shaped("call", run)
    assert run.status == FAILED
    assert "cannot greet '': a name is needed" in run.stderr
    assert answer["status"] == 400 and answer["error"]["name"] == "PK_ERR_PLUGIN_FAULT"
    assert answer["body"]["statusCode"] == 400


def test_call_finds_mistakes_before_a_plugin_is_bothered(plugkit, plugins):
    folder = plugins("hello", "text")
    cases = [
        (("call", folder, "polit", "greet"), NOTHING, "did you mean 'polite'?"),
        (("call", folder, "polite", "great"), NOTHING, "'polite' has no method 'great': there is greet"),
        (("call", folder, "polite"), USAGE, "which method of 'polite'? there is greet"),
        (("call", folder, "nothing"), NOTHING, "': there is polite, upper, "),
        (("call", folder, "nothing", "greet"), NOTHING, "there is no plugin or type 'nothing'"),
        (("call", folder, "POST /greet"), USAGE, "which plugin or type is to be asked 'POST /greet'?"),
        (("call", folder, "POST /greet", "{}"), USAGE, "name it before"),
        (("call", folder, "polite", "/greet", "{}"), USAGE, "it should read 'POST /greet'"),
        (("call", folder, "polite", "greet", "{name}"), USAGE, "expected a key in quotes"),
        (("call", folder, "text", "process", "{}"), USAGE, "name one of them instead: upper, lower, wordcount"),
        (("call", folder, "polite", "greet", "--contract", "other"), NOTHING, "does not offer the contract 'other'"),
        (("call", folder, "polite", "greet", "--meta", "odd"), USAGE, "NAME=VALUE"),
        (("call", folder, "polite", "x", "{}", "--http", "GET /x"), USAGE, "with --http no method is named"),
    ]
    for words, status, message in cases:
        run = plugkit(*words)
        assert (run.status, run.stdout) == (status, ""), words
        assert message in run.stderr, words


def test_call_of_any_path(plugkit, plugins):
    folder = plugins("text")

    health = plugkit("call", folder, "text", "--http", "GET /healthz", "--json")
    nothing = plugkit("call", folder, "upper", "--http", "GET /nothing", "--json")

    assert health.status == GOOD and shaped("call", health)["status"] == 200
    assert nothing.status == FAILED and shaped("call", nothing)["status"] == 404


def test_call_takes_a_path_in_the_place_of_a_method(plugkit, plugins):
    folder = plugins("hello", "text")

    greeted = plugkit("call", folder, "polite", "POST /greet", '{"name":"you"}')
    health = plugkit("call", folder, "text", "GET /healthz", "--json")
    nothing = plugkit("call", folder, "upper", "GET /nothing", "--json")

    assert (greeted.status, greeted.stdout) == (GOOD, '{"text":"Hello, you!"}\n')
    assert health.status == GOOD and shaped("call", health)["method"] == "GET /healthz"
    assert nothing.status == FAILED and shaped("call", nothing)["status"] == 404


def test_call_sends_headers(plugkit, plugins):
    run = plugkit("call", plugins("py-processor"), "py-processor", "formats", "--meta", "X-One=1", "--meta", "X-Two=")

    assert run.status == GOOD and "text/plain" in run.stdout


def test_raw_calls_leave_bytes_alone(plugkit, plugins):
    folder = plugins("text")

    run = plugkit("call", folder, "upper", "formats", "--raw")
    bad = plugkit("call", folder, "upper", "process", "no JSON", "--raw")

    assert run.stdout == '{"formats":["text/plain","text/markdown"]}'
    assert bad.status == FAILED and "400" in bad.stderr


def test_files_of_any_size_go_up_and_come_down(plugkit, plugins, free_dir):
    folder = plugins("storage")
    config = ("--config", "storage-config=" + json.dumps({"directory": str(free_dir)}))
    content = bytes(range(256)) * 60000 + b"end"  # more than a message may have
    (free_dir / "big").write_bytes(content)

    up = plugkit("call", folder, "directory", "store", "--upload", "big", *config)
    piped = plugkit("call", folder, "directory", "store", "--upload", "-", *config, stdin=b"\0\1\2")
    key, small = json.loads(up.stdout)["key"], json.loads(piped.stdout)["key"]
    down = plugkit("call", folder, "directory", "retrieve", json.dumps({"key": key}), "--download", "copy", "--json",
                   *config)
    bytes_out = plugkit("call", folder, "directory", "retrieve", json.dumps({"key": small}), "--json", *config)
    to_stdout = plugkit("call", folder, "directory", "retrieve", json.dumps({"key": small}), "--download", "-", *config)

    assert (free_dir / "copy").read_bytes() == content
    assert shaped("call", down)["bytes"] == len(content)
    assert base64.b64decode(shaped("call", bytes_out).get("base64", b64(shaped("call", bytes_out).get("text", "")))) \
        == b"\0\1\2"
    assert to_stdout.stdout == "\0\1\2"


def test_a_failed_download_leaves_no_file(plugkit, plugins, free_dir):
    config = ("--config", "storage-config=" + json.dumps({"directory": str(free_dir)}))

    run = plugkit("call", plugins("storage"), "directory", "retrieve", '{"key":"none"}', "--download", "copy", *config)

    assert run.status == FAILED
    assert not [path.name for path in free_dir.iterdir() if path.name.startswith("copy")]


def test_configuration_is_checked(plugkit, plugins, free_dir):
    folder = plugins("storage")

    nameless = plugkit("list", folder, "--config", "{}")
    broken = plugkit("list", folder, "--config", "storage-config={")
    unknown = plugkit("call", folder, "directory", "store", "--upload", "/dev/null", "--config", "storage:other={}")
    refused = plugkit("call", folder, "directory", "store", "--upload", "/dev/null", "--config",
                      'storage-config={"directory":"/nowhere"}')

    assert nameless.status == USAGE and "TYPE=JSON" in nameless.stderr
    assert broken.status == USAGE and "storage-config" in broken.stderr
    assert unknown.status == FAILED and "declares no config type 'other'" in unknown.stderr
    assert refused.status == FAILED and "/nowhere" in refused.stderr


def test_a_configuration_for_nobody_is_noticed(plugkit, plugins):
    folder = plugins("storage", "hello")
    odd = ("--config", "storage-confg={}")
    message = "cannot use the configuration of type 'storage-confg': no plugin declares it; there is storage-config"

    called = plugkit("call", folder, "polite", "greet", '{"name":"you"}', *odd)
    listed = plugkit("list", folder, "--json", *odd)
    missing = plugkit("call", folder, "polite", "greet", '{"name":"you"}', "--config", "stor:storage-config={}")
    run = plugkit("run", folder, *odd, stdin="quit\n")

    assert (called.status, called.stdout, called.stderr) == (USAGE, "", f"plugkit: {message}\n")
    assert listed.status == GOOD and listed.stderr == f"plugkit: {message}\n"
    assert missing.status == USAGE and "there is no plugin 'stor'" in missing.stderr
    assert run.status == GOOD and message in run.stdout


def test_a_call_that_takes_too_long_ends_at_its_deadline(plugkit, plugins):
    folder = plugins(slow=lines_plugin(answer=":"))

    run = plugkit("call", folder, "echo", "say", "{}", "--timeout", "1s", "--json")

    assert run.status == FAILED and shaped("call", run)["error"]["name"] == "PK_ERR_PLUGIN_TIMEOUT"


def test_variables_are_inherited_if_they_are_named(plugkit, plugins):
    answer = """echo '{"id":'"$id"',"status":200,"body":["'"$ONE"'","'"$TWO"'","'"$THREE"'"]}' >&3"""
    folder = plugins(echo=lines_plugin(answer=answer))

    run = plugkit("call", folder, "echo", "say", "{}", "--env", "ONE", "--env", "TWO=2",
                  env={"ONE": "1", "THREE": "3"})

    assert json.loads(run.stdout) == ["1", "2", ""]


def test_plugins_over_tcp(plugkit, plugins):
    run = plugkit("inspect", plugins("hello"), "hello", "--tcp", "--json")

    assert shaped("inspect", run)["plugin"]["address"].startswith("http://127.0.0.1:")


# ---- inspect


def test_inspect_tells_everything(plugkit, plugins):
    run = plugkit("inspect", plugins("storage"), "storage", "--json")

    found = shaped("inspect", run)
    assert run.status == GOOD
    assert found["plugin"]["status"] in ("ready", "degraded") and found["plugin"]["dialect"] == "plugkit/1"
    assert found["plugin"]["pid"] > 0 and found["plugin"]["starts"] == 1 and found["plugin"]["startMs"] > 0
    assert {"contract": "blobStore", "method": "store", "http": "POST /store"} in found["methods"]
    assert found["configTypes"] == ["storage-config"]
    assert found["health"]["status"] == "degraded" and "no directory is configured" in found["health"]["reason"]


def test_inspect_in_a_pipe_has_names_and_values(plugkit, plugins):
    run = plugkit("inspect", plugins("text"), "upper")  # a type finds its plugin

    lines = [line.split("\t") for line in run.stdout.splitlines()]
    values = {line[0]: line[1] for line in lines if len(line) == 2}
    assert run.status == GOOD
    assert values["id"] == "text" and values["status"] == "ready" and values["health"] == "ok"
    assert ["service", "dataProcessor", "lower", "1.0.0"] in lines
    assert json.loads(values["capabilities"].encode().decode("unicode_escape"))["version"] == "1.0.0"


def test_inspect_can_leave_it_alone(plugkit, plugins):
    found = shaped("inspect", plugkit("inspect", plugins("hello"), "hello", "--no-start", "--json"))

    assert found["plugin"]["status"] == "stopped" and found["plugin"]["pid"] is None and found["health"] is None


def test_inspect_of_what_does_not_work(plugkit, plugins):
    folder = plugins("hello", noise="#!/bin/sh\necho hello\n",
                     dies="#!/bin/sh\n[ $# = 0 ] && exit 7\necho '{\"types\":{},\"protocols\":[\"plugkit/1\"]}'\n")

    noise, dies, none = (plugkit("inspect", folder, name, "--json") for name in ("noise", "dies", "helo"))

    assert noise.status == FAILED and shaped("inspect", noise)["plugin"]["status"] == "rejected"
    assert dies.status == FAILED and "exit status 7" in shaped("inspect", dies)["plugin"]["reason"]["message"]
    assert none.status == NOTHING and "did you mean 'hello'?" in shaped("error", none)["error"]["message"]


# ---- doctor


def test_doctor_finds_nothing_wrong(plugkit, plugins):
    run = plugkit("doctor", plugins("hello", "text", "py-processor", "sh-processor"), "--json")

    found = shaped("doctor", run)
    assert run.status == GOOD and found["ok"]
    assert [(plugin["id"], plugin["verdict"], plugin["findings"]) for plugin in found["plugins"]] == [
        (name, "ok", []) for name in ("hello", "py-processor", "sh-processor", "text")]
    assert all(plugin["health"]["status"] == "ok" and plugin["stopMs"] > 0 for plugin in found["plugins"])


ILL = {
    "garbage": ("#!/bin/sh\necho hello\n", "cannot parse JSON", "one JSON object belongs on stdout"),
    "silent": ("#!/bin/sh\n", "it printed nothing", "one JSON object belongs on stdout"),
    "quits": ("#!/bin/sh\necho 'no database' >&2\nexit 3\n", "exit status 3: no database", "capabilities and look"),
    "wrongtype": ("#!/bin/sh\necho '{\"types\":[1]}'\n", '"types" should be an object', "capabilities and look"),
    "hangs": ("#!/bin/sh\nexec sleep 60\n", "within", "must print them and exit"),
    "empty": ("", "exec", "it is empty"),
    "plain": ("just words\n", "exec", "begins with a line like #!/bin/sh"),
    "crlf": ("#!/bin/sh\r\necho\r\n", "exec", "carriage returns"),
    "bom": ("\ufeff#!/bin/sh\n", "exec", "byte order mark"),
    "lost": ("#!/no/such/interpreter\n", "exec", "'/no/such/interpreter' cannot be run"),
    "lostenv": ("#!/usr/bin/env no-such-interpreter\n", "exit status 12", "'no-such-interpreter' is not in PATH"),
    "dies": ("#!/bin/sh\n[ \"$1\" ] || { echo bad luck >&2; exit 4; }\n"
             "echo '{\"types\":{\"a\":[{\"type\":\"d\"}]},\"protocols\":[\"plugkit/1\"]}'\n",
             "exit status 4: bad luck", "what it printed last"),
    "never": ("#!/bin/sh\n[ \"$1\" ] || exec sleep 60\n"
              "echo '{\"types\":{\"a\":[{\"type\":\"n\"}]},\"protocols\":[\"plugkit/1\"]}'\n",
              "within", "{\"ready\":true} on descriptor 3"),
    "babbles": (lines_plugin(type="b", before="echo nonsense >&3"), "cannot understand the plugin",
                "one JSON object a line"),
    "halfway": (lines_plugin("dataProcessor", "h", ',"methods":{"dataProcessor":{"process":"POST /process"}}'),
                "method 'formats' is missing", "implement what is missing"),
    "two words": ("#!/bin/sh\n", "cannot name a plugin", "rename it"),
}


def test_doctor_says_how_to_mend_each_plugin(plugkit, plugins):
    folder = plugins("hello", **{name: script for name, (script, _, _) in ILL.items()})

    run = plugkit("doctor", folder, "--json", "--timeout", "1500ms")

    found = {plugin["id"]: plugin for plugin in shaped("doctor", run)["plugins"]}
    assert run.status == FAILED
    assert found.pop("hello")["verdict"] == "ok"  # the others do not disturb it
    assert sorted(found) == sorted(ILL)
    for name, (_, what, cure) in ILL.items():
        errors = [finding for finding in found[name]["findings"] if finding["level"] == "error"]
        assert found[name]["verdict"] == "failed" and errors, name
        assert what in errors[0]["what"], name
        assert cure in (errors[0]["cure"] or ""), name


def test_doctor_tells_of_duplicates_and_skipped_files(plugkit, plugins):
    folder = plugins("hello")
    shutil.copy(folder / "hello", folder / "hello2")
    (folder / "tool").write_text("#!/bin/sh\n")

    run = plugkit("doctor", folder, "--json")

    found = {plugin["id"]: plugin for plugin in shaped("doctor", run)["plugins"]}
    assert sorted(found[name]["verdict"] for name in ("hello", "hello2")) == ["failed", "ok"]
    assert found["tool"]["verdict"] == "skipped" and "chmod +x" in found["tool"]["findings"][0]["what"]


def test_doctor_notices_what_does_not_end_by_itself(plugkit, plugins):
    stubborn = lines_plugin().replace("exit 0 ;;\n        *)", ": ;;\n        *)")

    run = plugkit("doctor", plugins(stubborn=stubborn), "--json")

    (plugin,) = shaped("doctor", run)["plugins"]
    assert run.status == GOOD
    assert [finding["level"] for finding in plugin["findings"]] == ["warning"]
    assert "it did not end on POST /shutdown" in plugin["findings"][0]["what"]


def test_doctor_looks_around(plugkit, plugins, free_dir):
    folder = plugins("hello")
    runtime = free_dir / "runtime"
    (runtime / f"plugkit-{os.getuid()}" / "abandoned").mkdir(parents=True, mode=0o700)
    runtime.chmod(0o700)
    (runtime / f"plugkit-{os.getuid()}").chmod(0o700)
    dead = runtime / f"plugkit-{os.getuid()}" / "abandoned" / "x-1.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dead))

    run = plugkit("doctor", folder, "--runtime-dir", runtime, "--json")

    (finding,) = [one for one in shaped("doctor", run)["findings"] if one["subject"] == str(dead)]
    assert run.status == GOOD
    assert finding["level"] == "warning" and "nobody listens" in finding["what"] and "rm " in finding["cure"]


def test_doctor_and_directories_that_are_not_safe(plugkit, plugins, free_dir):
    folder = plugins("hello")
    folder.chmod(0o777)

    run = plugkit("doctor", folder, "--json")
    text = plugkit("doctor", folder)

    assert run.status == FAILED
    assert any("everybody may exchange" in finding["what"] for finding in shaped("doctor", run)["findings"])
    assert "chmod o-w" in text.stdout
    long = free_dir / ("x" * 80)
    folder.chmod(0o755)
    long.mkdir()
    run = plugkit("doctor", folder, "--runtime-dir", long, "--json")
    assert any("too little room" in finding["what"] for finding in shaped("doctor", run)["findings"])


def test_doctor_for_people(plugkit, plugins):
    run = plugkit("doctor", plugins("hello", garbage="#!/bin/sh\necho hello\n"))

    assert run.status == FAILED
    assert re.search(r"^ok    hello  started in .* stopped in", run.stdout, re.M)
    assert re.search(r"^FAIL  garbage\n      error: cannot use .*\n        mend: run '.*/garbage' capabilities",
                     run.stdout, re.M)
    assert plugkit("doctor", "missing").status == NOTHING


# ---- run


def test_run_tells_what_happens_until_it_is_interrupted(plugkit, plugins):
    run = plugkit("run", plugins("hello", "text"), "--eager", "--json", background=True)
    run.line(lambda line: '"plugin.ready"' in line and '"text"' in line)
    run.line(lambda line: '"plugin.ready"' in line and '"hello"' in line)

    run.signal(signal.SIGINT)

    assert run.wait() == GOOD
    events = [event for event in events_of(run) if event["kind"] == "event"]
    names = [event["event"] for event in events if event["plugin"] == "hello"]
    assert names == ["plugin.found", "plugin.probing", "plugin.stopped", "plugin.starting", "plugin.ready",
                     "plugin.stopping", "plugin.stopped", "plugin.unloaded"]
    assert events[-1]["event"] == "manager.stopped"
    (ready,) = [event for event in events if event["event"] == "plugin.ready" and event["plugin"] == "hello"]
    assert ready["pid"] > 0 and ready["startMs"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_ends_on_other_signals_as_well(plugkit, plugins, number):
    run = plugkit("run", plugins("hello"), "--eager", background=True)
    run.line("ready")

    run.signal(number)

    assert run.wait() == GOOD and run.stdout.rstrip().endswith("everything")
    assert "unloaded" not in run.stdout


def test_run_shows_what_plugins_print(plugkit, plugins):
    chatty = lines_plugin(before="echo '{\"level\":\"WARN\",\"msg\":\"low disk\",\"left\":\"3 MB\"}' >&2\n"
                                 "printf 'bad \\033[31mred\\n'")
    folder = plugins(chatty=chatty)

    run = plugkit("run", folder, "--eager", "--json", background=True)
    run.line("low disk")
    run.line("red")
    run.signal(signal.SIGINT)
    run.wait()

    logs = {log["message"]: log for log in events_of(run) if log["kind"] == "log"}
    assert logs["low disk"]["level"] == "warn" and logs["low disk"]["fields"]["left"] == "3 MB"
    assert "\033" not in run.stdout


def test_run_does_what_is_typed(plugkit, plugins):
    commands = """call polite greet {"name":"you"}
        call nobody greet
        call  polite  POST  /greet  {"name":"path"}
        start nobody
        dance
        list
        stop hello
        quit
        """
    run = plugkit("run", plugins("hello"), stdin=commands.replace("        ", ""))

    assert run.status == GOOD
    assert '{"text":"Hello, you!"}' in run.stdout
    assert '{"text":"Hello, path!"}' in run.stdout
    assert re.search(r"hello +ready +2 calls, 0 failed", run.stdout)
    assert "there is no plugin or type 'nobody'" in run.stderr and "there is no 'dance' here" in run.stderr


def test_run_restarts_what_crashes(plugkit, plugins, free_dir):
    crashes = lines_plugin(answer="exit 5")
    run = plugkit("run", plugins(crashes=crashes), "--json", stdin="call echo say {}\nstart crashes\n", background=True)

    run.line("plugin.backoff")
    run.signal(signal.SIGINT)
    run.wait()

    (backoff,) = [event for event in events_of(run) if event.get("event") == "plugin.backoff"][:1]
    (reply,) = [event for event in events_of(run) if event["kind"] == "reply"]
    assert "exit status 5" in backoff["reason"]["message"]
    assert reply["plugin"] == "crashes" and "the plugin has gone" in reply["error"]["message"]


def test_run_waits_for_a_debugger(plugkit, plugins, free_dir):
    fifo = free_dir / "keys"
    os.mkfifo(fifo)
    keys = os.open(fifo, os.O_RDWR)
    run = plugkit("run", plugins("hello", "text"), "--wait", stdin=fifo, background=True)

    pids = [int(re.search(r"pid (\d+): gdb -p \1", run.line(rf"{name:<16}  waiting")).group(1))
            for name in ("hello", "text")]
    for pid in pids:
        os.kill(pid, 0)
    wait_until(lambda: "press Enter" in run.stderr, "the invitation to attach a debugger")
    os.write(keys, b"\nlist\n")
    run.line(lambda line: re.search(r"hello +ready +0 calls", line))
    os.write(keys, b"quit\n")
    os.close(keys)

    assert run.wait() == GOOD


def test_run_needs_something_to_run(plugkit, plugins):
    assert plugkit("run", plugins(noise="#!/bin/sh\necho hello\n")).status == NOTHING


# ---- what all commands have in common


def test_help_and_version(plugkit):
    everything = plugkit("help")
    names = re.findall(r"^    plugkit (\w+)", everything.stdout, re.M)

    assert everything.status == GOOD
    assert names == ["list", "call", "run", "inspect", "doctor", "schema", "top", "events", "start", "stop", "restart",
                     "disable", "enable", "version", "help"]
    assert "130 interrupted" in everything.stdout
    for name in names:
        one, same = plugkit("help", name), plugkit(name, "--help")
        assert one.status == GOOD and one.stdout == same.stdout
        assert one.stdout.startswith(f"plugkit {name}") and "--json" in one.stdout
        assert max(len(line) for line in one.stdout.splitlines()) <= 110
    assert re.fullmatch(r"plugkit \d+\.\d+\.\d+\n", plugkit("--version").stdout)
    assert shaped("version", plugkit("version", "--json"))["version"] == plugkit("version").stdout.split()[1]
    assert len(shaped("help", plugkit("help", "--json"))["commands"]) == len(names)


@pytest.mark.parametrize("words, message", [
    ((), "plugkit help COMMAND tells more"),
    (("lst", "x"), "did you mean 'list'?"),
    (("dance",), "there is no command 'dance'\n"),
    (("help", "insepct"), "did you mean 'inspect'?"),
    (("list",), "use:  plugkit list DIR"),
    (("list", "x", "y"), "there is nothing to do with 'y'"),
    (("list", "x", "--jsn"), "did you mean '--json'?"),
    (("list", "x", "--eager"), "'list' does not take --eager"),
    (("list", "x", "--timeout"), "--timeout needs a value"),
    (("list", "x", "--timeout", "soon"), "takes a duration"),
    (("list", "x", "--timeout=-5"), "takes a duration"),
    (("list", "x", "--color", "blue"), "auto, always or never"),
    (("list", "x", "-x"), "there is no option '-x'"),
    (("list", "x", "--json=yes"), "takes no value"),
    (("call", "x", "t", "m", "{}", "--upload", "f"), "--upload is the request's body already"),
])
def test_wrong_usage(plugkit, words, message):
    run = plugkit(*words)

    assert (run.status, run.stdout) == (USAGE, "")
    assert message in run.stderr


def test_two_dashes_end_the_options(plugkit, plugins, free_dir):
    plugins("hello").rename(free_dir / "--odd")

    assert plugkit("list", "--", "--odd").status == GOOD


def run_with_stdout(stdout, *words):
    env = dict(os.environ, TERM="xterm-256color")
    return subprocess.run([str(PROGRAMS / "plugkit"), *map(str, words)], stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, env=env, timeout=60)


@pytest.mark.parametrize("words", [("list",), ("doctor",), ("list", "--json")])
def test_a_reader_that_goes_away_is_no_mistake(plugins, words):
    folder = plugins("hello", "text")
    reader, writer = os.pipe()
    os.close(reader)

    run = run_with_stdout(writer, words[0], folder, *words[1:])

    os.close(writer)
    assert run.returncode == -signal.SIGPIPE and run.stderr == b""


def test_run_ends_when_nobody_reads_any_more(plugkit, plugins, free_dir):
    folder = plugins("hello", "text")
    command = f"'{PROGRAMS}/plugkit' run '{folder}' --eager --json | head -1"

    shell = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    assert json.loads(shell.stdout)["event"] == "plugin.found" and shell.stderr == ""


@pytest.mark.skipif(not pathlib.Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one(plugins):
    with open("/dev/full", "wb") as full:
        run = run_with_stdout(full, "list", plugins("hello"))

    assert run.returncode == FAILED and b"cannot write to stdout" in run.stderr


def test_closed_descriptors_do_no_harm(plugins):
    folder = plugins("hello")
    command = f"'{PROGRAMS}/plugkit' call '{folder}' polite greet '{{\"name\":\"you\"}}'"

    closed = subprocess.run(command + " >&-", shell=True, capture_output=True, text=True, timeout=60)
    others = subprocess.run(command + " <&- 2>&-", shell=True, capture_output=True, text=True, timeout=60)

    assert closed.returncode == FAILED and "cannot write to stdout" in closed.stderr
    assert others.returncode == GOOD and others.stdout == '{"text":"Hello, you!"}\n'


def test_no_terminal_codes_in_a_pipe(plugkit, plugins):
    folder = plugins("hello", noise="#!/bin/sh\necho hello\n")
    env = {"TERM": "xterm-256color"}

    for words in (("list", folder), ("inspect", folder, "hello"), ("doctor", folder), ("help", "list"),
                  ("call", folder, "polite", "greet", '{"name":"x"}'), ("list", folder, "--verbose")):
        run = plugkit(*words, env=env)
        assert "\033" not in run.stdout + run.stderr, words
    assert "\033[" in plugkit("doctor", folder, "--color", "always").stdout


def on_a_terminal(*words, env=()):
    """Runs plugkit with a terminal as stdout and stderr; gives what was shown."""
    terminal, inner = pty.openpty()
    shown = []

    def read():
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                return
            if not piece:
                return
            shown.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run([str(PROGRAMS / "plugkit"), *map(str, words)], stdin=subprocess.DEVNULL, stdout=inner, stderr=inner,
                   env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **dict(env)}, timeout=60)
    os.close(inner)
    reader.join()
    os.close(terminal)
    return b"".join(shown).decode().replace("\r\n", "\n")


def test_a_terminal_gets_headings_and_colours(plugins):
    folder = plugins("hello", "text", noise="#!/bin/sh\necho hello\n")

    plain = on_a_terminal("list", folder, env={"NO_COLOR": "1"})
    dumb = on_a_terminal("list", folder, env={"TERM": "dumb"})
    colored = on_a_terminal("list", folder)

    assert "\033" not in plain and plain == dumb
    assert re.sub(r"\033\[\d*m", "", colored) == plain
    assert re.search(r"^PLUGIN +STATUS +VERSION +OFFERS$", plain, re.M)
    assert re.search(r"^text +stopped +1\.0\.0 +dataProcessor: upper, lower, wordcount$", plain, re.M)
    assert "2 plugins that start with the first call, 1 that cannot be used" in plain


def test_answers_are_indented_on_a_terminal(plugins):
    shown = on_a_terminal("call", plugins("text"), "upper", "formats", env={"NO_COLOR": "1"})

    assert shown == '{\n  "formats": ["text/plain", "text/markdown"]\n}\n'


def test_plugins_do_not_drive_the_terminal(plugins):
    evil = "#!/bin/sh\nprintf '\\033]0;owned\\007\\033[2J' >&2\nexit 1\n"

    shown = on_a_terminal("list", plugins(evil=evil), env={"NO_COLOR": "1"})

    assert "\033" not in shown and "\007" not in shown


def test_an_interrupt_ends_a_call_and_its_plugin(plugkit, plugins, free_dir):
    marker = free_dir / "called"
    run = plugkit("call", plugins(slow=lines_plugin(answer=f": >'{marker}'")), "echo", "say", "{}", background=True)
    wait_until(marker.exists, "the call to arrive")

    run.signal(signal.SIGINT)

    assert run.wait() == INTERRUPTED
    assert run.stdout == "" and run.stderr == ""


def test_an_interrupt_ends_a_probe(plugkit, plugins, free_dir):
    marker = free_dir / "asked"
    run = plugkit("list", plugins(slow=f"#!/bin/sh\n: >'{marker}'\nexec sleep 60\n"), background=True)
    wait_until(marker.exists, "the probe to begin")

    run.signal(signal.SIGINT)

    assert run.wait() == INTERRUPTED and run.stdout == ""


def test_several_at_once_on_one_directory(plugins, free_dir):
    folder = plugins("hello", "text")
    env = dict(os.environ, XDG_RUNTIME_DIR=str(free_dir))

    def call(number):
        words = [str(PROGRAMS / "plugkit"), "call", str(folder), "polite", "greet", json.dumps({"name": str(number)})]
        return subprocess.run(words, capture_output=True, text=True, env=env, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = list(pool.map(call, range(8)))

    assert [json.loads(result.stdout)["text"] for result in results] == [f"Hello, {n}!" for n in range(8)]


def test_verbose_shows_events_and_output(plugkit, plugins):
    folder = plugins(chatty=lines_plugin(before="echo 'hello there' >&2"))

    run = plugkit("call", folder, "echo", "say", "{}", "-v")

    assert run.status == GOOD
    assert "hello there" in run.stderr and "ready" in run.stderr and "chatty answered 200 in" in run.stderr
