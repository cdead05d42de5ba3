"""Average precision by the rules of the PASCAL VOC challenge, at an IoU of 0.5."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_IOU = 0.5
_POINTS = 11  # the recalls 0, 0.1, ..., 1 at which the challenge of 2007 took precision

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassAP:
    """A class's average precision as a share (0..1); None if the class has no objects.

    Attributes:
        area: under the precision-recall curve, as from 2010 on.
        eleven_points: the mean over 11 recalls, as until 2009.
        num_objects: the objects of the class without difficult ones, which do not count.
    """

    name: str
    area: float | None
    eleven_points: float | None
    num_objects: int


def average_precisions(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]
) -> list[ClassAP]:
    """Every class's AP, in the order of the category ids.

    A detection is right if it overlaps an object of its class with an IoU above one half and no
    detection of a higher score has taken that object. A detection whose best overlap is with a
    difficult object counts neither way (Everingham et al., 2010, "The PASCAL Visual Object
    Classes (VOC) Challenge").

    Args:
        truth: a COCO document; annotations with a true `difficult` are difficult.
        detections: in COCO's results format. A VOC pixel range [min, max] becomes
            [min - 1, max], so that overlaps equal those with VOC's inclusive bounds.
    """
    own: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for detection in detections:
        own[detection["category_id"]].append(detection)
    objects: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for annotation in truth["annotations"]:
        objects[annotation["category_id"]].append(annotation)
    return [
        _class_ap(category["name"], objects[category["id"]], own[category["id"]])
        for category in sorted(truth["categories"], key=lambda c: c["id"])
    ]


def _class_ap(
    name: str, objects: Sequence[Mapping[str, Any]], detections: Sequence[Mapping[str, Any]]
) -> ClassAP:
    num_objects = sum(not o.get("difficult") for o in objects)
    if not num_objects:
        return ClassAP(name, None, None, 0)
    right, wrong = _judge(objects, detections)
    found, missed = np.cumsum(right), np.cumsum(wrong)
    recall = found / num_objects
    # Before any other detection, that of a difficult object counts as neither: 0 of 0.
    precision = found / np.maximum(found + missed, np.finfo(np.float64).eps)
    return ClassAP(name, _area(recall, precision), _eleven_points(recall, precision), num_objects)


def _judge(
    objects: Sequence[Mapping[str, Any]], detections: Sequence[Mapping[str, Any]]
) -> tuple[Floats, Floats]:
    """Whether each detection is right, by descending score."""
    in_image: defaultdict[int, list[int]] = defaultdict(list)
    for index, annotation in enumerate(objects):
        in_image[annotation["image_id"]].append(index)
    boxes = np.array([o["bbox"] for o in objects], dtype=np.float64).reshape(-1, 4)
    taken = np.zeros(len(objects), dtype=bool)
    right, wrong = np.zeros(len(detections)), np.zeros(len(detections))
    order = np.argsort([-d["score"] for d in detections], kind="stable")
    for place, index in enumerate(order):
        detection = detections[index]
        candidates = in_image.get(detection["image_id"], [])
        overlaps = _overlaps(boxes[candidates], np.array(detection["bbox"], dtype=np.float64))
        best = int(overlaps.argmax()) if candidates else -1
        if best < 0 or overlaps[best] <= _IOU:
            wrong[place] = 1
            continue
        target = candidates[best]
        if objects[target].get("difficult"):
            continue
        (wrong if taken[target] else right)[place] = 1
        taken[target] = True
    return right, wrong


def _overlaps(boxes: Floats, box: Floats) -> Floats:
    """The IoU of boxes (N, 4) with one box, all as x, y, width, height."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:])
    shared: Floats = np.maximum(high - low, 0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + box[2:].prod() - shared
    overlaps: Floats = shared / union
    return overlaps


def _area(recall: Floats, precision: Floats) -> float:
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([0.0], precision, [0.0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[steps + 1] - recall[steps]) * envelope[steps + 1]).sum())


def _eleven_points(recall: Floats, precision: Floats) -> float:
    points = [precision[recall >= at] for at in np.linspace(0, 1, _POINTS)]
    return float(np.mean([p.max() if len(p) else 0.0 for p in points]))
