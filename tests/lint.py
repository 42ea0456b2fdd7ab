#!/usr/bin/env python3
"""lint.py - holds the sources against CONTRIBUTING.md, as far as a script can tell.

    tests/lint.py [--fast] [FILE...]        all files of the project, or these; --fast leaves out the compilers

Each finding is one line "file:line: what is wrong" and one that says how to mend it. The compilers look at every
mode of the headers with more warnings than the build has; cppcheck joins if it is installed. Exit status 1 if there
is anything.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ["src", "tests", "cli", "bench", "examples", "contracts", "integration", "docs"]
COLUMNS = 120

# Never in src/: what to write instead.
BANNED = {
    "strcpy|strcat|sprintf|vsprintf|gets|stpcpy|strncpy|strncat": "snprintf, memcpy or a pk_buf: they have limits",
    "strtok|strtok_r": "pk_str_cut",
    "strtol|strtoul|strtoll|strtoull|atoi|atol|atoll": "wire/number.h: digits only, with a limit",
    "strtod|strtof|atof|localeconv|setlocale": "wire/number.h: the locale plays no part",
    "system|popen|tmpnam|tempnam|mktemp": "the process and file modules of src/os",
    "gmtime|localtime|ctime|asctime|rand|srand|random|srandom|strerror": "the re-entrant form, or src/os",
    "signal|sleep|usleep|alarm|setjmp|longjmp|alloca": "nothing: a library has no right to it",
    "printf|puts|putchar|perror|vprintf": "the log callback: a library has no output of its own",
    "abort|assert|exit": "return a pk_err; PK__ASSERT for mistakes of the programmer",
}
# Known messages are constants in every libc, and there are two incompatible forms of the re-entrant function.
EXCEPTIONS = [("src/base/error.c", "strerror")]
# Only in src/os (the list in sys.h), elsewhere through PK__SYS.
CALLS = """
    open openat close read write readv writev pread lseek fcntl flock pipe pipe2 stat lstat fstat mkdir chmod fchmod
    unlink rename opendir readdir closedir poll ppoll socket socketpair bind listen accept accept4 connect shutdown
    setsockopt getsockopt getsockname send sendto sendmsg recv recvfrom recvmsg sendfile fork vfork execve execv dup
    dup2 dup3 chdir setpgid setsid waitpid waitid kill nanosleep clock_gettime gettimeofday time pthread_create
    epoll_ctl epoll_wait getrandom memfd_create sigaction ftruncate fsync
""".split()

findings = []


def found(path, line, what, fix):
    findings.append(f"{path}:{line}: {what}\n    fix: {fix}")


def code_only(text):
    """The text with comments and literals blanked out; lines stay where they are."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def sources(arguments):
    if arguments:
        return [os.path.relpath(os.path.abspath(name), ROOT) for name in arguments]
    listed = [name for name in sorted(os.listdir(ROOT)) if os.path.isfile(os.path.join(ROOT, name))]
    for folder in FOLDERS:
        for below, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", "corpus", "golden", "node_modules"))
            listed += [os.path.relpath(os.path.join(below, name), ROOT) for name in sorted(names)]
    return [name for name in listed if name not in ("plugkit.h", "plugkit_sdk.h") and not name.startswith(".")]


# ---- rules for all files

def check_text(path, text):
    if "\r" in text:
        found(path, 1, "has carriage returns", f"sed -i 's/\\r$//' {path}")
    if text and not text.endswith("\n") or text.endswith("\n\n"):
        found(path, text.count("\n"), "must end with exactly one newline", "end the last line and delete blank ones")
    tabs = os.path.basename(path) in ("Makefile", "go.mod", "go.sum") or path.endswith(".go")
    long = path.endswith((".json", ".svg", ".sum", ".txt"))
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line and not tabs:
            found(path, number, "has a tab", f"expand -t4 {path}")
        if line != line.rstrip():
            found(path, number, "ends with blanks", f"sed -i 's/ *$//' {path}")
        if len(line) > COLUMNS and not long and "http" not in line:
            found(path, number, f"is {len(line)} columns wide", f"break it at {COLUMNS}")
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line):
            found(path, number, "has a marker of unfinished work", "finish it, or describe the limit in the manual")


# ---- rules for C

