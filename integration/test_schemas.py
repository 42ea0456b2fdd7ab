"""What a manager exchanges with plugins, held against the JSON Schemas that they advertise: from outside, with plugins
that know nothing of it (plugins/bad_plugin.py, Python's standard library) in a real host (tests/tools/driven_host.c).

Beside each plugin whose schema says no, or is no schema, stands one that works on.
"""

import json
import shutil
import subprocess

import pytest

from driven import good, install
from plugkit_pytest import b64

CONFIG, SCHEMA, PARSE, BAD_JSON, MISSING, LIMIT, UNSUPPORTED = (
    f"PK_ERR_{name}" for name in ("CONFIG", "SCHEMA", "PARSE", "BAD_JSON", "NOT_FOUND", "LIMIT", "UNSUPPORTED"))
NO, MAYBE, ANSWERED = range(3)  # pk_sent
BOTH = ["requests", "answers"]


@pytest.fixture
def advertise(plugins, free_dir):
    """advertise("db", {..}): a plugin of that name whose capabilities say this, too. Gives what it has seen so far."""
    def make(name, says, **settings):
        seen = free_dir / f"{name}.seen"
        install(plugins, "advertises", name, says=says, file=str(seen), **settings)
        return lambda: seen.read_bytes().splitlines() if seen.exists() else []

    return make


def configured(schema):
    return {"configTypes": ["db"], "configSchemas": {"db": schema}}


def of_type(name, schema):
    return {"types": {"c": [{"type": name, "jsonSchema": schema}]}}


def ask(host, plugin, body, **more):
    return host.call(plugin, "POST /go", body, contract="c", method="go", **more)


# ---- configurations

SERVERS = {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {
    "name": {"type": "string", "pattern": "^[a-z]+$"}, "retry": {"properties": {"max": {"type": "integer"}}},
    "servers": {"type": "array", "items": {"properties": {"port": {"minimum": 1}}}},
    "mode": {"enum": ["fast", "safe"]}, "mail": {"format": "email"}}}
REFUSED = [
    ('{"name":"a","retry":{"max":"3"}}', 'retry.max: expected integer, got "3"'),
    ('{"name":"a","servers":[{"port":1},{},{"port":0}]}', "servers[2].port: expected at least 1, got 0"),
    ('{"name":"A b"}', "name: expected text that matches '^[a-z]+$', got \"A b\""),
    ('{"nam":"a"}', '"name" is missing'),
    ('{"name":"a","mode":"slow"}', 'mode: expected one of "fast", "safe", got "slow"'),
    ('{"name":"a","extra":1}', "extra: this key is not known; there is mail, mode, name, retry, servers"),
    ("[]", "expected object, got an empty array"),
    ("null", "expected object, got null"),
]


def test_a_configuration_is_refused_with_path_and_reason_before_anything_runs(driven, plugins, advertise):
    names = [f"db{number}" for number in range(len(REFUSED))]
    seen = {name: advertise(name, configured(SERVERS)) for name in [*names, "good"]}
    data = dict(zip(names, (data for data, _ in REFUSED)), good='{"name":"a","mail":"nobody"}')
    host = driven(dir=plugins, eager=True, config=[{"plugin": name, "type": "db", "data": data[name]} for name in data])

    for name, (_, says) in zip(names, REFUSED):
        sentence = f"cannot configure '{name}' with 'db': {says}"
        host.line(lambda line: (line.get("plugin"), line.get("why")) == (name, sentence), sentence)
        answer = host.call(name)
        assert (answer["error"], answer["msg"], answer["sent"]) == (CONFIG, sentence, NO)
        assert (host.plugin(name)["pid"], host.plugin(name)["msg"], seen[name]()) == (0, sentence, [])
    assert good(host.call("fine")) and good(host.call("good"))
    host.end()


def test_of_several_plugins_with_one_type_only_those_whose_schema_says_no_stay_down(driven, plugins, advertise):
    schemas = {"any": True, "none": False, "object": {"type": "object"}, "number": {"type": "number"}}
    seen = {name: advertise(name, configured(schema)) for name, schema in schemas.items()}
    seen["silent"] = advertise("silent", {"configTypes": ["db"]})  # declares the type, and has no schema
    seen["other"] = advertise("other", {"configTypes": ["db"], "configSchemas": {"d": False}})
    host = driven(dir=plugins, eager=True, config=[{"type": "db", "data": '{"a":1}'}])

    assert {p["id"]: p["error"] for p in host.list()} == {
        "any": "", "none": CONFIG, "object": "", "number": CONFIG, "silent": "", "other": "", "fine": ""}
    assert {name for name in seen if not seen[name]()} == {"none", "number"}
    host.end()


