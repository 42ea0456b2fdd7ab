#!/usr/bin/env python3
"""size.py - what PlugKit costs, against its budgets.

    tests/size.py [--json]
    tests/size.py --flags       those of a small build, as the top of plugkit_sdk.h has them
    tests/size.py --parts       what each part that is opted into adds to a host, against what the manual says
    tests/size.py --firmware    make firmware: two programs for ARM processors without a system; qemu runs them

Sizes decide the exit status; times (of the processor) are printed with their budget, but fail nobody. "text" is code
and constants of the object file as size(1) counts them, at -Os (clang: -Oz); a program is measured as the stripped
file.

The plugin's budget is that of a small build. Firmware's is that of a program, tests/header/firmware.c, linked without a
C library: what the linker drops is in no firmware. Of a whole host nobody uses everything; that is told beside it.
"""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CC = os.environ.get("CC", "cc").split()
SMALL = "-Oz" if "clang" in CC[0] else "-Os"  # the -Os of clang still pays for speed
HOST = '#define PLUGKIT_IMPLEMENTATION\n#include "plugkit.h"\n'
SDK = '#define PLUGKIT_SDK_IMPLEMENTATION\n#include "plugkit_sdk.h"\n'
WITHOUT = ["-DPLUGKIT_NO_" + name for name in ("PROCESS", "THREADS", "FILES", "NET")]
FIRMWARE = ("-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -r -nostdlib -Wl,--gc-sections "
            "-Wl,-e,main").split()
THUMB = "arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb".split()
NOTHING = "int main(void)\n{\n    return 0;\n}\n"


