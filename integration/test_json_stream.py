"""Streams of JSON against Python's json: the same values at the same places, the same lines refused, however the bytes
are cut, and also where 1.5 is written 1,5.

JSONDecoder.raw_decode is the judge of values that follow each other, json.loads that of lines; test_json_differential
takes back what they allow beyond RFC 8259. JSON_SEED=n and JSON_ROUNDS=n change what comes by chance.
"""

import json
import os
import random
import struct
import subprocess

import pytest

from conftest import ROOT
from test_json_differential import Number, Refused, TOKENS, changed, check, meaning, reference, refuse, some_value

try:
    import hypothesis
    import hypothesis.strategies as some
except ImportError:
    hypothesis = None

DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=refuse,
                           object_pairs_hook=lambda pairs: ("object", pairs))
PLAIN = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-."


def expected_values(stream):
    """(offset, value) of each one, and at the end "refused" if that is how it ends."""
    text = stream.decode("utf-8", "surrogateescape")  # what is no UTF-8 is refused where it stands
    found, at = [], 0
    while True:
        while at < len(text) and text[at] in " \t\r\n\x1e":
            at += 1
        if at == len(text):
            return found
        try:
            value, end = DECODER.raw_decode(text, at)
            check(value, 0)
        except (Refused, json.JSONDecodeError, RecursionError):
            return found + ["refused"]
        if text[at] not in '{["' and end < len(text) and text[end] in PLAIN:
            return found + ["refused"]  # numbers and words need something between them
        found.append((len(text[:at].encode("utf-8", "surrogateescape")), meaning(value)))
        at = end


def expected_lines(stream):
    found, offset = [], 0
    for line in stream.split(b"\n"):
        rest = line.lstrip(b" \t\r")
        if rest:
            try:
                found.append((offset + len(line) - len(rest), meaning(reference(rest))))
            except Refused:
                found.append("refused")
        offset += len(line) + 1
    return found


class Streams:
    """The program under test."""

    def __init__(self, program, environment=None):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def __call__(self, kind, cuts, stream):
        frame = kind + bytes([cuts]) + stream
        self.process.stdin.write(struct.pack(">I", len(frame)) + frame)
        self.process.stdin.flush()
        head = self.process.stdout.read(4)
        if len(head) != 4:
            pytest.fail(f"ended with status {self.process.wait()} at {stream!r}")
        found = []
        for line in self.process.stdout.read(struct.unpack(">I", head)[0]).split(b"\n")[:-1]:
            place, _, value = line.partition(b" ")
            if place == b"refused":
                assert value.startswith(b"cannot parse JSON: line ")
                found.append("refused")
            else:
                found.append((int(place), meaning(reference(value))))
        return found

    def close(self):
        self.process.stdin.close()
        assert self.process.wait() == 0
        self.process.stdout.close()


@pytest.fixture(name="program", scope="module")
def program_fixture(build):
    return build(ROOT / "tests/tools/json_stream_echo.c")


@pytest.fixture(name="streams", scope="module")
def streams_fixture(program):
    streams = Streams(program)
    yield streams
    streams.close()


def compare(streams, stream, *cuts):
    """The stream in pieces: of 1 to 15 bytes; 0: as one; above 15: by chance."""
    for kind, wanted in ((b"v", expected_values(stream)), (b"l", expected_lines(stream))):
        for cut in cuts:
            assert streams(kind, cut, stream) == wanted, (kind, cut, stream)


# ---- streams by chance

def some_stream(rng, between):
    values = [some_value(rng).strip() if rng.random() < 0.8 else some_value(rng) for _ in range(rng.randrange(6))]
    return "".join(value + rng.choice(between) for value in values).encode()


BETWEEN = ["\n"], ["\n", "\r\n", "\n\n"], [" ", "\n"], ["", " ", "\x1e", "\n\x1e"]


def compare_some(streams, rng, rounds):
    for _ in range(rounds):
        stream = some_stream(rng, rng.choice(BETWEEN))
        compare(streams, stream, 0, rng.randrange(1, 256))
        compare(streams, changed(rng, stream), 0, rng.randrange(1, 256))


