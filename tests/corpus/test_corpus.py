"""Real files of others: what their sources publish about them, reproduced."""

import gzip
import json
import sqlite3
import subprocess
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import pytest

from detbench.readers.ncu_csv import read_ncu_csv
from tests.conftest import Run, assert_refused
from tests.needed import program

pytestmark = pytest.mark.corpus
KINETO = "kineto/AMD-AGI__TraceLens__"


RESNET50 = "kineto/pytorch__kineto__resnet50_num_workers_0_worker0.1623143089861.pt.trace.json.gz"


def figures(parser: Run, path: Path, tool: str) -> dict[str, Any]:
    """The rows of a tool in the table by definition, by their names."""
    done = parser("compute_util.py", path, "--by", "definition", "--format", "json")
    return {row["name"]: row for row in json.loads(done.stdout) if row["defined by"] == tool}


def test_the_tensorboard_plugins_figures(corpus: Path, parser: Run) -> None:
    found = figures(parser, corpus / RESNET50, "TensorBoard plugin")
    # tb_plugin/test/result_check_file.txt of pytorch/kineto, which prints two decimals.
    shares = {
        "GPU Utilization": 55.51,
        "Est. SM Efficiency": 54.68,
        "Est. Achieved Occupancy": 49.13,
        "Time using Tensor Cores (by names, at least)": 0.0,
    }
    assert {name: round(found[name]["share (%)"], 2) for name in shares} == shares
    assert round(found["average step"]["time (ms)"] * 1000) == 177592
    assert round(found["kernel total"]["time (ms)"] * 1000) == 591532


def test_our_utilization_beside_the_plugins(corpus: Path, parser: Run) -> None:
    (row,) = json.loads(
        parser("compute_util.py", corpus / RESNET50, "--by", "device", "--json").stdout
    )
    # Its window ends with the last kernel, 16.2 ms after the last step's end on the CPU; that
    # stretch is almost all busy, as is seen from both windows: 591.5 - 576.0 ms in 16.2.
    assert row["busy (%)"] == pytest.approx(54.89, rel=1e-3)
    assert row["window (ms)"] == pytest.approx((1623142624509489 - 1623142623460172) / 1e3)


TRACELENS = {
    # Trace: the table of it, where that has another name.
    "h100_Falconsai_nsfw_image_detection__1016002": "",
    "mi300_gaunernst_bert-small-uncased__1016001": "",
    "mi210_gpu_only_trace": "mi210_gpu_only_trace_gpu_only_trace",
    "torch_compile_triton_trace": "",
    "inference_graph_execution": "inference_vllm_decode_full",
}