def test_each_of_several_configurations_is_looked_at(driven, plugins, advertise):
    seen = advertise("db", {"configTypes": ["db", "log"], "configSchemas": {"db": {"type": "object"},
                                                                            "log": {"type": "string"}}})
    def host_with(**data):
        return driven(dir=plugins, config=[{"plugin": "db", "type": kind, "data": text} for kind, text in data.items()])

    for data, says in (({"db": "{}", "log": "3"}, "with 'log': expected string, got 3"),
                       ({"db": "1", "log": '"x"'}, "with 'db': expected object, got 1")):
        host = host_with(**data)
        answer = host.start("db")
        assert answer["error"] == CONFIG and says in answer["msg"] and seen() == []
        host.end()
    host = host_with(db="{}", log='"x"')
    assert good(host.call("db")) and seen()[0] == b"started"
    host.end()


def test_formats_are_remarks_unless_somebody_asks(driven, plugins, advertise):
    seen = advertise("db", {**configured(SERVERS), **of_type("db", {"properties": {"at": {"format": "date-time"}}})})
    config = [{"type": "db", "data": '{"name":"a","mail":"nobody"}'}]

    host = driven(dir=plugins, config=config, schemas=["config", "requests"])
    assert good(ask(host, "db", {"at": "noon"})) and len(seen()) == 2
    host.end()

    host = driven(dir=plugins, config=config, schemas=["config", "requests", "formats"])
    answer = host.start("db")
    assert answer["error"] == CONFIG and "mail: " in answer["msg"] and "email" in answer["msg"]
    host.end()

    host = driven(dir=plugins, schemas=["requests", "formats"])
    answer = ask(host, "db", {"at": "noon"})
    assert answer["error"] == SCHEMA and "at: " in answer["msg"] and "date-time" in answer["msg"]
    assert good(ask(host, "db", {"at": "2026-12-01T12:00:00Z"}))
    host.end()


def test_nothing_is_looked_at_if_nobody_wants_that(driven, plugins, advertise):
    advertise("db", {**configured(False), **of_type("db", False)})
    host = driven(dir=plugins, config=[{"type": "db", "data": "{}"}], schemas=["off"])
    assert good(ask(host, "db", {}))
    host.end()


# ---- requests and answers

N = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "maximum": 9}}}


def answers_to(host, plugin, body, **more):
    """Of a call that waits, and of one that does not."""
    return [ask(host, plugin, body, **{"async": is_async}, **more) for is_async in (False, True)]


def test_a_request_that_does_not_fit_never_reaches_the_plugin(driven, plugins, advertise):
    text = json.dumps(N)
    forms = {"json": of_type("json", N), "text": of_type("text", text), "go": of_type("go", b64(text)),
             "ocm": {"types": {}, "capabilities": [{"type": "c", "supported": [
                 {"type": "ocm/v1", "aliases": ["ocm"], "jsonSchema": b64(text)}]}]}}
    seen = {name: advertise(name, says) for name, says in forms.items()}
    host = driven(dir=plugins, schemas=["requests"])

    for name in forms:
        for body, reason in (({"n": "1"}, 'n: expected integer, got "1"'), ({}, '"n" is missing'),
                             ({"n": 10}, "n: expected at most 9, got 10"), ([], "expected object, got an empty array"),
                             ('{"n":1,"n":"x"}', 'n: expected integer, got "x"')):
            for answer in answers_to(host, name, body):
                assert (answer["error"], answer["sent"]) == (SCHEMA, NO), answer
                assert answer["msg"] == f"cannot call 'go' of '{name}': {reason}"
        assert [answer["error"] for answer in answers_to(host, name, "{")] == [BAD_JSON, BAD_JSON]
        assert set(seen[name]()) <= {b"started"}
        assert all(map(good, answers_to(host, name, {"n": 9}, type=name)))
        assert seen[name]() == [b"started", b'{"n": 9}', b'{"n": 9}']
    assert good(host.call("fine"))
    host.end()


ODD = "a/b~c d%20\"\u00e4\\"
METHODS = {"$defs": {"small": {"type": "integer", "maximum": 9}}, "x-methods": {
    "go": {"request": {"properties": {"n": {"$ref": "#/$defs/small"}}}, "response": {"$ref": "#/$defs/small"}},
    "come": {"response": False}, ODD: {"request": False}}}


