"""JSON Schema and regular expressions against Python's: both say the same of schemas, values and patterns by chance.

Where jsonschema has no answer, because it recurses without end, nothing is compared; numbers are such that doubles are
exact. Patterns are those that Python's re and ECMA-262 mean in the same way. SCHEMA_SEED=n and SCHEMA_ROUNDS=n change
what is tried.
"""

import importlib.metadata
import json
import os
import random
import re
import subprocess
import unicodedata

import pytest

from conftest import ROOT

try:
    import hypothesis
    import hypothesis.strategies as some
except ImportError:
    hypothesis = None

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

SEED = int(os.environ.get("SCHEMA_SEED", "1"))
ROUNDS = int(os.environ.get("SCHEMA_ROUNDS", "400"))
DRAFTS = {"https://json-schema.org/draft/2020-12/schema": jsonschema.Draft202012Validator,
          "http://json-schema.org/draft-07/schema#": jsonschema.Draft7Validator}
NEW, OLD = DRAFTS
# Before 4.20 it was wrong about these two in several ways.
KNOWS_UNEVALUATED = tuple(map(int, importlib.metadata.version("jsonschema").split(".")[:2])) >= (4, 20)


class Asked:
    """The program under test: a question is a line, and so is the answer."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, **question):
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            pytest.fail(f"ended with status {self.process.wait()} at {question!r}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture(name="ask", scope="module")
def ask_fixture(build):
    ask = Asked(build(ROOT / "tests/tools/schema_ask.c"))
    yield ask
    ask.close()


# ---- schemas by chance: few names and small values, so that keywords have to do with each other

KEYS = ["a", "b", "ab", "c"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]
SCALARS = [None, True, False, 0, 1, 2, 3, -1, 1.0, 1.5, 0.5, 10 ** 20, "", "a", "ab", "b", "abc", "1"]
PATTERNS = ["^a", "b$", "^[ab]+$", "^(a|bc)*$", "^.{2}$", "c"]


def a_value(rng, depth=0):
    kind = rng.randrange(10)
    if depth > 2 or kind < 4:
        return rng.choice(SCALARS)
    if kind < 6:
        return [a_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): a_value(rng, depth + 1) for _ in range(rng.randrange(4))}


def a_schema(rng, new, depth=0):
    """A schema of draft 2020-12 (new) or draft-07."""
    if depth > 3 or rng.random() < 0.1:
        return rng.choice([True, True, False, {}, {"type": rng.choice(TYPES)}, {"const": rng.choice(SCALARS)}])
    schema = {}
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        word, value = a_keyword(rng, new, depth + 1)
        schema[word] = value
    return schema


def a_keyword(rng, new, depth):
    def one():
        return a_schema(rng, new, depth)

    def several(least=1):
        return [one() for _ in range(rng.randrange(least, 4))]

    def members(names=KEYS):
        return {rng.choice(names): one() for _ in range(rng.randrange(1, 4))}

    words = {
        "type": lambda: rng.choice([rng.choice(TYPES), rng.sample(TYPES, rng.randrange(1, 4))]),
        "const": lambda: a_value(rng, 1), "enum": lambda: [a_value(rng, 1) for _ in range(rng.randrange(1, 4))],
        "minimum": lambda: rng.randrange(-2, 3), "maximum": lambda: rng.randrange(-2, 3),
        "exclusiveMinimum": lambda: rng.randrange(-2, 3), "exclusiveMaximum": lambda: rng.randrange(-2, 3),
        "multipleOf": lambda: rng.choice([1, 2, 3, 0.5]),
        "minLength": lambda: rng.randrange(4), "maxLength": lambda: rng.randrange(4),
        "pattern": lambda: rng.choice(PATTERNS),
        "minItems": lambda: rng.randrange(4), "maxItems": lambda: rng.randrange(4), "uniqueItems": lambda: True,
        "contains": one, "items": one,
        "minProperties": lambda: rng.randrange(4), "maxProperties": lambda: rng.randrange(4),
        "required": lambda: rng.sample(KEYS, rng.randrange(3)),
        "properties": members, "patternProperties": lambda: members(PATTERNS), "additionalProperties": one,
        "propertyNames": lambda: rng.choice([{"maxLength": 1}, {"pattern": "^a"}, {"enum": ["a", "b"]}]),
        "allOf": several, "anyOf": several, "oneOf": several, "not": one, "if": one, "then": one, "else": one,
        "$ref": lambda: rng.choice(["#", "#/definitions/x", "#/definitions/y", "#x"]),
    }
    if new:
        words |= {
            "prefixItems": several, "minContains": lambda: rng.randrange(3), "maxContains": lambda: rng.randrange(3),
            "dependentSchemas": members,
            "dependentRequired": lambda: {rng.choice(KEYS): rng.sample(KEYS, rng.randrange(3))}}
        if KNOWS_UNEVALUATED:
            words |= {"unevaluatedProperties": one, "unevaluatedItems": one}
    else:
        words |= {
            "items": lambda: rng.choice([one, several])(), "additionalItems": one,
            "dependencies": lambda: {rng.choice(KEYS): rng.choice([one(), rng.sample(KEYS, rng.randrange(3))])}}
    word = rng.choice(list(words))
    return word, words[word]()


def a_document(rng):
    uri = rng.choice((NEW, NEW, OLD))
    schema = a_schema(rng, uri == NEW)
    if not isinstance(schema, dict):
        return {"$schema": uri, "allOf": [schema]}
    x = a_schema(rng, uri == NEW, 1)
    x = {**x, "$anchor" if uri == NEW else "$id": "x" if uri == NEW else "#x"} if isinstance(x, dict) else {}
    if "$ref" in schema and uri == OLD:
        schema = {"allOf": [schema]}
    return {"$schema": uri, **schema, "definitions": {"x": x, "y": a_schema(rng, uri == NEW, 1)}}


# ---- what Python says

def walk(schema):
    """All keywords of a schema with their values, at any depth."""
    if isinstance(schema, dict):
        for word, value in schema.items():
            yield word, value
            yield from walk(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from walk(item)


NO_ANSWER = (RecursionError, jsonschema.RefResolutionError, TypeError)  # the last one: len(True), in unevaluatedItems


def python_says(schema, value):
    """True, False, or None: it does not know."""
    try:
        return DRAFTS[schema["$schema"]](schema).is_valid(value)
    except BaseException as problem:  # compiled parts of it panic when they recurse too deeply
        if isinstance(problem, NO_ANSWER) or "Recursion" in str(problem):
            return None
        raise


def same(ask, schema, values):
    """How many verdicts could be compared."""
    answer = ask(schema=json.dumps(schema), values=[json.dumps(value) for value in values])
    if "error" in answer:  # "#x" where nothing is called so: Python looks for it when it must
        assert answer["code"] == "PK_ERR_NOT_FOUND" and "$ref" in {word for word, _ in walk(schema)}, (schema, answer)
        return 0
    compared = 0
    for value, said in zip(values, answer["says"]):
        wanted = None if said == "limit" else python_says(schema, value)
        if wanted is not None:
            assert (said == "fits") == wanted, f"{json.dumps(schema)} of {json.dumps(value)}: {said}"
            compared += 1
    return compared


def test_both_say_the_same_of_schemas_by_chance(ask):
    rng = random.Random(SEED)
    compared = sum(same(ask, a_document(rng), [a_value(rng) for _ in range(8)]) for _ in range(ROUNDS))
    assert compared > 2 * ROUNDS  # not everything was left out


# ---- patterns

def a_pattern(rng, depth=0):
    """What both mean in the same way; \\Z is Python's for the end."""
    kind = rng.randrange(12)
    if depth > 3 or kind < 5:
        return rng.choice(["a", "b", "c", "1", "_", "\u00e4", ".", "[ab]", "[^a]", "[a-c1]", "[^\\d]", "[\\w-]", "\\d",
                           "\\D", "\\w", "\\W", "\\.", "\\x61", "\\u0062", "", "\\-"])
    if kind < 7:
        return a_pattern(rng, depth + 1) + a_pattern(rng, depth + 1)
    if kind < 8:
        return "(?:" + "|".join(a_pattern(rng, depth + 1) for _ in range(rng.randrange(1, 4))) + ")"
    if kind < 9:
        return rng.choice(["^", "\\Z", "\\b", "\\B"])
    how = rng.choice(["*", "+", "?", "*?", "+?", "{2}", "{1,}", "{0,2}", "{1,3}?", "{0}"])
    return f"({a_pattern(rng, depth + 2)}){how}"  # Python tries all ways, and deeply nested ones have too many


