"""The forms in which monitors write samples, and what tells GPUs, moments and times apart."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.monitoring import read_monitoring
from detbench.utilization import monitor
from tests.builders import DCGMI, DMON_DATED, PMON
from tests.conftest import Run, assert_refused


def file(folder: Path, content: str) -> Path:
    path = folder / "gpu.log"
    path.write_text(content)
    return path


def means(path: Path) -> dict[tuple[str, str], float]:
    table = monitor.by_quantity(read_monitoring(path))
    return {(row["gpu"], row["quantity"]): row["mean"] for _, row in table.iterrows()}


def energies(path: Path) -> dict[str, tuple[float, float]]:
    rows = monitor.by_gpu(read_monitoring(path)).to_dict("records")
    return {row["gpu"]: (row["duration (s)"], row["energy (J)"]) for row in rows}


@pytest.mark.parametrize(
    "content",
    [
        DMON_DATED,
        # -o T: a clock alone, here over midnight.
        DMON_DATED.replace("#Date     Time", "#Time").replace("#YYYYMMDD HH:MM:SS", "#HH:MM:SS")
        .replace(" 20260704 23:59:58", " 23:59:58").replace(" 20260705 ", " "),
        # --format csv
        "\n".join(
            ",".join(line.split()) for line in DMON_DATED.replace("# ", "#").splitlines()
        ) + "\n",
    ],
    ids=["-o DT", "-o T", "csv"],
)  # fmt: skip
def test_dmon_with_dates_and_as_csv(tmp_path: Path, content: str) -> None:
    path = file(tmp_path, content)
    assert means(path)["0", "utilization (%)"] == 50
    assert means(path)["0", "temperature (C)"] == 41  # one of the samples says -
    # 100 W to 300 W in 2 s, then 300 W to 200 W in 2 s.
    assert energies(path) == {"0": (4, 400 + 500)}


def test_a_date_without_a_clock_is_no_time(tmp_path: Path) -> None:
    lines = ["#Date gpu sm", "#YYYYMMDD Idx %", " 20260704 0 10", " 20260704 0 30"]
    path = file(tmp_path, "\n".join([*lines, ""]))
    assert means(path) == {("0", "utilization (%)"): 20}
    (row,) = monitor.by_gpu(read_monitoring(path)).to_dict("records")
    assert row["duration (s)"] != row["duration (s)"] or row["duration (s)"] is None
    assert row["reason for n/a"] == "duration, energy: the samples have no times"


def test_dcgmi_gives_ratios_which_are_shown_in_percent(tmp_path: Path) -> None:
    mean = means(file(tmp_path, DCGMI))
    assert mean["0", "SM active (%)"] == pytest.approx(25)
    assert mean["GPU-I 1", "SM active (%)"] == pytest.approx(75)
    assert mean["0", "utilization (%)"] == 40
    assert mean["0", "power (W)"] == 110
    rows = monitor.by_quantity(read_monitoring(tmp_path / "gpu.log"))
    (lacks,) = rows[(rows["gpu"] == "GPU-I 1") & (rows["quantity"] == "power (W)")].to_dict(
        "records"
    )
    assert (lacks["samples"], lacks["reason for n/a"]) == (0, "N/A")


def test_pmon_is_summed_over_the_processes_of_a_moment(parser: Run, tmp_path: Path) -> None:
    path = file(tmp_path, PMON)
    samples = read_monitoring(path)
    # GPU 0: 30 + 20, then a third process, 30 + 20 + 10; GPU 1 is idle, then 80.
    own = samples[samples["gpu"] == "0"]
    assert own["utilization (%)"].tolist() == [50, 60]
    assert own["memory used (MiB)"].tolist() == [600, 700]
    other = samples[samples["gpu"] == "1"]
    assert other["utilization (%)"].isna().tolist() == [True, False]
    assert other["not told"].tolist() == ["utilization (%): -\nmemory used (MiB): -", ""]
    done = parser("monitor_util.py", path, "--format", "csv")
    assert "sums over the processes of each moment; it has no times" in done.stdout


def test_times_tell_the_moments_of_pmon(tmp_path: Path) -> None:
    lines = ["#Time gpu pid type sm command", "#HH:MM:SS Idx # C/G % name"]
    lines += [" 10:00:00 0 7 C 10 a", " 10:00:01 0 8 C 30 b", " 10:00:01 0 9 C+G 90 c d"]
    samples = read_monitoring(file(tmp_path, "\n".join([*lines, ""])))
    assert samples["utilization (%)"].tolist() == [10, 120]
    assert samples["time (s)"].tolist() == [0, 1]
    assert samples["note"].unique().tolist() == [
        "sums over the processes of each moment; above 100 % in 1 of 2: processes that ran at once"
        " (MPS)"
    ]


def query(*rows: str, header: str = "timestamp, index, power.draw [W]") -> str:
    return "\n".join([header, *rows, ""])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T11:00:10+01:00"),
        ("2026-03-01T10:00:00.5+0530", "2026-03-01T10:00:10.5+0530"),
        ("2026-03-01 23:59:55", "2026-03-02 00:00:05"),
        ("2026/03/01 10:00:00.250", "2026/03/01 10:00:10.250"),
        ("20260301 10:00:00", "20260301 10:00:10"),
        ("10:00:00.5", "10:00:10.5"),
        ("1772355600", "1772355610"),
    ],
)
def test_times(tmp_path: Path, first: str, second: str) -> None:
    path = file(tmp_path, query(f"{first}, 0, 100 W", f"{second}, 0, 200 W"))
    assert energies(path) == {"0": (10, 1500)}


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_no_summer_time_of_the_machine_that_reads(tmp_path: Path) -> None:
    # Between these, clocks in Berlin went from 2:00 to 3:00.
    path = file(tmp_path, query("2026-03-29 01:59:59, 0, 10 W", "2026-03-29 03:00:00, 0, 10 W"))
    assert energies(path)["0"][0] == 3601


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("[Insufficient Permissions]", "Insufficient Permissions"),
        ("[GPU requires reset]", "GPU requires reset"),
        ("[Unknown Error]", "Unknown Error"),
        ("[N/A]", "N/A"),
    ],
)
def test_what_the_driver_says_instead_of_a_value(tmp_path: Path, word: str, told: str) -> None:
    path = file(tmp_path, query(f"2026/03/01 10:00:00.250, 0, {word}"))
    (row,) = monitor.by_quantity(read_monitoring(path)).to_dict("records")
    assert (row["samples"], row["reason for n/a"]) == (0, told)


def test_one_column_under_a_header_that_comes_again(tmp_path: Path) -> None:
    path = file(
        tmp_path, "power.draw [W]\n10.00 W\npower.draw [W]\n[N/A]\npower.draw [W]\n30.00 W\n"
    )
    assert means(path) == {("(not named)", "power (W)"): 20}
    assert detbench.read(path).source.tool == "nvidia-smi"


def test_columns_name_what_has_no_header(parser: Run, tmp_path: Path) -> None:
    path = file(tmp_path, "2026/03/01 10:00:00.000, 1, 10\n2026/03/01 10:00:02.000, 1, 30\n")
    assert_refused(parser("monitor_util.py", path), 5, "no header", "--columns timestamp,index")
    names = "timestamp,index,power.draw"
    done = parser("monitor_util.py", path, "--columns", names, "--by", "gpu", "--format", "csv")
    assert done.stdout.splitlines()[1].startswith("1,2,2.0,40.0,")
    read = detbench.read(path, columns=names.split(","))
    assert detbench.monitoring(read, "gpu")["energy (J)"].tolist() == [40]
    done = parser("monitor_util.py", path, "--columns", "timestamp,index")
    assert_refused(done, 5, "cells without a column")


def test_gpus_of_one_name_are_told_by_their_order(tmp_path: Path) -> None:
    rows = [f"2026/03/01 10:00:{s:02}.000, 0, {w} W" for s in (0, 10, 20) for w in (100, 200, 300)]
    # The last moment was cut by a kill: one GPU less.
    path = file(tmp_path, query(*rows[:-1]))
    assert energies(path) == {
        "0 (1 of 3)": (20, 2000),
        "0 (2 of 3)": (20, 4000),
        "0 (3 of 3)": (10, 3000),
    }
    assert set(monitor.by_gpu(read_monitoring(path))["note"]) == {
        "3 samples of one name at every time: 3 GPUs, told by their order"
    }


def test_gpus_without_a_name_are_told_by_the_bunches_of_their_samples(tmp_path: Path) -> None:
    rows = [
        f"2026/03/01 10:00:{10 * moment + 0.004 * gpu:06.3f}, {100 * (gpu + 1)} W"
        for moment in range(3)
        for gpu in range(2)
    ]
    path = file(tmp_path, query(*rows, header="timestamp, power.draw [W]"))
    found = energies(path)
    assert {name: round(energy) for name, (_, energy) in found.items()} == {
        "(not named) (1 of 2)": 2000,
        "(not named) (2 of 2)": 4000,
    }


def test_samples_at_one_time_without_a_pattern_have_no_energy(tmp_path: Path) -> None:
    seconds = (0, 0, 1, 2, 2)
    path = file(tmp_path, query(*(f"2026-03-01 10:00:{s:02}, 0, 100 W" for s in seconds)))
    (row,) = monitor.by_gpu(read_monitoring(path)).to_dict("records")
    assert row["energy (J)"] is None
    assert row["reason for n/a"] == "energy: two samples at the same time"
    assert row["note"] == "samples at the same time: several GPUs of one name, or a coarse clock"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (query("2026-03-01 10:00:00, 0, 1 W", "2026-03-01T10:00:01Z, 0, 1 W"), "another kind"),
        (query("2026-13-01 10:00:00, 0, 1 W"), "line 2: .*month"),
        (query("yesterday, 0, 1 W"), "neither a number nor a time"),
        (DCGMI.replace("GPU 0     50", "50"), "the row is cut short"),
        (PMON.replace("   1     7003   C    80", "   1"), "the row is cut short"),
        (DCGMI.replace("0.200", "1.200"), "out of range"),
    ],
)
def test_damage_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        read_monitoring(file(tmp_path, content))


def test_what_a_terminal_showed_around_the_samples_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "terminal.txt"
    path.write_text(
        "Last login: Fri Nov 27\n"
        "root@node01:~# nvidia-smi dmon -c 2\n"
        "# gpu   pwr    sm\n# Idx     W     %\n    0    47    10\n    0    50    30\n"
        "^C\nroot@node01:~# exit\n"
    )
    assert read_monitoring(path)["power (W)"].tolist() == [47, 50]


def test_tables_of_a_page_are_read_and_its_text_is_not(tmp_path: Path) -> None:
    table = "```\n# gpu   pwr    sm\n# Idx     W     %\n    0    {}    10\n```\n"
    path = tmp_path / "page.md"
    path.write_text(f"# Idle\n\nIt draws:\n\n{table.format(47)}\nand busy\n{table.format(250)}.\n")
    assert read_monitoring(path)["power (W)"].tolist() == [47, 250]


def test_samples_before_the_first_header_are_never_dropped(tmp_path: Path) -> None:
    path = tmp_path / "tail.txt"
    path.write_text("    0    47    10\n# gpu   pwr    sm\n# Idx     W     %\n    0    50    30\n")
    with pytest.raises(BadFileError, match="no header"):
        read_monitoring(path)


def test_a_heading_of_a_page_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("#### AKA CPU spends as much time launching as GPU spends executing\n")
    with pytest.raises(BadFileError, match="no sample"):
        read_monitoring(path)


def polled(*offsets: float, times: int = 4, lost: int = -1) -> str:
    """Polls 10 s apart of GPUs of one name, one offset in seconds each; one row may be lost."""
    rows = [
        f"2026/03/01 10:00:{10 * poll + offset:06.3f}, V100, {100 * (gpu + 1)}.00 W"
        for poll in range(times)
        for gpu, offset in enumerate(offsets)
    ]
    return "\n".join(
        ["timestamp, name, power.draw [W]", *(r for i, r in enumerate(rows) if i != lost), ""]
    )


def test_gpus_of_one_name_are_told_apart_though_a_poll_takes_milliseconds(tmp_path: Path) -> None:
    table = monitor.by_gpu(read_monitoring(file(tmp_path, polled(0, 0.001, 0.004))))
    assert table["energy (J)"].tolist() == pytest.approx([3000, 6000, 9000])  # 30 s each
    assert table["note"].str.contains("3 GPUs, told by their order").all()


def test_where_a_row_is_lost_nothing_tells_them_apart_and_that_is_said(tmp_path: Path) -> None:
    (row,) = monitor.by_gpu(read_monitoring(file(tmp_path, polled(0, 0.001, lost=3)))).to_dict(
        "records"
    )
    assert row["note"].startswith("samples milliseconds apart")
    assert row["energy (J)"] is None
    assert row["reason for n/a"] == "energy: samples of several GPUs"


def test_an_even_pace_with_pauses_is_one_gpu(tmp_path: Path) -> None:
    rows = [
        f"2026/03/01 1{hour}:00:0{second}.000, V100, 100.00 W"
        for hour in range(4)
        for second in range(5)
    ]
    text = "\n".join(["timestamp, name, power.draw [W]", *rows, ""])
    (row,) = monitor.by_gpu(read_monitoring(file(tmp_path, text))).to_dict("records")
    # Four times 4 s at 100 W; between them nobody looked.
    assert (row["duration (s)"], row["energy (J)"]) == (16, 1600)
    assert row["note"] == "no sample for 10,788 s (3 times): not in duration and energy"


def test_another_selection_of_columns_may_follow(tmp_path: Path) -> None:
    text = (
        "timestamp, index, power.draw [W]\n2026/03/01 10:00:00.000, 0, 100.00 W\n"
        "timestamp, index, memory.used [MiB], power.draw [W]\n"
        "2026/03/01 10:00:01.000, 0, 5 MiB, 300.00 W\n"
    )
    found = read_monitoring(file(tmp_path, text))
    assert found["power (W)"].tolist() == [100, 300]
    assert found["memory used (MiB)"].tolist()[1] == 5


def test_a_programs_line_between_samples_is_passed_over(tmp_path: Path) -> None:
    text = (
        "timestamp, index, power.draw [W]\n2026/03/01 10:00:00.000, 0, 100.00 W\n"
        "Epoch 1, loss 0.5\n2026/03/01 10:00:01.000, 0, 300.00 W\n"
    )
    assert read_monitoring(file(tmp_path, text))["power (W)"].tolist() == [100, 300]


def test_dmons_shares_are_percent_and_dcgms_are_ratios(tmp_path: Path) -> None:
    dmon = "# gpu   pwr  gract\n# Idx     W GPM:%\n    0   100    0.6\n    0   200   50.0\n"
    assert means(file(tmp_path, dmon))["0", "graphics engine active (%)"] == pytest.approx(25.3)
    dcgm = "#Entity   GRACT   TOTEC\nID\nGPU 0     0.506   1000\nGPU 0     0.506   301000\n"
    found = read_monitoring(file(tmp_path, dcgm))
    assert found["graphics engine active (%)"].tolist() == pytest.approx([50.6, 50.6])
    assert found["energy counter (J)"].tolist() == [1, 301]  # the field is in mJ


def test_a_summary_of_nvprof_is_no_monitors(tmp_path: Path) -> None:
    text = (
        "Time(%),Time,Calls,Avg,Min,Max,Name\n20.92%,237.43ms,150,1.5ms,1.5ms,2.1ms,sor(float*)\n"
    )
    with pytest.raises(BadFileError, match="no header"):
        read_monitoring(file(tmp_path, text))


def test_samples_without_a_time_or_a_name_are_told_apart_by_the_headers(tmp_path: Path) -> None:
    text = "utilization.gpu [%]\n40 %\n10 %\nutilization.gpu [%]\n60 %\n20 %\n"
    found = means(file(tmp_path, text))
    assert found["(not named) (1 of 2)", "utilization (%)"] == 50
    assert found["(not named) (2 of 2)", "utilization (%)"] == 15
    one = means(file(tmp_path, "utilization.gpu [%]\n40 %\n10 %\n"))
    assert one["(not named)", "utilization (%)"] == 25
