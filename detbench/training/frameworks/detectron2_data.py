"""detectron2's training data in an order that a resumed training goes on with.

Upstream's mapper, grouping by aspect ratio and loader are used as they are; its sampler begins
anew with every process, so that the order is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import (
    DatasetFromList,
    DatasetMapper,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from torch.utils.data import Dataset, Sampler

from detbench.training import checkpoints
from detbench.training.protocol import Job
from detbench.training.randomness import Order, drawing_for

_POSITION = "detbench_position"


def batches(cfg: CfgNode, job: Job) -> Any:
    """Upstream's training loader, beginning where the newest checkpoint of the job stands."""
    world = job.world
    records = get_detection_dataset_dicts(
        cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    )
    grouping = cfg.DATALOADER.ASPECT_RATIO_GROUPING
    order = Order(len(records), job.spec.seed, rank=world.rank, size=world.size)
    places = _after(
        checkpoints.iterations_done(job.output),
        iter(order),
        [grouping and r["width"] > r["height"] for r in records],
        job.spec.batch_size // world.size,
    )
    return build_detection_train_loader(
        _Placed(records),
        mapper=_Mapper(DatasetMapper(cfg, is_train=True), job.spec.seed),
        sampler=_Places(places, len(records)),
        total_batch_size=job.spec.batch_size,
        aspect_ratio_grouping=grouping,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
    )


def _after(
    num_batches: int, places: Iterator[tuple[int, int]], is_wide: Sequence[bool], batch_size: int
) -> Iterator[tuple[int, int]]:
    """What is left of `places` when upstream's grouping has made so many batches of them.

    It fills two batches at once, wide images and others; what lies in an unfinished one when the
    last of the batches is complete comes first again.
    """
    waiting: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    while num_batches:
        place = next(places)
        batch = waiting[is_wide[place[1]]]
        batch.append(place)
        if len(batch) == batch_size:
            batch.clear()
            num_batches -= 1
    return chain(sorted(waiting[True] + waiting[False]), places)


class _Places(Sampler[int]):
    """Places as the single numbers that upstream's datasets take."""

    def __init__(self, places: Iterator[tuple[int, int]], num_images: int) -> None:
        self._places, self._num_images = places, num_images

    def __iter__(self) -> Iterator[int]:
        return (position * self._num_images + index for position, index in self._places)


class _Placed(Dataset[dict[str, Any]]):
    """The images' records, which know their position in the training."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = DatasetFromList(records, copy=False)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, number: int) -> dict[str, Any]:
        position, index = divmod(number, len(self._records))
        return {**self._records[index], _POSITION: position}


class _Mapper:
    """Upstream's mapper, drawing its augmentation for the position."""

    def __init__(self, mapper: DatasetMapper, seed: int) -> None:
        self._mapper, self._seed = mapper, seed

    def __call__(self, record: dict[str, Any]) -> dict[str, Any] | None:
        with drawing_for(self._seed, record.pop(_POSITION)):
            return self._mapper(record)
