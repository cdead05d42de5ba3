"""Runs contestants in turn, each in its own process, and prints their costs side by side.

A cost is the minimum over several runs, because other load on the machine only adds to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"

_PROLOGUE = "import time, json; began = time.perf_counter(), time.process_time()\n"
_EPILOGUE = """
print(json.dumps({"wall": time.perf_counter() - began[0], "cpu": time.process_time() - began[1],
    "answer": answer}))
"""


@dataclass(frozen=True)
class Side:
    """One contestant: a command, and a function that gets the answer from its output.

    With `part`, the last line of the output has the times, which are those of a part of the
    process.
    """

    name: str
    command: Sequence[str]
    answer: Callable[[str], object] = str.strip
    part: bool = False


def parser(name: str, *arguments: str, answer: Callable[[str], object] = str.strip) -> Side:
    """One of detbench's parsers as a whole process: start, imports, reading, tables."""
    command = [sys.executable, str(ROOT / "parsers" / f"{name}.py"), *arguments]
    return Side(f"{name}.py", command, answer)


def piece(name: str, setup: str, code: str, python: str = sys.executable) -> Side:
    """A piece of Python: `setup` is not timed; `code` is, and assigns its result to `answer`."""
    program = f"{setup}\n{_PROLOGUE}{code}{_EPILOGUE}"
    return Side(
        name,
        [python, "-W", "ignore", "-c", program],
        lambda output: json.loads(output.splitlines()[-1])["answer"],
        part=True,
    )


def compare(sides: Sequence[Side], repeats: int = 5) -> list[object]:
    """Run the sides in turn, print their minima and ratios to the first, and return the answers."""
    taken: dict[str, list[tuple[float, float, float]]] = {side.name: [] for side in sides}
    answers: dict[str, object] = {}
    for _ in range(repeats):
        for side in sides:
            *costs, output = _run(side)
            taken[side.name].append((costs[0], costs[1], costs[2]))
            answers[side.name] = side.answer(output)
    least = {name: [min(column) for column in zip(*rows)] for name, rows in taken.items()}  # noqa: B905
    first = least[sides[0].name]
    print(f"{'':44}{'wall (s)':>10}{'ratio':>7}{'CPU (s)':>10}{'ratio':>7}{'peak (MiB)':>12}")
    for name, (wall, cpu, peak) in least.items():
        print(
            f"{name:44}{wall:10.3f}{wall / first[0]:7.2f}{cpu:10.3f}{cpu / first[1]:7.2f}"
            f"{peak / 2**20:12.0f}"
        )
    return [answers[side.name] for side in sides]


def agree(what: str, ours: float, theirs: float, tolerance: float) -> None:
    """Print whether two answers agree within `tolerance`."""
    verdict = "agree" if abs(ours - theirs) <= tolerance else "DIFFER"
    print(f"{what}: {ours:.10g} and {theirs:.10g} {verdict}")


def _run(side: Side) -> tuple[float, float, float, str]:
    """Wall time and CPU time in seconds, peak memory in bytes, and the output."""
    began = time.perf_counter()
    with subprocess.Popen(
        side.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # includes children that it waited for
        process.returncode = os.waitstatus_to_exitcode(status)
    wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
    if process.returncode:
        raise SystemExit(f"{side.name} failed: {' '.join(side.command)[:500]}")
    if side.part:
        told = json.loads(output.splitlines()[-1])
        wall, cpu = told["wall"], told["cpu"]
    return wall, cpu, usage.ru_maxrss * 1024, output
