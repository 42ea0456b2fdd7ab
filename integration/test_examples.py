"""The examples do what their READMEs say, on good input and on bad."""

import collections
import json
import os
import random
import re
import shutil
import signal
import stat
import zlib

import pytest

from conftest import PROGRAMS, ROOT
from plugkit_pytest import call

EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/README.md"))
TEXTS = [ROOT / "Makefile", ROOT / "CONTRIBUTING.md", ROOT / "integration" / "test_examples.py"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_readme_is_short_and_its_links_lead_somewhere(name):
    folder = ROOT / "examples" / name
    text = (folder / "README.md").read_text()

    assert len(text.splitlines()) <= 50
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (folder / link).exists(), link


@pytest.mark.parametrize("name", EXAMPLES)
def test_scripts_are_executable_and_have_no_extension(name):
    for folder in ("plugins", "filters"):
        for path in (ROOT / "examples" / name).glob(f"{folder}/*"):
            if path.is_file() and not path.suffix:
                assert stat.S_IMODE(path.stat().st_mode) == 0o755, path
                assert path.read_text().startswith("#!/"), path


# ---- all plugins in C, without any host: a good call, a bad one, and every way to end

CALLS = {
    "hello": ("POST /greet", {"name": "you"}, {}),
    "text": ("POST /process", {"data": "aGk="}, {"data": "AA=="}),
    "lines": ("POST /transform", {"data": "aGk=", "transformation": "sort"}, {"data": "", "transformation": "?"}),
    "storage": ("GET /healthz", None, None),
    "analytics": ("POST /analyze", {"data": "aGk="}, {"data": 7}),
    "crc32": ("POST /process", {"data": "aGk="}, {"data": "a"}),
    "json": ("POST /process", {"data": "e30="}, {"data": "ew=="}),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("end", ["shutdown", "drop", "signal"])
def test_plugin_answers_and_ends_cleanly(plugin, free_dir, name, end):
    what, good, bad = CALLS[name]
    started = plugin(PROGRAMS / "plugins" / name)
    assert started.protocol == "plugkit/1"
    assert started.call(what, good).status == 200
    if bad is not None:
        answer = started.call(what, bad)
        assert answer.status >= 400
        assert answer.json["message"] and answer.json["statusCode"] == answer.status
    assert call(started.address, what, good, token="0" * 64).status in (200, 401)  # /healthz is open to all

    if end == "shutdown":
        started.shutdown()
    elif end == "drop":
        started.drop()
    else:
        started.signal(signal.SIGTERM)

    status = started.wait()
    own_group = end == "drop" and started.capabilities.get("lifeline") == "group"
    assert status == (-signal.SIGKILL if own_group else 0)  # without a host its whole group ends, itself at last
    assert list((free_dir / "sockets").iterdir()) == []


# ---- 01 hello


def test_hello_greets(example):
    run = example("01_hello", "you", plugins=["hello"])

    assert (run.status, run.stdout, run.stderr) == (0, "Hello, you!\n", "")
    assert example("01_hello").stdout == "Hello, world!\n"


def test_hello_shows_the_plugins_error(example):
    run = example("01_hello", "", plugins=["hello"])

    assert (run.status, run.stdout) == (1, "")
    assert run.stderr.startswith("host: ")
    assert "cannot greet '': a name is needed" in run.stderr


def test_hello_without_its_plugin_says_so(example):
    run = example("01_hello", plugins=["text"])

    assert (run.status, run.stdout) == (1, "")
    assert run.stderr == "host: no plugin found for contract 'greeter': there is dataProcessor\n"


def test_hello_is_as_small_as_promised():
    folder = ROOT / "examples" / "01_hello"

    assert len((folder / "host.c").read_text().splitlines()) <= 30
    assert len((folder / "plugins" / "hello.c").read_text().splitlines()) <= 25


# ---- 02 text


def test_text_changes_case(example):
    text = "".join(path.read_text() for path in TEXTS)
    upper = "".join(c.upper() if c.isascii() else c for c in text)
    lower = "".join(c.lower() if c.isascii() else c for c in text)

    assert example("02_text", "upper", *TEXTS, plugins=["text"]).stdout == upper
    assert example("02_text", "lower", *TEXTS).stdout == lower


def test_text_counts_words(example):
    expected = ""
    for path in TEXTS:
        data = path.read_bytes()
        expected += f"{data.count(10)} {len(data.split())} {len(data)}\n"

    assert example("02_text", "wordcount", *TEXTS, plugins=["text"]).stdout == expected


def test_text_refuses_what_is_no_text_and_goes_on(example, free_dir):
    (free_dir / "binary").write_bytes(b"ab\0cd")
    (free_dir / "good").write_bytes(b"good\n")
    run = example("02_text", "upper", "binary", "missing", free_dir, "good", plugins=["text"])

    assert run.status == 1
    assert run.stdout == "GOOD\n"
    assert "binary: " in run.stderr and "byte 2 is zero, so it is no text" in run.stderr
    assert "cannot open 'missing'" in run.stderr
    assert f"cannot read '{free_dir}'" in run.stderr


def test_text_takes_an_empty_file(example, free_dir):
    (free_dir / "empty").touch()

    assert example("02_text", "wordcount", "empty", plugins=["text"]).stdout == "0 0 0\n"


# ---- 03 transform


@pytest.fixture
def transform(example, free_dir):
    def run(text, name, *parameters):
        (free_dir / "text").write_text(text)
        return example("03_transform", name, "text", *parameters, plugins=["lines"])

    return run


def test_transform_lists_what_there_is(example):
    run = example("03_transform", plugins=["lines"])

    assert [line.split()[0] for line in run.stdout.splitlines() if not line.startswith(" ")] == [
        "sort", "number", "keep", "wrap"]
    assert "contains=<string>" in run.stdout
    assert "width=72" in run.stdout


@pytest.mark.parametrize("text, arguments, result", [
    ("b\na\nb", ["sort"], "a\nb\nb\n"),
    ("b\na\nb\n", ["sort", "reverse=true"], "b\nb\na\n"),
    ("b\na\nb\n", ["sort", "unique=true"], "a\nb\n"),
    ("b\na\nb\n", ["sort", "unique=true", "reverse=true"], "b\na\n"),
    ("", ["sort"], ""),
    ("x\ny\n", ["number"], "     1  x\n     2  y\n"),
    ("x\n", ["number", "start=41", "separator=\": \""], "    41: x\n"),
    ("x\n", ["number", "separator=."], "     1.x\n"),
    ("apple\nplum\nripe\n", ["keep", "contains=pl"], "apple\nplum\n"),
    ("apple\nplum\nripe\n", ["keep", "contains=pl", "invert=true"], "ripe\n"),
    ("one two three\n\nfour\n", ["wrap", "width=8"], "one two\nthree\n\nfour\n"),
    ("incomprehensible is long\n", ["wrap", "width=4"], "incomprehensible\nis\nlong\n"),
    ("a bb c\n", ["wrap", "width=4"], "a bb\nc\n"),
])
def test_transform_transforms(transform, text, arguments, result):
    run = transform(text, *arguments)

    assert (run.status, run.stdout, run.stderr) == (0, result, "")


@pytest.mark.parametrize("arguments, message", [
    (["shuffle"], "there is no transformation 'shuffle'"),
    (["sort", "colour=red"], "cannot sort: there is no parameter 'colour'"),
    (["sort", "reverse=maybe"], "cannot sort: 'reverse' must be a boolean, not \"maybe\""),
    (["wrap", "width=0"], "cannot wrap: 'width' must be a positive integer, not 0"),
    (["wrap", "width=1.5"], "'width' must be a positive integer, not 1.5"),
    (["keep"], "cannot keep: parameter 'contains' is missing"),
    (["keep", "contains"], "cannot understand 'contains': a parameter reads name=value"),
])
def test_transform_refuses_bad_parameters(transform, arguments, message):
    run = transform("a\n", *arguments)

    assert (run.status, run.stdout) == (1, "")
    assert message in run.stderr


# ---- 04 storage


@pytest.fixture
def storage(example, free_dir):
    (free_dir / "blobs").mkdir()
    return lambda *args, directory="blobs": example("04_storage", directory, *args, plugins=["storage"])


@pytest.mark.parametrize("size", [0, 1, 65536, 20 << 20])
def test_storage_gives_back_what_it_took(storage, free_dir, size):
    (free_dir / "file").write_bytes(random.Random(size).randbytes(size))

    stored = storage("store", "file")
    assert (stored.status, stored.stderr) == (0, "")
    back = storage("retrieve", stored.stdout.strip(), "copy")

    assert (back.status, back.stderr) == (0, "")
    assert (free_dir / "copy").read_bytes() == (free_dir / "file").read_bytes()
    assert [path.name for path in (free_dir / "blobs").iterdir()] == [stored.stdout.strip()]


@pytest.mark.parametrize("key, message", [
    ("abcdef", "cannot retrieve 'abcdef': No such file or directory"),
    ("../file", "cannot retrieve '../file': no key looks like that"),
    ("", "cannot retrieve '': no key looks like that"),
])
def test_storage_refuses_bad_keys(storage, free_dir, key, message):
    run = storage("retrieve", key, "copy")

    assert run.status == 1
    assert message in run.stderr
    assert not (free_dir / "copy").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_storage_says_when_it_may_not_write(storage, free_dir):
    (free_dir / "blobs").chmod(0o500)
    (free_dir / "file").touch()

    run = storage("store", "file")

    assert run.status == 1
    assert f"cannot keep blobs in '{free_dir}/blobs': Permission denied" in run.stderr


def test_storage_does_not_start_with_a_bad_directory(storage, free_dir):
    (free_dir / "file").touch()

    run = storage("store", "file", directory="file")
    assert run.status == 1
    assert f"cannot keep blobs in '{free_dir}/file': Not a directory" in run.stderr

    assert "cannot use 'nowhere'" in storage("store", "file", directory="nowhere").stderr


def test_storage_without_configuration_refuses_to_work(plugin):
    storage = plugin(PROGRAMS / "plugins" / "storage")

    answer = storage.call("POST /store", b"x", headers={"Content-Type": "application/octet-stream"})

    assert answer.status >= 400
    assert "no directory is configured" in answer.json["message"]
    assert storage.shutdown() == 0


# ---- 05 analytics


def test_analytics_counts(example, free_dir):
    text = "Caf\u00e9 \u20ac\n\U0001f600 two  words\n\nno newline"
    (free_dir / "text").write_text(text)

    run = example("05_analytics", "text", plugins=["analytics"])

    row = run.stdout.splitlines()[1].split()
    assert [int(n) for n in row[:4]] == [4, 7, len(text), len(text.encode())]
    most = collections.Counter(text)
    expected = sorted(most, key=lambda c: (-most[c], ord(c)))[:5]
    assert row[5:] == [f"\\x{ord(c):02x}" if c <= " " else c for c in expected]
    assert "compiled in" in run.stdout and "as a process" in run.stdout


def test_analytics_counts_real_files_as_wc_does(example):
    run = example("05_analytics", *TEXTS, plugins=["analytics"])

    for path, line in zip(TEXTS, run.stdout.splitlines()[1:]):
        text = path.read_text()
        assert [int(n) for n in line.split()[:4]] == [
            len(text.splitlines()), len(text.split()), len(text), len(text.encode())]


def test_analytics_counts_bytes_that_are_not_utf8_apart(plugin):
    answer = plugin(PROGRAMS / "plugins" / "analytics").call("POST /analyze", {"data": "YYCA/8Ovw6///w==", "top": 1})

    assert answer.json == {"bytes": 10, "chars": 3, "words": 1, "lines": 1, "longestLine": 3, "malformed": 5,
                           "characters": [{"character": "\u00ef", "count": 2}]}


# ---- 06 languages


def test_languages_all_process_a_file(example, free_dir):
    needed = {"py": "python3", "js": "node", "sh": "base64", "go": "go"}
    present = [f"{language}-processor" for language, tool in needed.items() if shutil.which(tool)]
    (free_dir / "text").write_text("# Title\nword\nanother word\n")

    run = example("06_languages", "text", plugins=present)

    assert (run.status, run.stderr) == (0, "")
    sections = re.split(r"^(\S.*)\n", run.stdout, flags=re.M)[1:]
    said = dict(zip(sections[::2], sections[1::2]))
    assert sorted(said) == sorted(present)
    assert "      2 word" in said["py-processor"]
    assert said["sh-processor"].split() == ["#", "Title", "another", "word", "word"]
    if "js-processor" in present:
        assert said["js-processor"].strip() == "1 Title"
    if "go-processor" in present:
        assert re.fullmatch(r" +\d+ bytes of application/gzip\n", said["go-processor"])


def test_languages_one_failure_does_not_keep_the_others(example, free_dir):
    (free_dir / "text").write_bytes(b"\xff\xfe\n")

    run = example("06_languages", "text", plugins=["py-processor", "sh-processor"])

    assert run.status == 1
    assert "cannot count words: byte 0 is not UTF-8" in run.stdout
    assert "sh-processor\n    " in run.stdout


# ---- 07 poll loop


def test_poll_loop_adds_up_checksums_as_they_come(example, free_dir):
    expected = []
    for number in range(30):
        data = random.Random(number).randbytes(number * 1000)
        (free_dir / f"file{number}").write_bytes(data)
        expected.append(f"{zlib.crc32(data):08x}  file{number}")

    run = example("07_poll_loop", plugins=["crc32"], stdin="".join(f"file{number}\n" for number in range(30)))

    assert (run.status, run.stderr) == (0, "")
    assert sorted(run.stdout.splitlines()) == sorted(expected)


def test_poll_loop_reports_a_bad_name_and_goes_on(example, free_dir):
    (free_dir / "good").write_bytes(b"123456789")

    run = example("07_poll_loop", plugins=["crc32"], stdin=f"missing\n{'x' * 5000}\n\ngood")

    assert run.status == 1
    assert run.stdout == "cbf43926  good\n"
    assert "cannot open 'missing'" in run.stderr
    assert "too long" in run.stderr


def test_poll_loop_without_names_ends(example):
    run = example("07_poll_loop", plugins=["crc32"], stdin="")

    assert (run.status, run.stdout, run.stderr) == (0, "", "")


# ---- 08 c++


def test_cpp_prints_json_prettily(example):
    files = sorted((ROOT / "contracts").glob("*.json"))

    run = example("08_cpp", *files, plugins=["json"])

    assert run.status == 0
    decoder, text, at = json.JSONDecoder(), run.stdout, 0
    for path in files:
        value, at = decoder.raw_decode(text, at)
        assert value == json.loads(path.read_text())
        at += 1


def test_cpp_shows_where_json_is_wrong(example, free_dir):
    (free_dir / "bad.json").write_text('{\n  "a": 01\n}\n')

    run = example("08_cpp", "bad.json", plugins=["json"])

    assert run.status == 1
    assert "line 2" in run.stderr
    assert "PLUGIN_1203" in run.stderr


# ---- 09 extend


@pytest.fixture
def filters(host, free_dir):
    shutil.copytree(ROOT / "examples" / "09_extend" / "filters", free_dir / "filters")
    return lambda *args: host(PROGRAMS / "examples" / "09_extend" / "host", *args)


def test_extend_runs_filters_as_plugins(filters, free_dir):
    (free_dir / "text").write_text("3\n1\n2\n3\n")

    assert filters("sorted", "text").stdout == "1\n2\n3\n"
    assert filters("backwards", "text").stdout == "3\n2\n1\n3\n"
    assert filters("sum", "text").stdout == "9\n"


def test_extend_streams_what_is_larger_than_any_buffer(filters, free_dir):
    lines = [f"{number:08d}\n" for number in range(1_000_000)]
    (free_dir / "text").write_text("".join(reversed(lines)))

    assert filters("sorted", "text").stdout == "".join(lines)


def test_extend_shows_what_a_filter_complains_about(filters, free_dir):
    (free_dir / "text").write_text("1\nx\n")

    run = filters("sum", "text")

    assert (run.status, run.stdout) == (1, "")
    assert "line 2 is no number: x (exit status 1)" in run.stderr


@pytest.mark.parametrize("script, text, status, out", [
    ("exec head -c 3", "x" * 1_000_000, 0, "xxx"),   # reads less than there is
    ("exec cat >/dev/null", "x" * 1_000_000, 0, ""), # says nothing
    ("exec echo out", "", 0, "out\n"),
    ("kill -9 $$", "x", 1, ""),
    ("cat >/dev/null; exec >&-; sleep 0.05; exit 4", "x", 1, ""), # ends later than its output
], ids=["reads-little", "says-nothing", "does-not-read", "is-killed", "ends-late"])
def test_extend_takes_filters_of_every_temper(filters, free_dir, script, text, status, out):
    (free_dir / "text").write_text(text)
    (free_dir / "filters" / "odd").write_text(f"#!/bin/sh\n{script}\n")
    (free_dir / "filters" / "odd").chmod(0o755)

    run = filters("odd", "text")

    assert (run.status, run.stdout) == (status, out), run.stderr


def test_extend_knows_no_other_plugins(filters, free_dir):
    (free_dir / "text").touch()

    run = filters("nobody", "text")

    assert run.status == 1
    assert "nobody" in run.stderr


# ---- 12 streams


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_streams_brings_a_file_and_fetches_it_again(example, free_dir, size):
    (free_dir / "file").write_bytes(random.Random(size).randbytes(size))

    run = example("12_streams", "file", plugins=["depot"])

    *progress, uploaded, downloaded = run.stdout.splitlines()
    assert (run.status, run.stderr) == (0, "")
    assert uploaded.split() == ["uploaded", str(size), "bytes"]
    assert downloaded.split() == ["downloaded", str(size), "bytes,", "the", "same"]
    told = [int(re.fullmatch(r"  progress +(\d+) bytes", line).group(1)) for line in progress]
    assert len(told) == (3 if size > 1 << 20 else 0) and told == sorted(told) and all(n <= size for n in told)


def test_streams_says_what_is_missing(example, free_dir):
    (free_dir / "file").touch()

    assert example("12_streams").status == 2
    nothing = example("12_streams", "nothing", plugins=["depot"])
    assert (nothing.status, nothing.stdout) == (1, "")
    assert nothing.stderr == "host: cannot read 'nothing': No such file or directory\n"
    (free_dir / "plugins" / "depot").unlink()
    nobody = example("12_streams", "file")
    assert nobody.status == 1 and "depot" in nobody.stderr


def test_depot_serves_others_as_well(plugin):
    depot = plugin(PROGRAMS / "plugins" / "depot")
    assert depot.call("GET /file").status == 404
    assert depot.call("PUT /file", b"abc" * 100_000).json == {"bytes": 300_000}
    assert depot.call("GET /file").body == b"abc" * 100_000
    assert depot.call("PUT /file", b"").json == {"bytes": 0}
    assert depot.call("GET /file").body == b""
    depot.shutdown()
    assert depot.wait() == 0


# ---- 13 ndjson


def blocks_of(text):
    """The indented ones."""
    return [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", text, re.M)]


def test_ndjson_does_what_its_readme_shows(host):
    shell, printed, said = blocks_of((ROOT / "examples/13_ndjson/README.md").read_text())
    log = re.search(r"<<'END'\n(.*)END\n", shell, re.S).group(1)

    run = host(PROGRAMS / "examples/13_ndjson/longest", stdin=log)

    assert (run.status, run.stdout, run.stderr) == (1, printed, said)


def test_ndjson_reads_lines_of_any_length(host):
    rng = random.Random(1)
    visits = [(f"/{'x' * rng.choice((1, 2, 100, 5000))}{rng.randrange(50)}", rng.randrange(10 ** 12))
              for _ in range(500)]
    longest = {}
    for page, took in visits:
        longest[page] = max(took, longest.get(page, 0))
    log = "\r\n".join(json.dumps({"more": [page], "took": took, "page": page}) for page, took in visits)

    run = host(PROGRAMS / "examples/13_ndjson/longest", stdin=log)

    assert (run.status, run.stderr) == (0, "")
    assert {line["page"]: line["took"] for line in map(json.loads, run.stdout.splitlines())} == longest


def test_ndjson_has_a_limit_of_pages(host):
    log = "".join(f'{{"page":"/{number}"}}\n' for number in range(1001))

    run = host(PROGRAMS / "examples/13_ndjson/longest", stdin=log)

    assert (run.status, run.stdout) == (1, "")
    assert run.stderr == "longest: cannot count '/1000': there are too many pages\n"


# ---- 14 object

def test_object_runs_one_plugin_in_four_ways(host):
    run = host(PROGRAMS / "examples" / "14_object" / "host", "hello", cwd=PROGRAMS / "examples" / "14_object")
    assert (run.status, run.stderr) == (0, "")
    ways = [line.split(maxsplit=1)[0] for line in run.stdout.splitlines()]
    assert ways == ["program", "object", "isolated", "compiled"]
    assert run.stdout.count("HELLO!") == 4 and run.stdout.count("(another process)") == 2
