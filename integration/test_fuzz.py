"""The fuzz targets of tests/fuzz, run over their corpora, and for a second over changed copies of them.

`make fuzz` searches for longer; this keeps found what was found."""

import os
import pathlib
import subprocess

import pytest

from conftest import mbedtls_flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGETS = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


@pytest.mark.parametrize("target", [pytest.param(name, marks=pytest.mark.mbedtls if name == "fuzz_tls" else ())
                                    for name in TARGETS])
def test_corpus_is_survived(target, tmp_path):
    subprocess.run(["./amalgamate.py", "--includes", "build/src_all.h"], cwd=ROOT, check=True)
    libs = [*(mbedtls_flags() if target == "fuzz_tls" else []), "-lpthread", "-lm"]
    command = [*os.environ.get("CC", "cc").split(), "-std=c11", "-O0", "-I.", f"tests/fuzz/{target}.c",
               "tests/fuzz/replay.c", "-o", str(tmp_path / target), *libs]
    subprocess.run(command, cwd=ROOT, check=True)
    corpus = ROOT / "tests/fuzz/corpus" / target.removeprefix("fuzz_")
    assert any(corpus.iterdir()), f"{corpus} is empty"
    done = subprocess.run([tmp_path / target, corpus, "1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout
