"""AP by pycocotools, for frameworks that bring no evaluator of their own."""

from __future__ import annotations

from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

TASKS = {"bbox": "box", "segm": "mask"}
"""The tasks by COCO's names, which detectron2 has too, and ours."""

_METRICS = ("AP", "AP50", "AP75")  # the first three of COCOeval's stats
_NOT_COMPUTED = -1.0  # COCOeval's word for it


def coco_accuracy(
    truth: COCO, detections: list[dict[str, Any]], tasks: tuple[str, ...]
) -> dict[str, float | None]:
    """AP in percent by name (`box AP`, `mask AP50`, ...).

    `detections` are in COCO's results format, `tasks` of `bbox` and `segm`.
    """
    accuracy: dict[str, float | None] = {}
    for task in tasks:
        values = [0.0] * len(_METRICS)  # no detection at all finds nothing
        if detections:
            evaluation = COCOeval(truth, truth.loadRes(detections), task)
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            values = list(evaluation.stats[: len(_METRICS)])
        for metric, value in zip(_METRICS, values, strict=True):
            known = value != _NOT_COMPUTED
            accuracy[f"{TASKS[task]} {metric}"] = float(100 * value) if known else None
    return accuracy
