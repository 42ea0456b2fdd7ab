#!/usr/bin/env python3
"""matrix.py - compiles the generated headers in every way that is promised, and looks at the symbols that come out.

    tests/header/matrix.py [--list] [TEXT]      all cases, or those whose name contains TEXT

A case is one short source, one command line and what must come of it. Cases run side by side. What only asks whether
the text is accepted is compiled with -fsyntax-only. The last line is "N passed, N failed".
"""

import concurrent.futures
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WARN = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror".split()
SYNTAX = ["-fsyntax-only"]

HOST = '#define PLUGKIT_IMPLEMENTATION\n#include "plugkit.h"\n'
SDK = '#define PLUGKIT_SDK_IMPLEMENTATION\n#include "plugkit_sdk.h"\n'
MAIN = "int main(void) { return 0; }\n"
PRIVATE = "#if defined(PK__FN) || defined(PK__MIN)\n#error private macros are left\n#endif\n"
WITHOUT = ["PROCESS", "THREADS", "FILES", "NET"]

cases = []  # (name, function)


def case(name, function, *args, **kwargs):
    cases.append((name, lambda folder: function(folder, *args, **kwargs)))


def run(command, folder, input=None, **kwargs):
    source = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
    return subprocess.run(command, cwd=folder, **source, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **kwargs)


def compile_text(folder, compiler, flags, source=None, file=None, says=None, language="c"):
    """Gives "" if the compiler does what it must: accept, or refuse with `says` in the first line of error."""
    path = file or os.path.join(folder, "case." + language)
    if source is not None:
        with open(path, "w", encoding="utf-8") as out:
            out.write(source)
    if says is not None:
        flags = [*flags, "-Wfatal-errors"]  # the first is what we ask for; what follows takes seconds
    done = run([*compiler, *WARN, "-I" + ROOT, "-x", "c++" if language == "cpp" else "c", *flags, path], folder)
    if says is None:
        return done.stdout if done.returncode else ""
    first = next((line for line in done.stdout.split("\n") if "error:" in line), "no error at all")
    return "" if done.returncode and says in first else f"expected an error with '{says}', got: {first}"


def program(folder, compiler, flags, files, says="0."):
    """Compiles and links files of tests/header, runs the program and looks for what it prints."""
    paths = [os.path.join(HERE, file) for file in files]
    done = run([*compiler, *WARN, "-I" + ROOT, *flags, *paths, "-o", "program", "-lpthread"], folder)
    if done.returncode == 0:
        done = run(["./program"], folder, timeout=20)
    return "" if done.returncode == 0 and done.stdout.startswith(says) else done.stdout


def symbols(folder, compiler, flags, source, allowed):
    """Every exported symbol of the object matches `allowed`."""
    problem = compile_text(folder, compiler, [*flags, "-c", "-o", "case.o"], source)
    if problem:
        return problem
    names = [line.split()[-1] for line in run(["nm", "-g", "--defined-only", "case.o"], folder).stdout.splitlines()]
    bad = [name for name in names if not re.fullmatch(allowed, name)]
    return f"exported: {' '.join(bad)}" if bad else "" if names else "nothing is exported at all"


def without(folder, compiler, flags, source, unwanted):
    """No symbol of the object, private ones included, has a name like that."""
    trouble = compile_text(folder, compiler, [*flags, "-c", "-o", "object.o"], source)
    names = run(["nm", "object.o"], folder).stdout
    return trouble or "\n".join(line for line in names.split("\n") if re.search(unwanted, line))


def own_words(folder, compiler, flags, source):
    """What the preprocessor makes of the project's own lines, word by word: macros are replaced, system headers and
    comments are gone."""
    done = run([*compiler, "-E", "-I" + ROOT, *flags, "-x", "c", "-"], folder, input=source)
    words, own = [], False
    for line in done.stdout.split("\n"):
        marker = re.match(r'# \d+ "(.*?)"', line)
        if marker:
            own = "plugkit" in os.path.basename(marker.group(1)) or "/src/" in marker.group(1)
        elif own:
            words += line.split()
    return words


