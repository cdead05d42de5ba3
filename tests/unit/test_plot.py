"""Figures of tables and files: what stands in them is what stands in the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import make_ncu_log
import pytest

import detbench
from tests.unit.test_results import SPEC
from tests.unit.test_results_verb import SPEED, keep

TRACE = "results/torch_bs4.pt.trace.json.gz"
MEMORY = "results/memory_csv_data/memory_bs4.csv"


def drawn(figure: Any) -> dict[str, list[float]]:
    """The numbers of each trace, by its name."""
    return {trace.name: [v for v in trace.x if v is not None] for trace in figure.data}


def test_busy_shares(workspace: Path) -> None:
    table = detbench.compute_utilization(TRACE)
    figure = detbench.plot(table)
    assert drawn(figure) == {"busy": table["busy (%)"].tolist()}
    assert figure.layout.title.text == "Compute utilization, share of the window"
    assert figure.layout.yaxis.ticktext == ("GPU 0",)


def test_classes_add_up_to_the_whole(workspace: Path) -> None:
    table = detbench.compute_utilization(TRACE, by="class")
    traces = drawn(detbench.plot(table, title="mine"))
    assert set(traces) == set(table["class"])
    assert sum(sum(values) for values in traces.values()) == pytest.approx(100)


def test_cores(workspace: Path) -> None:
    table = detbench.core_utilization("results/nsight_bs2.csv")
    traces = drawn(detbench.plot(table))
    assert traces == {
        core: table[f"{core} (%)"].tolist() for core in ("fma", "fp16", "tensor", "sfu")
    }


def test_memory_at_the_peak(workspace: Path) -> None:
    table = detbench.memory(MEMORY)
    traces = drawn(detbench.plot(table))
    assert traces.pop("peak") == [pytest.approx(table["memory (MiB)"].sum())]
    assert {n: v[0] for n, v in traces.items()} == dict(
        zip(table["category"], table["memory (MiB)"], strict=True)
    )


def test_throughput_of_runs(workspace: Path) -> None:
    plain = SPEC.model_copy(update={"mode": "noprofile"})
    keep(workspace / "results", plain, 0, throughput=SPEED)
    (trace,) = detbench.plot(detbench.runs("results")).data
    assert list(trace.x) == [SPEC.batch_size]
    assert list(trace.y) == [SPEED.images_per_second]


@pytest.mark.parametrize(
    ("file", "names"),
    [
        (TRACE, {"other"}),
        ("results/nsight_bs2.csv", {"fma", "fp16", "tensor", "sfu"}),
        ("log.txt", {"total_loss"}),
    ],
)
def test_a_recording_is_drawn(workspace: Path, file: str, names: set[str]) -> None:
    figure = detbench.plot(detbench.read(file))
    assert {trace.name for trace in figure.data} == names
    assert Path(file).name in figure.layout.title.text


@pytest.mark.parametrize(
    ("by", "rows"), [("stream", 1), ("iteration", 1), ("gap", 1), ("kernel", None)]
)
def test_every_level_that_is_drawn(workspace: Path, by: str, rows: int | None) -> None:
    table = detbench.compute_utilization(TRACE, by=by)
    figure = detbench.plot(table)
    assert len(figure.data) == (rows or len(table))


def test_a_roofline_has_the_roofs_of_the_named_gpu(workspace: Path) -> None:
    make_ncu_log.write(Path("counted.csv"), 20, roofline=True)
    table = detbench.core_utilization("counted.csv", by="roofline", gpu="A100-40GB")
    *roofs, points = detbench.plot(table).data
    assert [roof.name for roof in roofs] == ["peak of fp32", "peak of tf32", "peak of fp16, bf16"]
    assert [max(roof.y) for roof in roofs] == [19.5, 156, 312]  # TFLOP/s of the A100
    assert points.y == pytest.approx([2.048])  # 1024 fused operations a cycle, at a GHz


def test_samples_over_time(workspace: Path) -> None:
    samples = detbench.read("monitoring.csv")
    figure = detbench.plot(samples)
    gpus = set(samples.tables["samples"]["gpu"]) - {"host"}
    assert {trace.name for trace in figure.data} <= {f"GPU {gpu}" for gpu in gpus} | {"host"}


def test_accuracy_over_iterations(workspace: Path) -> None:
    figure = detbench.plot(detbench.evaluations("log.txt"))
    assert {(t.name, tuple(t.y)) for t in figure.data} == {
        ("box AP", (40.0,)),
        ("mask AP", (35.0,)),
    }


def test_a_name_is_never_markup(workspace: Path) -> None:
    figure = detbench.plot(detbench.compute_utilization(TRACE), title="<b>a</b>")
    assert figure.layout.title.text == "&lt;b&gt;a&lt;/b&gt;"


def test_what_is_not_drawn_is_said(workspace: Path) -> None:
    import pandas as pd

    with pytest.raises(detbench.UsageError, match="'monitoring by gpu'; plot one of: compute_"):
        detbench.plot(detbench.monitoring("monitoring.csv", by="gpu"))
    with pytest.raises(detbench.UsageError, match="this package did not make"):
        detbench.plot(pd.DataFrame({"a": [1]}))
