"""Reports that only nsys reads: what it says and how it ends counts. A script stands in for it."""

import os
import sqlite3
from pathlib import Path

import pytest

from tests.builders import NSYS_TABLES
from tests.conftest import Run, assert_refused

HALF = """#!/bin/sh
case "$1" in --version) echo "NVIDIA Nsight Systems version 2022.4.2.1-df9881f"; exit 0;; esac
out=$5
{export}
{words}
exit {code}
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    path = tmp_path / "mine.nsys-rep"
    path.write_bytes(b"\x00\x01\x02")
    return path


def stand_in(folder: Path, code: int, words: str = "", script: str = NSYS_TABLES) -> None:
    """An nsys that exports these tables, says something and ends with an exit code."""
    database = folder / "made.sqlite"
    with sqlite3.connect(database) as connection:
        connection.executescript(script)
    connection.close()
    nsys = folder / "nsys"
    copies = f"cp {database} $out" if script else ""
    nsys.write_text(HALF.format(export=copies, words=words, code=code))
    nsys.chmod(0o755)


def test_a_whole_export_is_read(parser: Run, report: Path) -> None:
    stand_in(report.parent, 0)
    assert "profiled iterations" in parser("compute_util.py", report).stdout


def test_half_an_export_is_refused_in_nsyss_words(parser: Run, report: Path) -> None:
    words = 'echo "Processing events"; echo "Exportation error: $out is damaged at 9" >&2'
    stand_in(report.parent, 1, words)
    done = parser("compute_util.py", report)
    assert_refused(done, 5, f"{report}: nsys export failed (exit code 1): Exportation error")
    assert "mine.nsys-rep is damaged at 9" in done.stderr
    assert "export.sqlite" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "Exportation error: Version not supported: 2026.1",
        "The report was created with a newer version of Nsight Systems.",
        "Unsupported future MetadataVersion: 7",
    ],
)
def test_a_report_newer_than_nsys_is_said_to_be_that(parser: Run, report: Path, words: str) -> None:
    stand_in(report.parent, 1, f'echo "importing"; echo "{words}"')
    done = parser("compute_util.py", report)
    assert_refused(done, 5, "it is newer than the nsys that is installed here (2022.4.2.1")
    assert words in done.stderr
    assert "install the version of nsys that recorded it, or a later one" in done.stderr


def test_the_version_that_recorded_a_report_is_in_it(parser: Run, report: Path) -> None:
    """An older nsys says no more than that it cannot parse it."""
    words = 'echo "std::exception::what: ProtobufParseException" >&2'
    stand_in(report.parent, 1, words)
    report.write_bytes(b"NVIDIA Tegra Profiler Report 1.\n\0\x162023.1.2.43-32377213v0\0")
    done = parser("compute_util.py", report)
    assert_refused(
        done, 5, "it (2023.1.2.43) is newer than the nsys that is installed here (2022.4.2.1)"
    )
    report.write_bytes(b"NVIDIA Tegra Profiler Report 1.\n\0\x162022.4.2.1-32377213v0\0")
    assert_refused(parser("compute_util.py", report), 5, "nsys export failed (exit code 1)")


def test_nsys_names_the_version_that_it_does_not_know(parser: Run, report: Path) -> None:
    stand_in(
        report.parent, 1, 'echo "Exportation error: Version number is invalid: 2024@6@2@225-1"'
    )
    assert_refused(parser("compute_util.py", report), 5, "it (2024.6.2) is newer than the nsys")


def test_what_is_wrong_with_the_export_is_told_of_the_report(parser: Run, report: Path) -> None:
    stand_in(report.parent, 0, script="create table StringIds (id int, value text);")
    done = parser("compute_util.py", report)
    assert_refused(done, 5, f"{report}: no CUDA activity in it")
    assert "export.sqlite" not in done.stderr
