#!/usr/bin/env python3
"""categories.py - writes the table of src/wire/category.c from the Unicode data of this Python.

    tests/tools/categories.py            the table as C text
    tests/tools/categories.py --write    puts it into src/wire/category.c

All code points in order, as runs of one general category. A byte is a run: the category's number in the high five
bits, the length less one in the low three; 7 there means 8 and what follows: seven bits a byte, the lowest first, the
top bit set if there are more. Number 30 is a run in which upper and lower case alternate, as Latin letters do.
"""

import pathlib
import re
import sys
import unicodedata

NAMES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
PAIRS = 30
FILE = pathlib.Path(__file__).resolve().parents[2] / "src/wire/category.c"


def runs():
    """(number, length) of all runs."""
    plain = []
    for code in range(0x110000):
        number = NAMES.index(unicodedata.category(chr(code)))
        if plain and plain[-1][0] == number:
            plain[-1][1] += 1
        else:
            plain.append([number, 1])
    at = 0
    while at < len(plain):
        end = at
        while plain[end:end + 2] == [[0, 1], [1, 1]]:
            end += 2
        if end - at >= 4:
            yield PAIRS, end - at
            at = end
        else:
            yield tuple(plain[at])
            at += 1


def encoded():
    out = []
    for number, length in runs():
        out.append(number << 3 | min(length - 1, 7))
        rest = length - 8
        while length >= 8:
            out.append(rest & 127 | (128 if rest > 127 else 0))
            rest >>= 7
            if rest == 0:
                break
    return out


def text():
    lines, line = [], "   "
    for byte in encoded():
        word = f" {byte},"
        if len(line) + len(word) > 120:
            lines.append(line)
            line = "   "
        line += word
    return "\n".join([*lines, line])


def main():
    if sys.argv[1:] == ["--write"]:
        old = FILE.read_text(encoding="utf-8")
        new = re.sub(r"(pk__category_runs\[\] = \{\n).*?(\n\};)", lambda m: m[1] + text() + m[2], old, flags=re.S)
        new = re.sub(r"Unicode \d+\.\d+", "Unicode " + ".".join(unicodedata.unidata_version.split(".")[:2]), new)
        FILE.write_text(new, encoding="utf-8")
    else:
        print(text())


if __name__ == "__main__":
    main()
