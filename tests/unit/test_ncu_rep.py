import csv
import subprocess
import sys
from pathlib import Path

import pytest

from detbench.errors import BadFileError, MissingError
from detbench.gpus import counters
from detbench.readers.ncu_messages import MAGIC
from detbench.readers.ncu_rep import read_ncu_rep
from tests.conftest import Run, assert_refused
from tests.needed import absent, package, program

# Reports that Debian's package of Nsight Compute brings with its examples.
SAMPLES = sorted(Path("/usr/share/doc/nsight-compute").rglob("*.ncu-rep"))
_INSTALL = "bash scripts/install_profilers.sh ncu"
METRICS = [counters.CYCLES, counters.METRICS["sfu"][0], counters.TENSOR_ACTIVE]


def block(num_results: int, payload: bytes) -> bytes:
    """A block of a report: the size of its header, the header (fields 2 and 5), the payload."""
    header = bytes([2 << 3, num_results, 5 << 3, len(payload)])
    return len(header).to_bytes(4, "little") + header + payload


FRAME = MAGIC + (2).to_bytes(4, "little") + b"\x08\x07" + block(1, b"x" * 20) + block(0, b"")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "nsight_bs2.ncu-rep"
    path.write_bytes(FRAME)
    return path


def test_without_the_package_it_is_said_how_to_get_it(
    report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ncu_report", None)
    with pytest.raises(MissingError, match=r"pip install 'detbench\[ncu\]'.*ncu --import"):
        read_ncu_rep(report, METRICS)


def test_a_report_cut_anywhere_is_refused(report: Path) -> None:
    ends = {len(FRAME), len(FRAME) - len(block(0, b"")), len(MAGIC) + 6}  # those of the blocks
    for end in set(range(len(MAGIC), len(FRAME))) - ends:
        report.write_bytes(FRAME[:end])
        with pytest.raises(BadFileError, match="cut short"):
            read_ncu_rep(report, METRICS)


def test_anything_behind_the_magic_is_refused(parser: Run, report: Path) -> None:
    report.write_bytes(MAGIC + b"\xff" * 1000)
    assert_refused(parser("core_util.py", report), 5, "a report of Nsight Compute")


def test_a_damaged_result_is_refused(report: Path) -> None:
    package("ncu_report", "pip install '.[ncu]'")
    with pytest.raises(BadFileError, match=r"damaged|cannot read it"):
        read_ncu_rep(report, METRICS)


@pytest.mark.parametrize("sample", SAMPLES or [None], ids=lambda path: path.stem if path else "")
def test_a_report_says_what_ncu_says_of_it(sample: Path | None) -> None:
    if sample is None:
        absent("needs the examples of Debian's nsight-compute package: " + _INSTALL)
    package("ncu_report", "pip install '.[ncu]'")
    ncu = program("ncu", _INSTALL)
    command = [ncu, "--import", sample, "--csv", "--page", "raw", "--print-units", "base"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    _units, *expected = csv.DictReader(said.splitlines())
    table = read_ncu_rep(sample, METRICS)
    assert table["kernel"].tolist() == [row["Kernel Name"] for row in expected]
    for name in METRICS:
        assert table[name].tolist() == [float(row[name].replace(",", "")) for row in expected]
