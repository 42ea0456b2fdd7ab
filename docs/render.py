#!/usr/bin/env python3
"""render.py - the parts of the texts that are made from the sources.

    docs/render.py            write them
    docs/render.py --check    exit 1 and say which is not what the sources give

A part stands between "<!-- begin NAME -->" and "<!-- end NAME -->". Everything else in these files is written by hand.
"""

import argparse
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def source(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def names(macro, text):
    """{"BACKOFF": "backoff", ..}: the rows of an X-macro list with a name and its text."""
    body = re.search(rf"#define {macro}\(X\)(.*?)\n(?:typedef|#)", text, re.S).group(1)
    return dict(re.findall(r'X\((\w+), "([^"]*)"\)', body))


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] +
                     ["| " + " | ".join(row) + " |" for row in rows])


def states(kind):
    registry, header = source("src/host/registry/registry.h"), source("src/host/life/states.h")
    letter = kind[0].upper()
    state = names(f"PK__{kind.upper()}_STATES", registry)
    event = names(f"PK__{kind.upper()}_EVENTS", header)
    moves = re.findall(rf"PK__STATES_{letter}\((\w+), (\w+), (\w+)\)", source("src/host/life/states.c"))
    moves = [move for move in moves if move[0] in state]  # the macro's own definition is none
    return table(["is", "then comes", "becomes"], [(state[a], event[b], state[c]) for a, b, c in moves])


def errors():
    rows = re.findall(r'X\((\w+),\s*(\d+), "(\w+)",\s*(\w+),\s*(\w+),\s*(\d), "([^"]*)"\)', source("src/api/error.h"))
    return table(["code", "name", "means", "kind", "again?"],
                 [(f"{group}_{number}", f"`PK_ERR_{name}`", text, kind.lower(), "yes" if retry == "1" else "")
                  for name, number, group, kind, _, retry, text in rows])


def rooms():
    """The table of ROOMS in amalgamate.py, for the rooms that there are."""
    body = re.search(r"ROOMS = \{(.*?)\n\}", source("amalgamate.py"), re.S).group(1)
    there = sorted(name for name in os.listdir(os.path.join(ROOT, "src/host"))
                   if any(file.endswith(".c") for file in os.listdir(os.path.join(ROOT, "src/host", name))))
    found = [(name, known) for name, known in re.findall(r'"(\w+)": "([^"]*)"', body) if name in there]
    return table(["room", "may include of the others"],
                 [(name, ", ".join(other for other in known.split() if other in there) or "none")
                  for name, known in found])


PARTS = {
    "ARCHITECTURE.md": {"rooms": rooms, "plugin states": lambda: states("plugin"),
                        "instance states": lambda: states("instance")},
    "docs/troubleshooting.md": {"errors": errors},
}


def rendered(path, text):
    for name, make in PARTS[path].items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        if begin not in text or end not in text:
            sys.exit(f"render.py: {path} has no '{begin}' and '{end}'")
        head, rest = text.split(begin, 1)
        text = head + begin + "\n\n" + make() + "\n\n" + end + rest.split(end, 1)[1]
    return text


def main():
    parser = argparse.ArgumentParser(description="Renders the parts of the texts that are made from the sources.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if one is out of date")
    check = parser.parse_args().check
    status = 0
    for path in PARTS:
        old = source(path)
        new = rendered(path, old)
        if old != new and check:
            print(f"{path} is not what the sources give\n  mend it:  docs/render.py", file=sys.stderr)
            status = 1
        elif old != new:
            with open(os.path.join(ROOT, path), "w", encoding="utf-8") as file:
                file.write(new)
    return status


if __name__ == "__main__":
    sys.exit(main())