def check_c(path, text):
    code = code_only(text)
    lines = code.split("\n")
    banner = path.startswith("src/api/top_")
    if not banner and not re.match(r"(/\*|//) " + re.escape(os.path.basename(path)) + r" - \S", text):
        found(path, 1, "does not say what it is", f"begin it with '/* {os.path.basename(path)} - its purpose'")
    for number, line in enumerate(lines, 1):
        if re.match(r"\s*(\} else )?(if|for|while) \(.*;\s*$", line) and "{" not in line and "} while" not in line:
            found(path, number, "has no braces", "put the statement between { and } on a line of its own")
        if re.match(r"\s*(const )?(char|void|int|struct \w+|pk_\w+)\* ", line):
            found(path, number, "has the star with the type", "write 'char *name'")
    if path.startswith("src/"):
        check_src(path, text, lines)


def check_src(path, text, lines):
    private = not path.startswith("src/api/")
    inside = False  # a function's body
    began, name = 0, ""
    for number, line in enumerate(lines, 1):
        if line == "{":
            inside, began = True, number
            name = " ".join(lines[max(0, number - 4):number - 1]).strip()
        elif line == "}" or line.startswith("} "):
            if inside and number - began > 100:
                found(path, began, f"is a function of {number - began} lines", "split it where a sentence would end")
            inside = False
        if inside and re.match(r"\s*#\s*(if|elif)", line) and "PLUGKIT_" not in line:
            found(path, number, "has a difference of systems inside a function",
                  "write whole alternative functions, in src/os")
        if private:
            check_private(path, number, line, inside)
        check_banned(path, number, line)
    if private and path.endswith(".h"):
        guard = re.search(r"#ifndef (PK__\w+_H)\n#define \1\n", text)
        if not guard:
            found(path, 1, "has no include guard", "#ifndef PK__NAME_H, #define PK__NAME_H ... #endif")
    if not private:
        check_comments(path, text)


def check_private(path, number, line, inside):
    macro = re.match(r"\s*#\s*define (\w+)", line)
    if macro and not macro.group(1).startswith(("PK__", "PLUGKIT_")) and "_SOURCE" not in macro.group(1):
        found(path, number, f"defines '{macro.group(1)}'", f"call it PK__{macro.group(1).upper()}")
    if inside:
        return
    function = re.match(r"(PK__FN|static)\s[^=;(]*?\**(\w+)\(", line)
    if function and not function.group(2).startswith("pk__") and "##" not in line and "PK__" not in function.group(2):
        found(path, number, f"has a private function '{function.group(2)}'",
              f"all of src/ is one file: call it pk__module_{function.group(2)}")
    type_name = re.match(r"(?:typedef )?(?:struct|enum|union) (\w+) \{", line)
    if type_name and not type_name.group(1).startswith("pk_"):
        found(path, number, f"has a type '{type_name.group(1)}'", f"call it pk__{type_name.group(1)}")


def check_banned(path, number, line):
    if line.lstrip().startswith("#define PK__SYS") or path.startswith("src/os/sys"):
        return
    for words, instead in BANNED.items():
        match = re.search(r"(?<![\w.>])(" + words + r")\s*\(", line)
        if match and (path, match.group(1)) not in EXCEPTIONS:
            found(path, number, f"calls {match.group(1)}", f"use {instead}")
    match = re.search(r"(?<![\w.>*])(?<!->)(" + "|".join(CALLS) + r")\s*\(", line)
    if match and not re.search(r"\(\*" + match.group(1), line) and not re.search(r"PK__FN|PK_API", line):
        found(path, number, f"calls {match.group(1)} itself", f"PK__SYS({match.group(1)})(...): tests can fail it")
    match = re.search(r"(?<![\w.>])(malloc|calloc|realloc|free|strdup)\s*\(", line)
    if match and path != "src/base/memory.c" and "(*" not in line:
        found(path, number, f"calls {match.group(1)}", "pk__new, pk__resize and pk__free with the owner's pk_alloc")
    if re.search(r"(waitpid|waitid)\)?\(-1|kill\)?\(-1", line):
        found(path, number, "waits for or signals everybody", "name one process: the host has children of its own")


def check_comments(path, text):
    """Each block of public declarations has a comment: above it, or behind its lines."""
    for block in re.finditer(r"(?:^[^\n]*\S[^\n]*\n)+", text, re.M):
        if re.search(r"^PK_API ", block.group(0), re.M) and "/*" not in block.group(0) and "//" not in block.group(0):
            first = re.search(r"^PK_API [^(]*?(\w+)\(", block.group(0), re.M)
            found(path, text.count("\n", 0, block.start()) + 1, f"{first.group(1) if first else 'this'} has no comment",
                  "say in a sentence what it does, who frees, which errors")


# ---- other languages, compilers

