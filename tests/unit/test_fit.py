"""Fit predictions: the law against numbers made by it, capacities and answers by hand."""

import json
import statistics
from pathlib import Path

import pytest
from click.testing import CliRunner

from detbench.cli.commands import command
from detbench.errors import BadFileError, UsageError
from detbench.fitting import footprints
from detbench.fitting.calibration import peak, predicted, published, with_kept_gradients, workspace
from detbench.fitting.footprints import Footprint, Setting, architecture, known
from detbench.fitting.law import parts_at
from detbench.fitting.need import Need, Range, answer, capacity, need
from detbench.gpus.profiles import profile_named

MIB, GIB = 1 << 20, 1 << 30


def measured(setting: Setting, batch_size: int) -> Footprint:
    """A footprint by a law of round numbers: 100 fixed, 7 a class, and per image its parts."""
    width, height = setting.resized()
    per_image = width * height * (2 + setting.num_classes) + 1000 * (setting.rois_per_image or 512)
    return Footprint(
        framework="detectron2",
        architecture="made_up",
        setting=setting,
        batch_size=batch_size,
        parts={
            "forward": {
                "weights": 100 + 7 * setting.num_classes,
                "activations": batch_size * per_image,
                "gradients": 100,
            },
            "backward": {"weights": 100 + 7 * setting.num_classes, "temporaries": 50},
        },
        versions={},
    )


SETTINGS = (
    Setting(),
    Setting(width=800),
    Setting(num_classes=1),
    Setting(rois_per_image=32),
)
SMALL = Setting(width=800, num_classes=1, rois_per_image=32)
KNOWN = [
    *(measured(setting, 2) for setting in (*SETTINGS, SMALL)),
    *(measured(setting, 4) for setting in (Setting(), SMALL)),
]


def test_a_measured_setting_is_on_the_line_through_its_batch_sizes() -> None:
    parts, is_measured = parts_at("made_up", KNOWN, Setting(), 16)
    assert is_measured
    assert parts["forward"]["activations"] == 16 * (1333 * 800 * 82 + 512_000)
    assert parts["forward"]["weights"] == 100 + 7 * 80


def test_another_setting_follows_the_law() -> None:
    other = Setting(width=640, height=640, num_classes=20, rois_per_image=128)
    parts, is_measured = parts_at("made_up", KNOWN, other, 8)
    assert not is_measured
    # 640 x 640 is resized to 800 x 800.
    expected = 8 * (800 * 800 * 22 + 128_000)
    assert parts["forward"]["activations"] == pytest.approx(expected, rel=1e-6)
    assert parts["forward"]["weights"] == pytest.approx(100 + 7 * 20, abs=0.01)


def test_what_is_resized_to_the_same_size_was_measured() -> None:
    _, is_measured = parts_at("made_up", KNOWN, Setting(width=2666, height=1600), 2)
    assert is_measured


def test_resizing_is_detectron2s() -> None:
    assert Setting(width=640, height=480).resized() == (1067, 800)
    assert Setting(width=480, height=640).resized() == (800, 1067)
    assert Setting(width=2000, height=800).resized() == (1333, 533)  # the long side binds


def test_other_objects_than_measured_are_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"made_up .* 7 objects") as refused:
        parts_at("made_up", KNOWN, Setting(num_objects=7), 2)
    assert "--measure" in refused.value.remedy


def test_the_peak_is_the_phase_that_holds_most() -> None:
    parts = {
        "forward": {"activations": 10.0, "gradients": 1.0},
        "backward": {"activations": 8.0, "gradients": 2.0},
    }
    assert peak(parts, 1) == {"activations": 10.0, "gradients": 1.0, "gradient buckets": 0.0}
    # DistributedDataParallel holds all gradients again: 2, the most of any phase.
    assert peak(parts, 8)["gradient buckets"] == 2.0
    assert peak(with_kept_gradients(parts), 1)["gradients"] == 2.0


def test_a_need_adds_up_and_grows_with_the_batch() -> None:
    found = known("detectron2", "faster_rcnn_R_50_FPN_1x")
    needs = [need("faster_rcnn_R_50_FPN_1x", found, Setting(), size) for size in (2, 8, 32)]
    for each in needs:
        total = each.total
        assert total.low < total.middle < total.high
        assert total.middle == pytest.approx(sum(p.middle for p in each.parts.values()))
        # Weights: 41.8 million numbers of 4 bytes (R50-FPN of 80 classes).
        assert each.parts["weights"].middle == pytest.approx(41.8e6 * 4, rel=0.01)
    assert needs[0].total.high < needs[1].total.low < needs[2].total.low


