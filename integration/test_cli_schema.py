"""The command and JSON Schema: plugkit schema, and what call and doctor make of the schemas that plugins advertise."""

import json
import re

import pytest

from plugkit_pytest import b64
from test_cli import (ERROR, FAILED, GOOD, INT, NOTHING, SCHEMAS, TEXT, USAGE, lines_plugin, maybe, on_a_terminal,
                      plugins, plugkit, record, rows, shaped)  # noqa: F401

BOOL = {"type": "boolean"}
SCHEMAS["check"] = record(schema=TEXT, ok=BOOL, documents=rows(record(
    file=TEXT, ok=BOOL, error=maybe(ERROR), faults=rows(record(
        line=maybe(INT), column=maybe(INT), path=TEXT, instance=TEXT, keyword=TEXT, rule=TEXT, reason=TEXT)))))
SCHEMAS["show"] = record(plugin=TEXT, schemas=rows(record(contract=maybe(TEXT), type=TEXT, schema={})))

SERVERS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["name"],
    "properties": {"name": {"type": "string"}, "a/b~": {"type": "integer"}, "mail": {"format": "email"},
                   "servers": {"items": {"properties": {"port": {"type": "integer"}}}}},
    "additionalProperties": False}
ILL = """{
  "a/b~": "x", "servers": [{"port": 1}, {}, {
    "host": "\\"ä\\\\", "port" : "80"}],
\t"ä": [], "servers2": {"port": [{}, "]"]}
}
"""
FAULTS = ['1:1: "name" is missing  [#/required]',
          '2:11: ["a/b~"]: expected integer, got "x"  [#/properties/a~1b~0/type]',
          '3:31: servers[2].port: expected integer, got "80"  [#/properties/servers/items/properties/port/type]',
          "4:7: ä: this key is not known; there is a/b~, mail, name, servers  [#/additionalProperties]",
          "4:23: servers2: this key is not known; there is a/b~, mail, name, servers  [#/additionalProperties]"]


@pytest.fixture
def files(free_dir):
    """files(name=value, ..): writes them, as name.json; text as it is, everything else as JSON."""
    def write(**values):
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            (free_dir / f"{name}.json").write_text(text, encoding="utf-8")
        return free_dir

    return write


# ---- schema check


def test_check_tells_every_fault_with_its_place(plugkit, files):
    files(schema=SERVERS, ill=ILL, good={"name": "x"})

    run = plugkit("schema", "check", "schema.json", "ill.json", "good.json")
    found = shaped("check", plugkit("schema", "check", "schema.json", "good.json", "ill.json", "--json"))
    good = plugkit("schema", "check", "schema.json", "good.json", "good.json")

    assert (run.status, run.stderr) == (FAILED, "")
    assert sorted(run.stdout.splitlines()) == sorted(f"ill.json:{fault}" for fault in FAULTS)
    assert (good.status, good.stdout, good.stderr) == (GOOD, "", "")
    fits, ill = found["documents"]
    assert not found["ok"] and fits == {"file": "good.json", "ok": True, "error": None, "faults": []}
    assert [fault for fault in ill["faults"] if fault["line"] == 3] == [{
        "line": 3, "column": 31, "path": "servers[2].port", "instance": "/servers/2/port", "keyword": "type",
        "rule": "#/properties/servers/items/properties/port/type", "reason": 'expected integer, got "80"'}]
    assert sorted(fault["keyword"] for fault in ill["faults"]) == [
        "additionalProperties", "additionalProperties", "required", "type", "type"]


