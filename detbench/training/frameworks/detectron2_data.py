"""detectron2's training data in an order that a resumed training continues.

Upstream's mapper, grouping by aspect ratio and loader are used unchanged. Its sampler starts anew
in every process, so the order is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import (
    DatasetFromList,
    DatasetMapper,
    build_detection_train_loader,
    get_detection_dataset_dicts,
)
from torch.utils.data import IterableDataset, get_worker_info

from detbench.errors import BadFileError
from detbench.training import checkpoints
from detbench.training.protocol import Job
from detbench.training.randomness import Order, drawing_for

_POSITION = "detbench_position"


def batches(cfg: CfgNode, job: Job) -> Any:
    """Upstream's training loader, which continues after the job's newest checkpoint."""
    records = get_detection_dataset_dicts(
        cfg.DATASETS.TRAIN, filter_empty=cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS
    )
    grouping = cfg.DATALOADER.ASPECT_RATIO_GROUPING
    return build_detection_train_loader(
        _Stream(records, job, grouping=grouping),
        mapper=_Mapper(DatasetMapper(cfg, is_train=True), job.spec.seed),
        total_batch_size=job.spec.batch_size,
        aspect_ratio_grouping=grouping,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
        seed=job.spec.seed,  # otherwise drawn from the current iteration's numbers
    )


def _after(
    num_batches: int, places: Iterator[tuple[int, int]], is_wide: Sequence[bool], batch_size: int
) -> Iterator[tuple[int, int]]:
    """The rest of `places` after upstream's grouping has made so many batches.

    The grouping fills two batches at once, of wide images and of others. The images of an
    unfinished batch when the last batch is complete come first again.
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


class _Stream(IterableDataset[dict[str, Any]]):
    """The records of images in this process's order, each with its position in the training.

    Data loader workers take turns record by record, so that the order does not depend on their
    number.
    """

    def __init__(self, records: list[dict[str, Any]], job: Job, *, grouping: bool) -> None:
        self._is_wide = [grouping and r["width"] > r["height"] for r in records]
        self._records = DatasetFromList(records, copy=False)
        self._job = job
        self._done = checkpoints.iterations_done(job.output)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        spec, world = self._job.spec, self._job.world
        order = Order(len(self._records), spec.seed, rank=world.rank, size=world.size)
        places = _after(self._done, iter(order), self._is_wide, spec.batch_size // world.size)
        worker = get_worker_info()
        if worker is not None:
            places = islice(places, worker.id, None, worker.num_workers)
        for position, index in places:
            yield {**self._records[index], _POSITION: position}


class _Mapper:
    """Upstream's mapper, with the augmentation drawn for the position."""

    def __init__(self, mapper: DatasetMapper, seed: int) -> None:
        self._mapper, self._seed = mapper, seed

    def __call__(self, record: dict[str, Any]) -> dict[str, Any] | None:
        with drawing_for(self._seed, record.pop(_POSITION)):
            try:
                return self._mapper(record)
            except OSError as error:  # which may not name the file
                path = Path(record["file_name"])
                said = f"not a readable image: {error}"
                raise BadFileError(path, said, "fetch it again") from error
