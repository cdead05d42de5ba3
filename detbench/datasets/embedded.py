"""A small COCO-format dataset, made from photographs that scikit-image ships.

Tinted shapes, cut from one photograph, are pasted on a crop of another one: real pixels on both
sides of every edge, three classes, exact masks. Everything is derived from the seed and the
photographs, so that two machines with the same libraries train on the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from detbench.datasets.cache import made_once
from detbench.datasets.coco import CocoDataset, open_coco
from detbench.errors import MissingError

CLASSES = ("disk", "square", "triangle")  # cut from the photographs in _MATERIALS
SIZE = 128
NUM_IMAGES = {"train": 240, "val": 60}

_BACKGROUNDS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
_MATERIALS = {"disk": "gravel.png", "square": "brick.png", "triangle": "grass.png"}
_TINTS = {"disk": (200, 60, 60), "square": (60, 170, 60), "triangle": (60, 60, 200)}
_TINT_SPREAD = 60
_CORNERS = {"disk": 32, "square": 4, "triangle": 3}
_BACKGROUND = len(CLASSES) + 1  # the category of everything but the objects
_OVERSAMPLING = 4  # edges are drawn at this multiple of the size, then averaged down

Photo = Image.Image
Polygon = list[tuple[float, float]]


def open_embedded() -> CocoDataset:
    """The embedded dataset, made on first use and cached under a hash of its recipe.

    Raises:
        MissingError: scikit-image or one of its photographs is not installed.
    """
    photos = _photos()

    def make(folder: Path) -> None:
        for split, num_images in NUM_IMAGES.items():
            _write_split(folder, split, num_images, photos)

    return open_coco("embedded", made_once(f"embedded-{_content_key(photos)}", make))


def _photos() -> dict[str, bytes]:
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise MissingError(
            "the embedded dataset needs scikit-image", "pip install 'detbench[train]'"
        )
    folder = Path(spec.submodule_search_locations[0]) / "data"
    photos = {}
    for name in (*_BACKGROUNDS, *_MATERIALS.values()):
        if not (folder / name).is_file():
            raise MissingError(
                f"scikit-image's photograph {folder / name} is not installed",
                "pip install --force-reinstall scikit-image",
            )
        photos[name] = (folder / name).read_bytes()
    return photos


def _content_key(photos: dict[str, bytes]) -> str:
    key = hashlib.sha256(Path(__file__).read_bytes())  # the recipe
    for name, content in photos.items():
        key.update(name.encode())
        key.update(content)
    return key.hexdigest()[:16]


def _write_split(root: Path, split: str, num_images: int, photos: dict[str, bytes]) -> None:
    images = root / f"{split}2017"
    images.mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    opened = {name: _open_photo(content) for name, content in photos.items()}
    document: dict[str, list[dict[str, Any]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)],
    }
    panoptic: dict[str, list[dict[str, Any]]] = {
        "images": document["images"],
        "annotations": [],
        "categories": [
            *({**category, "isthing": 1} for category in document["categories"]),
            {"id": _BACKGROUND, "name": "background", "isthing": 0},
        ],
    }
    masks = root / f"panoptic_{split}2017"
    masks.mkdir()
    for index in range(num_images):
        rng = np.random.default_rng([list(NUM_IMAGES).index(split), index])
        picture, objects = _compose(rng, opened)
        name = f"{index:06d}.png"
        picture.save(images / name)
        document["images"].append(
            {"id": index + 1, "file_name": name, "width": SIZE, "height": SIZE}
        )
        for category, polygon in objects:
            document["annotations"].append(
                _annotation(len(document["annotations"]) + 1, index + 1, category, polygon)
            )
        mask, segments = _panoptic(objects)
        mask.save(masks / name)
        panoptic["annotations"].append(
            {"image_id": index + 1, "file_name": name, "segments_info": segments}
        )
    for name, content in (("instances", document), ("panoptic", panoptic)):
        target = root / "annotations" / f"{name}_{split}2017.json"
        target.write_text(json.dumps(content), encoding="utf-8")


def _open_photo(content: bytes) -> Photo:
    from io import BytesIO

    return Image.open(BytesIO(content)).convert("RGB")


def _compose(
    rng: np.random.Generator, photos: dict[str, Photo]
) -> tuple[Photo, list[tuple[int, Polygon]]]:
    """A picture of `SIZE` x `SIZE` pixels and its objects as (category index, polygon)."""
    picture = _faded(_crop(rng, photos[str(rng.choice(_BACKGROUNDS))]))
    objects = []
    for box in _places(rng):
        category = int(rng.integers(len(CLASSES)))
        polygon = _outline(rng, CLASSES[category], box)
        fill = _tinted(rng, CLASSES[category], _crop(rng, photos[_MATERIALS[CLASSES[category]]]))
        picture.paste(fill, mask=_mask(polygon))
        objects.append((category, polygon))
    return picture, objects


def _crop(rng: np.random.Generator, photo: Photo) -> Photo:
    side = int(rng.integers(SIZE, min(photo.size) + 1))
    left = int(rng.integers(photo.width - side + 1))
    top = int(rng.integers(photo.height - side + 1))
    return photo.crop((left, top, left + side, top + side)).resize((SIZE, SIZE))


def _faded(photo: Photo) -> Photo:
    """Out of focus and half grey, like a background; or else training takes too long."""
    grey = Image.new("RGB", photo.size, (128, 128, 128))
    return Image.blend(photo.filter(ImageFilter.GaussianBlur(1.5)), grey, 0.5)


def _places(rng: np.random.Generator) -> Iterator[tuple[float, float, float]]:
    """One to three disjoint circles (centre x, centre y, radius)."""
    taken: list[tuple[float, float, float]] = []
    for _ in range(int(rng.integers(1, 4))):
        radius = float(rng.uniform(14, 30))
        x, y = (float(v) for v in rng.uniform(radius, SIZE - radius, 2))
        if all(math.hypot(x - a, y - b) > radius + r for a, b, r in taken):
            taken.append((x, y, radius))
            yield x, y, radius


def _outline(rng: np.random.Generator, name: str, circle: tuple[float, float, float]) -> Polygon:
    x, y, radius = circle
    corners = _CORNERS[name]
    turn = float(rng.uniform(0, 2 * math.pi))
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


def _tinted(rng: np.random.Generator, name: str, texture: Photo) -> Photo:
    shift = rng.integers(-_TINT_SPREAD, _TINT_SPREAD + 1, 3)
    colour = tuple(int(v) for v in np.clip(_TINTS[name] + shift, 0, 255))
    return Image.blend(texture, Image.new("RGB", texture.size, colour), 0.5)


def _mask(polygon: Polygon) -> Photo:
    large = Image.new("L", (SIZE * _OVERSAMPLING, SIZE * _OVERSAMPLING))
    ImageDraw.Draw(large).polygon(
        [(x * _OVERSAMPLING, y * _OVERSAMPLING) for x, y in polygon], fill=255
    )
    return large.resize((SIZE, SIZE), Image.Resampling.BOX)


def _panoptic(objects: list[tuple[int, Polygon]]) -> tuple[Photo, list[dict[str, Any]]]:
    """A mask whose red channel is the segment number, and the segments; the background is 1."""
    mask = Image.new("RGB", (SIZE, SIZE), (1, 0, 0))
    segments = [{"id": 1, "category_id": _BACKGROUND, "iscrowd": 0}]
    for number, (category, polygon) in enumerate(objects, 2):
        shape = _mask(polygon).point(lambda share: 255 * (share >= 128))
        mask.paste((number, 0, 0), mask=shape)
        segments.append({"id": number, "category_id": category + 1, "iscrowd": 0})
    return mask, segments


def _annotation(number: int, image: int, category: int, polygon: Polygon) -> dict[str, Any]:
    xs, ys = [p[0] for p in polygon], [p[1] for p in polygon]
    following = polygon[1:] + polygon[:1]
    area = abs(sum(a * d - b * c for (a, b), (c, d) in zip(polygon, following, strict=True))) / 2
    return {
        "id": number,
        "image_id": image,
        "category_id": category + 1,
        "bbox": [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)],
        "segmentation": [[round(v, 2) for point in polygon for v in point]],
        "area": area,
        "iscrowd": 0,
    }
