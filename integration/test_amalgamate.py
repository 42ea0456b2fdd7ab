"""amalgamate.py: each of its guarantees, on copies of src/ with something planted."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from conftest import mbedtls_flags

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pack(tree, *arguments, **environment):
    return subprocess.run([sys.executable, str(tree / "amalgamate.py"), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, cwd="/", env={**os.environ, **environment})


@pytest.fixture(name="tree")
def tree_fixture(tmp_path):
    """A copy of what amalgamate.py reads, its headers written."""
    tree = tmp_path / "tree"
    shutil.copytree(os.path.join(ROOT, "src"), tree / "src")
    for name in ("amalgamate.py", "LICENSE", "CHANGELOG.md"):
        shutil.copy(os.path.join(ROOT, name), tree / name)
    done = pack(tree)
    assert done.returncode == 0, done.stdout
    return tree


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def refused(tree, *words):
    """It must fail with a text that says what, why and how to mend it, and leave the headers alone."""
    before = (tree / "plugkit.h").read_bytes()
    done = pack(tree)
    assert done.returncode == 2
    for word in (*words, "why:", "fix:"):
        assert word in done.stdout
    assert (tree / "plugkit.h").read_bytes() == before


def test_the_committed_headers_are_what_src_gives():
    done = subprocess.run([sys.executable, os.path.join(ROOT, "amalgamate.py"), "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def test_output_is_the_same_every_time_and_everywhere(tree, tmp_path):
    first = [(tree / name).read_bytes() for name in ("plugkit.h", "plugkit_sdk.h")]
    elsewhere = tmp_path / "else where"
    shutil.copytree(tree, elsewhere)
    for name in ("plugkit.h", "plugkit_sdk.h"):
        (elsewhere / name).unlink()
    for seed in ("1", "2"):
        assert pack(elsewhere, PYTHONHASHSEED=seed).returncode == 0
        assert [(elsewhere / name).read_bytes() for name in ("plugkit.h", "plugkit_sdk.h")] == first


def test_output_is_tidy(tree):
    for name in ("plugkit.h", "plugkit_sdk.h"):
        data = (tree / name).read_bytes()
        assert b"\r" not in data and b"\t" not in data
        assert data.endswith(b" */\n") and not data.endswith(b"\n\n")
        assert not re.search(rb"[ ]\n", data)
        assert str(tree).encode() not in data and ROOT.encode() not in data
        assert b"MIT License" in data[-2000:]
        data.decode("utf-8")


def test_writing_again_leaves_the_files_alone(tree):
    before = os.stat(tree / "plugkit.h").st_mtime_ns
    assert pack(tree).returncode == 0
    assert os.stat(tree / "plugkit.h").st_mtime_ns == before


def program_of(header, what):
    """The complete program in the comment at the top, as readers would copy it."""
    with open(os.path.join(ROOT, header), encoding="utf-8") as file:
        banner = file.read().split("*/")[0]
    text = re.search(rf"^ \* A complete {what}[:,][^#]*? \*\n((?: \*(?:     .*)?\n)+)", banner, re.M).group(1)
    return re.sub(r"^ \*(     )?", "", text, flags=re.M)


def build_program(folder, header, what, name, *flags):
    (folder / "program.c").write_text(program_of(header, what))
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", ROOT, "program.c", "-o", name, *flags,
                    "-pthread"], cwd=folder, check=True)


def said_by(program, folder):
    done = subprocess.run([program], cwd=folder, stdout=subprocess.PIPE, text=True, timeout=20, check=True)
    return done.stdout


def test_programs_at_the_top_work(tmp_path):
    (tmp_path / "plugins").mkdir()
    build_program(tmp_path, "plugkit.h", "host", "host")
    build_program(tmp_path, "plugkit.h", "server over HTTP", "server")
    build_program(tmp_path, "plugkit_sdk.h", "plugin", "plugins/hello")

    assert said_by("./host", tmp_path) == '{"text":"Hello, you!"}\n'
    assert said_by("./server", tmp_path) == "Hello, you!\n"


@pytest.mark.mbedtls
def test_the_program_at_the_top_that_has_tls_works(tmp_path):
    flags = mbedtls_flags()
    (tmp_path / "plugins").mkdir()
    build_program(tmp_path, "plugkit.h", "host by TLS", "host", *flags)
    build_program(tmp_path, "plugkit_sdk.h", "plugin", "plugins/hello", "-DPLUGKIT_WITH_TLS", *flags)

    assert said_by("./host", tmp_path) == '{"text":"Hello, you!"}\n'

    build_program(tmp_path, "plugkit_sdk.h", "plugin", "plugins/hello")  # one that cannot
    done = subprocess.run(["./host"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=20, check=False)
    assert done.returncode == 1 and "mutual TLS is required" in done.stdout


def test_each_part_has_one_marker(tree):
    text = (tree / "plugkit.h").read_text()
    for marker in ("/* == api/host.h == */", "/* == base/memory.c == */"):
        assert text.count(marker) == 1
    assert "sdk/" not in text.split("MIT License")[0].replace("plugkit_sdk", "")


def test_list_names_parts_with_their_lines(tree):
    done = pack(tree, "--list")
    lines = (tree / "plugkit.h").read_text().split("\n")
    number = int(re.search(r"(\d+) base/memory\.c", done.stdout).group(1))
    assert lines[number - 1] == "/* == base/memory.c == */"


def test_line_numbers_of_parts_stay_true(tree):
    edit(tree / "src/base/memory.c", "\n", "\nint broken here;\n")
    wanted = 2
    assert pack(tree).returncode == 0
    (tree / "t.c").write_text('#define PLUGKIT_IMPLEMENTATION\n#include "plugkit.h"\n')
    command = ["cc", "-fsyntax-only", "-DPLUGKIT_LINES", "t.c"]
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert f"src/base/memory.c:{wanted}:" in done.stdout
    command.remove("-DPLUGKIT_LINES")
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert "src/base/memory.c" not in done.stdout
    number = int(re.search(r"plugkit\.h:(\d+):", done.stdout).group(1))
    assert (tree / "plugkit.h").read_text().split("\n")[number - 1] == "int broken here;"


def test_line_numbers_of_the_header_come_back_behind_the_parts(tree):
    number = 1 + (tree / "plugkit.h").read_text().split("\n").index("#endif // PK__CORE_IMPL")
    edit(tree / "plugkit.h", "#endif // PK__CORE_IMPL", "#endif\n#error here")
    (tree / "t.c").write_text('#define PLUGKIT_IMPLEMENTATION\n#include "plugkit.h"\n')
    done = subprocess.run(["cc", "-fsyntax-only", "-DPLUGKIT_LINES", "t.c"], cwd=tree, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert f"plugkit.h:{number + 1}:" in done.stdout


def test_check_shows_the_first_difference_and_the_cure(tree):
    assert pack(tree, "--check").returncode == 0
    edit(tree / "plugkit_sdk.h", "\n#include <stddef.h>\n", "\n#include <stddef.h> // touched\n")
    number = (tree / "plugkit_sdk.h").read_text().split("\n").index("#include <stddef.h> // touched") + 1
    done = pack(tree, "--check")
    assert done.returncode == 1
    assert f"plugkit_sdk.h:{number}:" in done.stdout
    assert "// touched" in done.stdout and "make amalgamate" in done.stdout


def test_check_notices_a_missing_header(tree):
    (tree / "plugkit.h").unlink()
    assert pack(tree, "--check").returncode == 1
    assert not (tree / "plugkit.h").exists()


def test_a_file_that_is_not_listed_is_refused(tree):
    (tree / "src/base/stray.c").write_text("/* stray.c - nobody knows it */\n")
    refused(tree, "'src/base/stray.c' is not listed")


def test_a_listed_file_that_is_missing_is_refused(tree):
    (tree / "src/base/memory.c").unlink()
    refused(tree, "cannot find 'src/base/memory.c'")


def test_a_file_listed_twice_is_refused(tree):
    edit(tree / "amalgamate.py", "    base/memory.c\n", "    base/memory.c\n    base/memory.c\n")
    refused(tree, "'base/memory.c' is listed twice")


def test_a_file_that_does_not_begin_with_a_comment_is_refused(tree):
    edit(tree / "src/base/memory.c", "/*", "int first;\n/*")
    refused(tree, "src/base/memory.c does not begin with a comment")


def test_an_include_of_a_layer_above_is_refused(tree):
    edit(tree / "src/base/memory.c", "#include", '#include "../os/sys.h"\n#include')
    refused(tree, "src/base/memory.c:", "'../os/sys.h'", "downwards")


def test_a_file_listed_in_another_layer_is_refused(tree):
    edit(tree / "amalgamate.py", "    base/handle.c\n", "")
    edit(tree / "amalgamate.py", "    os/sys.c\n", "    os/sys.c\n    base/handle.c\n")
    refused(tree, "'base/handle.c' is listed behind 'os/sys.c'")


def test_an_include_of_what_comes_later_is_refused(tree):
    edit(tree / "src/base/memory.h", "#include", '#include "handle.h"\n#include')
    refused(tree, "listed later")


def test_an_unknown_include_is_refused(tree):
    edit(tree / "src/base/memory.c", "#include", '#include "nowhere.h"\n#include')
    refused(tree, "'nowhere.h'", "not in the lists")


def test_an_include_of_the_public_text_is_refused(tree):
    edit(tree / "src/base/memory.c", "#include", '#include "../api/memory.h"\n#include')
    refused(tree, "'../api/memory.h'")


@pytest.mark.parametrize("room, other", [("speak", "registry"), ("discover", "life"), ("registry", "life")])
def test_rooms_of_the_host_know_only_whom_they_may(tree, room, other):
    for name in (room, other):
        os.makedirs(tree / "src/host" / name, exist_ok=True)
        (tree / f"src/host/{name}/planted.h").write_text(f"/* planted.h - in {name} */\n")
    (tree / f"src/host/{room}/planted.c").write_text(f'/* planted.c */\n#include "../{other}/planted.h"\n')
    edit(tree / "amalgamate.py", 'HOST = """\n',
         f'HOST = """\n    host/{other}/planted.h\n    host/{room}/planted.h\n    host/{room}/planted.c\n')
    refused(tree, f"of the room '{other}'", f"'{room}' may include")


