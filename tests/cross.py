#!/usr/bin/env python3
"""cross.py - the unit tests, built whole for other machines and run here.

    tests/cross.py [--jobs N] [--test NAME] TARGET...       arm aarch64 riscv64 s390x musl; T=NAME picks one test

Programs for other processors run under qemu's user mode; what they start runs so as well, because the kernel is told
how (binfmt_misc), in a namespace of our own: nothing on this machine changes. musl is for the processor of this
machine, and the programs are static. A target whose tools are missing is not run, which is told with what to install,
and is a failure: it proves nothing.

tests/emulated.txt names the tests that cannot work under qemu, with the reason. They are counted as skipped. The last
line is "N passed, N failed, N skipped".
"""

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXCEPT = os.path.join(ROOT, "tests", "emulated.txt")
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
BINFMT = "/proc/sys/fs/binfmt_misc"
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000

# The compiler, what it and its C library are called at Debian, the emulator, the C library's loader, and the head of
# an ELF file: word size, byte order, machine.
TARGETS = {
    "arm": ("arm-linux-gnueabihf-gcc", "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross", "qemu-arm",
            "ld-linux-armhf.so.3", (1, "little", 40)),
    "aarch64": ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross", "qemu-aarch64",
                "ld-linux-aarch64.so.1", (2, "little", 183)),
    "riscv64": ("riscv64-linux-gnu-gcc", "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross", "qemu-riscv64",
                "ld-linux-riscv64-lp64d.so.1", (2, "little", 243)),
    "s390x": ("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu libc6-dev-s390x-cross", "qemu-s390x", "ld64.so.1",
              (2, "big", 22)),
    "musl": ("musl-gcc", "musl-tools", None, None, None),
}


# ---- a namespace in which the kernel runs programs of another processor


def rule(target):
    """The line for binfmt_misc: which bytes a file begins with, which of their bits count, and who runs it."""
    _, _, emulator, _, (word, order, machine) = TARGETS[target]
    numbers = (2).to_bytes(2, order) + machine.to_bytes(2, order)  # an executable; also one that may lie anywhere, 3
    magic = b"\x7fELF" + bytes([word, 1 if order == "little" else 2, 1]) + bytes(9) + numbers
    one = (0xFFFE).to_bytes(2, order) + b"\xff\xff"
    mask = b"\xff" * 7 + b"\0" + b"\xff" * 8 + one
    shown = [re.sub("..", r"\\x\g<0>", part.hex()) for part in (magic, mask)]
    return f":plugkit-{target}:M::{shown[0]}:{shown[1]}:{shutil.which(emulator)}:PF"


def call(function, *args):
    if function(*args):
        raise OSError(ctypes.get_errno(), f"{function.__name__}: {os.strerror(ctypes.get_errno())}")


def become_emulated(target, command, ready, go):
    libc = ctypes.CDLL(None, use_errno=True)
    call(libc.unshare, CLONE_NEWNS | CLONE_NEWUSER)
    os.write(ready, b"1")
    os.read(go, 1)  # our users are known now
    call(libc.mount, b"binfmt_misc", BINFMT.encode(), b"binfmt_misc", 0, None)
    with open(BINFMT + "/register", "w", encoding="ascii") as register:
        register.write(rule(target))
    os.execvp(command[0], command)


def run_emulated(target, command):
    """Runs the command in a namespace of its own. Everybody keeps his number there. Gives its exit status."""
    ready, go = os.pipe(), os.pipe()
    uid, gid = os.getuid(), os.getgid()
    child = os.fork()
    if child == 0:
        try:
            os.close(ready[0])
            os.close(go[1])
            os.set_inheritable(ready[1], False)
            become_emulated(target, command, ready[1], go[0])
        except OSError as error:
            print(f"cross: {target}: the kernel does not let programs run under qemu in a namespace: {error}\n"
                  "       It is Linux 6.7 that can, if users may have namespaces. Before: apt-get install"
                  " qemu-user-static binfmt-support", file=sys.stderr)
        os._exit(99)
    os.close(ready[1])
    os.close(go[0])
    if os.read(ready[0], 1):
        everybody = uid == 0
        for kind, number in (("uid", uid), ("gid", gid)):
            if kind == "gid" and not everybody:
                with open(f"/proc/{child}/setgroups", "w", encoding="ascii") as file:
                    file.write("deny")
            with open(f"/proc/{child}/{kind}_map", "w", encoding="ascii") as file:
                file.write("0 0 4294967295" if everybody else f"{number} {number} 1")
    os.close(go[1])
    os.close(ready[0])
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def runs_already(target):
    """Has this machine been told how to run them? Then it needs no namespace of ours."""
    _, _, emulator, _, _ = TARGETS[target]
    try:
        names = set(os.listdir(BINFMT)) - {"register", "status"}
    except OSError:
        return False
    return any(name == emulator for name in names)


