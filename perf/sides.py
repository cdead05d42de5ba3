"""Runs two pieces of Python in turn, each in a process of its own, and prints their ratios."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_PROLOGUE = "import time, json, resource; began = time.perf_counter()\n"
_EPILOGUE = """
print(json.dumps({"seconds": time.perf_counter() - began, "answer": answer,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


@dataclass(frozen=True)
class Side:
    """One contestant: `setup` is not timed, `code` is and leaves its result in `answer`.

    With `whole` the time is that of the process, start and imports included.
    """

    name: str
    setup: str
    code: str
    python: str = sys.executable
    whole: bool = False


def compare(sides: Sequence[Side], repeats: int = 5) -> list[object]:
    """Run the sides in turn, print medians and ratios to the first, return their answers."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    peak: dict[str, float] = {}
    answers: dict[str, object] = {}
    for _ in range(repeats):
        for side in sides:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            done = subprocess.run(
                [
                    side.python,
                    "-W",
                    "ignore",
                    "-c",
                    side.setup + "\n" + _PROLOGUE + side.code + _EPILOGUE,
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            told = json.loads(done.stdout.splitlines()[-1])
            spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
            seconds[side.name].append(spent if side.whole else told["seconds"])
            peak[side.name], answers[side.name] = told["peak"], told["answer"]
    first = median(seconds[sides[0].name])
    print(f"{'':24}{'median (s)':>12}{'ratio':>8}{'peak memory (MiB)':>20}")
    for side in sides:
        time = median(seconds[side.name])
        print(f"{side.name:24}{time:12.3f}{time / first:8.2f}{peak[side.name] / 2**20:20.0f}")
    return [answers[side.name] for side in sides]