def test_places_are_right_wherever_a_value_stands(plugkit, files):
    """Each number in a document is refused, at its own line and column."""
    text = ('[0,[ 1 ,{"a":2, "b\\u0061":3,"\\\\":4 ,"":{"/":5,"~1":6}}],\r\n "x[\\"]{",{"ab":[[[7],\n\n[8]]],"c":true,'
            '"d":null}\n,9,-10.5e3,{"ä":"ö","k":11},[ ],{ },12]')
    files(schema={"$ref": "#/$defs/a", "$defs": {"a": {"type": ["string", "array", "object", "boolean", "null"],
                  "items": {"$ref": "#/$defs/a"}, "additionalProperties": {"$ref": "#/$defs/a"}}}}, text=text)

    run = plugkit("schema", "check", "schema.json", "text.json", "--json")

    lines = text.replace("\r\n", "\n").split("\n")
    (document,) = shaped("check", run)["documents"]
    found = [re.match(r"[-\d.e]+", lines[fault["line"] - 1][fault["column"] - 1:]).group()
             for fault in document["faults"]]
    assert [float(number) for number in found] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -10500, 11, 12]
    for fault, number in zip(document["faults"], found):
        assert fault["reason"].endswith(f"got {number}")


def test_check_reads_stdin(plugkit, files):
    files(schema=SERVERS, good={"name": "x"})

    document = plugkit("schema", "check", "schema.json", "-", stdin='{"name":7}')
    schema = plugkit("schema", "check", "-", "good.json", stdin='{"type":"array"}')
    twice = plugkit("schema", "check", "-", "-", stdin="{}")

    assert (document.status, document.stdout) == (
        FAILED, "stdin:1:9: name: expected string, got 7  [#/properties/name/type]\n")
    assert (schema.status, schema.stdout) == (FAILED, "good.json:1:1: expected array, got an object  [#/type]\n")
    assert (twice.status, twice.stdout) == (USAGE, "") and "stdin can be read only once" in twice.stderr


def test_check_goes_on_with_documents_that_cannot_be_read(plugkit, files):
    files(schema=SERVERS, broken='{"name":\n "x",}', twice='{"name":"x","name":"y"}', ill={"name": 1})
    words = ("schema", "check", "schema.json", "broken.json", "nowhere.json", "twice.json", "ill.json")

    run, found = plugkit(*words), shaped("check", plugkit(*words, "--json"))

    assert run.status == FAILED and run.stdout.startswith("ill.json:1:10: name: ")
    broken, nowhere, twice = run.stderr.splitlines()
    assert broken.startswith("plugkit: broken.json: cannot parse JSON: line 2, column 6, offset 14: expected a key")
    assert nowhere == "plugkit: cannot open 'nowhere.json': No such file or directory"
    assert twice.startswith("plugkit: twice.json: cannot parse JSON: line 1, column 13") and "twice" in twice
    assert [d["error"]["name"] if d["error"] else None for d in found["documents"]] == [
        "PK_ERR_BAD_JSON", "PK_ERR_OS", "PK_ERR_BAD_JSON", None]


@pytest.mark.parametrize("schema, says", [
    ("{", "schema.json: cannot parse JSON: line 1"),
    ('{"properties":{"n":{"type":"objct"}}}', "schema.json: cannot use the schema: #/properties/n/type: expected "),
    ('{"$ref":"#/$defs/x"}', "schema.json: cannot use the schema: #/$ref: there is nothing at '#/$defs/x'"),
    ('{"$ref":"https://example.org/x"}', "'https://example.org/x': nothing is fetched; --with FILE hands one in"),
    ('{"$ref":"nowhere.json"}', "cannot open '"),
    ('{"pattern":"(?=x)"}', "schema.json: cannot use the schema: #/pattern: "),
    ("[" * 300 + "]" * 300, "nested deeper than 256 levels"),
    (None, "cannot open 'schema.json': No such file"),
])
def test_a_schema_that_is_wrong_is_told_with_its_place(plugkit, files, schema, says):
    files(document="{}", **({} if schema is None else {"schema": schema}))

    run = plugkit("schema", "check", "schema.json", "document.json")

    assert (run.status, run.stdout) == (FAILED, "")
    assert run.stderr.startswith("plugkit: ") and says in run.stderr
    error = shaped("error", plugkit("schema", "check", "schema.json", "document.json", "--json"))["error"]
    assert f"plugkit: {error['message']}\n" == run.stderr


