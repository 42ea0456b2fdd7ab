#!/usr/bin/env python3
"""run.py - runs test programs and pytest folders, and adds up what they say.

    tests/run.py [--jobs N] [--under COMMAND] [--again NAME=VALUE [--but PATTERN]] [--pytest PYTHON FOLDER] PROGRAM...

A test program ends with a line "N passed, N failed" (and perhaps ", N skipped"). Programs run side by side, and so do
shares of the pytest folder; --again runs those in a folder "unit" once more with that in the environment, but for those
whose names match a pattern. The output of each is kept in build/test-output/; of those that failed, what went wrong is
shown with the command that repeats it, and of all of them the lines that begin with "figures: ". The last line of all
is "N passed, N failed", the sum.
"""

import argparse
import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

OUTPUT = "build/test-output"
LIMIT_SECONDS = int(os.environ.get("LIMIT_SECONDS", 420))
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def run(command, setting=""):
    """Runs one command in a process group of its own. Gives exit status, output and seconds. Output goes to a file: a
    pipe would make us wait for whoever else holds it."""
    environment = dict(os.environ, **dict([setting.split("=", 1)] if setting else []))
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   start_new_session=True, env=environment)
        try:
            process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            output.write(b"\n# killed: took longer than %d s\n" % LIMIT_SECONDS)
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace"), time.monotonic() - began


def counts_of_program(status, output):
    lines = output.rstrip().split("\n")
    match = SUMMARY.match(lines[-1])
    if not match:
        return 0, 1, 0
    passed, failed, skipped = (int(group or 0) for group in match.groups())
    return passed, max(failed, 1 if status else 0), skipped


def counts_of_pytest(status, output):
    summary = output.rstrip().split("\n")[-1]
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)", summary)}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0) + found.get("xpassed", 0)
    if status not in (0, 5):  # 5: there are no tests
        failed = max(failed, 1)
    return found.get("passed", 0), failed, found.get("skipped", 0) + found.get("xfailed", 0)


def bad_lines(output):
    """Of TAP output: the failed tests with the diagnostics above them. Anything else: its last lines."""
    lines, block, shown = output.split("\n"), [], []
    for line in lines:
        if line.startswith("not ok"):
            shown += [line] + block
        block = [] if re.match(r"(not )?ok \d", line) else block + [line]
    return shown or lines[-40:]


def report(name, command, result, counts):
    status, output, seconds = result
    with open(os.path.join(OUTPUT, name.replace("/", "_") + ".txt"), "w", encoding="utf-8") as file:
        file.write(output)
    passed, failed, skipped = counts
    print(f"{'FAIL' if failed else 'ok  '} {name:<52} {passed:5} passed {failed:3} failed {skipped:3} skipped"
          f" {seconds:6.1f} s")
    print("".join(f"     {line}\n" for line in re.findall(r"figures: (.*)", output)), end="")
    if failed:
        print("\n".join("     | " + line for line in bad_lines(output)))
        print(f"     again: {' '.join(command)}")
    sys.stdout.flush()


def shares(place, count):
    """The test files of a folder, dealt out to so many runs; large ones first, each to who has least. They take as long
    as they are large, more or less; more runs than there are processors even that out."""
    if not os.path.isdir(place):
        return [[place]]
    files = [os.path.join(place, name) for name in os.listdir(place) if re.fullmatch(r"test_\w+\.py", name)]
    dealt = [[0, []] for _ in range(min(count, len(files)))]
    for file in sorted(files, key=lambda file: (-os.path.getsize(file), file)):
        least = min(dealt, key=lambda share: share[0])
        least[0] += os.path.getsize(file)
        least[1].append(file)
    return [sorted(names) for _, names in dealt]


def main():
    parser = argparse.ArgumentParser(description="Runs tests and adds up their results.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--under", metavar="COMMAND", default="", help="what runs the programs: valgrind")
    parser.add_argument("--again", metavar="NAME=VALUE", default="")
    parser.add_argument("--but", metavar="PATTERN", default="$^", help="what --again makes no difference to")
    parser.add_argument("--pytest", nargs=2, metavar=("PYTHON", "FOLDER"))
    parser.add_argument("programs", nargs="*")
    args = parser.parse_args()
    os.makedirs(OUTPUT, exist_ok=True)
    total = [0, 0, 0]

    def account(name, command, result, counts):
        report(name, command, result, counts)
        for i, n in enumerate(counts):
            total[i] += n

    runs = []  # (name, command, setting, what counts its results): what takes longest goes first
    if args.pytest:
        python, place = args.pytest
        dealt = shares(place, 3 * args.jobs)
        runs += [(f"{place}, {number} of {len(dealt)}" if len(dealt) > 1 else place,
                  [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], "", counts_of_pytest)
                 for number, files in enumerate(dealt, 1)]
    under = shlex.split(args.under)
    runs += [(program, under + [program], "", counts_of_program) for program in args.programs]
    runs += [(f"{args.again} {program}", [program], args.again, counts_of_program) for program in args.programs
             if args.again and "/unit/" in program and not re.search(args.but, program)]
    with concurrent.futures.ThreadPoolExecutor(max(args.jobs * 3 // 2, 1)) as pool:  # they wait more than they compute
        pending = {pool.submit(run, command, setting): (name, command, setting, counts_of)
                   for name, command, setting, counts_of in runs}
        for done in concurrent.futures.as_completed(pending):
            name, command, setting, counts_of = pending[done]
            account(name, [word for word in [setting, *command] if word], done.result(), counts_of(*done.result()[:2]))

    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