@pytest.mark.parametrize("trace", TRACELENS)
def test_all_that_tracelens_publishes_of_a_timeline(corpus: Path, parser: Run, trace: str) -> None:
    name = TRACELENS[trace] or trace
    published = pd.read_csv(
        corpus / f"kineto_expected/AMD-AGI__TraceLens__{name}_gpu_timeline.csv", index_col="type"
    )
    found = figures(parser, corpus / f"{KINETO}{trace}.json.gz", "TraceLens")
    assert list(found) == list(published.index)
    # Theirs are differences of floats near 10^12 us, good to a quarter of a microsecond.
    times = {name: row["time (ms)"] for name, row in found.items()}
    assert times == pytest.approx(published["time ms"].to_dict(), rel=1e-3, abs=0.25e-3)
    shares = {name: row["share (%)"] for name, row in found.items()}
    assert shares == pytest.approx(published["percent"].to_dict(), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("trace", [name for name in TRACELENS if not name.startswith("inference")])
def test_the_kernels_that_tracelens_sums_up(corpus: Path, parser: Run, trace: str) -> None:
    name = TRACELENS[trace] or trace
    published = pd.read_csv(
        corpus / f"kineto_expected/AMD-AGI__TraceLens__{name}_kernel_summary.csv"
    )
    # It has a row an operator and stream, ours one a kernel.
    sums = published.groupby("Kernel name")[
        ["Kernel duration (µs)_sum", "Kernel duration (µs)_count"]
    ].sum()
    path = corpus / f"{KINETO}{trace}.json.gz"
    done = parser("compute_util.py", path, "--by", "kernel", "--top", "9999", "--format", "json")
    rows = {row["kernel"]: row for row in json.loads(done.stdout)}
    assert {kernel: row["count"] for kernel, row in rows.items()} == sums.iloc[:, 1].to_dict()
    totals = {kernel: row["total (ms)"] * 1000 for kernel, row in rows.items()}
    assert totals == pytest.approx(sums.iloc[:, 0].to_dict(), rel=1e-6)


@pytest.mark.parametrize(
    ("trace", "shares"),
    [
        # What HolisticTraceAnalysis 0.5.0 prints of them. Their times are whole microseconds: of
        # others it drops the fractions, which makes short kernels shorter.
        (RESNET50, (39.43, 59.36, 1.21)),
        ("kineto/facebookresearch__HolisticTraceAnalysis__control.json.gz", (16.36, 60.56, 23.08)),
        (
            "kineto/facebookresearch__HolisticTraceAnalysis__sampled_rank-0.json.gz",
            (55.21, 17.20, 27.59),
        ),
    ],
)
def test_the_temporal_breakdown_of_hta(
    corpus: Path, parser: Run, trace: str, shares: tuple[float, ...]
) -> None:
    found = figures(parser, corpus / trace, "HolisticTraceAnalysis")
    assert tuple(round(row["share (%)"], 2) for row in found.values()) == shares


def test_kernels_of_a_backward_pass_count_to_its_range(corpus: Path, parser: Run) -> None:
    path = corpus / "kineto/facebookresearch__HolisticTraceAnalysis__nccl_data.json.gz"
    done = parser("compute_util.py", path, "--by", "range", "--format", "json")
    rows = {row["range"]: row for row in json.loads(done.stdout)}
    # The trace has 2700 kernels, all launched in its three steps. Autograd launches those of the
    # backward pass from a thread of its own.
    assert rows["ProfilerStep#N"]["kernels"] == 2700
    parts = [rows[f"## {name} ##"]["kernels"] for name in ("forward", "backward", "optimizer")]
    assert sum(parts) == 2700
    assert rows["## backward ##"]["by its own thread"] < 0.02 * rows["## backward ##"]["kernels"]


def test_kernels_launched_before_the_capture_are_in_no_range(corpus: Path, parser: Run) -> None:
    path = corpus / "nsys/GindaChen__nsys-ai__h100_2gpu_1s.sqlite"
    done = parser(
        "compute_util.py", path, "--by", "range", "--range", "aten::linear, op_id = N",
        "--format", "json",
    )  # fmt: skip
    rows = json.loads(done.stdout)
    unknown = [r["kernels"] for r in rows if r["range"] == "(launch not recorded)"]
    # A join of the two tables in SQL finds the calls of 1632 of the 3442 kernels.
    assert sum(unknown) == 3442 - 1632
    assert sum(r["kernels"] for r in rows) == 3442


@pytest.mark.parametrize("trace", ["rank-34.Jul_15_10_52_41.1074.pt.trace", "rank_non_gpu"])
def test_a_trace_without_a_gpu_reports_no_kernels(corpus: Path, parser: Run, trace: str) -> None:
    path = corpus / f"kineto/facebookresearch__HolisticTraceAnalysis__{trace}.json.gz"
    assert_refused(parser("compute_util.py", path), 5, "no")


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        ("mtia_inference_rank_0", "recorded on an MTIA"),
        ("benchmark_result_924719_1679055439_trace", "CUPTI's range profiler"),
        ("rank_non_gpu", "no work of a GPU was recorded"),
    ],
)
def test_why_a_trace_has_no_kernels_is_said(
    corpus: Path, parser: Run, trace: str, words: str
) -> None:
    path = corpus / f"kineto/facebookresearch__HolisticTraceAnalysis__{trace}.json.gz"
    assert_refused(parser("compute_util.py", path), 5, "contains no GPU kernel", words)


def test_every_trace_is_a_table_or_a_refusal(corpus: Path, parser: Run) -> None:
    for path in sorted((corpus / "kineto").glob("*.gz")):
        done = parser("compute_util.py", path, "--by", "device", "--json")
        if done.returncode:
            assert_refused(done, 5, path.name)
        else:
            assert all(0 < row["busy (%)"] <= 100 for row in json.loads(done.stdout)), path


