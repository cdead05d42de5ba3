"""Draws the pictures of an evaluated training: its curve, and detections in some images."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pycocotools import mask as run_lengths

from detbench.datasets.annotations import read_listing
from detbench.training.accuracy import DETECTIONS
from detbench.training.protocol import Job

CURVE, PREDICTIONS = "training_curve.png", "predictions.png"

_COLUMNS, _ROWS = 4, 2
_TILE = 320  # pixels
_LEAST_SCORE = 0.5  # below this score boxes pile up
_COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000")


def draw_pictures(job: Job) -> None:
    """Draw the job's log and the detections of its last evaluation into its folder."""
    draw_predictions(job)
    log = job.output / "metrics.json"
    if job.spec.train and log.is_file():
        from detbench.readers.training_log import read_training_log
        from detbench.reporting.training_curve import draw

        curve = job.output / CURVE
        curve.unlink(missing_ok=True)  # the curve up to the checkpoint
        draw({f"{job.spec.model}, batch size {job.spec.batch_size}": read_training_log(log)}, curve)


def draw_predictions(job: Job) -> None:
    """Draw detections with a score of at least 0.5 in the first images of the val split."""
    file = job.output / DETECTIONS
    if not file.is_file():
        return
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for detection in json.loads(file.read_bytes()):
        if detection["score"] >= _LEAST_SCORE:
            found[detection["image_id"]].append(detection)
    val = job.dataset.val
    listing = read_listing(val.annotations, val.images)
    tiles = [
        _tile(val.images / name, found[image_id], listing.class_of)
        for image_id, name, _, _ in listing.images[: _COLUMNS * _ROWS]
    ]
    sheet = Image.new("RGB", (_COLUMNS * _TILE, -(-len(tiles) // _COLUMNS) * _TILE), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, _COLUMNS)
        sheet.paste(tile, (column * _TILE, row * _TILE))
    sheet.save(job.output / PREDICTIONS)


def _tile(path: Path, detections: list[dict[str, Any]], class_of: dict[int, str]) -> Image.Image:
    """An image with its detections, fitted into a square."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    scale = (_TILE - 4) / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    for detection in detections:
        color = _COLORS[detection["category_id"] % len(_COLORS)]
        if runs := detection.get("segmentation"):
            shape = Image.fromarray(run_lengths.decode(runs) * np.uint8(110))
            picture.paste(color, mask=shape.resize(picture.size))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(size=12)
    for detection in detections:
        color = _COLORS[detection["category_id"] % len(_COLORS)]
        x, y, width, height = (value * scale for value in detection["bbox"])
        pen.rectangle((x, y, x + width, y + height), outline=color, width=2)
        label = f"{class_of[detection['category_id']]} {detection['score']:.2f}"
        place = (x + 3, max(0.0, y - 15))
        pen.rectangle(pen.textbbox(place, label, font=font), fill=color)
        pen.text(place, label, fill="white", font=font)
    tile = Image.new("RGB", (_TILE, _TILE), "white")
    tile.paste(picture, (2, 2))
    return tile
