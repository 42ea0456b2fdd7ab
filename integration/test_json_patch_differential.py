"""JSON Pointer, JSON Patch and Merge Patch against Python: a reference that is the RFCs written down, and jsonpatch and
jsonpointer where they are installed.

All three must agree. Where jsonpatch is known to read RFC 6902 otherwise, the reference notes why (Deviations), and
only then its answer is left out; how often, is bounded. PATCH_SEED=n and PATCH_ROUNDS=n change what is tried.
"""

import collections
import copy
import decimal
import json
import os
import random
import re
import subprocess

import pytest

from conftest import ROOT
from test_json_stream import comma_environment

try:
    import hypothesis
    import hypothesis.strategies as some
except ImportError:
    hypothesis = None
try:
    import jsonpatch
    import jsonpointer
except ImportError:
    jsonpatch = jsonpointer = None

SEED = int(os.environ.get("PATCH_SEED", "1"))
ROUNDS = int(os.environ.get("PATCH_ROUNDS", "1200"))


def load(text):
    """Numbers exactly; of duplicate keys the last one counts, as in PlugKit."""
    return json.loads(text, parse_float=decimal.Decimal)


def dump(value):
    """Numbers exactly."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, decimal.Decimal) else json.dumps(value)


def same(a, b):
    """Not as in Python, where True is 1."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b


# ---- the reference

class Refused(Exception):
    """The name of an error code."""


class Deviations(set):
    """Why jsonpatch may say something else."""


def tokens_of(pointer):
    if not isinstance(pointer, str) or (pointer and pointer[0] != "/") or re.search("~(?![01])", pointer):
        raise Refused("BAD_JSON")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def place(container, token, known, adds=False):
    """The key or index; one where something could be added, if wanted."""
    if isinstance(container, (str, bool)):
        known.add("a string is a sequence")  # Python's, so that /0 is its first character; masked() makes strings
    if isinstance(container, dict) and (adds or token in container):
        return token
    if isinstance(container, list):
        if re.match("0.|[1-9][0-9]*\n", token, re.DOTALL):
            known.add("looks like an index")  # before jsonpointer 3 its expression did not look at the end
        if token == "-" and adds:
            return len(container)
        if re.fullmatch("0|[1-9][0-9]*", token) and int(token) < len(container) + adds:
            return int(token)
    raise Refused("NOT_FOUND")


def walk(value, tokens, known):
    for token in tokens:
        value = value[place(value, token, known)]
    return value


def add(doc, tokens, value, known):
    if not tokens:
        if not isinstance(doc, dict):
            known.add("only an object is replaced by adding")
        return value
    container = walk(doc, tokens[:-1], known)
    at = place(container, tokens[-1], known, adds=True)
    if isinstance(container, list):
        container.insert(at, value)
    else:
        container[at] = value
    return doc


def remove(doc, tokens, known):
    if not tokens:
        raise Refused("BAD_JSON")
    container = walk(doc, tokens[:-1], known)
    del container[place(container, tokens[-1], known)]
    return doc


def operate(doc, operation, known):
    if not isinstance(operation, dict):
        raise Refused("BAD_JSON")
    op = operation.get("op")
    if not isinstance(op, str) or op not in ("add", "remove", "replace", "move", "copy", "test"):
        raise Refused("BAD_JSON")
    path = tokens_of(operation.get("path"))
    if op in ("add", "replace", "test") and "value" not in operation:
        raise Refused("BAD_JSON")
    if op in ("move", "copy"):
        source = tokens_of(operation.get("from"))
        if not source:
            known.add("the document is no source")  # of a copy or move
        value = walk(doc, source, known)
        if op == "copy":
            return add(doc, path, copy.deepcopy(value), known)
        if source == path:
            return doc
        if path[:len(source)] == source:
            known.add("items may move into themselves")  # into what follows them, that is
            raise Refused("BAD_JSON")
        return add(remove(doc, source, known), path, value, known)
    if op == "add":
        return add(doc, path, operation["value"], known)
    if op == "remove":
        return remove(doc, path, known)
    value = walk(doc, path, known)
    if op == "test":
        if not same(value, operation["value"]):
            raise Refused("CONFLICT")
        return doc
    if path[-1:] == ["-"]:
        known.add("no member is called -")  # if it is to be replaced
    return add(remove(doc, path, known), path, operation["value"], known) if path else operation["value"]


def patched(doc, patch, known):
    if not isinstance(patch, list):
        raise Refused("BAD_JSON")
    for operation in patch:
        doc = operate(doc, operation, known)
    return doc