def test_streams_of_values_and_lines(streams):
    compare_some(streams, random.Random(int(os.environ.get("JSON_SEED", "3"))),
                 int(os.environ.get("JSON_ROUNDS", "1500")))


def test_sequences_of_tokens(streams):
    rng = random.Random(int(os.environ.get("JSON_SEED", "4")))
    for _ in range(int(os.environ.get("JSON_ROUNDS", "2500"))):
        stream = "".join(rng.choice([*TOKENS, "\n", "\x1e"]) for _ in range(rng.randrange(1, 12))).encode()
        compare(streams, stream, 0, rng.randrange(1, 256))


@pytest.mark.parametrize("stream", [
    b"", b"\n", b"\xef\xbb\xbf{}", b"{}\xef\xbb\xbf{}", b"[" * 100000,
    b"[" * 256 + b"]" * 256 + b"[" * 257 + b"]" * 257,
    b"1" * 5000 + b" 2", b'"\xc3\xa9" "\xc3" 1', b'1\n"\xed\xa0\x80"\n2\n"\\ud800"\n3', b"{}" * 1000, b"[]\n" * 1000,
    "１ 1".encode(), "1\u2028 2".encode(), "1\u0085 2\n3".encode(), b"\x0c1\n\x0b2\n3\x1c\n4", b"NaN 1", b"1 NaN\n2",
    b"-Infinity\n1", b"1\0" b"2\n3", b"truefalse", b"true\"a\"false", b"{}{\"a\":1}}{}"])
def test_where_readers_differ(streams, stream):
    compare(streams, stream, 0, 1, 2, 7)


def test_at_every_split(streams):
    stream = '{"a": [1, "é€😀\\u00e9\\ud83d\\ude00", {}]}\n-12.5e3 "x"[]\n[1,\n2] true\r\n"\\ud800" 1\n'.encode()
    for cut in range(1, len(stream)):
        compare(streams, stream, cut if cut < 16 else 0)
        compare(streams, stream[:cut], 0, 1, 3)


def comma_environment(tmp_path):
    """With a locale in which 1.5 is written 1,5: one that is installed, or one that is made here."""
    installed = subprocess.run(["locale", "-a"], stdout=subprocess.PIPE, text=True).stdout.split()
    name = next((name for name in installed if name.lower() in ("de_de.utf8", "fr_fr.utf8", "da_dk.utf8")), None)
    environment = {**os.environ, "COMMA": "1", "LC_ALL": name or "de_DE.UTF-8"}
    if not name:
        made = subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not (tmp_path / "de_DE.UTF-8").exists():
            pytest.skip(f"no locale with a decimal comma is installed, and localedef makes none: {made.stdout}")
        environment["LOCPATH"] = str(tmp_path)
    return environment


def test_the_locale_plays_no_part(program, tmp_path):
    streams = Streams(program, comma_environment(tmp_path))
    compare(streams, b"1.5 [-0.25,1e3]\n1,5\n2.5e-7", 0, 1, 2, 3)
    compare_some(streams, random.Random(5), 300)
    streams.close()


if hypothesis:
    VALUES = some.recursive(some.none() | some.booleans() | some.integers() | some.text() |
                            some.floats(allow_nan=False, allow_infinity=False),
                            lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner))
    QUICK = hypothesis.settings(deadline=None, suppress_health_check=list(hypothesis.HealthCheck))

    @QUICK
    @hypothesis.given(some.lists(VALUES), some.sampled_from(["\n", " ", "\r\n", "\n\n", "\x1e"]), some.integers(1, 255))
    def test_values_by_hypothesis(streams, values, between, cuts):
        compare(streams, between.join(json.dumps(value) for value in values).encode(), 0, cuts)
        pretty = between.join(json.dumps(value, ensure_ascii=False, indent=1) for value in values)
        compare(streams, pretty.encode(), cuts)

    @QUICK
    @hypothesis.given(some.binary(), some.integers(1, 255))
    def test_bytes_by_hypothesis(streams, stream, cuts):
        compare(streams, stream, 0, cuts)