def test_host_and_sdk_do_not_meet(tree):
    (tree / "src/host/registry").mkdir(parents=True, exist_ok=True)
    (tree / "src/sdk").mkdir(exist_ok=True)
    (tree / "src/host/registry/planted.h").write_text("/* planted.h */\n")
    (tree / "src/sdk/planted.c").write_text('/* planted.c */\n#include "../host/registry/planted.h"\n')
    edit(tree / "amalgamate.py", 'HOST = """\n', 'HOST = """\n    host/registry/planted.h\n')
    edit(tree / "amalgamate.py", '\nSDK = """\n', '\nSDK = """\n    sdk/planted.c\n')
    refused(tree, "src/sdk/planted.c:2")


def test_a_version_that_is_not_in_the_changelog_is_refused(tree):
    version = re.search(r"^## (\S+)", (tree / "CHANGELOG.md").read_text(), re.M).group(1)
    edit(tree / "CHANGELOG.md", f"## {version}", "## 9.9.9")
    refused(tree, "CHANGELOG.md is '9.9.9'", version)


def test_a_version_that_contradicts_itself_is_refused(tree):
    edit(tree / "src/api/version.h", '#define PK_VERSION "', '#define PK_VERSION "1')
    refused(tree, "PK_VERSION")


def test_include_list_names_every_file_once_but_that_on_linkage(tree):
    assert pack(tree, "--includes", str(tree / "all.h")).returncode == 0
    named = re.findall(r'#include "src/(.*)"', (tree / "all.h").read_text())
    there = {os.path.relpath(os.path.join(folder, name), tree / "src") for folder, _, names in os.walk(tree / "src")
             for name in names}
    assert {name for name in named if named.count(name) > 1} == {"api/own.h", "api/shared.h"}
    assert there - set(named) == {"api/top_host.h", "api/top_sdk.h"}
    assert pack(tree, "--includes", str(tree / "declarations.h"), "--declarations").returncode == 0
    shown = re.findall(r'#include "src/(.*)"', (tree / "declarations.h").read_text())
    assert shown == [name for name in named if not name.endswith(".c")]


