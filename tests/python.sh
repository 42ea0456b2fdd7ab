#!/bin/sh
# python.sh - prints a Python 3 that can import pytest, and gets pytest if there is none. What it does goes to stderr.
cd "$(dirname "$0")/.." || exit 1
say() { echo "tests/python.sh: $*" >&2; }

found() { # prints the first Python that has pytest
    for python in "${PYTHON:-}" .venv/bin/python3 python3 /usr/bin/python3; do
        if [ -n "$python" ] && "$python" -c 'import pytest' 2>/dev/null; then
            echo "$python"
            return 0
        fi
    done
    return 1
}

found && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "no pytest here: installing Debian's packages python3-pytest, -hypothesis, -jsonschema and -jsonpatch"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >&2 || say "apt-get update failed; going on with the lists that are there"
    apt-get install -y --no-install-recommends python3-pytest python3-hypothesis python3-jsonschema \
        python3-jsonpatch >&2 ||
        apt-get install -y --no-install-recommends python3-pytest >&2
    found && exit 0
fi

say "no pytest here: making .venv with pip"
if python3 -m venv .venv >&2 && .venv/bin/python3 -m pip install --quiet pytest >&2; then
    .venv/bin/python3 -m pip install --quiet hypothesis jsonschema jsonpatch >&2 ||
        say "without hypothesis, jsonschema and jsonpatch"
    found && exit 0
fi

say "cannot get pytest. Type one of these, then 'make test' again:"
say "    sudo apt-get install python3-pytest          (Debian, Ubuntu)"
say "    python3 -m venv .venv && .venv/bin/pip install pytest"
say "    make test PYTHON=/path/to/a/python3/with/pytest"
exit 1