def test_schemas_may_refer_to_files_beside_them_and_to_those_that_are_handed_in(plugkit, files, free_dir):
    (free_dir / "a b").mkdir()
    (free_dir / "a b" / "ä#.json").write_text('{"$defs":{"n":{"$ref":"../low.json"}}}')
    files(low={"minimum": 3}, named={"$id": "https://example.org/named", "maximum": 9}, five=5, one=1, ten=10,
          schema={"allOf": [{"$ref": "a%20b/%C3%A4%23.json#/$defs/n"}, {"$ref": "https://example.org/named"}]})

    run = plugkit("schema", "check", "schema.json", "five.json", "one.json", "ten.json", "--with", "named.json")

    one, ten = run.stdout.splitlines()
    assert run.status == FAILED and run.stderr == ""
    assert one.startswith("one.json:1:1: expected at least 3, got 1  [file://") and one.endswith("/low.json#/minimum]")
    assert ten == "ten.json:1:1: expected at most 9, got 10  [https://example.org/named#/maximum]"


def test_formats_and_drafts_are_options(plugkit, files):
    files(schema={"properties": {"mail": {"format": "email"}}, "definitions": {}}, mail={"mail": "nobody"},
          list=[1, ""], old={"items": [{"type": "string"}], "additionalItems": False})

    assert plugkit("schema", "check", "schema.json", "mail.json").status == GOOD
    asked = plugkit("schema", "check", "schema.json", "mail.json", "--formats")
    assert asked.status == FAILED and "[#/properties/mail/format]" in asked.stdout
    assert plugkit("schema", "check", "old.json", "list.json").status == FAILED  # no schema of the new draft
    old = plugkit("schema", "check", "old.json", "list.json", "--draft-07")
    assert (old.status, old.stdout.count("\n")) == (FAILED, 2) and "items/0/type" in old.stdout


def test_check_on_a_terminal(files):
    folder = files(schema=SERVERS, good={"name": "x"}, evil={"name": "\033[2J\u009b1m", "\007": 1})

    plain = on_a_terminal("schema", "check", folder / "schema.json", folder / "good.json", folder / "evil.json",
                          env={"NO_COLOR": "1"})

    assert f"{folder}/good.json fits\n" in plain
    assert '["\\x07"]: this key is not known' in plain and not set("\033\007\u009b") & set(plain)


@pytest.mark.parametrize("words, message", [
    (("schema",), "use:  plugkit schema check SCHEMA DOCUMENT.. | show DIR ID [TYPE]"),
    (("schema", "check", "x"), "needs more than that"),
    (("schema", "chek", "x", "y"), "did you mean 'check'?"),
    (("schema", "dance", "x", "y"), "plugkit schema can check and show, not 'dance'\n"),
    (("schema", "show", "a", "b", "c", "d"), "there is nothing to do with 'd'"),
    (("list", "x", "--formats"), "'list' does not take --formats"),
])
def test_wrong_usage(plugkit, words, message):
    run = plugkit(*words)

    assert (run.status, run.stdout) == (USAGE, "") and message in run.stderr


# ---- schema show

TOP = {"type": "object", "properties": {"top": {"$ref": "#/$defs/count"}, "how": {"enum": ["fast", 3]}, "x": True},
       "required": ["top"], "$defs": {"count": {"type": ["integer", "null"], "minimum": 1, "description": "how many"}}}
DB = {"properties": {"port": {"type": "integer"}, "host": {"type": "string"}}, "required": ["host"]}


def advertising(schema=TOP, config=DB, types=("db",), contract="echo"):
    """A plugin that advertises them; {"type":"echo","jsonSchema":..} is its only type."""
    more = f',"configTypes":{json.dumps(types)},"configSchemas":{json.dumps({"db": config})}'
    script = lines_plugin(contract, more=more.replace("'", "'\\''"))
    return script.replace('{"type":"echo"}', '{"type":"echo","jsonSchema":%s}' % json.dumps(schema), 1)