def merged(target, patch):
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


# ---- others

YES, NO = "<yes>", "<no>"  # jsonpatch compares as Python does, and there True is 1


def masked(value):
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list):
        return [masked(item) for item in value]
    return {key: masked(item) for key, item in value.items()} if isinstance(value, dict) else value


def others_say(doc, patch):
    """(whether it was done, the result) of jsonpatch. What it raises is of many kinds."""
    try:
        return True, jsonpatch.apply_patch(masked(doc), masked(patch))
    except Exception:  # pylint: disable=broad-except
        return False, None


# ---- the program

class Asked:
    def __init__(self, program, environment=None):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.left_out = collections.Counter()
        self.compared = 0

    def __call__(self, do, doc, by):
        self.process.stdin.write(json.dumps({"do": do, "doc": doc, "by": by}).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            pytest.fail(f"ended with status {self.process.wait()} at {do} {doc!r} {by!r}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture(name="program", scope="module")
def program_fixture(build):
    return build(ROOT / "tests/tools/json_patch_ask.c")


@pytest.fixture(name="ask", scope="module")
def ask_fixture(program):
    ask = Asked(program)
    yield ask
    ask.close()


def check_patch(ask, doc, patch):
    answer = ask("patch", doc, patch)
    known = Deviations()
    try:
        wanted = patched(load(doc), load(patch), known)
        assert "result" in answer and same(load(answer["result"]), wanted), (doc, patch, answer)
    except Refused as refused:
        wanted = refused
        assert answer.get("code") == f"PK_ERR_{refused}", (doc, patch, answer)
        assert answer["error"].startswith("cannot apply JSON Patch: "), answer
    if not jsonpatch:
        return
    if known:
        ask.left_out.update(known)
        return
    done, result = others_say(load(doc), load(patch))
    ask.compared += 1
    assert done == ("result" in answer), f"jsonpatch says {result} of {patch} on {doc}, but {answer}"
    assert not done or same(result, masked(wanted)), f"jsonpatch makes {result} of {patch} on {doc}, but {answer}"


def check_merge(ask, doc, patch):
    answer = ask("merge", doc, patch)
    assert same(load(answer["result"]), merged(load(doc), load(patch))), (doc, patch, answer)
    again = ask("merge", answer["result"], patch)
    assert same(load(again["result"]), load(answer["result"])), "a second time makes no difference"


def check_at(ask, doc, pointer):
    answer = ask("at", doc, pointer)
    known = Deviations()
    try:
        wanted = walk(load(doc), tokens_of(pointer), known)
        assert "result" in answer and same(load(answer["result"]), wanted), (doc, pointer, answer)
    except Refused:
        assert "error" in answer, (doc, pointer, answer)
    if jsonpointer and not known and not re.search("/-(/|$)", pointer):  # which gives a thing behind the end
        nothing = object()
        try:
            other = jsonpointer.resolve_pointer(load(doc), pointer)
        except (jsonpointer.JsonPointerException, AssertionError):
            other = nothing
        assert (other is nothing) == ("error" in answer), (doc, pointer, other, answer)
        assert other is nothing or same(other, load(answer["result"])), (doc, pointer, other, answer)


# ---- documents and patches by chance, as texts: numbers are written in several ways, and some keys stand twice

KEYS = ["a", "b", "", "0", "-", "a/b", "m~n", "~1", "01", "\u00e9", "ab"]
SCALARS = ["null", "true", "false", "0", "1", "1.0", "10e-1", "1E+0", "-0", "-0.0", "2", "1.5", "0.1", "0.10", "1e400",
           "10e399", "123456789012345678901234567890", "1.23456789012345678901234567890e29", "9007199254740993",
           "9007199254740992", "0.10000000000000000000000001", '""', '"a"', '"0"', '"\\u00e9"', '"\u00e9"']


def a_value(rng, depth=0):
    kind = rng.randrange(10)
    if depth > 3 or kind < 4 - depth % 2:
        return rng.choice(SCALARS)
    if kind < 7:
        return "[" + ", ".join(a_value(rng, depth + 1) for _ in range(rng.randrange(4))) + "]"
    keys = [rng.choice(KEYS) for _ in range(rng.randrange(5))]
    return "{" + ",".join(f"{json.dumps(key)}:{a_value(rng, depth + 1)}" for key in keys) + "}"


def places_in(value, pointer=""):
    yield pointer
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places_in(item, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")


def a_pointer(rng, places):
    pointer = rng.choice(places) if rng.random() < 0.9 else ""
    if rng.random() < 0.35:
        token = rng.choice([*KEYS, "1", "2", "3", "00", "1e0", "+1", "18446744073709551616", "10"])
        pointer += "/" + token.replace("~", "~0").replace("/", "~1")
    return pointer if rng.random() < 0.97 else pointer + rng.choice(["~", "~2", "/", "\n"])


def an_operation(rng, doc, places):
    op = rng.choice(["add", "add", "remove", "replace", "move", "copy", "test"])
    path, source = a_pointer(rng, places), a_pointer(rng, places)
    value = a_value(rng, 2)
    if op == "test" and rng.random() < 0.7:
        try:
            value = dump(walk(load(doc), tokens_of(path), Deviations()))
        except Refused:
            pass
    members = [f'"op":"{op}"', f'"path":{json.dumps(path)}', f'"from":{json.dumps(source)}', f'"value":{value}',
               '"more":[1]']
    if op not in ("move", "copy"):
        del members[2]
    if rng.random() < 0.03:
        members[rng.randrange(len(members))] = rng.choice(['"op":1', '"op":"Add"', '"path":7', '"x":0', '"from":null'])
        members = list({member.split(":")[0]: member for member in members}.values())
    rng.shuffle(members)
    return "{" + ",".join(members) + "}"


def a_patch(rng, doc):
    places = list(places_in(json.loads(doc)))
    return "[" + ",\n".join(an_operation(rng, doc, places) for _ in range(rng.choice((1, 1, 2, 3, 5, 9)))) + "]"


def check_some(ask, rng, rounds):
    for _ in range(rounds):
        doc = a_value(rng)
        check_patch(ask, doc, a_patch(rng, doc))
        check_merge(ask, doc, a_value(rng))
        check_at(ask, doc, a_pointer(rng, list(places_in(json.loads(doc)))))


def test_all_say_the_same_by_chance(ask):
    check_some(ask, random.Random(SEED), ROUNDS)
    if jsonpatch:
        print(f"compared with jsonpatch: {ask.compared}, left out: {dict(ask.left_out)}")
        assert ask.compared > ROUNDS * 0.6


def test_the_locale_plays_no_part(program, tmp_path):
    ask = Asked(program, comma_environment(tmp_path))
    check_patch(ask, '{"a":1.50}', '[{"op":"test","path":"/a","value":15e-1},{"op":"add","path":"/b","value":-0.25}]')
    check_some(ask, random.Random(SEED + 1), ROUNDS // 10)
    ask.close()


def test_jsonpatch_deviates_where_it_is_said_to(ask):
    """Otherwise a reason to leave it out has gone, and so should the row."""
    if not jsonpatch:
        pytest.skip("jsonpatch is not installed")
    rows = {"a string is a sequence": ('{"a":"xyz"}', '[{"op":"test","path":"/a/0","value":"x"}]'),
            "only an object is replaced by adding": ("[1]", '[{"op":"add","path":"","value":2}]'),
            "no member is called -": ('{"-":1}', '[{"op":"replace","path":"/-","value":2}]'),
            "the document is no source": ('{"a":1}', '[{"op":"copy","from":"","path":"/b"}]'),
            "items may move into themselves": ("[[1],[2]]", '[{"op":"move","from":"/0","path":"/0/0"}]')}
    for why, (doc, patch) in rows.items():
        known = Deviations()
        try:
            patched(load(doc), load(patch), known)
            done = True
        except Refused:
            done = False
        assert known == {why} and others_say(load(doc), load(patch))[0] != done, why
        check_patch(ask, doc, patch)


if hypothesis:
    NUMBERS = some.integers() | some.floats(allow_nan=False, allow_infinity=False)
    KEY = some.sampled_from(KEYS) | some.text(max_size=3)
    VALUES = some.recursive(some.none() | some.booleans() | NUMBERS | some.text(max_size=5),
                            lambda inner: some.lists(inner, max_size=4) | some.dictionaries(KEY, inner, max_size=4))
    QUICK = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))

    @QUICK
    @hypothesis.given(VALUES, VALUES)
    def test_merging_by_hypothesis(ask, doc, patch):
        check_merge(ask, json.dumps(doc), json.dumps(patch))

    @QUICK
    @hypothesis.given(VALUES, some.randoms(use_true_random=False))
    def test_patches_by_hypothesis(ask, doc, rng):
        check_patch(ask, json.dumps(doc), a_patch(rng, json.dumps(doc)))
