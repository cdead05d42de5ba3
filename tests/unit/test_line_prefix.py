"""Output as launchers, log collectors and people hand it on: with something before every line."""

from pathlib import Path

import pytest

from detbench.api.files import read
from detbench.errors import BadFileError
from detbench.readers.line_prefix import without
from detbench.readers.monitoring import read_monitoring
from detbench.readers.training_log import read_training_log
from tests.builders import KEY_AVERAGES, NSYS_SUMS_COLUMN, NSYS_TRACE, NVPROF_TEXT

PREFIXES = (
    "(Trainer pid=12, ip=10.0.0.3) ", "[default0]:", "[rank0]: ", "[1,0]<stdout>:", "0: ",
    "trainer-1  | ", "2026-01-02T03:04:05.1234567Z ", "2026-01-02T03:04:05.123+00:00 stdout F ",
    "# ", "// ", "> ",
)  # fmt: skip

LOG = "".join(
    f"[11/27 10:00:{20 * (n + 1):02} d2.utils.events]:  eta: 0:01:00  iter: {20 * n + 19}"
    f"  total_loss: 1.5  time: 0.5  last_time: 0.4  data_time: 0.1  last_data_time: 0.1"
    f"  lr: 0.02  max_mem: 900M\n"
    for n in range(2)
)
DMON = """# gpu   pwr    sm
# Idx     W     %
    0    70    10
    0    90    30
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "output.txt"
    path.write_text(text)
    return path


def prefixed(prefix: str, text: str) -> str:
    return "".join(prefix + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_log_is_read_as_without_it(tmp_path: Path, prefix: str) -> None:
    plain = read_training_log(written(tmp_path, LOG))
    found = read_training_log(written(tmp_path, prefixed(prefix, LOG)))
    assert found.reports.equals(plain.reports)
    assert found.pauses == plain.pauses or found.no_wall == plain.no_wall


@pytest.mark.parametrize("prefix", [*PREFIXES, "    "])
def test_samples_are_read_as_without_it(tmp_path: Path, prefix: str) -> None:
    found = read_monitoring(written(tmp_path, prefixed(prefix, DMON)))
    assert found["power (W)"].tolist() == [70, 90]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("text", [NSYS_SUMS_COLUMN, NSYS_TRACE, NVPROF_TEXT, KEY_AVERAGES])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_profilers_tables_are_read_as_without_it(
    tmp_path: Path, prefix: str, text: str, end: str
) -> None:
    plain = read(written(tmp_path, text))
    # An editor may have taken the blanks at the ends of lines.
    lines = "".join(line.rstrip() + end for line in prefixed(prefix, text).splitlines())
    found = read(written(tmp_path, lines))
    assert found.source.tool == plain.source.tool
    for name, table in plain.tables.items():
        assert found.tables[name].equals(table)


def test_damage_behind_a_prefix_has_its_line(tmp_path: Path) -> None:
    text = prefixed("0: ", NSYS_SUMS_COLUMN.replace("1,003", "many "))
    with pytest.raises(BadFileError, match="line 4: 'many' is not a number"):
        read(written(tmp_path, text))


def test_other_processes_lines_are_not_this_ones(tmp_path: Path) -> None:
    others = LOG.replace("time: 0.5", "time: 0.9")
    pairs = zip(LOG.splitlines(True), others.splitlines(True), strict=True)
    both = "".join(f"0: {mine}1: {other}" for mine, other in pairs)
    plain = read_training_log(written(tmp_path, LOG))
    assert read_training_log(written(tmp_path, both)).reports.equals(plain.reports)


def test_a_line_without_the_prefix_stays_as_it_is() -> None:
    lines = ["[rank0]: a\n", "warning: b\n", "[rank1]: c\n", "[rank0]: d\n"]
    assert list(without(lines, "[rank0]: ")) == ["a\n", "warning: b\n", "\n", "d\n"]
