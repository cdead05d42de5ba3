"""Nsight Compute's own reports, damaged: the frame, and what lies in its blocks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.mutation.outcome import parse
from tests.needed import package
from tests.unit.test_ncu_rep import FRAME, SAMPLES


@pytest.mark.parametrize("report", ["frame", *SAMPLES], ids=str)
def test_damage_is_a_table_or_a_refusal(tmp_path: Path, report: str | Path) -> None:
    package("ncu_report", "pip install '.[ncu]'")
    content = report.read_bytes() if isinstance(report, Path) else FRAME
    path = tmp_path / "mutated.ncu-rep"
    draw = random.Random(str(report))  # the same damage in every run
    for number in range(24):
        damaged = bytearray(content)
        if number % 3 == 0:
            del damaged[draw.randrange(len(damaged)) :]
        else:
            for _ in range(number % 3):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged)
        parse(path, "core-util", "--by", "file", of=str(report))