def cpu_seconds():
    """What children have used so far: a busy machine does not change it much."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def small_flags():
    """As users read them."""
    with open(os.path.join(ROOT, "plugkit_sdk.h"), encoding="utf-8") as file:
        line = re.search(r"^ \*     cc (-Os -s .*?)\\\n \* +(.*?) -o ", file.read(), re.M)
    return f"{line.group(1)}{line.group(2)}".replace("-Os", SMALL).split()


def compile_file(folder, flags, source, compiler=None):
    """Compiles C text, or a file of the project. Gives the path of the result and the processor seconds it took."""
    path = os.path.join(folder, "source.c")
    if source.endswith(".c"):
        path = os.path.join(ROOT, source)
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
    began = cpu_seconds()
    out = os.path.join(folder, "out")
    command = [*(compiler or CC), "-std=c11", "-w", "-I", ROOT, path, *flags, "-o", out]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"size.py: cannot compile {path}:\n{done.stderr}")
    return out, cpu_seconds() - began


def columns_of_size(path):
    """Bytes of code and constants, of data that is written to, and of zeros."""
    table = subprocess.run(["size", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    return [int(column) for column in table.split("\n")[1].split()[:3]]


def text_kib(folder, source, *flags):
    out, _ = compile_file(folder, [SMALL, "-c", *flags], source)
    return columns_of_size(out)[0] / 1024


def flash_kib(folder, compiler, *flags, source="tests/header/firmware.c"):
    """What a program without a system takes of the memory that stays: code, constants, and what data begins with."""
    out, _ = compile_file(folder, [SMALL if compiler is CC else "-Os", *FIRMWARE, *flags], source, compiler)
    return sum(columns_of_size(out)[:2]) / 1024


def firmware(folder):
    """Builds both programs, and runs them if there is an emulator. Gives the exit status."""
    programs = {"tests/header/firmware.c": ("a plugin of its own", 64),
                "tests/header/firmware_http.c": ("calls by HTTP over a line of its own", None)}
    if not shutil.which(THUMB[0]):
        print(f"make firmware: not built: there is no {THUMB[0]}: apt-get install gcc-arm-none-eabi "
              "libnewlib-arm-none-eabi")
        return 1
    status = 0
    for cpu in ("cortex-m0", "cortex-m4"):
        for source, (what, budget) in programs.items():
            kib = flash_kib(folder, [THUMB[0], f"-mcpu={cpu}", "-mthumb"], source=source)
            limit = f"of {budget} KiB{' OVER' if kib > budget else ''}" if budget else "KiB"
            print(f"    {cpu}: {what:<38} {kib:6.1f} {limit}")
            status |= budget is not None and kib > budget
    if not shutil.which("qemu-arm"):
        print("    not run: there is no qemu-arm: apt-get install qemu-user")
        return 1
    for source, (what, _) in programs.items():  # Thumb-2 as well; only its exit needs a debugger, which qemu plays
        out, _ = compile_file(folder, ["-Os", "--specs=rdimon.specs"], source,
                              [THUMB[0], "-mcpu=cortex-a7", "-mthumb", "-mfloat-abi=soft"])
        ran = subprocess.run(["qemu-arm", "-cpu", "cortex-a7", out], timeout=60)
        print(f"    qemu-arm: {what:<38} {'works' if ran.returncode == 0 else f'FAILS: {ran.returncode}'}")
        status |= ran.returncode != 0
    return status


def file_kib(folder, source, *flags):
    return os.path.getsize(compile_file(folder, ["-s", *flags], source)[0]) / 1024


def best_seconds(folder, source, *flags, rounds):
    return min(compile_file(folder, [*flags, "-c"], source)[1] for _ in range(rounds))


def said_of_parts():
    """What the manual says that each part adds: (name, KiB)."""
    with open(os.path.join(ROOT, "plugkit.h"), encoding="utf-8") as file:
        parts = re.findall(r"^ \* +(PLUGKIT_WITH_\w+) .*; (\d+) KiB$", file.read(), re.M)
    has_tls = subprocess.run([*CC, "-x", "c", "-fsyntax-only", "-"], input="#include <mbedtls/ssl.h>\n", text=True,
                             stderr=subprocess.DEVNULL).returncode == 0
    return [(name, int(kib)) for name, kib in parts if has_tls or name != "PLUGKIT_WITH_TLS"]


def parts(folder):
    """Measures each part that is opted into, and holds it against the manual. Gives the exit status."""
    host = text_kib(folder, HOST)
    status = 0
    for name, said in said_of_parts():
        kib = text_kib(folder, HOST, "-D" + name) - host
        wrong = abs(kib - said) > max(1, said / 20)
        print(f"    {name:<40} {kib:8.1f} KiB; the manual says {said}{' WRONG' if wrong else ''}", flush=True)
        status |= wrong
    return int(status)


def declaration_lines(header, marker):
    """(how many lines a plain include declares, how many with all that can be opted into)"""
    plain = total = opted = depth = 0
    with open(os.path.join(ROOT, header), encoding="utf-8") as file:
        for line in file:
            if line.rstrip("\n") == marker:
                return plain, total
            total += 1
            if re.match(r"#\s*if", line):
                depth += 1
                if not opted and re.match(r"#\s*ifdef PLUGKIT_WITH_", line):
                    opted = depth
            plain += not opted
            if re.match(r"#\s*endif", line):
                if opted == depth:
                    opted = 0
                depth -= 1
    raise ValueError(f"{header} has no line {marker!r}")


def measure(folder):
    """(name, value, budget, unit, whether it decides)"""
    declared = '#include "plugkit.h"\n#include "plugkit_sdk.h"\n' + NOTHING
    standard = "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n" + NOTHING
    hello = "examples/01_hello/plugins/hello.c"
    yield "hello plugin, small build", file_kib(folder, hello, *small_flags(), "-lpthread"), 96, "KiB", True
    yield f"hello plugin, {SMALL} -s", file_kib(folder, hello, SMALL, "-lpthread"), None, "KiB", False
    yield f"empty program, {SMALL} -s", file_kib(folder, NOTHING, SMALL), None, "KiB", False
    host = text_kib(folder, HOST)
    yield "default host, text", host, 220, "KiB", True
    yield "PLUGKIT_WITH_SCHEMA adds", text_kib(folder, HOST, "-DPLUGKIT_WITH_SCHEMA") - host, None, "KiB", False
    yield "plugin SDK, text", text_kib(folder, SDK), None, "KiB", False
    yield "everything, text", text_kib(folder, HOST + SDK, "-DPLUGKIT_WITH_ALL"), 600, "KiB", True
    yield "firmware, this machine", flash_kib(folder, CC, "-fno-pie"), 64, "KiB", True
    if shutil.which(THUMB[0]):
        yield "firmware, Thumb-2", flash_kib(folder, THUMB), 64, "KiB", True
    yield "whole host, all PLUGKIT_NO_*, text", text_kib(folder, HOST, *WITHOUT), None, "KiB", False
    plain, total = declaration_lines("plugkit.h", "#if defined(PLUGKIT_IMPLEMENTATION) && !defined(PK__HOST_IMPL)")
    yield "declarations of plugkit.h", plain, 1750, "lines", True
    yield "declarations with every part", total, 3000, "lines", True
    took = best_seconds(folder, declared, rounds=5) - best_seconds(folder, standard, rounds=5)
    yield "compiling both declarations", took * 1000, 50, "ms", False
    yield "compiling the host at -O2", best_seconds(folder, HOST, "-O2", rounds=1), 6, "s", False


def main():
    as_json = "--json" in sys.argv[1:]
    if "--flags" in sys.argv[1:]:
        print(" ".join(small_flags()))
        return 0
    if "--firmware" in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="plugkit-firmware-") as folder:
            return firmware(folder)
    if "--parts" in sys.argv[1:]:
        with tempfile.TemporaryDirectory(prefix="plugkit-parts-") as folder:
            return parts(folder)
    over = False
    with tempfile.TemporaryDirectory(prefix="plugkit-size-") as folder:
        for name, value, budget, unit, decides in measure(folder):
            exceeded = budget is not None and value > budget
            over |= exceeded and decides
            if as_json:
                print(json.dumps({"name": name, "value": round(value, 1), "budget": budget, "unit": unit}))
            else:
                limit = f"of {budget:5} {unit}" if budget else unit
                print(f"    {name:<40} {value:8.1f} {limit:<13} {'OVER' if exceeded else ''}".rstrip(), flush=True)
    if over and not as_json:
        print("over budget: make it smaller, or explain in CHANGELOG.md why the budget in tests/size.py is raised")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
