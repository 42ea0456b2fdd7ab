"""The contracts: each header agrees with its JSON Schema, and says so when it is included wrongly.

What a header declares is not read with a regular expression: a C program is compiled against it and prints the tables
that the library itself works with.
"""

import json
import subprocess

import pytest

from conftest import ROOT

CONTRACTS = sorted(path.stem for path in (ROOT / "contracts").glob("*.h"))

DUMP = r"""
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"
#include "contracts/%(name)s.h"
#include <stdio.h>
#include <string.h>

static const pk_type *seen[64];
static size_t seen_count;

static void put_type(pk_json_writer *w, const pk_type *type)
{
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i] == type) {
            return;
        }
    }
    seen[seen_count++] = type;
    if (type->kind != PK_TYPE_STRUCT) {
        return;
    }
    pk_json_put_key(w, type->name);
    pk_json_put_object(w);
    for (uint32_t i = 0; i < type->count; i++) {
        const pk_shape *shape = type->fields[i].shape;
        pk_json_put_key(w, type->fields[i].json);
        pk_json_put_array(w);
        pk_json_put_text(w, shape == &pk_shape_req ? "REQ" : shape == &pk_shape_opt ? "OPT"
                            : shape == &pk_shape_list ? "LIST" : "MAP");
        pk_json_put_text(w, type->fields[i].type->name);
        pk_json_put_end(w);
    }
    pk_json_put_end(w);
    for (uint32_t i = 0; i < type->count; i++) {
        put_type(w, type->fields[i].type);
    }
}

int main(void)
{
    const pk_contract *c = &%(name)s_contract;
    pk_json_writer w;
    pk_buf out;
    pk_error err;
    pk_buf_init(&out, NULL, 65536);
    pk_json_write(&w, &out);
    pk_json_put_object(&w);
    pk_json_put_key(&w, "name");
    pk_json_put_text(&w, c->name);
    pk_json_put_key(&w, "version");
    pk_json_put_text(&w, c->version);
    pk_json_put_key(&w, "methods");
    pk_json_put_object(&w);
    for (size_t i = 0; i < c->count; i++) {
        pk_json_put_key(&w, c->methods[i].name);
        pk_json_put_array(&w);
        pk_json_put_text(&w, c->methods[i].http);
        pk_json_put_text(&w, c->methods[i].request->name);
        pk_json_put_text(&w, c->methods[i].response->name);
        pk_json_put_bool(&w, (c->methods[i].flags & PK_IDEMPOTENT) != 0);
        pk_json_put_end(&w);
    }
    pk_json_put_end(&w);
    pk_json_put_key(&w, "types");
    pk_json_put_object(&w);
    for (size_t i = 0; i < c->count; i++) {
        put_type(&w, c->methods[i].request);
        put_type(&w, c->methods[i].response);
    }
    pk_json_put_end(&w);
    pk_json_put_end(&w);
    if (pk_json_finish(&w, &err)) {
        fprintf(stderr, "%%s\n", err.msg);
        return 1;
    }
    printf("%%.*s\n", (int)out.len, out.ptr);
    pk_buf_free(&out);
    return 0;
}
"""

# How a C type looks in JSON.
JSON_TYPES = {
    "pk_str": "string", "pk_b64": "string", "bool": "boolean", "double": "number", "pk_ns": "integer",
    "int32_t": "integer", "uint32_t": "integer", "int64_t": "integer", "uint64_t": "integer",
}


def schema_of(name):
    return json.loads((ROOT / "contracts" / f"{name}.schema.json").read_text())


def resolve(schema, node):
    """Follows $ref; what stands beside it is added."""
    if "$ref" not in node:
        return node
    target = resolve(schema, schema["$defs"][node["$ref"].removeprefix("#/$defs/")])
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def kinds(node):
    kind = node.get("type", [])
    return set(kind if isinstance(kind, list) else [kind])


