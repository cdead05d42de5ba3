"""What is read by a pattern, a block at a time, is what is read row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import make_ncu_log
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.gpus import counters
from detbench.readers import ncu_csv
from detbench.readers.ncu_table import Rows

METRICS = (*counters.ALL, *counters.ROOFLINE)
LOG = "\n".join(make_ncu_log.lines(40)) + "\n"
HEADER, *ROWS = [line for line in LOG.splitlines(keepends=True) if line.startswith('"')]


def _wide(number: int) -> str:
    cells = (number, 4711, "python", f"k{number % 3}", 1, "9.0", f"{number},000.5", number % 100)
    return ",".join(f'"{cell}"' for cell in cells) + "\n"


WIDE = "".join(
    [
        '"ID","Process ID","Process Name","Kernel Name","Device","CC",',
        f'"gpc__cycles_elapsed.max","{counters.METRICS["fma"][0]}"\n',
        '"","","","","","","Kcycle","%"\n',
        *map(_wide, range(1, 150)),
    ]
)
VARIANTS: dict[str, Callable[[], str]] = {
    "long": lambda: LOG,
    "wide": lambda: WIDE,
    "Windows line ends": lambda: LOG.replace("\n", "\r\n"),
    "a cell more": lambda: LOG.replace('"\n', '",\n'),
    "lines between": lambda: LOG.replace('"\n"1', '"\nepoch "1"\n"1'),
    "a progress bar between": lambda: LOG.replace('"\n"2', '"\n 1%|\r 2%|\r"ID" 3%\n"2'),
    "two tables": lambda: LOG + LOG.replace("4711", "4712"),
    "a wide table behind": lambda: LOG + WIDE,
    "two processes by turns": lambda: (
        HEADER + "".join(row.replace("4711", str(4711 + i // 5 % 2)) for i, row in enumerate(ROWS))
    ),
    "the same launches again": lambda: LOG + "".join(ROWS),
    "units by turns": lambda: HEADER + "".join(
        row.replace("cycle", "Kcycle") if i % 10 == 0 else row for i, row in enumerate(ROWS)
    ),
    "a percentage without its unit": lambda: LOG.replace('"%","0.27"', '"","0.27"'),
    "quotes in a name": lambda: LOG.replace("nchwToNhwcKernel_3<", 'x""<'),
    "a line end in a cell": lambda: LOG.replace('"127.0.0.1"', '"127\n0"', 7),
    "a carriage return in a cell": lambda: LOG.replace('"127.0.0.1"', '"127\r0"'),
    "digits that are not ASCII": lambda: LOG.replace('"cycle","8', '"cycle","٨'),
    "not available": lambda: LOG.replace('"%","0.', '"%","n/a'),
    "decimal commas": lambda: LOG.replace(",", ";").replace(".", ",").replace(";", "."),
    "metrics in another order": lambda: HEADER + "".join(
        "".join(sorted(ROWS[i : i + 5], reverse=i > 100)) for i in range(0, len(ROWS), 5)
    ),
    "a metric twice": lambda: HEADER + "".join(
        row * (1 + (i % 5 == 1)) for i, row in enumerate(ROWS)
    ),
    "no line end at the end": lambda: LOG.rstrip("\n").rpartition("\n")[0],
    "a metric lacks in one launch": lambda: LOG.replace(ROWS[88], ""),
    "an unknown unit": lambda: LOG.replace('"cycle","92', '"furlong","92'),
    "no header": lambda: LOG.replace('"ID"', '"id"'),
}  # fmt: skip


def _outcome(path: Path, *, by_pattern: bool) -> pd.DataFrame | str:
    try:
        if by_pattern:
            return ncu_csv.read_ncu_csv(path, METRICS)
        return ncu_csv._read(path, METRICS, by_pattern=False)
    except BadFileError as error:
        return str(error)


def _assert_same(path: Path) -> None:
    quick, careful = (_outcome(path, by_pattern=way) for way in (True, False))
    if isinstance(quick, str) or isinstance(careful, str):
        assert isinstance(quick, str) and quick == careful
    else:
        pd.testing.assert_frame_equal(quick, careful, check_exact=True)


@pytest.mark.parametrize("block", [1, 3000, 9000, 1 << 18])
@pytest.mark.parametrize("variant", VARIANTS)
def test_both_ways_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, block: int
) -> None:
    monkeypatch.setattr(ncu_csv, "_BLOCK", block)
    path = tmp_path / "log.csv"
    path.write_text(VARIANTS[variant](), newline="")
    _assert_same(path)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_both_ways_give_the_same_of_damaged_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    monkeypatch.setattr(ncu_csv, "_BLOCK", data.draw(st.sampled_from([2000, 5000])))
    content = bytearray(VARIANTS[data.draw(st.sampled_from(sorted(VARIANTS)))]().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "word", "lose", "double"]))
        end = content.find(b"\n", place) + 1
        begin = content.rfind(b"\n", 0, place) + 1
        if kind == "flip":
            content[place] = data.draw(st.integers(0, 255))
        elif kind == "word":
            words = [b'"', b",", b'","', b"\n", b"\r", b"\r\n", b'"ID"', b"nan", b"1e5", b"-", b"_"]
            content[place:place] = data.draw(st.sampled_from(words))
        else:
            content[begin:end] = content[begin:end] * (0 if kind == "lose" else 2)
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    _assert_same(path)


@pytest.mark.parametrize("variant", ["long", "wide", "Windows line ends", "a cell more"])
def test_nearly_all_of_a_regular_file_is_read_by_its_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_text(VARIANTS[variant](), newline="")
    lines = 0
    add_lines = Rows.add_lines

    def counted(self: Rows, given: list[str]) -> None:
        nonlocal lines
        told = list(given)
        lines += len(told)
        add_lines(self, told)

    monkeypatch.setattr(Rows, "add_lines", counted)
    monkeypatch.setattr(ncu_csv, "_BLOCK", 4000)
    table = ncu_csv.read_ncu_csv(path, METRICS)
    assert len(table) == (149 if variant == "wide" else 40)
    assert lines < 130  # of 203 and 151
