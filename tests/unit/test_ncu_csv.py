import contextlib
from pathlib import Path

import make_ncu_log
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detbench.errors import BadFileError
from detbench.gpus import counters
from detbench.gpus.counters import ALL as METRICS
from detbench.readers.ncu_csv import read_ncu_csv
from detbench.utilization.core import core_utilization
from tests.builders import NCU_WIDE

FMA = counters.METRICS["fma"][0]
LOG = "\n".join(make_ncu_log.lines(3)) + "\n"
LINE_ENDS = [i + 1 for i, character in enumerate(LOG) if character == "\n"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "nsight_bs2.csv"
    path.write_text(LOG)
    return path


def test_every_launch_is_a_row_with_its_metrics(log: Path) -> None:
    table = read_ncu_csv(log, METRICS)
    assert table["launch"].tolist() == [0, 1, 2]
    assert table["process"].tolist() == [4711] * 3
    assert table[counters.CYCLES].tolist() == [make_ncu_log.cycles(k) for k in range(3)]
    assert table[FMA].tolist() == [make_ncu_log.percent(k, "fma") for k in range(3)]


def test_the_tables_utilization_is_the_generators(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    make_ncu_log.write(path, 1000)
    found = core_utilization(read_ncu_csv(path, METRICS)).percent
    for core, percent in make_ncu_log.expected(1000).items():
        assert found[core] == pytest.approx(percent)


def test_two_processes_in_one_log_are_two_tables(log: Path) -> None:
    # The same IDs again, from another process behind a second header.
    log.write_text(LOG + LOG.replace("4711", "4712"))
    table = read_ncu_csv(log, METRICS)
    assert len(table) == 6
    assert set(table["process"]) == {4711, 4712}


def test_units_are_brought_to_one_base(log: Path) -> None:
    log.write_text(LOG.replace('"cycle","1,000"', '"Kcycle","1.00"'))
    assert read_ncu_csv(log, METRICS)[counters.CYCLES][0] == 1000


def test_the_wide_form_has_its_units_under_the_header(log: Path) -> None:
    log.write_text(NCU_WIDE)
    table = read_ncu_csv(log, METRICS)
    assert table["kernel"].tolist() == ["sgemm", "conv"]
    assert table["device"].tolist() == ["1", "1"]
    assert table[counters.CYCLES].tolist() == [1000, 3000]
    # Weighted over the one kernel that has a value.
    assert core_utilization(table).percent["fma"] == pytest.approx(50)


def test_a_wide_row_cut_short_is_refused(log: Path) -> None:
    log.write_text(NCU_WIDE[: NCU_WIDE.rindex(',"n/a"')])
    assert "line 5: the row is cut short" in refusal(log)


def test_lines_of_the_program_between_the_rows_are_passed_over(log: Path) -> None:
    log.write_text(LOG.replace("\n", '\n[12:00] iter: 3 "loss": 0.5, "ok"\n'))
    assert len(read_ncu_csv(log, METRICS)) == 3


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(log: Path) -> None:
    log.write_bytes(b"\xef\xbb\xbf" + LOG.replace("\n", "\r\n").encode())
    assert len(read_ncu_csv(log, METRICS)) == 3


def refusal(path: Path) -> str:
    with pytest.raises(BadFileError) as caught:
        read_ncu_csv(path, METRICS)
    return str(caught.value)


def test_a_log_without_kernels_is_refused_with_ncus_own_words(log: Path) -> None:
    log.write_text("==PROF== Connected to process 1\n==WARNING== No kernels were profiled.\n")
    assert "No kernels were profiled" in refusal(log)


def test_a_rule_of_the_program_is_no_word_of_ncus(log: Path) -> None:
    log.write_text("==PROF== Connected to process 1\n" + "=" * 60 + "\n=== epoch 1 ===\n")
    assert "it says: ==PROF== Connected to process 1" in refusal(log)
    log.write_text("=" * 60 + "\n")
    assert "it says" not in refusal(log)


def test_a_row_cut_short_is_refused_with_its_line(log: Path) -> None:
    log.write_text(LOG[: LOG.rindex('"cycle"')])
    assert "line 14: the row is cut short" in refusal(log)


def test_a_launch_without_all_metrics_is_refused(log: Path) -> None:
    lines = LOG.splitlines()
    log.write_text("\n".join(lines[:-2]) + "\n")  # the last row of the last launch is gone
    assert "launch 2: lacks" in refusal(log)


def test_an_unknown_unit_is_refused(log: Path) -> None:
    log.write_text(LOG.replace('"cycle"', '"furlong"'))
    assert "unknown unit 'furlong'" in refusal(log)


def test_the_unit_of_a_metric_that_is_not_read_may_be_unknown(log: Path) -> None:
    log.write_text(LOG.replace('"gpc__cycles_elapsed.max","cycle"', '"else","furlong"'))
    table = read_ncu_csv(log, METRICS)
    assert len(table) == 3
    assert counters.CYCLES not in table


def test_quotes_and_commas_in_a_kernels_name_are_its_own(log: Path) -> None:
    log.write_text(LOG.replace("float, float", 'a "",""b""'))
    name = make_ncu_log.NAME.format(2).replace("float, float", 'a ","b"')
    assert read_ncu_csv(log, METRICS)["kernel"].tolist()[2] == name


@pytest.mark.parametrize("content", ["", "hello\n", '"ID","Kernel Name"\n"0","k"\n'])
def test_a_foreign_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    assert "x.csv" in refusal(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)
    assert "cannot be read" in refusal(tmp_path / "nothing")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(cut=st.integers(0, len(LOG)) | st.sampled_from(LINE_ENDS))
def test_cut_anywhere_it_is_the_right_table_or_a_refusal(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.csv"
    path.write_text(LOG[:cut])
    try:
        found = core_utilization(read_ncu_csv(path, METRICS))
    except (BadFileError, ValueError):
        return
    for core, percent in make_ncu_log.expected(found.num_kernels).items():
        # Cut between two rows of the only launch, a metric looks as if it was not collected.
        assert found.percent[core] in (pytest.approx(percent), None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.integers(0, len(LOG) - 1), byte=st.integers(0, 255))
def test_a_flipped_byte_never_ends_in_a_traceback(tmp_path: Path, place: int, byte: int) -> None:
    content = bytearray(LOG.encode())
    content[place] = byte
    path = tmp_path / "flipped.csv"
    path.write_bytes(content)
    with contextlib.suppress(BadFileError, ValueError):
        core_utilization(read_ncu_csv(path, METRICS))