def test_show_prints_what_a_plugin_advertises(plugkit, plugins):
    folder = plugins("hello", all=advertising(b64(json.dumps(TOP))), odd=advertising("no JSON", True, contract="odd"))

    run = plugkit("schema", "show", folder, "all")
    one = plugkit("schema", "show", folder, "all", "echo")
    found = shaped("show", plugkit("schema", "show", folder, "all", "--json"))
    odd = shaped("show", plugkit("schema", "show", folder, "odd", "--json"))
    shown = on_a_terminal("schema", "show", folder, "all", "db", env={"NO_COLOR": "1"})

    lines = [line.split("\t") for line in run.stdout.splitlines()]
    assert run.status == GOOD and [line[:2] for line in lines] == [["config", "db"], ["echo", "echo"]]
    assert [json.loads(line[2]) for line in lines] == [DB, TOP]
    assert one.stdout == run.stdout.splitlines(keepends=True)[1]
    assert found == {"plugin": "all", "schemas": [{"contract": None, "type": "db", "schema": DB},
                                                  {"contract": "echo", "type": "echo", "schema": TOP}]}
    assert [schema["schema"] for schema in odd["schemas"]] == [True, "no JSON"]
    assert shown.startswith("config db\n{\n  ") and json.loads(shown.partition("\n")[2]) == DB


def test_show_finds_nothing(plugkit, plugins):
    folder = plugins("hello", all=advertising(), noise="#!/bin/sh\necho hello\n")
    cases = [(("hello",), NOTHING, "'hello' advertises no schema"),
             (("all", "nothing"), NOTHING, "'all' advertises no schema of 'nothing'"),
             (("helo",), NOTHING, "did you mean 'hello'?"),
             (("noise",), FAILED, "cannot use the capabilities of 'noise'")]
    for words, status, says in cases:
        run = plugkit("schema", "show", folder, *words)
        assert (run.status, run.stdout) == (status, "") and says in run.stderr, words


# ---- call


def test_a_request_that_does_not_fit_is_explained_and_not_made(plugkit, plugins, free_dir):
    folder = plugins(all=advertising().replace("IFS= read -r start <&3", f"echo >> {free_dir}/started", 1))
    words = ("call", folder, "echo", "say", '{"top":"3","how":"slow"}')

    run = plugkit(*words)
    error = shaped("error", plugkit(*words, "--json"))["error"]

    assert (run.status, run.stdout) == (USAGE, "")
    assert run.stderr.splitlines() == [
        """plugkit: cannot call 'say' of 'all': top: expected null or integer, got "3\"""",
        """  and:  how: expected one of "fast", 3, got "slow\"""",
        "  it takes:",
        "    top  integer or null, required: how many",
        "    how  fast | 3",
        "    x    anything",
        f"  see:  plugkit schema show '{folder}' all echo;  --raw sends it as it is"]
    assert error["name"] == "PK_ERR_SCHEMA" and "top: expected null or integer" in error["message"]
    assert not (free_dir / "started").exists()


def test_what_fits_is_sent_and_what_is_raw_and_what_has_no_usable_schema(plugkit, plugins):
    methods = {"x-methods": {"say": {"request": {"$ref": "#/$defs/n"}, "response": False}, "hush": {"response": False}},
               "$defs": {"n": {"required": ["n"], "properties": {"n": {"type": "integer"}}}}}
    folder = plugins(all=advertising(), odd=advertising({"type": "objct"}, contract="odd").replace(
        '"echo","jsonSchema"', '"odd","jsonSchema"'), methods=advertising(methods, contract="methods").replace(
        '"echo","jsonSchema"', '"methods","jsonSchema"'))

    for words in (("echo", "say", '{"top":3}'), ("echo", "say"), ("echo", "say", '{"top":"3"}', "--raw"),
                  ("odd", "say", "[]"), ("methods", "say", '{"n":1}'), ("methods", "hush", "[]"), ("methods", "hush"),
                  ("all", "--http", "POST /say", "[]"), ("echo", "say", "[]", "--content-type", "text/plain")):
        run = plugkit("call", folder, *words)
        assert (run.status, run.stderr) == (GOOD, ""), words
    for words, says in ((("methods", "say", '{"n":""}'), 'n: expected integer, got ""'),
                        (("methods", "say"), '"n" is missing\n  it takes:\n    n  integer, required\n')):
        run = plugkit("call", folder, *words)
        assert run.status == USAGE and says in run.stderr, words
    typed = plugkit("run", folder, stdin='call echo say {"top":"3"}\ncall echo say {"top":3}\nquit\n')
    assert typed.status == GOOD and "cannot call 'say' of 'all': top: expected null or integer" in typed.stderr


