"""The scripts that hold the house together: tests/python.sh, tests/run.py, tests/lint.py, make install."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


# ---- tests/python.sh on machines of three kinds, with commands that only pretend

@pytest.fixture(name="machine")
def machine_fixture(tmp_path):
    """A project folder with python.sh, and a PATH on which everything is fake."""
    (tmp_path / "project/tests").mkdir(parents=True)
    shutil.copy(ROOT / "tests/python.sh", tmp_path / "project/tests/python.sh")
    fake = tmp_path / "bin"
    for name in ("sh", "dirname", "touch", "mkdir", "cp", "chmod"):
        fake.mkdir(exist_ok=True)
        (fake / name).symlink_to(shutil.which(name))
    script(fake / "id", "echo 1000\n")

    def run(**environment):
        text = (tmp_path / "project/tests/python.sh").read_text().replace("/usr/bin/python3", str(fake / "usr-python3"))
        (tmp_path / "project/tests/python.sh").write_text(text)
        return subprocess.run([fake / "sh", tmp_path / "project/tests/python.sh"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env={"PATH": str(fake), **environment})
    run.bin, run.project = fake, tmp_path / "project"
    return run


def test_a_python_with_pytest_is_taken(machine):
    script(machine.bin / "python3", "exit 0\n")
    done = machine()
    assert (done.returncode, done.stdout, done.stderr) == (0, "python3\n", "")


def test_the_users_choice_comes_first(machine):
    script(machine.bin / "python3", "exit 0\n")
    script(machine.bin / "mine", "exit 0\n")
    assert machine(PYTHON="mine").stdout == "mine\n"


def test_the_systems_python_is_taken_if_the_first_one_lacks_pytest(machine):
    script(machine.bin / "python3", "exit 1\n")
    script(machine.bin / "usr-python3", "exit 0\n")
    assert machine().stdout.strip() == str(machine.bin / "usr-python3")


def test_root_gets_the_package_of_the_system(machine):
    script(machine.bin / "python3", "exit 1\n")
    script(machine.bin / "id", "echo 0\n")
    script(machine.bin / "apt-get",
           f'[ "$1" = install ] && touch {machine.bin}/there\necho "apt-get $*"\nexit 0\n')
    script(machine.bin / "usr-python3", f"[ -e {machine.bin}/there ]\n")
    done = machine()
    assert done.returncode == 0 and done.stdout.strip() == str(machine.bin / "usr-python3")
    assert "python3-pytest" in done.stderr


def test_an_ordinary_user_gets_a_venv(machine):
    script(machine.bin / "apt-get", "echo must not be called >&2; exit 1\n")
    script(machine.bin / "python3", '[ "$2" = venv ] || exit 1\nmkdir -p .venv/bin\n'
           f"cp {machine.bin}/venv-python3 .venv/bin/python3\n")
    script(machine.bin / "venv-python3",
           'case "$*" in *"pip install"*) touch .venv/pytest;; *) [ -e .venv/pytest ];; esac\n')
    done = machine()
    assert (done.returncode, done.stdout) == (0, ".venv/bin/python3\n")
    assert "must not be called" not in done.stderr and ".venv" in done.stderr


def test_without_any_way_it_says_what_to_type(machine):
    script(machine.bin / "python3", "exit 1\n")
    done = machine()
    assert done.returncode == 1 and done.stdout == ""
    for words in ("apt-get install python3-pytest", "pip install pytest", "make test PYTHON="):
        assert words in done.stderr


# ---- tests/run.py

def run_py(tmp_path, *arguments):
    return subprocess.run([sys.executable, ROOT / "tests/run.py", *arguments], cwd=tmp_path, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)


def test_results_are_added_up(tmp_path):
    script(tmp_path / "a", "echo '1..3'; echo '3 passed, 0 failed, 1 skipped'\n")
    script(tmp_path / "unit/b", 'echo "2 passed, 0 failed"; [ -z "$AGAIN" ] || echo again > again\n')
    script(tmp_path / "unit/pure", 'echo "1 passed, 0 failed"; [ -z "$AGAIN" ] || echo again > not_again\n')
    (tmp_path / "t").mkdir()
    (tmp_path / "t/test_x.py").write_text(
        "import pytest\ndef test_a(): pass\n@pytest.mark.skip\ndef test_b(): pass\n")
    done = run_py(tmp_path, "--again", "AGAIN=1", "--but", "pur", "--pytest", sys.executable, "t", "./a", "./unit/b",
                  "./unit/pure")
    assert done.returncode == 0
    assert done.stdout.rstrip().split("\n")[-1] == "9 passed, 0 failed, 2 skipped"
    assert (tmp_path / "again").exists() and not (tmp_path / "not_again").exists()


@pytest.mark.parametrize("text", ["exit 1", "echo '1 passed, 0 failed'; exit 1", "echo 1 passed, 2 failed",
                                  "echo nothing of use", "kill -9 $$", "echo '# why'; echo 'not ok 1 - x'"])
def test_no_failure_is_overlooked(tmp_path, text):
    script(tmp_path / "bad", text + "\n")
    done = run_py(tmp_path, "./bad")
    assert done.returncode == 1
    assert ", 0 failed" not in done.stdout.rstrip().split("\n")[-1]
    assert "again: ./bad" in done.stdout


def test_a_pytest_that_cannot_start_is_a_failure(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t/test_x.py").write_text("this is no Python\n")
    done = run_py(tmp_path, "--pytest", sys.executable, "t")
    assert done.returncode == 1 and done.stdout.rstrip().endswith("0 passed, 1 failed")


# ---- tests/lint.py: each rule finds what it is for

@pytest.mark.parametrize("name, text, finding", [
    ("tests/x.c", "/* x.c - a */\nint a;\t\n", "tab"),
    ("tests/x.c", "/* x.c - a */\nint a; \n", "ends with blanks"),
    ("tests/x.c", "/* x.c - a */\nint a; // " + "x" * 120 + "\n", "columns wide"),
    ("tests/x.c", "/* x.c - a */\n\n", "one newline"),
    ("tests/x.c", "int a;\n", "does not say what it is"),
    ("tests/x.c", "/* x.c - a */\n// TO" "DO: more\n", "unfinished work"),
    ("tests/x.c", "/* x.c - a */\nint f(int a)\n{\n    if (a) return 1;\n}\n", "no braces"),
    ("src/base/x.c", "/* x.c - a */\nPK__FN int helper(void)\n{\n}\n", "private function 'helper'"),
    ("src/base/x.c", "/* x.c - a */\n#define LIMIT 3\n", "defines 'LIMIT'"),
    ("src/base/x.c", "/* x.c - a */\nstruct thing {\n    int a;\n};\n", "a type 'thing'"),
    ("src/base/x.c", "/* x.c - a */\nPK__FN void pk__x(char *a)\n{\n    strcpy(a, a);\n}\n", "calls strcpy"),
    ("src/base/x.c", "/* x.c - a */\nPK__FN void pk__x(void)\n{\n    close(3);\n}\n", "calls close itself"),
    ("src/base/x.c", "/* x.c - a */\nPK__FN void pk__x(void)\n{\n    free(a);\n}\n", "calls free"),
    ("src/os/x.c", "/* x.c - a */\nPK__FN void pk__x(void)\n{\n    PK__SYS(waitpid)(-1, 0, 0);\n}\n", "everybody"),
    ("src/os/x.c", "/* x.c - a */\nPK__FN void pk__x(void)\n{\n#ifdef __linux__\n#endif\n}\n", "difference of"),
    ("src/base/x.h", "/* x.h - a */\nint pk__x;\n", "no include guard"),
    ("src/api/x.h", "/* x.h - a */\n\nPK_API int pk_x(void);\n", "has no comment"),
    ("x.py", "def f(:\n", "invalid syntax"),
    ("x.sh", "if then\n", "syntax error"),
])
def test_lint_finds(tmp_path, name, text, finding):
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("corpus", "unit", "__pycache__"))
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    done = subprocess.run([sys.executable, tmp_path / "tests/lint.py", "--fast", tmp_path / name],
                          stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert finding in done.stdout and f"{name}:" in done.stdout and "fix: " in done.stdout


def test_lint_leaves_good_code_alone(tmp_path):
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("corpus", "unit", "__pycache__"))
    (tmp_path / "src/base").mkdir(parents=True)
    (tmp_path / "src/base/x.c").write_text(
        '/* x.c - good: does not strcpy() */\n\nPK__FN int pk__x_get(int a)\n{\n    const char *s = "close(3)";\n'
        "    if (a) {\n        return PK__SYS(close)(a) + (int)s[0];\n    }\n    return 0;\n}\n")
    done = subprocess.run([sys.executable, tmp_path / "tests/lint.py", "--fast", tmp_path / "src/base/x.c"],
                          stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout


# ---- make install

def test_install_puts_what_pkg_config_needs(tmp_path):
    if os.environ.get("MAKELEVEL") is None and not (ROOT / "build/plugkit").exists():
        pytest.skip("nothing is built: run it with make")
    command = ["make", "--no-print-directory", "install", "PREFIX=/opt/pk", f"DESTDIR={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    there = {str(path.relative_to(tmp_path / "opt/pk")) for path in tmp_path.rglob("*") if path.is_file()}
    assert {"include/plugkit.h", "include/plugkit_sdk.h", "bin/plugkit", "share/pkgconfig/plugkit.pc",
            "include/plugkit/data_processor.h"} <= there
    text = (tmp_path / "opt/pk/share/pkgconfig/plugkit.pc").read_text()
    assert "prefix=/opt/pk\n" in text and "@" not in text


@pytest.mark.parametrize("command, says", [
    (["tests/cross.py", "s390x"], "s390x: not run: there is no s390x-linux-gnu-gcc"),
    (["tests/cross.py", "musl"], "musl: not run: there is no musl-gcc"),
    (["tests/size.py", "--firmware"], "not built: there is no arm-none-eabi-gcc"),
])
def test_what_cannot_be_built_for_another_machine_is_told_and_does_not_pass(command, says):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env={"PATH": "/nowhere"}, capture_output=True,
                          text=True, check=False)

    assert done.returncode == 1
    assert says in done.stdout and "apt-get install " in done.stdout
    assert " passed" not in done.stdout.replace("0 passed, 0 failed", "").replace("and so not passed", "")