def same_pattern(ask, pattern, texts):
    answer = ask(pattern=pattern.replace("\\Z", "$"), texts=texts)
    assert "says" in answer, (pattern, answer)
    compiled = re.compile(pattern, re.ASCII)
    for text, said in zip(texts, answer["says"]):
        if text == "" and "\\B" in pattern:
            continue  # Python finds nothing there, not even no edge
        assert (said == "matches") == bool(compiled.search(text)), f"{pattern!r} in {text!r}: {said}"


def test_both_say_the_same_of_patterns_by_chance(ask):
    rng = random.Random(SEED)
    for _ in range(5 * ROUNDS):
        pattern = rng.choice(["", "^"]) + "".join(a_pattern(rng) for _ in range(rng.randrange(1, 4)))
        texts = ["".join(rng.choice("aabbc1_-.\u00e4\u6f22") for _ in range(rng.randrange(9))) for _ in range(12)]
        same_pattern(ask, pattern, texts)


def test_categories_are_those_of_unicode(ask):
    """All characters at the edges of a category, and some others."""
    rng = random.Random(SEED)
    names = [unicodedata.category(chr(code)) for code in range(0x110000)]
    edges = {code for code in range(1, 0x110000) if names[code] != names[code - 1]}
    codes = edges | {code - 1 for code in edges} | {rng.randrange(0x110000) for _ in range(3000)}
    codes = [code for code in sorted(codes) if not 0xD800 <= code < 0xE000]
    texts = [chr(code) for code in codes]
    unassigned = ask(pattern="^\\p{Cn}$", texts=texts)["says"]
    same_version = unicodedata.unidata_version == "14.0.0"
    for category in sorted(set(names) | {"L", "N", "P", "S", "Z", "M"} - {"Cs"}):
        if category == "Cs":
            continue
        says = ask(pattern=f"^\\p{{{category}}}$", texts=texts)["says"]
        for code, said, cn in zip(codes, says, unassigned):
            if same_version or (cn == "differs" and names[code] != "Cn"):  # a character of both versions
                assert (said == "matches") == names[code].startswith(category), f"U+{code:04X} {category} {said}"


# ---- by hypothesis, where it is installed

if hypothesis:
    ANY = some.recursive(some.none() | some.booleans() | some.integers(-3, 3) | some.sampled_from(["", "a", "ab"]),
                         lambda one: some.lists(one, max_size=4) | some.dictionaries(some.sampled_from(KEYS), one))

    @hypothesis.settings(deadline=None, max_examples=40, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(some.randoms(use_true_random=False), some.lists(ANY, min_size=1, max_size=6))
    def test_schemas_by_hypothesis(ask, rng, values):
        same(ask, a_document(rng), values)

    @hypothesis.settings(deadline=None, max_examples=150, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(some.randoms(use_true_random=False),
                      some.lists(some.text("abc1_-.\u00e4", max_size=8), min_size=1, max_size=6))
    def test_patterns_by_hypothesis(ask, rng, texts):
        same_pattern(ask, "".join(a_pattern(rng) for _ in range(3)), texts)