@pytest.mark.parametrize(
    ("name", "num_kernels", "total_ns"),
    [
        ("h100_2gpu_1s", 3442, 44829522),  # plain sums, from the manifest
        ("healthy_1pct", 400, 400_000_000),  # 400 kernels of 1 ms, as its label says
    ],
)
def test_kernels_of_nsight_systems(
    corpus: Path, parser: Run, name: str, num_kernels: int, total_ns: int
) -> None:
    path = corpus / f"nsys/GindaChen__nsys-ai__{name}.sqlite"
    done = parser("compute_util.py", path, "--by", "class", "--format", "json")
    rows = json.loads(done.stdout)
    assert sum(row["count"] for row in rows) == num_kernels
    assert sum(row["total (ms)"] for row in rows) == pytest.approx(total_ns / 1e6)


def test_the_idle_share_of_a_healthy_pipeline(corpus: Path, parser: Run) -> None:
    path = corpus / "nsys/GindaChen__nsys-ai__healthy_1pct.sqlite"
    (row,) = json.loads(parser("compute_util.py", path, "--by", "device", "--json").stdout)
    # Its label: gaps of 10 us between the kernels, 399 of them, in 404 ms, that is 0.99 %.
    assert row["window (ms)"] - row["busy (ms)"] == pytest.approx(3.99)
    assert row["window (ms)"] == pytest.approx(404, rel=1e-3)
    assert round(100 - row["busy (%)"], 2) == 0.99
    path = corpus / "nsys/GindaChen__nsys-ai__eval_labels_healthy_1pct.json"
    label = json.loads(path.read_text())["description"]
    assert all(words in label for words in ("400 back-to-back kernels of 1ms", "404ms", "0.99%"))


def test_traces_of_nvprof_are_read_and_its_sessions_refused(corpus: Path, parser: Run) -> None:
    for path in (corpus / "nvprof").glob("*_trace.csv"):
        (row,) = json.loads(parser("compute_util.py", path, "--by", "device", "--json").stdout)
        assert 0 < row["busy (%)"] <= 100
    session = corpus / "nvprof/xstupi00__N-Body-OpenACC__profile.nvvp"
    assert_refused(parser("compute_util.py", session), 5, "session of the Visual Profiler")


def test_summaries_of_nsys_stats(corpus: Path, parser: Run) -> None:
    for path in (corpus / "nsys").glob("*kern_sum.csv"):
        done = parser(
            "compute_util.py", path, "--by", "kernel", "--format", "json", "--top", "9999"
        )
        rows = json.loads(done.stdout)
        lines = path.read_text().splitlines()[1:]
        assert len(rows) == len({line.split(",", 8)[8] for line in lines})
        total = sum(int(line.split(",")[1]) for line in lines)
        assert sum(row["total (ms)"] for row in rows) == pytest.approx(total / 1e6)


def test_counters_that_do_not_tell_the_cores_are_refused(corpus: Path, parser: Run) -> None:
    for path in sorted((corpus / "ncu_csv").glob("*.csv")):
        assert_refused(parser("core_util.py", path), 5, path.name, "gpc__cycles_elapsed.max")


def test_counters_are_in_base_units(corpus: Path) -> None:
    folder = corpus / "ncu_csv"
    name = "CodeGandee__llm-perf-opt__kernel_0001_ncu"
    # "13,485" alone could be 13.485 somewhere in Europe; the 19.66 beside it tells.
    (launch,) = read_ncu_csv(
        folder / f"{name}.details.csv", ["Elapsed Cycles", "DRAM Throughput"]
    ).to_dict("records")
    assert (launch["Elapsed Cycles"], launch["DRAM Throughput"]) == (13485, 19.66)
    asked = ["dram__bytes_read.sum", "dram__throughput.avg.pct_of_peak_sustained_elapsed"]
    (launch,) = read_ncu_csv(folder / f"{name}.metrics.csv", asked).to_dict("records")
    assert [launch[metric] for metric in asked] == pytest.approx([2.33e6, 19.66])