def test_an_answer_that_does_not_fit_is_refused_although_the_plugin_has_seen_the_request(driven, plugins, advertise):
    bodies = {"small": "9", "large": "10", "text": '"9"', "broken": "{", "empty": "", "fault": '{"message":"no disk"}'}
    seen = {name: advertise(name, of_type(name, METHODS), body=body, status=500 if name == "fault" else 200)
            for name, body in bodies.items()}
    host = driven(dir=plugins, schemas=BOTH)

    for name, wanted, reason in (
            ("small", "", ""), ("large", SCHEMA, "expected at most 9, got 10"),
            ("text", SCHEMA, 'expected integer, got "9"'), ("broken", BAD_JSON, "cannot parse JSON"),
            ("empty", SCHEMA, "expected integer, got an empty object")):
        for answer in answers_to(host, name, {"n": 1}):
            assert (answer["error"], answer["sent"]) == (wanted, ANSWERED if wanted else answer["sent"]), answer
            assert answer["msg"].startswith(f"cannot take the answer of '{name}' to 'go': {reason}" if wanted else "")
            assert reason in answer["msg"]
        assert seen[name]() == [b"started", b'{"n": 1}', b'{"n": 1}']
    assert "no disk" in ask(host, "fault", {"n": 1})["msg"]  # failures are none of its business

    come = host.call("small", "POST /go", {"n": "any"}, contract="c", method="come")
    assert come["error"] == SCHEMA and come["msg"].endswith("it is not allowed")
    odd = host.call("small", "POST /go", {}, contract="c", method=ODD)
    assert (odd["error"], odd["sent"]) == (SCHEMA, NO)
    unheard = host.call("text", "POST /go", {"n": 10}, contract="c", method="unheard")  # the schema says nothing of it
    assert (unheard["error"], unheard["body"]) == ("", '"9"')
    host.end()


def test_what_is_not_json_in_memory_and_what_names_no_method_is_not_looked_at(driven, plugins, advertise, free_dir):
    seen = advertise("db", of_type("db", False))
    (free_dir / "file").write_bytes(b"from a file")
    host = driven(dir=plugins, schemas=BOTH)

    assert good(host.call("db", "POST /go", "no JSON"))
    assert good(host.call("db", "POST /go", contract="c", method="go", file=str(free_dir / "file")))
    assert seen() == [b"started", b"no JSON", b"from a file"]
    assert ask(host, "db", "{}")["error"] == SCHEMA
    host.end()


def test_plugins_that_speak_lines_are_looked_at_too(driven, plugins):
    methods = {"go": {"request": {"type": "object"}, "response": {"maximum": 6}}, "far": {"response": {"maximum": 8}}}
    install(plugins, "speaks-lines", "lines", says=of_type("lines", {"x-methods": methods}),
            answers=['{"id":%,"status":200,"body":7}\n'])
    host = driven(dir=plugins, schemas=BOTH)
    assert ask(host, "lines", [1])["msg"] == "cannot call 'go' of 'lines': expected object, got an array"
    assert ask(host, "lines", {})["msg"] == "cannot take the answer of 'lines' to 'go': expected at most 6, got 7"
    assert host.call("lines", "POST /go", {}, contract="c", method="far")["body"] == "7"
    host.end()


# ---- schemas that are wrong themselves

def deep(levels):
    return '{"not":' * levels + "true" + "}" * levels


WRONG = {  # a schema, what comes of it, and what is said
    "type": ({"properties": {"n": {"type": "integr"}}}, PARSE, "cannot use the schema: #/properties/n/type: expected "),
    "keyword": ({"minimum": "1"}, PARSE, "#/minimum: expected a number"),
    "ref": ({"$ref": "#/$defs/nothing"}, MISSING, "#/$ref: "),
    "far": ({"$ref": "https://example.org/x.json"}, MISSING, "there is no schema 'https://example.org/x.json'"),
    "draft": ({"$schema": "http://json-schema.org/draft-04/schema#"}, UNSUPPORTED, "#/$schema: "),
    "pattern": ({"pattern": "(?=x)"}, UNSUPPORTED, "#/pattern: "),
    "bracket": ({"pattern": "["}, PARSE, "#/pattern: "),
    "number": (7, PARSE, "expected "),
    "words": ("no JSON", BAD_JSON, "cannot parse JSON: line 1"),
    "deep": (deep(300), LIMIT, "nested deeper than 256 levels"),
    "circle": ({"$ref": "#"}, LIMIT, "too many schemas apply inside each other"),
    "explodes": ({"$defs": {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)}
                  | {"a40": False}, "$ref": "#/$defs/a0"}, LIMIT, "it takes too many steps"),
}
SLOW = {"type": "object", "properties": {"n": {"pattern": "^(a+)+$"}}}  # no matcher of ours takes long