# ---- doctor

SICK = {  # schema of the type, of the config type; level, what, cure
    "type": ({"properties": {"n": {"type": "objct"}}}, {}, "warning", "its schema of the type 'echo' is wrong: cannot "
             "use the schema: #/properties/n/type: expected ", "the place is a JSON Pointer: plugkit schema show '"),
    "config": ({}, {"minimum": "1"}, "error", "its schema of the config type 'db' is wrong: cannot use the schema: "
               "#/minimum: expected a number", "plugkit schema show '"),
    "ref": ({"$ref": "#/$defs/x"}, {}, "warning", "#/$ref: there is nothing at '#/$defs/x'", 'below "$defs"'),
    "json": ("no JSON", {}, "warning", "cannot parse JSON", "or base64 of JSON"),
    "method": ({"x-methods": {"a/b": {"response": {"type": 1}}}}, {}, "warning", "#/x-methods/a~1b/response/type: ",
               "mend the schema"),
}


@pytest.mark.parametrize("name", SICK)
def test_doctor_finds_schemas_that_are_none(plugkit, plugins, name):
    schema, config, level, what, cure = SICK[name]
    folder = plugins("hello", sick=advertising(schema, config))

    run = plugkit("doctor", folder, "--json")

    hello, sick = shaped("doctor", run)["plugins"]
    assert hello["verdict"] == "ok" and sick["stopMs"] is not None  # it was tried nevertheless
    (finding,) = sick["findings"]
    assert (finding["level"], finding["subject"]) == (level, "sick")
    assert what in finding["what"] and cure in finding["cure"]
    assert (run.status, sick["verdict"]) == ((FAILED, "failed") if level == "error" else (GOOD, "ok"))


def test_doctor_holds_the_configuration_against_the_schema(plugkit, plugins):
    folder = plugins("hello", sick=advertising(), other=advertising({}, {"type": "array"}, contract="o", types=()))
    words = ("doctor", folder, "--json", "--config")

    ill = plugkit(*words, 'db={"port":"80"}')
    one = plugkit(*words, 'hello:db={"port":"80"}')
    good = plugkit(*words, 'sick:db={"host":"h"}')

    _, other, sick = shaped("doctor", ill)["plugins"]
    assert ill.status == FAILED and sick["startMs"] is None
    assert {finding["what"] for finding in sick["findings"]} == {
        "its configuration 'db' does not fit: \"host\" is missing",
        "its configuration 'db' does not fit: port: expected integer, got \"80\""}
    assert sick["findings"][-1]["cure"] == f"correct --config; what it takes: plugkit schema show '{folder}' sick db"
    assert "schema of the config type 'db', which it does not declare" in other["findings"][0]["what"]
    assert not [finding for finding in shaped("doctor", one)["plugins"][2]["findings"]]
    assert [plugin["startMs"] is not None for plugin in shaped("doctor", good)["plugins"]] == [True, True, True]


def test_commands_that_start_plugins_refuse_such_configurations(plugkit, plugins):
    folder = plugins(sick=advertising())

    run = plugkit("inspect", folder, "sick", "--config", 'db={"host":1}')

    assert run.status == FAILED
    assert "cannot configure 'sick' with 'db': host: expected string, got 1" in run.stdout
