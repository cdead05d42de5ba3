"""VOC's average precision against counts made by hand."""

from typing import Any

import pytest

pytest.importorskip("pycocotools")

from detbench.training.voc_ap import ClassAP, average_precisions

CLASSES = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]


def box(image: int, x: float, *, category: int = 1, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [x, 0.0, 10.0, 10.0], **more}


def judged(
    objects: list[dict[str, Any]], detections: list[tuple[dict[str, Any], float]]
) -> tuple[ClassAP, ClassAP]:
    truth = {"categories": CLASSES, "annotations": objects}
    cat, dog = average_precisions(truth, [{**d, "score": s} for d, s in detections])
    return cat, dog


def test_everything_found_and_nothing_else() -> None:
    cat, dog = judged([box(1, 0), box(2, 0)], [(box(1, 0), 0.9), (box(2, 1), 0.8)])
    assert (cat.area, cat.eleven_points, cat.num_objects) == (1.0, 1.0, 2)
    assert dog == ClassAP("dog", None, None, 0)  # no object of it: no AP, not 0


def test_a_miss_between_two_finds() -> None:
    # Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: area 1/2 * 1 + 1/2 * 2/3; of the 11 recalls,
    # 0 to 0.5 read 1 and 0.6 to 1 read 2/3.
    cat, _ = judged([box(1, 0), box(2, 0)], [(box(1, 0), 0.9), (box(3, 0), 0.8), (box(2, 0), 0.7)])
    assert cat.area == pytest.approx(1 / 2 + 1 / 3)
    assert cat.eleven_points == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_an_object_is_found_once() -> None:
    cat, _ = judged([box(1, 0)], [(box(1, 0), 0.9), (box(1, 0), 0.8)])
    assert cat.area == 1.0
    cat, _ = judged([box(1, 0), box(2, 0)], [(box(1, 0), 0.9), (box(1, 0), 0.8), (box(2, 0), 0.7)])
    assert cat.area == pytest.approx(1 / 2 + 1 / 3)


def test_half_an_overlap_is_not_enough() -> None:
    # Boxes of 10 x 10 that are d apart share 10 - d of 10 + d: a half at d = 10/3.
    assert judged([box(1, 0)], [(box(1, 3.3), 0.9)])[0].area == 1.0
    assert judged([box(1, 0)], [(box(1, 3.4), 0.9)])[0].area == 0.0


def test_a_difficult_object_counts_neither_way() -> None:
    objects = [box(1, 0, difficult=1), box(2, 0)]
    cat, _ = judged(objects, [(box(1, 0), 0.9), (box(2, 0), 0.8)])
    assert (cat.area, cat.num_objects) == (1.0, 1)


def test_classes_do_not_mix() -> None:
    cat, dog = judged([box(1, 0), box(1, 0, category=2)], [(box(1, 0), 0.9)])
    assert (cat.area, dog.area) == (1.0, 0.0)


@pytest.mark.train
@pytest.mark.parametrize("eleven_points", [True, False])
def test_detectron2s_evaluator_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, eleven_points: bool
) -> None:
    import numpy as np
    from detectron2.evaluation.pascal_voc_evaluation import voc_eval

    folder = tmp_path_factory.mktemp("voc")
    rng = np.random.default_rng(5)
    objects, detections = [], []
    names = []
    for image in range(1, 41):
        xml = []
        for _ in range(int(rng.integers(0, 5))):
            x, y = (int(v) for v in rng.integers(1, 80, 2))
            w, h = (int(v) for v in rng.integers(5, 60, 2))
            difficult = int(rng.random() < 0.2)
            objects.append(
                {"image_id": image, "category_id": 1, "bbox": [x - 1, y - 1, w + 1, h + 1],
                 "difficult": difficult}
            )  # fmt: skip
            xml.append(
                f"<object><name>cat</name><pose>x</pose><truncated>0</truncated>"
                f"<difficult>{difficult}</difficult><bndbox><xmin>{x}</xmin><ymin>{y}</ymin>"
                f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
            )
            for _ in range(int(rng.integers(0, 3))):  # near it; others are anywhere
                dx, dy, dw, dh = rng.integers(-4, 5, 4)
                detections.append(
                    (image, x + int(dx), y + int(dy), x + w + int(dw), y + h + int(dh))
                )
        for _ in range(int(rng.integers(0, 3))):
            x, y = (int(v) for v in rng.integers(1, 80, 2))
            detections.append((image, x, y, x + 20, y + 20))
        names.append(f"{image:06d}")
        (folder / f"{image:06d}.xml").write_text(f"<annotation>{''.join(xml)}</annotation>")
    (folder / "set.txt").write_text("\n".join(names))
    scores = rng.permutation(len(detections)) / len(detections)
    lines = [
        f"{image:06d} {score:.6f} {x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}"
        for (image, x1, y1, x2, y2), score in zip(detections, scores, strict=True)
    ]
    (folder / "cat.txt").write_text("\n".join(lines))
    _, _, theirs = voc_eval(
        str(folder / "{}.txt"), str(folder / "{}.xml"), str(folder / "set.txt"), "cat",
        ovthresh=0.5, use_07_metric=eleven_points,
    )  # fmt: skip
    truth = {"categories": CLASSES, "annotations": objects}
    in_coco = [
        {"image_id": image, "category_id": 1, "bbox": [x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1],
         "score": score}
        for (image, x1, y1, x2, y2), score in zip(detections, scores, strict=True)
    ]  # fmt: skip
    cat, _ = average_precisions(truth, in_coco)
    assert 0.1 < theirs < 0.95
    assert (cat.eleven_points if eleven_points else cat.area) == pytest.approx(theirs, abs=1e-12)
