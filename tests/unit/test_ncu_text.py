"""Files of Nsight Compute that are not its CSV of metrics: console text, details and raw pages."""

import json
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.gpus import counters
from detbench.readers.ncu_names import metric_of
from detbench.readers.ncu_text import read_ncu_text
from detbench.utilization.core import by, core_utilization
from tests.builders import ncu_launch
from tests.conftest import Run, assert_refused

HEAD = "==PROF== Connected to process 7 (/usr/bin/python3)\n[7] python3@127.0.0.1\n"
LINE = "    " + "-" * 40 + " ----------- ------------\n"
FMA = counters.METRICS["fma"][0]
TEXT = (
    HEAD
    + ncu_launch("sgemm(float *)", {counters.CYCLES: "cycle        3,000", FMA: "%        40.00"})
    + ncu_launch("softmax<int, 4>", {counters.CYCLES: "cycle  1,000", FMA: "%  8.00"})
)


def test_the_consoles_text_is_read(tmp_path: Path, parser: Run) -> None:
    file = tmp_path / "ncu.log"
    file.write_text("the program's own line\n" + TEXT + "==PROF== Disconnected from process 7\n")
    table = read_ncu_text(file, counters.ALL)
    assert table["kernel"].tolist() == ["sgemm(float *)", "softmax<int, 4>"]
    assert table["process"].tolist() == [7, 7]
    assert table["capability"].tolist() == ["8.0", "8.0"]
    # (3000 * 40 + 1000 * 8) / 4000 = 32
    assert parser("core_util.py", file).stdout.startswith("fma\t32.00000 %\nfp16\tn/a\n")
    assert detbench.read(file).source.tool == "Nsight Compute"


def test_older_headings_have_no_device(tmp_path: Path) -> None:
    file = tmp_path / "ncu.log"
    file.write_text(HEAD + ncu_launch("k", {counters.CYCLES: "cycle 5"}, ending=""))
    (row,) = read_ncu_text(file, counters.ALL).to_dict("records")
    assert (row["kernel"], row["device"], row["capability"]) == ("k", "", "")


@pytest.mark.parametrize("cut", range(len(HEAD) + 150, len(TEXT) - 2, 29))
def test_a_text_cut_inside_a_table_is_refused(tmp_path: Path, cut: int) -> None:
    """A cut between launches cannot be seen; one inside a table can."""
    file = tmp_path / "ncu.log"
    file.write_text(TEXT[:cut])
    since_heading = TEXT[:cut].rpartition("Context")[2]
    is_whole = TEXT[:cut].rstrip(" \n").endswith("-")  # behind its last row
    if since_heading.count(LINE.strip()) == 2 and not is_whole:
        with pytest.raises(BadFileError, match=r"cut short|not a number|unit"):
            read_ncu_text(file, counters.ALL)


LABELS = {
    "Elapsed Cycles": "sm__cycles_elapsed.max",
    "SM: Pipe Fma Cycles Active": f"sm__pipe_fma_cycles_active{counters.ELAPSED}",
    "SM: Pipe Fma Cycles Active (%)": f"sm__pipe_fma_cycles_active{counters.ELAPSED}",
    "SM: Inst Executed Pipe Xu": f"sm__inst_executed_pipe_xu{counters.ELAPSED}",
    "SM: Inst Executed Pipe Fma Type Fp16": counters.METRICS["fp16"][1],
    "Memory Throughput": "Memory Throughput",
}


def test_labels_of_the_details_page_stand_for_metrics() -> None:
    assert {label: metric_of(label) for label in LABELS} == LABELS


