"""Panoptic quality against counts made by hand, and the masks it is computed from."""

import math

import numpy as np
import pytest

pytest.importorskip("PIL")

from detbench.datasets import open_dataset
from detbench.datasets.panoptic import VOID, Segment, open_panoptic, segment_numbers, semantic_masks
from detbench.errors import MissingError
from detbench.training.panoptic_quality import Tally, quality, tally


def row(*numbers: int) -> "np.ndarray[tuple[int, int], np.dtype[np.int32]]":
    return np.array([numbers], dtype=np.int32)


def test_segments_match_above_half_an_overlap() -> None:
    truth, segments = row(5, 5, 5, 5, 6, 6), [Segment(5, 1), Segment(6, 2)]
    found = tally(row(1, 1, 1, 2, 2, 2), {1: 1, 2: 2}, truth, segments)
    assert found == {1: Tally(3 / 4, 1, 0, 0), 2: Tally(2 / 3, 1, 0, 0)}
    # Exactly a half is not enough: one too many and one too few.
    found = tally(row(1, 1, 2, 2, 2, 2), {1: 1, 2: 2}, truth, segments)
    assert found == {1: Tally(0.0, 0, 1, 1), 2: Tally(0.0, 0, 1, 1)}


def test_another_category_is_wrong_and_missed() -> None:
    found = tally(row(1, 1), {1: 7}, row(5, 5), [Segment(5, 1)])
    assert found == {1: Tally(0.0, 0, 0, 1), 7: Tally(0.0, 0, 1, 0)}


def test_void_pixels_and_crowds_count_neither_way() -> None:
    found = tally(row(1, 1, 1, 1), {1: 1}, row(5, 5, 0, 0), [Segment(5, 1)])
    assert found == {1: Tally(1.0, 1, 0, 0)}
    assert tally(row(1, 1, 1), {1: 1}, row(0, 0, 5), [Segment(5, 2)]) == {2: Tally(0, 0, 0, 1)}
    assert tally(row(1, 1, 1), {1: 1}, row(5, 5, 5), [Segment(5, 1, iscrowd=1)]) == {}


def test_means_over_categories() -> None:
    found = quality(
        [{1: Tally(0.8, 1, 1, 1)}, {1: Tally(0.6, 1, 0, 0), 9: Tally(1.0, 1, 0, 0)}], [1]
    )
    assert found["SQ"] == pytest.approx(100 * (0.7 + 1) / 2)
    assert found["RQ"] == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert found["PQ_th"] == pytest.approx(100 * 0.7 * 2 / 3)
    assert found["PQ_st"] == 100
    assert found["PQ"] == pytest.approx((found["PQ_th"] + 100) / 2)
    assert math.isnan(quality([], [1])["PQ"])


def test_the_truth_is_perfect() -> None:
    _, val = open_panoptic(open_dataset("embedded"))
    tallies = []
    for mask, segments in val.of_image.values():
        numbers = segment_numbers(val.masks / mask)
        tallies.append(tally(numbers, {s.id: s.category_id for s in segments}, numbers, segments))
    found = quality(tallies, [1, 2, 3])
    assert found == {"PQ": 100, "SQ": 100, "RQ": 100, "PQ_th": 100, "PQ_st": 100}
    assert sum(t.matched for one in tallies for t in one.values()) == 87 + 60


def test_semantic_masks_hold_the_stuff(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset("embedded")
    _, val = open_panoptic(dataset)
    assert val.stuff == {4: "background"}
    folder = semantic_masks(val)
    assert semantic_masks(val) == folder
    mask, segments = val.of_image[1]
    numbers = segment_numbers(val.masks / mask)
    semantic = segment_numbers(folder / mask) & 255  # grey: red, green and blue are the same
    assert np.array_equal(semantic == 1, numbers == 1)
    assert np.array_equal(semantic == 0, numbers > 1)
    assert not (semantic == VOID).any()
    assert len(segments) == len(np.unique(numbers))


def test_a_dataset_without_panoptic_annotations(tmp_path_factory: pytest.TempPathFactory) -> None:
    import shutil

    root = tmp_path_factory.mktemp("data") / "coco"
    shutil.copytree(open_dataset("embedded").train.images.parent, root)
    shutil.rmtree(root / "panoptic_val2017")
    with pytest.raises(MissingError, match="detbench data download coco-panoptic"):
        open_panoptic(open_dataset(str(root)))