def same_text(folder, compiler, flags):
    """The two headers, one behind the other, are to the compiler what src/ is. So what is proven of the one by unit
    tests holds for the other."""
    run([sys.executable, os.path.join(ROOT, "amalgamate.py"), "--includes", os.path.join(folder, "src_all.h")], folder)
    wanted = "#define PLUGKIT_IMPLEMENTATION\n#define PLUGKIT_SDK_IMPLEMENTATION\n"
    ours = own_words(folder, compiler, flags, wanted + '#include "src_all.h"\n')
    copied = own_words(folder, compiler, flags, wanted + '#include "plugkit.h"\n#include "plugkit_sdk.h"\n')
    if len(ours) < 10000:
        return "src/ could not be preprocessed"
    if ours == copied:
        return ""
    at = next((i for i, (a, b) in enumerate(zip(ours, copied)) if a != b), min(len(ours), len(copied)))
    return f"src/:    {' '.join(ours[at:at + 20])}\nheaders: {' '.join(copied[at:at + 20])}"


def defines(folder, compiler, flags, files):
    """Two whole cores in one program must not link silently."""
    problem = program(folder, compiler, flags, files)
    return "" if "multiple definition" in problem or "duplicate symbol" in problem else f"not refused: {problem}"


def firmware(folder, compiler, file, runs):
    """A firmware program compiles without a warning and, where this machine can run it, works."""
    out = ["-o", "program"] if runs else ["-c", "-o", "program.o"]
    done = run([*compiler, *WARN, "-std=c11", "-Os", "-I" + ROOT, os.path.join(HERE, file), *out], folder)
    if done.returncode == 0 and runs:
        done = run(["./program"], folder, timeout=20)
    return done.stdout or f"exit status {done.returncode}" if done.returncode else ""