def test_a_details_page_is_weighted_by_the_cycles_that_it_has(tmp_path: Path, parser: Run) -> None:
    names = "ID,Process ID,Kernel Name,Device,CC,Section Name,Metric Name,Metric Unit,Metric Value"
    rows = [
        "0,7,gemm,0,8.6,SoL,Elapsed Cycles,cycle,3000",
        "0,7,gemm,0,8.6,SoL,SM: Pipe Fma Cycles Active,%,40",
        "0,7,gemm,0,8.6,SoL,SM: Inst Executed Pipe Xu,%,2",
        "0,7,gemm,0,8.6,Rule,,,",
        "1,7,relu,0,8.6,SoL,Elapsed Cycles,cycle,1000",
        "1,7,relu,0,8.6,SoL,SM: Pipe Fma Cycles Active,%,8",
    ]
    file = tmp_path / "details.csv"
    quoted = [",".join(f'"{cell}"' for cell in line.split(",")) for line in (names, *rows)]
    file.write_text("\n".join(quoted) + "\n")
    table = detbench.core_utilization(file)
    # fma cycles (3000 * 40 + 1000 * 8) / 4000; sfu is that of the only kernel that shows it.
    assert table["fma cycles (%)"].item() == pytest.approx(32)
    assert table["sfu (%)"].item() == pytest.approx(2)
    assert "kernels are weighted by sm__cycles_elapsed.max" in table.attrs["notes"]
    done = parser("core_util.py", file)
    assert len(done.stdout.splitlines()) == 4
    assert "fma cycles 32 %: --format table shows it" in done.stderr.splitlines()
    # 3000 of 4000 cycles.
    assert "sfu: of 1 of 2 launches, 75 % of the cycles" in done.stderr.splitlines()
    (row,) = json.loads(parser("core_util.py", file, "--json").stdout)
    assert row["note"] == (
        "kernels are weighted by sm__cycles_elapsed.max;"
        " sfu: of 1 of 2 launches, 75 % of the cycles"
    )
    assert row["reason for n/a"].startswith("fma: sm__inst_executed_pipe_fma.")
    table_text = parser("core_util.py", file, "--format", "table").stdout
    assert "reason for n/a" not in table_text
    assert "kernels are weighted by sm__cycles_elapsed.max" in done.stderr


@pytest.mark.parametrize("unit", ["%  ", ""])
@pytest.mark.parametrize("cell", ["(!) nan", "(!) n/a", "n/a"])
def test_what_ncu_could_not_measure_is_not_available(
    tmp_path: Path, parser: Run, unit: str, cell: str
) -> None:
    tensor, xu = counters.METRICS["tensor"][0], counters.METRICS["sfu"][0]
    file = tmp_path / "ncu.log"
    first, second = {xu: "%  2.00"}, {xu: f"{unit}{cell}"}
    both = {counters.CYCLES: "cycle  1,000.0", tensor: f"{unit}{cell}"}
    file.write_text(HEAD + ncu_launch("a", {**both, **first}) + ncu_launch("b", {**both, **second}))
    done = parser("core_util.py", file)
    assert done.stdout.splitlines()[2:] == ["tensor\tn/a", "sfu\t2.00000 %"]
    assert f"tensor: {tensor} is n/a for every kernel: it could not be measured" in done.stderr
    assert "sfu: of 1 of 2 launches, 50 % of the cycles" in done.stderr


def test_a_file_without_pipes_tells_whoever_was_sent_it_what_to_ask_for(
    tmp_path: Path, parser: Run
) -> None:
    file = tmp_path / "ncu.log"
    file.write_text(HEAD + ncu_launch("k", {"SM Busy": "%  40.0"}))
    pipes = f"{FMA},{counters.METRICS['tensor'][0]},{counters.METRICS['sfu'][0]}"
    assert_refused(
        parser("core_util.py", file),
        5,
        f"and neither was {counters.CYCLES}",
        f"ask for ncu --metrics {pipes},{counters.CYCLES} ",
    )


def table_of(**columns: list[float]) -> "object":
    import pandas as pd

    return pd.DataFrame({"kernel": ["a", "b"], "capability": "8.6", **columns})


FMA_ACTIVE = FMA.replace(counters.ELAPSED, counters.ACTIVE)


def test_shares_of_active_cycles_become_shares_of_all_where_the_file_tells_both() -> None:
    values = {counters.CYCLES: [3000.0, 1000.0], FMA_ACTIVE: [50.0, 20.0]}
    alone = core_utilization(table_of(**values))  # type: ignore[arg-type]
    assert alone.percent["fma"] == pytest.approx((3000 * 50 + 1000 * 20) / 4000)
    assert alone.notes == ("of the cycles in which an SM was active, not of all: fma",)
    told = table_of(**values, **{counters.SM_ACTIVE: [2700.0, 900.0]})
    both = core_utilization(told)  # type: ignore[arg-type]
    assert both.percent["fma"] == pytest.approx(0.9 * (3000 * 50 + 1000 * 20) / 4000)
    assert both.notes == ()


def test_without_cycles_time_weighs_the_kernels() -> None:
    table = table_of(**{counters.DURATION: [30_000.0, 10_000.0], FMA: [20.0, 60.0]})
    found = core_utilization(table)  # type: ignore[arg-type]
    assert found.percent["fma"] == pytest.approx(30)
    assert found.notes == ("kernels are weighted by gpu__time_duration.sum",)
    (row,) = by(table, "file").to_dict("records")  # type: ignore[arg-type]
    assert row["time (ns)"] == 40_000
