"""The texts say what is true: quoted programs are the files, C blocks compile, links lead somewhere, messages are
explained, and what is made from the sources is up to date.
"""

import http.client
import os
import re
import socket
import subprocess
import sys

import pytest

from conftest import ROOT
from plugkit_pytest import wait_until

TEXTS = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]]
COMPILER = os.environ.get("CC", "cc").split()
STRICT = ["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-unused-variable",
          "-Wno-unused-const-variable", "-Wno-unused-function", "-DPLUGKIT_WITH_ALL"]


def name_of(path):
    return str(path.relative_to(ROOT))


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def c_blocks(path):
    return re.findall(r"^```c\n(.*?)^```$", path.read_text(encoding="utf-8"), re.S | re.M)


# ---- programs


def test_the_readme_quotes_the_hello_program():
    blocks = c_blocks(ROOT / "README.md")

    for file in ("greeter.h", "host.c", "plugins/hello.c"):
        assert (ROOT / "examples/01_hello" / file).read_text(encoding="utf-8") in blocks, file


def test_the_hello_program_is_as_small_as_promised():
    hello = ROOT / "examples/01_hello"

    assert len((hello / "host.c").read_text().splitlines()) <= 30
    assert len((hello / "plugins/hello.c").read_text().splitlines()) <= 25


@pytest.mark.parametrize("path", [path for path in TEXTS if c_blocks(path)], ids=name_of)
def test_c_blocks_compile(path, tmp_path):
    """A block with an #include is a whole file; a fragment comes behind both headers."""
    hello = ROOT / "examples/01_hello"
    for number, block in enumerate(c_blocks(path)):
        if "PLUGKIT_WITH_TLS" in block:
            continue  # needs mbedTLS: test_tls_interop.py builds it, and runs it
        folder = hello / "plugins" if "plugins/hello" in block or "../../../" in block else hello
        headers = '#include "plugkit.h"\n#include "plugkit_sdk.h"\n#include <stdio.h>\n'
        text = block if "#include" in block else headers + block
        result = subprocess.run([*COMPILER, *STRICT, "-I", str(ROOT), "-x", "c", "-"], input=text, text=True,
                                cwd=folder, stderr=subprocess.PIPE)
        assert result.returncode == 0, f"block {number + 1} of {name_of(path)}:\n{result.stderr}\n{text}"


def test_the_server_of_the_readme_answers(build, tmp_path):
    text = next(block for block in c_blocks(ROOT / "README.md") if "GET /hello/{name}" in block)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "server.c").write_text(text.replace("8080", str(port)))
    server = subprocess.Popen([build(tmp_path / "server.c")])
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        wait_until(lambda: can_connect(port), "the server listens")
        connection.request("GET", "/hello/you%20all")
        assert connection.getresponse().read() == b"Hello, you all!"
        connection.close()
    finally:
        server.kill()
        server.wait()


# ---- texts


@pytest.mark.parametrize("path", TEXTS, ids=name_of)
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```$|^    .*?$|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.S | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        to = (path.parent / file).resolve() if file else path
        assert to.exists(), f"{name_of(path)} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", to.read_text(encoding="utf-8"), re.M)
            anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in anchors, f"{name_of(path)} links to {target}"


def test_rendered_parts_are_up_to_date():
    result = subprocess.run([sys.executable, str(ROOT / "docs/render.py"), "--check"], capture_output=True, text=True)

    assert result.returncode == 0, result.stderr


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 250


# ---- messages


def string_of(arguments):
    """The first run of string literals in C source, joined: the format."""
    match = re.search(r'"(?:\\.|[^"\\])*"(?:\s*(?:PK_FMT|"(?:\\.|[^"\\])*"))*', arguments)
    if not match:
        return ""
    parts = re.findall(r'"((?:\\.|[^"\\])*)"|(PK_FMT)', match.group(0))
    return "".join(".*s" if macro else literal for literal, macro in parts).replace('\\"', '"')


def messages():
    """Every sentence that the library fills a pk_error with, with x for what is inserted."""
    found = {}
    for path in sorted((ROOT / "src").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        for call in re.finditer(r"\bpk_error_(?:set|sys)\(((?:[^;\"]|\"(?:\\.|[^\"\\])*\")*)\);", text):
            message = string_of(call.group(1))
            message = re.sub(r"%[-0-9.*]*(?:ll|l|z)?[a-z]", "x", message).replace("%%", "%")
            if re.search(r"[a-wyz]{3}", message) and not message.startswith("cannot x"):  # else the words were inserted
                found.setdefault(message, name_of(path))
    return found


def test_every_message_is_explained():
    """A user who searches docs/troubleshooting.md for a message finds it, or a form of it with '…'."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    forms = [re.escape(form).replace("…", ".*") for form in re.findall(r"`([^`\n]+)`", text)]
    known = re.compile("|".join(f"(?:{form})" for form in forms if form != re.escape("…")))

    unknown = [f"{message}    ({path})" for message, path in messages().items()
               if not known.fullmatch(message) and not known.fullmatch(message + ": x")]

    assert not unknown, "docs/troubleshooting.md has no row for:\n" + "\n".join(unknown)


def test_every_event_is_listed():
    registry = (ROOT / "src/host/registry/registry.h").read_text(encoding="utf-8")
    states = re.search(r"PK__PLUGIN_STATES\(X\)(.*?)\ntypedef", registry, re.S).group(1)
    names = {f"plugin.{text}" for text in re.findall(r'X\(\w+, "(\w+)"\)', states)} - {"plugin.running"}
    for path in (ROOT / "src/host").rglob("*.c"):
        names |= set(re.findall(r'"((?:plugin|manager)\.(?!json)[a-z]{2,})"', path.read_text(encoding="utf-8")))
    text = (ROOT / "docs/events.md").read_text(encoding="utf-8")

    assert len(names) > 12
    assert not [name for name in sorted(names) if f"`{name}`" not in text]


def test_every_option_of_the_headers_is_listed():
    used = set()
    for path in (ROOT / "src").rglob("*.[ch]"):
        used |= set(re.findall(r"#\s*(?:ifdef|ifndef|if|elif)[^\n]*?\b(PLUGKIT_\w+)", path.read_text(encoding="utf-8")))
    used = {name for name in used if not name.startswith("PLUGKIT_TEST")}  # of the unit tests
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    missing = [name for name in sorted(used) if name not in readme and name.replace("PLUGKIT_NO", "") not in readme]

    assert not missing