@pytest.fixture(scope="session")
def declared(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("contracts")

    def dump(name):
        source = folder / f"dump_{name}.c"
        source.write_text(DUMP % {"name": name})
        run = subprocess.run([str(build(source))], capture_output=True, text=True, timeout=20, check=True)
        return json.loads(run.stdout)

    return dump


@pytest.mark.parametrize("name", CONTRACTS)
def test_schema_and_header_name_the_same_methods(declared, name):
    contract, schema = declared(name), schema_of(name)

    assert schema["title"] == f"{contract['name']} {contract['version']}"
    assert schema["$id"] == f"urn:plugkit:contract:{contract['name']}:{contract['version']}"
    assert list(schema["x-methods"]) == list(contract["methods"])
    for method, (http, request, response, idempotent) in contract["methods"].items():
        wire = schema["x-methods"][method]
        assert (wire["http"], wire["idempotent"]) == (http, idempotent)
        for message, given in ((request, wire["request"]), (response, wire["response"])):
            assert given == (False if message == "pk_none" else {"$ref": f"#/$defs/{message}"})


@pytest.mark.parametrize("name", CONTRACTS)
def test_schema_and_header_agree_on_every_field(declared, name):
    contract, schema = declared(name), schema_of(name)

    for message, fields in contract["types"].items():
        definition = schema["$defs"][message]
        assert list(definition["properties"]) == list(fields)
        assert definition.get("required", []) == [key for key, (shape, _) in fields.items() if shape == "REQ"]
        for key, (shape, kind) in fields.items():
            node = resolve(schema, definition["properties"][key])
            if shape == "LIST":
                assert kinds(node) == {"array", "null"}
                item = node["items"]
                assert item == {"$ref": f"#/$defs/{kind}"} if kind in contract["types"] else kinds(item) == {
                    JSON_TYPES[kind]}
            elif shape == "MAP":
                assert kinds(node) == {"object", "null"}
            elif kind != "pk_json":
                assert kinds(node) == ({JSON_TYPES[kind]} | ({"null"} if shape == "OPT" else set()))
            assert (node.get("contentEncoding") == "base64") == (kind == "pk_b64")


@pytest.mark.parametrize("name", CONTRACTS)
def test_schema_is_a_schema(name):
    schema = schema_of(name)
    validators = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

    validators.Draft202012Validator.check_schema(schema)


def all_references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from all_references(value)
    elif isinstance(node, list):
        for value in node:
            yield from all_references(value)


@pytest.mark.parametrize("name", CONTRACTS)
def test_schema_refers_to_what_it_has_and_has_nothing_else(name):
    schema = schema_of(name)

    used = {reference.removeprefix("#/$defs/") for reference in all_references(schema)}
    assert used <= set(schema["$defs"])
    assert set(schema["$defs"]) - used <= {"error"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_header_without_plugkit_says_what_is_missing(name, tmp_path):
    source = tmp_path / "alone.c"
    source.write_text(f'#include "{ROOT}/contracts/{name}.h"\n')
    run = subprocess.run(["cc", "-fsyntax-only", str(source)], capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode != 0
    assert f"include plugkit.h or plugkit_sdk.h before {name}.h" in run.stderr


@pytest.mark.parametrize("compiler", ["cc -std=c99", "cc -std=c17", "c++ -std=c++11"])
def test_headers_compile_with_all_warnings(compiler, tmp_path):
    source = tmp_path / ("all.cpp" if "++" in compiler else "all.c")
    includes = [f'#include "contracts/{name}.h"\n' for name in CONTRACTS]
    source.write_text('#include "plugkit.h"\n#include "plugkit_sdk.h"\n' + "".join(includes + includes))
    warnings = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only".split()

    subprocess.run([*compiler.split(), *warnings, "-I", str(ROOT), str(source)], check=True, timeout=120)


def test_the_schemas_are_schemas_to_our_own_validator(build):
    """Each compiles; of each method the request and the response are found, and refuse what is no object."""
    lines, wanted = [], []
    for name in ("analytics", "blob_store", "data_processor", "plugin_base", "transformer"):
        schema = schema_of(name)
        for method, wire in schema["x-methods"].items():
            for part in ("request", "response"):
                if part in wire:
                    question = {**schema, "$ref": f"#/x-methods/{method}/{part}"}
                    lines.append(json.dumps({"schema": json.dumps(question), "values": ["5"]}))
                    wanted.append("fits" if wire[part] is True else "differs")
    done = subprocess.run([build(ROOT / "tests/tools/schema_ask.c")], input="\n".join(lines) + "\n", text=True,
                          stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines) > 10
    assert [answer.get("says", answer) for answer in answers] == [[one] for one in wanted]
