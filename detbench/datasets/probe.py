"""A dataset for measuring a training's memory: pictures of one size, full of objects.

The objects are alike and form a grid, so that a detector has as many to match and sample as
requested; nothing can be learned from them.
"""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from detbench.datasets.cache import made_once

_NUM_IMAGES = {"train": 2, "val": 1}


def probe_dataset(
    width: int, height: int, num_objects: int, num_classes: int, num_stuff: int
) -> Path:
    """The folder of such a dataset in COCO's layout, with panoptic annotations; made once.

    Width and height are in pixels; each image has `num_objects` objects.
    """
    name = f"probe-{width}x{height}-{num_objects}-{num_classes}-{num_stuff}"
    things = [{"id": i + 1, "name": f"thing {i + 1}", "isthing": 1} for i in range(num_classes)]
    stuff = [
        {"id": num_classes + i + 1, "name": f"stuff {i + 1}", "isthing": 0}
        for i in range(num_stuff)
    ]
    return made_once(name, partial(_write, width, height, num_objects, things, stuff))


def _write(
    width: int,
    height: int,
    num_objects: int,
    things: list[dict[str, Any]],
    stuff: list[dict[str, Any]],
    root: Path,
) -> None:
    (root / "annotations").mkdir()
    segment = {"id": 1, "category_id": (stuff or things)[0]["id"], "iscrowd": 0}
    for split, num_images in _NUM_IMAGES.items():
        for folder, colour in (
            (f"{split}2017", (96, 128, 160)),
            (f"panoptic_{split}2017", (1, 0, 0)),
        ):
            (root / folder).mkdir()
            picture = Image.new("RGB", (width, height), colour)
            for number in range(1, num_images + 1):
                picture.save(root / folder / _name(number))
        images = [
            {"id": number, "file_name": _name(number), "width": width, "height": height}
            for number in range(1, num_images + 1)
        ]
        objects = [
            _annotation(number * num_objects + index, number, things, box)
            for number in range(1, num_images + 1)
            for index, box in enumerate(_grid(width, height, num_objects))
        ]
        masks = [
            {"image_id": i["id"], "file_name": i["file_name"], "segments_info": [segment]}
            for i in images
        ]
        plain = [{"id": c["id"], "name": c["name"]} for c in things]
        for kind, found, categories in (
            ("instances", objects, plain),
            ("panoptic", masks, things + stuff),
        ):
            document = {"images": images, "annotations": found, "categories": categories}
            target = root / "annotations" / f"{kind}_{split}2017.json"
            target.write_text(json.dumps(document), encoding="utf-8")


def _name(number: int) -> str:
    return f"{number:06d}.png"


def _grid(width: int, height: int, count: int) -> list[tuple[float, float, float, float]]:
    """`count` boxes (left, top, width, height) that divide the picture among them."""
    columns = max(1, math.ceil(math.sqrt(count * width / height)))
    rows = math.ceil(count / columns)
    w, h = width / columns, height / rows
    places = [(c * w, r * h) for r in range(rows) for c in range(columns)][:count]
    return [(x + 0.1 * w, y + 0.1 * h, 0.8 * w, 0.8 * h) for x, y in places]


def _annotation(
    number: int,
    image: int,
    classes: list[dict[str, Any]],
    box: tuple[float, float, float, float],
) -> dict[str, Any]:
    x, y, w, h = box
    return {
        "id": number,
        "image_id": image,
        "category_id": classes[number % len(classes)]["id"],
        "bbox": list(box),
        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
        "area": w * h,
        "iscrowd": 0,
    }
