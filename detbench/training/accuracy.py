"""Measures the accuracy of detections by COCO's metrics or the VOC challenge's."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detbench.datasets.coco import CocoDataset
from detbench.training.voc_ap import average_precisions

TASKS = {"bbox": "box", "segm": "mask"}
"""By COCO's name of a task, which detectron2 uses too: our name."""
DETECTIONS = "coco_instances_results.json"  # detectron2's name for it
CLASSES = "voc_ap.csv"

_METRICS = ("AP", "AP50", "AP75")  # the first three of COCOeval's stats
_NOT_COMPUTED = -1.0  # COCOeval's value for it

Accuracy = dict[str, float | None]
Detections = list[dict[str, Any]]


def upstream_name(name: str) -> str:
    """detectron2's name in metrics.json (`bbox/AP`) of a metric under our name (`box AP`)."""
    task, _, metric = name.partition(" ")
    theirs = {ours: theirs for theirs, ours in TASKS.items()}
    return f"{theirs.get(task, task)}/{metric}"


def write_detections(folder: Path, detections: Detections) -> None:
    """Write detections in COCO's results format."""
    (folder / DETECTIONS).write_text(json.dumps(detections), encoding="utf-8")


def measure(
    dataset: CocoDataset, detections: Detections, tasks: tuple[str, ...], folder: Path
) -> Accuracy:
    """The accuracy on the val split in percent, by name.

    Args:
        dataset: VOC datasets are evaluated by VOC's metrics, all others by COCO's.
        detections: in COCO's results format, boxes as x, y, width, height.
        tasks: any of `bbox` and `segm`; VOC has boxes only.
        folder: for the table of the classes, which VOC's evaluation writes.
    """
    truth = COCO(str(dataset.val.annotations))
    if dataset.rule == "voc":
        return voc_accuracy(truth, detections, folder)
    return coco_accuracy(truth, detections, tasks)


def voc_accuracy(truth: COCO, detections: Detections, folder: Path) -> Accuracy:
    """`VOC mAP`, by the area under the curve and by 11 points; writes a CSV file of the classes."""
    classes = average_precisions(truth.dataset, detections)
    with (folder / CLASSES).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("class", "AP", "AP 11-point", "objects"))
        writer.writerows((c.name, c.area, c.eleven_points, c.num_objects) for c in classes)
    return {
        "VOC mAP": _mean([c.area for c in classes]),
        "VOC mAP 11 points": _mean([c.eleven_points for c in classes]),
    }


def _mean(shares: list[float | None]) -> float | None:
    """The mean of the defined values, in percent."""
    known = [share for share in shares if share is not None]
    return 100 * sum(known) / len(known) if known else None


def coco_accuracy(truth: COCO, detections: Detections, tasks: tuple[str, ...]) -> Accuracy:
    """AP in percent, by name (`box AP`, `mask AP50`, ...)."""
    found: Accuracy = {}
    for task in tasks:
        values = [0.0] * len(_METRICS)  # without detections AP is 0
        if detections:
            evaluation = COCOeval(truth, truth.loadRes(detections), task)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            values = list(evaluation.stats[: len(_METRICS)])
        for metric, value in zip(_METRICS, values, strict=True):
            known = value != _NOT_COMPUTED
            found[f"{TASKS[task]} {metric}"] = float(100 * value) if known else None
    return found