def check_script(path):
    if path.endswith(".py"):
        try:
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                compile(file.read(), path, "exec")
        except SyntaxError as error:
            found(path, error.lineno, error.msg, "correct the syntax")
    elif path.endswith(".sh") or path == ".ci/run":
        done = subprocess.run(["bash", "-n", path], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            found(path, 1, done.stderr.strip().split("\n")[0], "correct the syntax")


EXTRA = ("-std=c99 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wformat-security -Wundef -Wvla "
         "-Wstrict-prototypes -Wold-style-definition -Wpointer-arith -Wwrite-strings -Wnested-externs "
         "-Wredundant-decls").split()
MODES = [[], ["-DPLUGKIT_WITH_ALL"], ["-DPLUGKIT_STATIC"], ["-DPLUGKIT_TEST"], ["-DPLUGKIT_POSIX"],
         ["-DPLUGKIT_NO_PROCESS", "-DPLUGKIT_NO_THREADS", "-DPLUGKIT_NO_FILES", "-DPLUGKIT_NO_NET"]]


def check_compilers():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write('#define PLUGKIT_IMPLEMENTATION\n#define PLUGKIT_SDK_IMPLEMENTATION\n'
                       '#include "plugkit.h"\n#include "plugkit_sdk.h"\nint main(void)\n{\n    return 0;\n}\n')
        for compiler in ("gcc", "clang"):
            if not shutil.which(compiler):
                print(f"lint: without {compiler}: it is not installed")
                continue
            for mode in MODES:
                done = subprocess.run([compiler, *EXTRA, "-DPLUGKIT_LINES", *mode, "-I", ROOT, path], cwd=ROOT,
                                      stderr=subprocess.PIPE, text=True)
                for match in re.finditer(r"^(\S+?):(\d+):\d+: (?:warning|error): (.*)", done.stderr, re.M):
                    found(match.group(1), match.group(2), match.group(3), f"{compiler} {' '.join(mode)} says so")


# Where cppcheck 2.10 is wrong too often: it takes the remainder of a division for a zero divisor, a local that dies
# with its struct for one that escapes, follows pointers through the table of system calls, and takes what a function
# fills for uninitialised (gcc and valgrind see that better).
CPPCHECK_ERRS = ["missingIncludeSystem", "ctunullpointer", "autoVariables", "zerodiv", "zerodivcond", "uninitvar",
                 "uninitStructMember", "ctuuninitvar"]


def check_cppcheck():
    if not shutil.which("cppcheck"):
        print("lint: without cppcheck: it is not installed (Debian's package is cppcheck)")
        return
    subprocess.run([os.path.join(ROOT, "amalgamate.py"), "--includes", "build/src_all.h"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "all.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write('#include "build/src_all.h"\n')
        defines = ["-DPLUGKIT_IMPLEMENTATION", "-DPLUGKIT_SDK_IMPLEMENTATION", "-D__linux__", "-D__GNUC__=9",
                   "-D__GCC_ATOMIC_INT_LOCK_FREE=2", "-D__GCC_ATOMIC_POINTER_LOCK_FREE=2"]
        done = subprocess.run(["cppcheck", "--std=c99", "--enable=warning,portability", "--inline-suppr", "--quiet",
                               "--template={file}:{line}: {message} [{id}]", *defines, "-I", ROOT, path,
                               *["--suppress=" + name for name in CPPCHECK_ERRS]],
                              cwd=ROOT, stderr=subprocess.PIPE, text=True)
    for line in done.stderr.split("\n"):
        match = re.match(r"(?:.*?/)?(src/\S+?):(\d+): (.*)", line)
        if match:
            found(match.group(1), match.group(2), match.group(3), "mend it, or '// cppcheck-suppress id' with a reason")


def main():
    arguments = [name for name in sys.argv[1:] if name != "--fast"]
    for path in sources(arguments):
        with open(os.path.join(ROOT, path), "rb") as file:
            data = file.read()
        if b"\0" in data:
            continue
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            found(path, 1, "is not UTF-8", "convert it")
            continue
        check_text(path, text)
        if path.endswith((".c", ".h", ".cpp")):
            check_c(path, text)
        check_script(path)
    if "--fast" not in sys.argv and not arguments:
        check_compilers()
        check_cppcheck()
    unique = list(dict.fromkeys(findings))
    print("\n".join(unique + [f"lint: {len(unique)} findings" if unique else "lint: nothing to complain about"]))
    return 1 if unique else 0


if __name__ == "__main__":
    sys.exit(main())
