import pandas as pd
import pytest

from detbench.gpus import counters
from detbench.utilization.core import by, core_utilization
from detbench.utilization.described import described

FMA = counters.METRICS["fma"][0]
FP16, FMA_TYPE_FP16 = counters.METRICS["fp16"]


def launches(**columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"kernel": "k", **columns}, None if columns else [0])


def test_kernels_are_weighted_by_their_cycles_and_the_last_one_counts() -> None:
    # (100*10 + 100*10 + 800*100) / 1000 = 82; without the last kernel it would be 10.
    table = launches(**{counters.CYCLES: [100, 100, 800], FMA: [10, 10, 100]})
    assert core_utilization(table).percent["fma"] == pytest.approx(82.0)


def test_a_metric_that_was_not_collected_is_none_with_its_reason() -> None:
    found = core_utilization(launches(**{counters.CYCLES: [100], FMA: [10]}))
    assert found.percent["tensor"] is None
    assert "pipe_tensor" in found.reason["tensor"]


def test_from_ga10x_on_fp16_is_counted_by_instruction_type() -> None:
    found = core_utilization(launches(**{counters.CYCLES: [100], FMA_TYPE_FP16: [7.5]}))
    assert found.percent["fp16"] == pytest.approx(7.5)


def test_a_kernel_without_the_value_weighs_neither_above_nor_below() -> None:
    # Only the first kernel has a value: 40, not 40 * 100 / 1000.
    table = launches(**{counters.CYCLES: [100, 900], FMA: [40, float("nan")]})
    found = core_utilization(table)
    assert found.percent["fma"] == pytest.approx(40.0)
    assert found.notes == ("fma: of 1 of 2 launches, 10 % of the cycles",)


def test_launches_without_a_weight_do_not_count() -> None:
    table = launches(**{counters.CYCLES: [100, float("nan")], FMA: [40, 90]})
    found = core_utilization(table)
    assert found.percent["fma"] == pytest.approx(40.0)
    assert found.notes == (f"1 of 2 launches have no {counters.CYCLES} and do not count",)


def test_each_row_says_what_its_own_figures_are_of() -> None:
    values = {counters.CYCLES: [100, 300, 600], FMA: [50, float("nan"), 20]}
    table = launches(**values).assign(kernel=["sgemm", "conv2d", "conv2d"])
    conv, gemm = by(table, "class").to_dict("records")
    # Of the two convolutions' 900 cycles those of the second have a value.
    assert conv["note"] == "fma: of 1 of 2 launches, 66.67 % of the cycles"
    assert gemm["note"] == ""
    assert "fp16: " in gemm["reason for n/a"]
    assert "fma: " not in gemm["reason for n/a"]


def test_without_cycles_there_is_no_weight() -> None:
    with pytest.raises(ValueError, match="gpc__cycles_elapsed"):
        core_utilization(launches(**{FMA: [10]}))


def test_without_any_core_there_is_no_table() -> None:
    with pytest.raises(ValueError, match="none of fma, fp16, tensor, sfu") as caught:
        core_utilization(launches(**{"sm__cycles_elapsed.max": [100]}))
    assert counters.CYCLES not in str(caught.value)  # other cycles would do


def test_without_cycles_and_cores_both_are_missing() -> None:
    with pytest.raises(ValueError, match=r"none of fma, .* neither was gpc__cycles_elapsed\.max"):
        core_utilization(launches())


def test_groups_are_weighted_among_themselves_and_ordered_by_cycles() -> None:
    table = launches(**{counters.CYCLES: [100, 300, 600], FMA: [50, 10, 20]})
    table["kernel"] = ["sgemm", "conv2d", "conv2d"]
    first, second = by(table, "class").to_dict("records")
    # conv: (300*10 + 600*20) / 900; gemm: 50.
    assert (first["class"], first["cycles (%)"]) == ("conv", pytest.approx(90))
    assert first["fma (%)"] == pytest.approx(15000 / 900)
    assert (second["class"], second["fma (%)"]) == ("gemm", pytest.approx(50))
    (whole,) = by(table, "file").to_dict("records")
    assert whole["fma (%)"] == pytest.approx(0.9 * 15000 / 900 + 0.1 * 50)
    assert by(table, "kernel", top=1)["kernel"].tolist() == ["conv2d"]


def test_a_share_of_wall_time_is_the_product_with_the_busy_share() -> None:
    table = launches(**{counters.CYCLES: [100], FMA: [50]})
    (row,) = by(table, "file", busy_percent=40.0).to_dict("records")
    assert row["fma of wall (%)"] == pytest.approx(20)
    assert row["sfu of wall (%)"] is None


TENSOR, TENSOR_CYCLES = counters.METRICS["tensor"][0], counters.TENSOR_ACTIVE


def hopper(capability: str, **more: list[float]) -> pd.DataFrame:
    """Two kernels of an attention as a public report has them: issue tells little of the cycles."""
    values = {counters.CYCLES: [300, 100], TENSOR: [2.0, 0.0], TENSOR_CYCLES: [40.0, 8.0], **more}
    return launches(**values).assign(capability=pd.Categorical([capability] * 2))


@pytest.mark.parametrize(
    ("capability", "tensor", "is_cycles"),
    [("8.0", 1.5, False), ("", 1.5, False), ("9.0", 32.0, True), ("12.0", 32.0, True)],
)
def test_from_hopper_on_tensor_is_the_pipes_cycles(
    capability: str, tensor: float, is_cycles: bool
) -> None:
    # Issue: 300 * 2 / 400 = 1.5; cycles: (300 * 40 + 100 * 8) / 400 = 32.
    table = hopper(capability)
    found = core_utilization(table)
    assert found.percent["tensor"] == pytest.approx(tensor)
    assert found.tensor_is_cycles is is_cycles
    (row,) = by(table, "file").to_dict("records")
    assert row["tensor cycles (%)"] == pytest.approx(32.0)
    assert row.get("tensor issue (%)") == (pytest.approx(1.5) if is_cycles else None)


def test_a_metric_of_hopper_tells_what_the_file_does_not_say() -> None:
    gmma = counters.BESIDE["wgmma issue"][0]
    table = hopper("", **{gmma: [4.0, 0.0]})
    assert core_utilization(table).percent["tensor"] == pytest.approx(32.0)
    assert by(table, "file")["wgmma issue (%)"].item() == pytest.approx(3.0)


def test_packed_fp16_on_the_tensor_pipe_stands_apart() -> None:
    table = hopper("8.0", **{counters.BESIDE["fp16 on tensor"][0]: [8.0, 0.0]})
    assert by(table, "file")["fp16 on tensor (%)"].item() == pytest.approx(6.0)
    assert core_utilization(table).percent["fp16"] is None


def test_blackwells_names_of_the_cycles_count() -> None:
    tc, subpipe = counters.TENSOR_CYCLES[1], counters.BESIDE["hmma cycles"][1]
    values = {counters.CYCLES: [100], counters.METRICS["fma"][0]: [1.0], tc: [60.0], subpipe: [50]}
    table = launches(**values).assign(capability="10.0")
    assert core_utilization(table).percent["tensor"] == pytest.approx(60.0)
    assert by(table, "file")["hmma cycles (%)"].item() == pytest.approx(50.0)


def test_a_share_above_100_has_a_note() -> None:
    table = described(
        pd.DataFrame({"busy (%)": [50.0, 180.0], "efficiency (%)": [120.0, 90.0]}),
        kind="x", title="", window="", denominator="", count="",
    )  # fmt: skip
    (note,) = table.attrs["notes"]
    assert note.startswith("busy (%) is above 100 in 1 of 2 rows (at most 180)")
