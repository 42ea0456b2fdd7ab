#!/usr/bin/env python3
"""coverage.py - which lines of src/ were run, added up over all test programs.

    tests/coverage.py FOLDER [--least PERCENT] [--lines FILE]

FOLDER holds what programs built with --coverage left behind (.gcda beside .gcno). Programs contain src/,
or are linked with what does: a line counts as run if any of them ran it. --lines prints the lines of one file that
nobody ran. Exit status 1: below PERCENT.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def gather(folder):
    """{file: {line: times}} over all .gcda files below the folder."""
    runs = {}
    data = [os.path.abspath(os.path.join(below, name)) for below, _, names in os.walk(folder) for name in names
            if name.endswith(".gcda")]
    for path in sorted(data):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run(["gcov", "--json-format", path], cwd=scratch, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True)
            for name in os.listdir(scratch):
                with gzip.open(os.path.join(scratch, name), "rt", encoding="utf-8") as file:
                    add(runs, json.load(file))
    return runs


def add(runs, report):
    for entry in report["files"]:
        path = os.path.normpath(os.path.join(report["current_working_directory"], entry["file"]))
        name = os.path.relpath(path, ROOT)
        if name.startswith("src/"):
            lines = runs.setdefault(name, {})
            for line in entry["lines"]:
                lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]


def spans(numbers):
    """[1, 2, 3, 7] -> "1-3 7" """
    out, numbers = [], sorted(numbers)
    for number in numbers:
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return " ".join(f"{a}-{b}" if a != b else str(a) for a, b in out)


def main():
    parser = argparse.ArgumentParser(description="Adds up line coverage.")
    parser.add_argument("folder")
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("--lines", metavar="FILE")
    args = parser.parse_args()
    runs = gather(args.folder)
    if not runs:
        sys.exit(f"coverage.py: there is nothing in {args.folder}: run 'make coverage'")
    if args.lines:
        print(spans([line for line, times in runs.get(args.lines, {}).items() if not times]))
        return 0
    reached = total = 0
    for name in sorted(runs):
        hit, count = sum(1 for times in runs[name].values() if times), len(runs[name])
        reached, total = reached + hit, total + count
        missed = spans([line for line, times in runs[name].items() if not times])
        print(f"{100 * hit / max(count, 1):6.1f} %  {hit:5} of {count:5}  {name:<40} {missed[:60]}".rstrip())
    percent = 100 * reached / total
    print(f"{percent:6.1f} %  {reached:5} of {total:5}  all of src/; wanted: {args.least:g} %")
    return 1 if percent < args.least else 0


if __name__ == "__main__":
    sys.exit(main())