def test_a_wrong_schema_is_reported_by_its_plugin_and_disturbs_nobody(driven, plugins, advertise):
    seen = {name: advertise(name, {**configured(schema), **of_type(name, schema)})
            for name, (schema, _, _) in WRONG.items()}
    seen["slow"] = advertise("slow", {**configured(SLOW), **of_type("slow", SLOW)})
    host = driven(dir=plugins, eager=True, schemas=["config", "requests"], config=[{"type": "db", "data": "{}"}])

    for name, (_, _, says) in WRONG.items():
        why = host.plugin(name)
        assert (why["error"], why["pid"], seen[name]()) == (CONFIG, 0, []), why
        assert why["msg"].startswith(f"cannot configure '{name}' with 'db': ") and says in why["msg"]
    assert good(host.call("fine"))
    for answer in answers_to(host, "slow", {"n": "a" * 50000 + "b"}):
        assert answer["error"] == SCHEMA
    assert good(ask(host, "slow", {"n": "a" * 50000}))
    host.end()

    host = driven(dir=plugins, schemas=["requests"])
    for name, (_, wanted, says) in WRONG.items():
        for answer in answers_to(host, name, {}):
            assert (answer["error"], answer["sent"]) == (wanted, NO), answer
            assert answer["msg"].startswith(f"cannot call 'go' of '{name}': ") and says in answer["msg"]
        assert set(seen[name]()) <= {b"started"}
    assert good(host.call("fine"))
    host.end()


def test_schemas_of_any_size(driven, plugins, advertise):
    many = {"properties": {f"key{n:05}": {"type": "integer", "minimum": n} for n in range(15000)}}
    assert 700000 < len(json.dumps(many)) < 1000000
    seen = advertise("large", {**configured(many), **of_type("large", {})})
    advertise("huge", configured({"$comment": "x" * (1 << 20)}))
    host = driven(dir=plugins, config=[{"plugin": "large", "type": "db", "data": '{"key14999":3}'}])

    answer = host.start("large")
    assert answer["error"] == CONFIG and "key14999: expected at least 14999, got 3" in answer["msg"] and seen() == []
    huge = host.plugin("huge")  # what a plugin says of itself has a mebibyte at most
    assert (huge["plugin_status"], huge["error"]) == ("rejected", LIMIT) and "capabilities" in huge["msg"]
    assert good(host.call("fine"))
    host.end()


# ---- plugins with the SDK that have schemas of their own

SDK_PLUGIN = r"""
#define PLUGKIT_WITH_SCHEMA
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"
#include <stdio.h>

static pk_err configure(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user, (void)err;
    fprintf(stderr, "configured %" PK_FMT " with %" PK_FMT "\n", PK_ARG(type), PK_ARG(data));
    return PK_OK;
}

static pk_err go(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    response->body.bytes = PK_STR("\"fine\"");
    return PK_OK;
}

int main(int argc, char **argv)
{
    static const char *const types[] = {"db", "log", NULL};
    static const pk_route route = {.match = "POST /go", .run = go};
    static const pk_json schemas[] = {
        PK_STR_INIT("{\"properties\":{\"retry\":{\"properties\":{\"max\":{\"type\":\"integer\"}}}}}"), PK_STR_INIT("")};
    static const pk_sdk_desc desc = {.id = "own", .config_types = types, .config_schemas = schemas,
                                     .on_config = configure, .routes = &route, .route_count = 1};
    return pk_sdk_main(argc, argv, &desc);
}
"""


@pytest.fixture(scope="module")
def own(build, tmp_path_factory):
    source = tmp_path_factory.mktemp("own") / "own.c"
    source.write_text(SDK_PLUGIN)
    return build(source)


def by_hand(program, *args):
    return subprocess.run([program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, check=False)


def framework(data):
    return "--config", json.dumps({"id": "own", "configTypes": [{"type": "db", "data": data}]})


def test_a_plugin_with_the_sdk_refuses_what_does_not_fit_its_own_schema(own, driven, free_dir):
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(own, folder / "own")
    says = "cannot configure 'own' with 'db': retry.max: expected integer, got \"3\""
    ill, well = '{"retry":{"max":"3"}}', '{"retry":{"max":3}}'

    assert json.loads(by_hand(own, "capabilities").stdout)["configSchemas"] == {
        "db": {"properties": {"retry": {"properties": {"max": {"type": "integer"}}}}}}
    for data in (json.loads(ill), ill, b64(ill)):  # a host that does not look
        run = by_hand(own, *framework(data))
        assert (run.returncode, [json.loads(line)["msg"] for line in run.stderr.splitlines()]) == (1, [says])
    for schemas in (["off"], ["config"]):
        host = driven(dir=folder, schemas=schemas, config=[{"type": "db", "data": ill}, {"type": "log", "data": "7"}])
        assert says in host.start("own")["msg"]
        assert not [line for line in host.lines() if "configured" in line.get("log", "")]
        host.end()
    host = driven(dir=folder, config=[{"type": "db", "data": well}, {"type": "log", "data": "7"}])
    assert good(host.call("own"))
    for text in (f"configured db with {well}", "configured log with 7"):
        host.line(lambda line: line.get("log") == text, text)
    host.end()
