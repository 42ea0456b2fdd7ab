"""The JSON reader and writer against Python's: both accept the same texts, and what is written means the same.

Python's json takes more than RFC 8259 allows; reference() takes that back: NaN and Infinity, lone surrogates, other
encodings than UTF-8, marks in front, any depth. Documents come from hypothesis where it is installed, and from a
generator with a fixed seed everywhere; JSON_SEED=n and JSON_ROUNDS=n change it.
"""

import json
import math
import os
import random
import struct
import subprocess

import pytest

from conftest import ROOT

try:
    import hypothesis
    import hypothesis.strategies as some
except ImportError:
    hypothesis = None

DEPTH = 256


class Refused(Exception):
    """The text is no JSON, and why."""


class Number(str):
    """A number as it was written."""


def refuse(text):
    raise Refused(text)


def reference(document):
    """What the bytes mean: numbers as Number, objects as lists of pairs. Raises Refused."""
    try:
        text = document.decode("utf-8")  # strict: no surrogates, no overlong forms
        value = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=refuse,
                           object_pairs_hook=lambda pairs: ("object", pairs))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as problem:
        raise Refused(str(problem)) from problem
    check(value, 0)
    return value


def check(value, depth):
    """What Python lets pass: lone surrogates from escapes, and depth."""
    if isinstance(value, (list, tuple)) and depth >= DEPTH:
        refuse("too deep")
    if isinstance(value, tuple):
        for key, item in value[1]:
            check(key, depth)
            check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            check(item, depth + 1)
    elif isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            refuse("a lone surrogate")


def meaning(value):
    """A form in which equal values are equal: integers of 64 bits exactly, other numbers as the bits of a double."""
    if isinstance(value, tuple):
        return "object", [(key, meaning(item)) for key, item in value[1]]
    if isinstance(value, list):
        return [meaning(item) for item in value]
    if isinstance(value, Number):
        real = float(value)
        if real != 0 and len(value) < 30 and value.lstrip("-").isdigit() and -2 ** 63 <= int(value) < 2 ** 64:
            return int(value)
        if real != 0 and abs(real) < 1e16 and real.is_integer():
            return int(real)  # 3.0 may be written as 3
        return ("too large", value) if math.isinf(real) else struct.pack(">d", real)
    return value


class Echo:
    """The program under test: bytes in, (accepted, bytes) out."""

    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, document):
        self.process.stdin.write(struct.pack(">I", len(document)) + document)
        self.process.stdin.flush()
        head = self.process.stdout.read(5)
        if len(head) != 5:
            pytest.fail(f"ended with status {self.process.wait()} at {document!r}")
        return head[4:] == b"y", self.process.stdout.read(struct.unpack(">I", head[:4])[0] - 1)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture(name="echo", scope="module")
def echo_fixture(build):
    echo = Echo(build(ROOT / "tests/tools/json_echo.c"))
    yield echo
    echo.close()


def compare(echo, document):
    accepted, answer = echo(document)
    try:
        value = reference(document)
    except Refused as problem:
        assert not accepted, f"Python refuses {document!r}: {problem}"
        assert answer.decode().startswith("cannot parse JSON: line ")
        return
    assert accepted, f"{document!r}: {answer.decode()}"
    assert meaning(reference(answer)) == meaning(value), document
    again = echo(answer)
    assert again == (True, answer), "a second time makes no difference"


# ---- documents by chance

TOKENS = ["[", "]", "{", "}", ",", ":", '"', "\\", "0", "-", ".", "e", "E", "+", "1", "9", "true", "false", "null", " ",
          "\n", "\t", "\r", "\\u", "\\ud83d", "\\ude00", "\\n", '"a"', '"":', "NaN", "Infinity", "\x00", "\x1f", "\x7f",
          "é", "€", "😀", "\ufeff", "//", "'", "/*", "\u2028", "\u00a0"]


