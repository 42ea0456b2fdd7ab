"""Bad luck under load: tests/tools/chaos.c, plain and under the sanitizers. `make chaos` does it all, and for longer.

Sixteen threads call a plugin that is killed, stopped, started, or ends for idleness; calls are cancelled, managers
destroyed. Each call has one outcome, a right answer or an error that is allowed, and nothing is left behind.
"""

import json
import os
import random
import shutil
import subprocess

import pytest

from conftest import ROOT

SECONDS = float(os.environ.get("PLUGKIT_CHAOS", "0"))
SOURCE = ROOT / "tests" / "tools" / "chaos.c"
MODES = ["kill", "idle", "restart", "cancel", "destroy", "all"]
BUILDS = {  # and what runs in `make test`, where time is short
    "plain": ([], ["kill", "idle", "restart", "destroy"]),
    "address": (["-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"], ["kill", "cancel", "destroy"]),
    "thread": (["-O0", "-fsanitize=thread"], ["idle", "destroy", "all"]),
}


@pytest.fixture(scope="session")
def chaos(build, tmp_path_factory):
    def make(kind):
        flags = BUILDS[kind][0]
        if flags:
            probe = tmp_path_factory.mktemp("probe") / "probe.c"
            probe.write_text("int main(void) { return 0; }\n")
            compiler = os.environ.get("CC", "cc").split()
            if subprocess.run([*compiler, *flags, "-o", probe.with_suffix(""), probe], capture_output=True,
                              check=False).returncode:
                pytest.skip(f"the compiler has no {kind} sanitizer")
        return build(SOURCE, "-w", *flags)  # sanitized code brings wrong warnings

    return make


@pytest.mark.parametrize("kind, mode", [(kind, mode) for kind, (_, some) in BUILDS.items()
                                        for mode in (MODES if SECONDS else some)])
def test_chaos(chaos, host, free_dir, kind, mode):
    program = chaos(kind)
    (free_dir / "plugins").mkdir()
    shutil.copy(program, free_dir / "plugins" / "victim")
    seed = random.randrange(1, 1 << 31)

    run = host(program, mode, "plugins", str(SECONDS or 1.2), str(seed), timeout=SECONDS + 120)

    assert run.status == 0, run.stdout + run.stderr
    result = json.loads(run.stdout)
    assert (result["wrong"], result["descriptors"], result["allocations"], result["children"]) == (0, 0, 0, False)
    assert run.stderr == ""