def test_private_macros_are_undefined(tree):
    text = (tree / "plugkit.h").read_text()
    for macro in ("PK__FN", "PK__COUNT", "PK__SYS"):
        assert f"#undef {macro}\n" in text
    assert "#undef PK__MEMBER\n" not in text  # what users' own PK_STRUCT lines need stays


def test_local_includes_are_gone(tree):
    for name in ("plugkit.h", "plugkit_sdk.h"):
        assert not re.search(r'^\s*#\s*include\s+"(?!plugkit)', (tree / name).read_text(), re.M)


@pytest.mark.parametrize("flags, allowed", [([], r"pk_[a-z0-9]\w*"), (["-DPLUGKIT_STATIC"], "main")])
@pytest.mark.parametrize("header, wanted", [("plugkit.h", "PLUGKIT_IMPLEMENTATION"),
                                            ("plugkit_sdk.h", "PLUGKIT_SDK_IMPLEMENTATION")])
def test_exported_symbols(tree, flags, allowed, header, wanted):
    main = "int main(void) { return 0; }\n" if flags else ""
    (tree / "t.c").write_text(f'#define {wanted}\n#include "{header}"\n{main}')
    subprocess.run(["cc", "-std=c11", "-O0", "-w", *flags, "-c", "t.c"], cwd=tree, check=True)
    names = subprocess.run(["nm", "-g", "--defined-only", "t.o"], cwd=tree, check=True, stdout=subprocess.PIPE,
                           text=True).stdout.split("\n")
    names = [line.split()[-1] for line in names if line]
    assert names and all(re.fullmatch(allowed, name) for name in names)
    assert not any("__" in name for name in names)