def some_number(rng):
    digits = "".join(rng.choice("0123456789") for _ in range(rng.choice((1, 2, 5, 17, 20, 40))))
    text = rng.choice(("", "-")) + rng.choice((digits.lstrip("0") or "0", "0", str(2 ** 53 + rng.randrange(3)),
                                               str(2 ** 63 - rng.randrange(3)), str(2 ** 64 - rng.randrange(3))))
    if rng.random() < 0.4:
        text += "." + "".join(rng.choice("0123456789") for _ in range(rng.choice((1, 2, 17, 30))))
    if rng.random() < 0.3:
        text += rng.choice("eE") + rng.choice(("", "+", "-")) + str(rng.choice((0, 1, 5, 22, 300, 308, 324, 330)))
    return text


def some_string(rng):
    parts = [rng.choice(("a", "Z", " ", "/", "é", "€", "😀", "\x7f", "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r",
                         "\\t", "\\u0000", "\\u00e9", "\\uD83D\\uDE00", "\\uffff", "plain text"))
             for _ in range(rng.choice((0, 1, 3, 9, 20)))]
    return '"' + "".join(parts) + '"'


def some_space(rng):
    return rng.choice(("", "", "", " ", "\n", "\t", "\r\n", "          "))


def some_value(rng, depth=0):
    kind = rng.randrange(4 if depth > 5 else 7)
    if kind == 0:
        text = rng.choice(("null", "true", "false"))
    elif kind <= 2:
        text = some_number(rng)
    elif kind == 3:
        text = some_string(rng)
    elif kind == 4:
        text = "[" + ",".join(some_value(rng, depth + 1) for _ in range(rng.randrange(5))) + some_space(rng) + "]"
    else:
        text = "{" + ",".join(some_space(rng) + some_string(rng) + some_space(rng) + ":" + some_value(rng, depth + 1)
                              for _ in range(rng.randrange(5))) + some_space(rng) + "}"
    return some_space(rng) + text + some_space(rng)


def changed(rng, document):
    """The document with a few bytes or tokens changed."""
    data = bytearray(document)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0:
            data[at:at] = rng.choice(TOKENS).encode()
        elif how == 1:
            del data[at:at + rng.choice((1, 1, 2, 5))]
        elif how == 2 and at < len(data):
            data[at] = rng.randrange(256)
        else:
            data[at:at + 1] = rng.choice(TOKENS).encode()
    return bytes(data)


def test_both_read_and_mean_the_same(echo):
    rng = random.Random(int(os.environ.get("JSON_SEED", "1")))
    for _ in range(int(os.environ.get("JSON_ROUNDS", "4000"))):
        document = some_value(rng).encode()
        reference(document)  # the generator makes nothing but JSON
        compare(echo, document)
        for _ in range(3):
            compare(echo, changed(rng, document))


def test_sequences_of_tokens(echo):
    rng = random.Random(int(os.environ.get("JSON_SEED", "2")))
    for _ in range(int(os.environ.get("JSON_ROUNDS", "8000"))):
        compare(echo, "".join(rng.choice(TOKENS) for _ in range(rng.randrange(1, 9))).encode())


@pytest.mark.parametrize("document", [
    b"", b" ", b"\xef\xbb\xbf{}", b"\xff\xfe[\0]\0", b"\0[\0]", b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\\ud800"', b"NaN",
    b"-Infinity", b"[" * 100000, b"[" * DEPTH + b"]" * DEPTH, b"[" * (DEPTH + 1) + b"]" * (DEPTH + 1), b"1" * 5000,
    b"1e" + b"9" * 5000, b"0." + b"0" * 5000 + b"1e5000", b'{"a":1,"a":2,"a":{"a":3}}', "１".encode(),
    "[1\u00a0]".encode()])
def test_where_readers_differ(echo, document):
    compare(echo, document)


if hypothesis:
    NUMBERS = some.integers() | some.floats(allow_nan=False, allow_infinity=False)
    VALUES = some.recursive(some.none() | some.booleans() | NUMBERS | some.text(),
                            lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner))

    @hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(VALUES)
    def test_values_by_hypothesis(echo, value):
        compare(echo, json.dumps(value).encode())
        compare(echo, json.dumps(value, ensure_ascii=False, indent=1).encode())

    @hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(some.binary())
    def test_bytes_by_hypothesis(echo, document):
        compare(echo, document)