# ---- one target


def missing_of(target):
    compiler, packages, emulator, _, _ = TARGETS[target]
    return [f"{tool} ({package})" for tool, package in ((compiler, packages), (emulator, "qemu-user"))
            if tool and not shutil.which(tool)]


def settings_of(target):
    compiler, _, _, loader, _ = TARGETS[target]
    flags = "-static"
    if loader:
        places = [subprocess.run([compiler, f"-print-file-name={name}"], stdout=subprocess.PIPE, text=True,
                                 check=True).stdout.strip() for name in (loader, "libc.so.6")]
        flags = f"-Wl,--dynamic-linker={places[0]} -Wl,-rpath,{os.path.dirname(places[1])}"
    warn = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
    return [f"CC={compiler}", f"UNIT_CFLAGS={warn} -O1 -g0", f"LDFLAGS={flags}",
            f"BUILD={os.path.join(ROOT, 'build', 'cross', target)}"]


def run_target(target, jobs, test):
    """Gives (passed, failed, skipped), or None if it did not run."""
    command = ["make", "--no-print-directory", f"-j{jobs}", f"JOBS={jobs}", "unit-src", *settings_of(target)]
    command += [f"T={test}"] if test else []
    os.environ.setdefault("TEST_TIMEOUT_MS", "60000")
    os.environ.setdefault("LIMIT_SECONDS", "1800")
    if TARGETS[target][2]:
        os.environ["TEST_EXCEPT"] = EXCEPT
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(writer, 1)
        os.close(writer)
        if TARGETS[target][2] and not runs_already(target):
            os._exit(run_emulated(target, command) & 255)
        os.execvp(command[0], command)
    os.close(writer)
    last = ""
    with os.fdopen(reader, encoding="utf-8", errors="replace") as output:
        for line in output:
            if not line.startswith("  cc "):
                print(line, end="", flush=True)
            last = line.strip() or last
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = SUMMARY.match(last)
    if not found:
        return None
    passed, failed, skipped = (int(group or 0) for group in found.groups())
    return passed, failed or (1 if status else 0), skipped


def stale_exceptions():
    """What tests/emulated.txt names and is no test."""
    folder = os.path.join(ROOT, "tests", "unit")
    text = "".join(open(os.path.join(folder, name), encoding="utf-8").read() for name in os.listdir(folder))
    with open(EXCEPT, encoding="utf-8") as file:
        named = [line.split(None, 2) for line in file if line.strip() and not line.startswith("#")]
    return [" ".join(words) for words in named
            if len(words) < 3 or not re.search(rf"\b{re.escape(words[0])}, {re.escape(words[1])}\b", text)]


def main():
    parser = argparse.ArgumentParser(description="Runs the unit tests of other machines.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--test", default="")
    parser.add_argument("targets", nargs="+", choices=TARGETS)
    args = parser.parse_args()
    total, not_run = [0, 0, 0], []
    os.chdir(ROOT)
    for words in stale_exceptions():
        sys.exit(f"cross: tests/emulated.txt: '{words}' names no test with a reason")
    for target in args.targets:
        missing = missing_of(target)
        if missing:
            packages = " ".join(re.findall(r"\((.*?)\)", " ".join(missing)))
            print(f"cross: {target}: not run: there is no {', no '.join(missing)}\n       apt-get install {packages}")
            not_run.append(target)
            continue
        began = time.monotonic()
        counts = run_target(target, args.jobs, args.test)
        if counts is None:
            print(f"cross: {target}: not run")
            not_run.append(target)
            continue
        total = [sum(pair) for pair in zip(total, counts)]
        print(f"cross: {target}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped in "
              f"{time.monotonic() - began:.0f} s", flush=True)
    if not_run:
        print(f"cross: not run, and so not passed: {' '.join(not_run)}")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or not_run else 0


if __name__ == "__main__":
    sys.exit(main())