def build_cases():
    compilers = [[name] for name in ("gcc", "clang") if shutil.which(name)] or [["cc"]]
    cxx = [[name] for name in ("g++", "clang++") if shutil.which(name)]
    for missing in sorted({"gcc", "clang", "g++", "clang++"} - {c[0] for c in compilers + cxx}):
        print(f"# without {missing}: it is not installed")
    cc = compilers[0]

    for compiler, std in itertools.product(compilers, ("c99", "c11", "c17")):
        flags = ["-std=" + std, *SYNTAX]
        title = f"{compiler[0]} {std}"
        case(f"{title}: host implementation", compile_text, compiler, flags, HOST + PRIVATE + MAIN)
        case(f"{title}: sdk implementation", compile_text, compiler, flags, SDK + PRIVATE + MAIN)
        for order in ([], ["-DREVERSED"]):
            case(f"{title}: declarations {' '.join(order)}", compile_text, compiler, flags + order,
                 file=os.path.join(HERE, "declarations.c"))
    for compiler, order in itertools.product(cxx, ([], ["-DREVERSED"])):
        case(f"{compiler[0]} c++11: declarations {' '.join(order)}", compile_text, compiler,
             ["-std=c++11", "-Wold-style-cast", *SYNTAX, *order], file=os.path.join(HERE, "declarations.c"),
             language="cpp")
    for compiler in cxx:
        case(f"{compiler[0]}: the implementation is refused", compile_text, compiler, ["-std=c++11", *SYNTAX],
             HOST + MAIN, says="the implementation is C99", language="cpp")

    for compiler, order in itertools.product(compilers, ([], ["-DREVERSED"])):
        case(f"{compiler[0]}: both in one file {' '.join(order)}", program, compiler, ["-std=c99", *order], ["both.c"])
        case(f"{compiler[0]}: both, static {' '.join(order)}", program, compiler,
             ["-std=c11", "-DPLUGKIT_STATIC", *order], ["both.c"])
    for compiler in compilers:
        case(f"{compiler[0]}: two files, one core", program, compiler, ["-std=c11"], ["two_host.c", "two_sdk.c"])
        case(f"{compiler[0]}: two files, all static", program, compiler, ["-std=c11", "-DLOUD", "-DPLUGKIT_STATIC"],
             ["two_host.c", "two_sdk.c"])
    for compiler, std in itertools.product(compilers, ("c99", "c17")):
        case(f"{compiler[0]} {std}: harness.h alone", program, compiler, ["-std=" + std], ["harness_alone.c"], "1..2")
    case("two files with two cores do not link", defines, cc, ["-std=c11", "-DLOUD"], ["two_host.c", "two_sdk.c"])
    for compiler in compilers:
        case(f"{compiler[0]}: plugins that run elsewhere, for a lean host", program, compiler, ["-std=c99"], ["lean.c"])
    case("two files, warnings of the optimiser", program, cc, ["-std=c99", "-O2"], ["two_host.c", "two_sdk.c"])

    for compiler, n in itertools.product(compilers, range(1, len(WITHOUT) + 1)):
        for names in itertools.combinations(WITHOUT, n):
            if n in (1, len(WITHOUT)) or compiler == cc:
                # Static functions that are declared and missing are reported without a linker.
                flags = ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC"] + ["-DPLUGKIT_NO_" + name for name in names]
                case(f"{compiler[0]}: without {' '.join(names)}", compile_text, compiler, flags, HOST + SDK + MAIN)
    for compiler, std in itertools.product(compilers, ("c99", "c17")):
        case(f"{compiler[0]} {std}: with everything", compile_text, compiler,
             ["-std=" + std, *SYNTAX, "-DPLUGKIT_WITH_ALL"], HOST + SDK + PRIVATE + MAIN)
    case("with everything, but without sockets", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_WITH_ALL", "-DPLUGKIT_NO_NET"], HOST + SDK + MAIN)
    case("schemas without a system", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC", "-DPLUGKIT_WITH_SCHEMA"] +
         ["-DPLUGKIT_NO_" + name for name in WITHOUT],
         HOST + SDK + MAIN)
    case("manifests without files", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC", "-DPLUGKIT_WITH_MANIFESTS", "-DPLUGKIT_NO_FILES"], HOST + MAIN)
    case("manifests without a system", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC", "-DPLUGKIT_WITH_MANIFESTS"] +
         ["-DPLUGKIT_NO_" + name for name in WITHOUT],
         HOST + SDK + MAIN)
    case("limits, but no processes: refused", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_WITH_ISOLATE", "-DPLUGKIT_NO_PROCESS"], HOST + MAIN, says="child processes")
    case("with everything, but without processes", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_WITH_ALL", "-DPLUGKIT_NO_PROCESS"], HOST + SDK + MAIN)
    for compiler, flag in itertools.product(compilers, ("PLUGKIT_POSIX", "PLUGKIT_NO_THREADS", "PLUGKIT_NO_FILES",
                                                        "PLUGKIT_NO_NET")):
        case(f"{compiler[0]}: limits with {flag}", compile_text, compiler,
             ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC", "-DPLUGKIT_WITH_ISOLATE", "-D" + flag], HOST + SDK + MAIN)
    case("attaching without files", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC", "-DPLUGKIT_WITH_ATTACH", "-DPLUGKIT_NO_FILES"], HOST + MAIN)
    case("attaching without sockets: refused", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_WITH_ATTACH", "-DPLUGKIT_NO_NET"], HOST + MAIN, says="needs sockets")
    case("with the control socket, but without sockets: refused", compile_text, cc,
         ["-std=c99", *SYNTAX, "-DPLUGKIT_WITH_ADMIN", "-DPLUGKIT_NO_NET"], HOST + MAIN, says="needs sockets and files")
    for compiler in compilers:
        case(f"{compiler[0]}: plain POSIX", compile_text, compiler, ["-std=c99", *SYNTAX, "-DPLUGKIT_POSIX"],
             HOST + SDK + MAIN)
        case(f"{compiler[0]}: plain C", compile_text, compiler, ["-std=c99", "-O2", "-c", "-DPLUGKIT_NO_SIMD"],
             HOST + SDK + MAIN)
        case(f"{compiler[0]}: plugins that end with their host", compile_text, compiler,
             ["-std=c99", *SYNTAX, "-DPLUGKIT_NO_SURVIVE"], HOST + SDK + MAIN)
        case(f"{compiler[0]}: with #line", compile_text, compiler, ["-std=c99", *SYNTAX, "-DPLUGKIT_LINES"],
             HOST + SDK + MAIN)
        case(f"{compiler[0]}: with asserts", compile_text, compiler,
             ["-std=c99", *SYNTAX, "-include", "assert.h", "-D_GNU_SOURCE", "-DPLUGKIT_ASSERT(x)=assert(x)"],
             HOST + SDK + MAIN)
        for mode, source in (("host", HOST), ("sdk", SDK)):
            case(f"{compiler[0]}: {mode} after stdio.h, told how to mend it", compile_text, compiler,
                 ["-std=c11", *SYNTAX], "#include <stdio.h>\n" + source + MAIN, says="a system header came first")
            case(f"{compiler[0]}: {mode} after stdio.h with _GNU_SOURCE", compile_text, compiler,
                 ["-std=c11", *SYNTAX, "-D_GNU_SOURCE"], "#include <stdio.h>\n" + source + MAIN)
            case(f"{compiler[0]}: {mode} declared first, implemented later", compile_text, compiler,
                 ["-std=c11", *SYNTAX, "-D_GNU_SOURCE"],
                 '#include "plugkit.h"\n#include "plugkit_sdk.h"\n' + source + MAIN)
    for first, second in (("plugkit.h", "plugkit_sdk.h"), ("plugkit_sdk.h", "plugkit.h")):
        case(f"{second} of another release than {first}", other_release, cc, first, second)

    for compiler in compilers:
        case(f"{compiler[0]}: firmware", firmware, compiler, "firmware.c", True)
        case(f"{compiler[0]}: firmware that calls over a line of its own", firmware, compiler, "firmware_http.c", True)
        case(f"{compiler[0]}: a clock of one's own beside the system's is refused", compile_text, compiler,
             ["-std=c99", *SYNTAX, "-DPLUGKIT_CLOCK_NS()=1"], HOST + MAIN, says="needs all four")
    if shutil.which("musl-gcc"):
        for std in ("c99", "c17"):
            case(f"musl-gcc {std}: host and sdk", compile_text, ["musl-gcc"], ["-std=" + std, *SYNTAX],
                 HOST + SDK + PRIVATE + MAIN)
        for names in (some for n in range(1, len(WITHOUT) + 1) for some in itertools.combinations(WITHOUT, n)):
            case(f"musl-gcc: without {' '.join(names)}", compile_text, ["musl-gcc"],
                 ["-std=c99", *SYNTAX, "-DPLUGKIT_STATIC"] + ["-DPLUGKIT_NO_" + name for name in names],
                 HOST + SDK + MAIN)
        case("musl-gcc: plain POSIX", compile_text, ["musl-gcc"], ["-std=c99", *SYNTAX, "-DPLUGKIT_POSIX"],
             HOST + SDK + MAIN)
        case("musl-gcc: both in one program", program, ["musl-gcc"], ["-std=c99", "-O2"], ["both.c"])
        case("musl-gcc: both in one program without any library", program, ["musl-gcc"], ["-std=c99", "-static"],
             ["both.c"])
    else:
        print("# without musl-gcc: it is not installed")
    if shutil.which("arm-none-eabi-gcc"):
        for file in ("firmware.c", "firmware_http.c"):
            case(f"arm-none-eabi-gcc: {file}", firmware, ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"], file,
                 False)

    for flags in ([], ["-DPLUGKIT_WITH_ALL"], ["-DPLUGKIT_WITH_ALL", "-DPLUGKIT_TEST"], ["-DPLUGKIT_STATIC"],
                  ["-DPLUGKIT_SMALL", "-DPLUGKIT_NO_SURVIVE"], ["-DPLUGKIT_POSIX", "-DPLUGKIT_NO_SIMD"],
                  ["-DPLUGKIT_NO_" + name for name in WITHOUT], *(["-DPLUGKIT_NO_" + name] for name in WITHOUT)):
        case(f"the headers are what src/ is: {' '.join(flags) or 'plain'}", same_text, cc, ["-std=c99", *flags])

    public = r"pk_[a-z0-9][a-z0-9_]*"
    case("exported symbols begin with pk_: host", symbols, cc, ["-std=c11"], HOST, public)
    case("exported symbols begin with pk_: sdk", symbols, cc, ["-std=c11"], SDK, public)
    case("exported symbols begin with pk_: host with everything", symbols, cc, ["-std=c11", "-DPLUGKIT_WITH_ALL"], HOST,
         public)
    opted = (r"pk__admin_|pk_manager_serve|pk__schema|pk_schema_|pk__config_schema_|pk__pattern_|pk_pattern_|"
             r"pk__category_|pk__decimal_|"
             r"pk__format_|pk__uri_|pk__tls_|pk_tls_|pk__secure_(?!table_of)|pk_ctx_peer|mbedtls_|psa_|"
             r"pk_sse|pk__sse_|pk__streams_|pk_request_take|pk__http_link_take|pk_manager_attach|pk__attach_|"
             r"pk__reattach_|pk__lookup_|pk__reaching_(try|on_found|learn)|pk_json_decode_with|pk_shape_default|"
             r"pk_object_main|pk__objects?_|pk__launched_|pk__compiled_|pk__sdk_object_|dlopen|"
             r"pk__confine_|pk__cgroups_|pk__isolate_(init|tell|want|miss|refuse)|pk__isolating_log|"
             r"pk_launch_isolated|pk_limit_|"
             r"pk_shape_rest|pk__types_(other|take|write)_(default|rest)|pk_json_(merge_)?patch|"
             r"pk__json_(edit|patch|merge|key_(nine|bit|differ)|same|build_|take_token|opened_from)|"
             r"pk__?manifest_|pk__folder_|pk__registry_drop_about|pk__depends_|pk__search_|pk_manager_search|"
             r"pk_version_in|pk__semver_(matches|is_range|any_holds)")
    for mode, source in (("host", HOST), ("sdk", SDK)):
        case(f"what is not opted into is not there: {mode}", without, cc, ["-std=c11"], source, opted)
    case("PLUGKIT_STATIC exports nothing", symbols, cc, ["-std=c11", "-DPLUGKIT_STATIC"], HOST + SDK + MAIN, "main")
    case("PLUGKIT_NO_CORE exports nothing of the core", symbols, cc, ["-std=c11", "-DPLUGKIT_NO_CORE"],
         SDK, r"pk_sdk_\w+")


def other_release(folder, compiler, first, second):
    """The second header as a later release would have it."""
    with open(os.path.join(ROOT, second), encoding="utf-8") as file:
        text = re.sub(r"PK__CORE_H (!= )?\d+", r"PK__CORE_H \g<1>990000", file.read())
    with open(os.path.join(folder, "other.h"), "w", encoding="utf-8") as file:
        file.write(text)
    source = f'#include "{first}"\n#include "other.h"\n' + MAIN
    return compile_text(folder, compiler, ["-std=c11", *SYNTAX], source, says="of different releases")


def run_case(name_and_function):
    name, function = name_and_function
    with tempfile.TemporaryDirectory(prefix="plugkit-header-") as folder:
        try:
            return name, function(folder)
        except (OSError, subprocess.SubprocessError) as error:
            return name, str(error)


def main():
    build_cases()
    arguments = sys.argv[1:]
    if arguments[:1] == ["--list"]:
        print("\n".join(name for name, _ in cases))
        return 0
    chosen = [c for c in cases if not arguments or arguments[0] in c[0]]
    failed = 0
    print(f"1..{len(chosen)}")
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count() or 1))) as pool:
        for number, (name, problem) in enumerate(pool.map(run_case, chosen), 1):
            failed += bool(problem)
            if problem:
                print("\n".join("# " + line for line in problem.rstrip().split("\n")[:15]))
            print(f"{'not ok' if problem else 'ok'} {number} - {name}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
