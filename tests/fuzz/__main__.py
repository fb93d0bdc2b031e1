"""Draw examples for each target, for a time: ``python -m tests.fuzz [--seconds N] [TARGET ...]``.

Each target runs in a process of its own, so that a crash is a fault like any other. Examples that met a fault are kept
in ``.hypothesis/fuzz`` and drawn first the next time; add them to ``kept`` of their target when the fault is mended.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import HypothesisException

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.harness import FaultError, Target, surroundings

SEEDS = Path(".hypothesis/fuzz")
# Examples of a round, which begins with new ones and shrinks what it finds.
_ROUND = 100
# Bytes of address space beyond those that the libraries take: what needs more was not refused in time.
_MEMORY = 8 * 2**30


def main() -> int:
    """Run the targets one after another; 1 if one met a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"any of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("IMBENCH_FUZZ_SECONDS", "600")))
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; give any of {', '.join(TARGETS)}")
    if given.here:
        return _fuzz(TARGETS[given.targets[0]], given.seconds, given.seed)
    failed = [name for name in given.targets or TARGETS if not _in_a_process(name, given.seconds, given.seed)]
    print(f"faults in {', '.join(failed)}" if failed else "no fault", flush=True)
    return 1 if failed else 0


def _in_a_process(name: str, seconds: float, first: int) -> bool:
    line = [sys.executable, "-m", "tests.fuzz", name, "--here", "--seconds", str(seconds), "--seed", str(first)]
    code = subprocess.run(line).returncode
    if code not in (0, 1):
        print(f"{name}: CRASH, code {code}, on {_last(name).read_text()[:10_000]}", flush=True)
    return code == 0


def _last(name: str) -> Path:
    """The file with the example that is being tried."""
    return SEEDS / f"{name}.last"


def _fuzz(target: Target, seconds: float, first: int) -> int:
    root = Path.cwd()
    (root / SEEDS).mkdir(parents=True, exist_ok=True)
    last = (root / _last(target.name)).open("w")
    database = DirectoryBasedExampleDatabase(root / SEEDS / target.name)
    found: dict[str, tuple[Any, FaultError]] = {}
    count, start = 0, time.monotonic()
    target.prepare()
    _limit_memory()

    def once(example: Any) -> None:
        nonlocal count
        if time.monotonic() - start > seconds:
            return
        count += 1
        last.seek(0)
        last.truncate()
        last.write(repr(example))
        last.flush()
        try:
            _try(target, example)
        except FaultError as fault:
            if fault.kind not in found or len(repr(example)) < len(repr(found[fault.kind][0])):
                found[fault.kind] = example, fault
            if fault.kind not in known:
                raise

    number = 0
    while time.monotonic() - start < seconds:
        known = set(found)  # what an earlier round found is not shrunk again
        drawn = settings(
            max_examples=_ROUND,
            deadline=None,
            database=database,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            print_blob=False,
            report_multiple_bugs=False,
        )
        run = seed(first + number)(drawn(given(target.examples)(once)))
        # What a run of Hypothesis ends with tells nothing more: also that a fault did not happen twice.
        with contextlib.suppress(FaultError, HypothesisException, ExceptionGroup):
            run()
        number += 1
    took = time.monotonic() - start
    target.done()
    for number, (example, fault) in enumerate(found.values(), 1):
        place = root / SEEDS / f"{target.name}-{number}.txt"
        place.write_text(f"{example!r}\n\n{fault}\n", "utf-8", "backslashreplace")
        print(f"{target.name}: FAULT {fault.kind} (example and traceback: {place.relative_to(root)})", flush=True)
    facts = {"examples": count, "seconds": round(took), "seed": first, "faults": len(found)}
    print(f"{target.name}: {json.dumps(facts)}", flush=True)
    return 1 if found else 0


def _try(target: Target, example: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="imbench-fuzz-") as place, surroundings(Path(place)):
        target.check(example, Path(place))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(main())