def test_the_capacity_of_a_vgpu_is_between_its_reserve_and_its_instance() -> None:
    slice_20 = capacity(profile_named("A100D-2-20C"))
    assert slice_20.low == (20480 * 15 / 16 - 16) * MIB
    assert slice_20.high == 19968 * MIB  # of the MIG instance 2g.20gb
    assert capacity(profile_named("A100D-3-40C")) == capacity(profile_named("A100D-4-40C"))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(8, 10, "yes"), (8, 11, "borderline"), (12, 13, "borderline"), (13, 14, "no")],
)
def test_answers_are_certain_only_where_the_intervals_part(
    low: float, high: float, expected: str
) -> None:
    needed = Need({"all": Range(low, (low + high) / 2, high)}, is_measured=True)
    assert answer(needed, Range(10, 11, 12)) == expected


def test_published_figures_are_predicted_within_ten_per_cent_at_the_median() -> None:
    rows = published()
    assert len(rows) == 17  # architectures: two schedules of one are one
    errors = [
        abs(predicted(row, [other for other in rows if other is not row]) / row.allocated - 1)
        for row in rows
    ]
    assert statistics.median(errors) < 0.10
    low, middle, high = workspace()
    assert 0 <= low < middle < high


def test_schedules_share_an_architecture() -> None:
    assert architecture("mask_rcnn_R_50_FPN_1x") == architecture("mask_rcnn_R_50_FPN_3x")
    assert architecture("tf_efficientdet_d0") == "tf_efficientdet_d0"


def test_what_was_measured_here_counts_and_a_damaged_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    footprints._all.cache_clear()
    try:
        file = footprints.keep([measured(Setting(), 2)])
        footprints.keep([measured(Setting(), 4), measured(Setting(), 2)])
        assert [f.batch_size for f in known("detectron2", "made_up_1x")] == [2, 4]
        file.write_text(file.read_text()[:-40])
        footprints._all.cache_clear()
        with pytest.raises(BadFileError, match=r"footprints\.json"):
            known("detectron2", "made_up_1x")
    finally:
        footprints._all.cache_clear()


def run(*arguments: str) -> str:
    done = CliRunner().invoke(command("fit"), arguments, catch_exceptions=False)
    return done.stdout


def test_the_parts_of_a_row_add_up_to_its_need() -> None:
    rows = json.loads(
        run("maskrcnn", "--batch-sizes", "2,16", "--gpu-profile", "A100D-1-10C,A100D-2-20C",
            "--processes", "2", "--format", "json")
    )  # fmt: skip
    assert len(rows) == 4
    for row in rows:
        parts = [v for k, v in row.items() if k.endswith("(GiB)") and ", " not in k and v]
        assert sum(parts) == pytest.approx(row["need, middle (GiB)"], rel=1e-6)
        assert row["gradient buckets (GiB)"] > 0


def test_the_largest_batch_size_grows_with_the_slice() -> None:
    rows = json.loads(
        run("faster_rcnn", "--models", "fpn", "--format", "json", "--gpu-profile",
            "A100D-1-10C,A100D-2-20C,A100D-3-40C,A100D-4-40C,A100D-7-80C")
    )  # fmt: skip
    assert len(rows) == 7
    for row in rows:
        sizes = [int(str(row[f"A100D-{p}"]).split(",")[0]) for p in ("1-10C", "2-20C", "3-40C")]
        assert 0 < sizes[0] < sizes[1] < sizes[2]
        assert row["A100D-3-40C"] == row["A100D-4-40C"]  # the same memory


def test_one_size_smaller_fits_where_the_largest_does() -> None:
    rows = json.loads(run("maskrcnn", "--gpu-profile", "A100D-2-20C", "--format", "json"))
    largest = int(rows[0]["A100D-2-20C"].split(",")[0])
    answers = json.loads(
        run("maskrcnn", "--gpu-profile", "A100D-2-20C", "--format", "json", "--batch-sizes",
            f"{largest},{largest + 1}")
    )  # fmt: skip
    assert [row["fits"] == "yes" for row in answers] == [True, False]


def test_without_a_gpu_auto_says_what_to_name() -> None:
    from detbench.errors import MissingError

    with pytest.raises(MissingError, match="--gpu-profile auto"):
        run("maskrcnn")