def test_the_median_iteration_of_a_restarted_training(corpus: Path, parser: Run) -> None:
    path = corpus / "detectron2/HaowenGuan__NYU-Semi-Supervise-Object-Detection__metrics.json"
    done = parser("throughput.py", path, "--format", "json", "--warmup", "0")
    (row,) = json.loads(done.stdout)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    # The manifest's 0.6796 s is over all lines, ours 0.6799 s: a repeated iteration counts once.
    assert round(median(line["time"] for line in lines if "time" in line), 4) == 0.6796
    assert round(row["s / iteration (median)"], 4) == 0.6799
    assert row["s / iteration (median)"] == pytest.approx(0.6796, rel=1e-3)
    assert row["restarts"] > 0


DETECTRON2 = "detectron2/HaowenGuan__NYU-Semi-Supervise-Object-Detection__"


def test_a_log_of_evaluations_only_has_ap_but_no_throughput(corpus: Path, parser: Run) -> None:
    path = corpus / "detectron2/SummerOf15__tiny-instance-segmentation__log.txt"
    done = parser("throughput.py", path, "--format", "json")
    assert "nothing was trained in it" in done.stderr
    (row,) = json.loads(done.stdout)
    figures = [row[f"box {name}"] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
    assert figures == [89.7633, 96.8180, 96.4667, None, 60.1320, 90.7860]
    assert row["inference (s/img)"] == 0.216131


@pytest.mark.parametrize(
    ("name", "count", "first", "last", "ap"),
    [
        ("log_supervised_lr_0.004_warmup.txt", 56, 499, 40999, 7.3013),
        ("log_supervised_lr_0.040_balance.txt", 2, 999, 1999, 15.1559),
        ("metrics.json", 76, 499, 19999, 11.6282),  # its second training ends there
    ],
)
def test_every_evaluation_of_a_training(
    corpus: Path, parser: Run, name: str, count: int, first: int, last: int, ap: float
) -> None:
    path = f"{corpus / DETECTRON2}{name}"
    rows = json.loads(
        parser("throughput.py", path, "--by", "evaluation", "--format", "json").stdout
    )
    assert len(rows) == count
    assert (rows[0]["iteration"], rows[-1]["iteration"]) == (first, last)
    assert rows[-1]["box AP"] == pytest.approx(ap, abs=5e-5)


def test_log_and_metrics_of_a_training_tell_the_same_evaluations(corpus: Path, parser: Run) -> None:
    def first_training(name: str) -> list[tuple[int, float]]:
        path = f"{corpus / DETECTRON2}{name}"
        done = parser("throughput.py", path, "--by", "evaluation", "--format", "json")
        rows = [row for row in json.loads(done.stdout) if row["training"] == 1]
        return [(row["iteration"], round(row["box AP"], 4)) for row in rows]

    assert first_training("metrics.json") == first_training("log_supervised_lr_0.004_warmup.txt")


def test_time_to_train_by_the_clock_of_a_restarted_log(corpus: Path, parser: Run) -> None:
    path = f"{corpus / DETECTRON2}log_supervised_lr_0.004_warmup.txt"
    done = parser("throughput.py", path, "--target", "box=1", "--format", "json")
    (row,) = json.loads(done.stdout)
    assert row["iteration"] == 7999
    # From 02:58:04 to 05:28:00, but for 04:31:45 to 04:44:54, when nothing ran.
    assert row["time (min)"] == pytest.approx((8996 - 789) / 60)
    done = parser("throughput.py", path, "--target", "box=37.7", "--format", "json")
    assert json.loads(done.stdout)[0]["result"] == "not reached after 42000 iterations"


def test_restarts_that_no_line_announces(corpus: Path, parser: Run, tmp_path: Path) -> None:
    path = f"{corpus / DETECTRON2}log_supervised_lr_0.040_balance.txt"
    done = parser("throughput.py", path, "--json")
    (row,) = json.loads(done.stdout)
    # After iteration 979 the next report is 1019, ten minutes after the evaluation's last line. Its
    # wait for data (0.58 s) is that of a first report, and the next mean would leave 0.19 s an
    # iteration where the clock says 0.7 s.
    assert row["restarts"] == 1
    assert row["s / iteration (mean)"] == pytest.approx(0.684, abs=1e-3)
    # The log whose restarts are announced tells the same without what announces them.
    whole = Path(f"{corpus / DETECTRON2}log_supervised_lr_0.004_warmup.txt")
    (expected,) = json.loads(parser("throughput.py", whole, "--json").stdout)
    assert expected["restarts"] == 3
    bare = tmp_path / "log.txt"
    lines = whole.read_text().splitlines(keepends=True)
    bare.write_text("".join(line for line in lines if " iter: " in line))
    (found,) = json.loads(parser("throughput.py", bare, "--json").stdout)
    names = ("restarts", "iterations", "s / iteration (mean)")
    assert [found[name] for name in names] == [expected[name] for name in names]


def test_metrics_of_nvprof_are_levels(corpus: Path, parser: Run) -> None:
    # Of reduction 101 launches at level 8 and 100 at level 1; matrixMul is one kernel.
    expected = {"reduction": (201, (101 * 8 + 100 * 1) / 201), "matrixMul": (301, 1)}
    for name, (num_launches, level) in expected.items():
        path = corpus / f"nvprof/leimingyu__magus__{name}_metrics.csv"
        rows = json.loads(parser("core_util.py", path, "--format", "json").stdout)
        (dram,) = (row for row in rows if row["unit"] == "dram")
        assert len(rows) == 14
        assert dram["kernels"] == num_launches
        assert dram["level (0 to 10)"] == pytest.approx(level)


def test_metrics_of_nvprof_as_text(corpus: Path, parser: Run) -> None:
    path = corpus / "nvprof/xstupi00__N-Body-OpenACC__step4_profile.out"
    (row,) = json.loads(parser("core_util.py", path, "--format", "json").stdout)
    # Three kernels twice at level 1, one once at level 5.
    assert row == {
        "unit": "alu_fu",
        "level (0 to 10)": pytest.approx((6 * 1 + 5) / 7),
        "min": 1,
        "max": 5,
        "kernels": 7,
    }
    assert_refused(parser("compute_util.py", path), 5, "core_util.py reads")


def test_torchs_memory_timeline(corpus: Path, parser: Run) -> None:
    path = corpus / "memory/facebookresearch__HolisticTraceAnalysis__memory_timeline.raw.gz"
    with gzip.open(path) as stream:
        events = json.load(stream)
    held = list(accumulate(size for _, _, size, _ in events))
    done = parser("memory_util.py", path, "--format", "json")
    rows = {row["category"]: row["memory (MiB)"] * 2**20 for row in json.loads(done.stdout)}
    assert sum(rows.values()) == pytest.approx(max(held))
    # A tensor of 4000 bytes is the bias of a layer of 1000 classes: ResNet-50 has 25,557,032
    # parameters of 4 bytes, and SGD's momentum as many.
    assert rows["weights"] == pytest.approx(25_557_032 * 4, rel=3e-3)
    assert rows["optimizer state"] == pytest.approx(25_557_032 * 4, rel=3e-3)


@pytest.mark.parametrize("style", ["csv", "column", "table"])
def test_what_nsys_stats_prints_says_what_its_database_says(
    corpus: Path, parser: Run, tmp_path: Path, style: str
) -> None:
    nsys = program("nsys", "bash scripts/install_profilers.sh nsys")
    database = tmp_path / "copy.sqlite"  # nsys stats adds to what it reads
    database.write_bytes((corpus / "nsys/GindaChen__nsys-ai__h100_2gpu_1s.sqlite").read_bytes())
    with sqlite3.connect(database) as connection:  # its project has cut these away
        connection.execute("create table TARGET_INFO_GPU (id integer, name text)")
        connection.execute("insert into TARGET_INFO_GPU values (0, 'H100'), (1, 'H100')")
    expected = json.loads(parser("compute_util.py", database, "--by", "device", "--json").stdout)
    printed = {}
    for report in ("gputrace", "gpukernsum"):
        command = [nsys, "stats", "--report", report, "--format", style, database]
        printed[report] = tmp_path / f"{report}.txt"
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        printed[report].write_text(done.stdout)
    trace = parser("compute_util.py", printed["gputrace"], "--by", "device", "--json")
    assert json.loads(trace.stdout) == expected
    sums = parser("compute_util.py", printed["gpukernsum"], "--by", "class", "--format", "json")
    total = sum(row["total (ms)"] for row in json.loads(sums.stdout))
    assert total == pytest.approx(44829522 / 1e6)  # the plain sum, from the manifest
