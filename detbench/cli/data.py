"""The verbs about datasets: fetching them, and checking what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from detbench.cli.options import format_option, print_table
from detbench.errors import BadFileError

if TYPE_CHECKING:
    from detbench.datasets.coco import Split

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The datasets' folder.  [default: $DETECTRON2_DATASETS or /dataset]",
)

# Images of the splits as published.
_NUM_IMAGES = {
    "coco": (118_287, 5_000),
    "voc2007": (5_011, 4_952),
    "voc2012": (5_717, 5_823),
    "voc0712": (16_551, 4_952),
}


@click.group()
def data() -> None:
    """Fetch datasets, and check the ones that are there.

    \b
    Examples:
      detbench data download coco --root /dataset
      detbench data verify coco --root /dataset
    """


@data.command()
@click.argument("name")
@_ROOT
@click.option("--mirror", default="", help="A URL that has the archives by their names.")
@click.option("--keep-archives", is_flag=True, help="Leave the archives beside their content.")
def download(name: str, root: Path | None, mirror: str, keep_archives: bool) -> None:
    """Fetch NAME: coco, coco-panoptic, voc2007, voc2012 or voc0712.

    An interrupted download goes on where it stopped. Archives are checked against the published
    checksums before anything of them is unpacked.

    \b
    coco        21 GB: /dataset/annotations, /dataset/train2017, /dataset/val2017
    voc2007    0.9 GB: /dataset/VOCdevkit/VOC2007
    voc2012      2 GB: /dataset/VOCdevkit/VOC2012
    \b
    Example:
      detbench data download voc2007 --root /dataset
    """
    from detbench.datasets import datasets_root
    from detbench.datasets import download as downloads

    target = root or datasets_root()
    archives = downloads.archives_of(name)
    downloads.check_space(archives, target)
    for archive in archives:
        if downloads.is_unpacked(archive, target):
            click.echo(f"{archive.name}: unpacked already", err=True)
            continue
        with _ByteProgress(f"fetching {archive.name}") as progress:
            downloads.fetch(archive, target, mirror=mirror, on_bytes=progress.at)
        with _ByteProgress(f"unpacking {archive.name}") as progress:
            downloads.unpack(archive, target, on_bytes=progress.at)
        if not keep_archives:
            (target / archive.name).unlink()
    click.echo(f"{name} is in {target}; next: detbench data verify {name} --root {target}")


@data.command()
@click.argument("name")
@_ROOT
@click.option("--quick", is_flag=True, help="Do not open the images.")
@format_option()
def verify(name: str, root: Path | None, quick: bool, style: str) -> None:
    """Check NAME: coco, voc2007, voc2012, voc0712, embedded, or a folder in COCO's layout.

    Every id of the annotations resolves, every image is there and as large as listed, and there
    are as many as published. --quick leaves out opening the images.

    \b
    Examples:
      detbench data verify coco --quick
      detbench data verify /dataset/mine
    """
    import os

    import pandas as pd

    from detbench.datasets import open_dataset
    from detbench.datasets.annotations import check_images, read_listing

    if root is not None:
        os.environ["DETECTRON2_DATASETS"] = str(root)
    found = open_dataset(name)
    rows = []
    expected = _NUM_IMAGES.get(name, (None, None))
    splits = {"train": found.train, "val": found.val}
    for (label, split), number in zip(splits.items(), expected, strict=True):
        listing = read_listing(split.annotations, split.images)
        _check_number(name, split, len(listing.images), number)
        if not quick:
            with _ByteProgress(f"opening the {label} images", unit="images") as progress:
                check_images(listing, split.images, progress.at)
        rows.append(
            {
                "split": label,
                "images": len(listing.images),
                "annotations": listing.num_annotations,
                "classes": len(listing.class_of),
                "image headers": "not opened (--quick)" if quick else "all readable",
                "folder": str(split.images),
            }
        )
    print_table(pd.DataFrame(rows), style, f"{name}: complete")


def _check_number(name: str, split: Split, number: int, expected: int | None) -> None:
    if expected is not None and number != expected:
        raise BadFileError(
            split.annotations,
            f"it lists {number} images, {name} has {expected}",
            f"detbench data download {name}",
        )


class _ByteProgress:
    """A bar on a terminal, a line each tenth elsewhere."""

    def __init__(self, label: str, unit: str = "") -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(stderr=True)
        counted = [MofNCompleteColumn()] if unit else [DownloadColumn(), TransferSpeedColumn()]
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *counted,
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._label, self._plain, self._said = label, not console.is_terminal, -1
        self._task = self._bar.add_task(label, total=None)

    def __enter__(self) -> _ByteProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    @property
    def at(self) -> Callable[[int, int], None]:
        """Shows how many there are, and of how many."""
        return self._show

    def _show(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
        tenth = 10 * done // total if total else 10
        if self._plain and tenth != self._said:
            self._said = tenth
            click.echo(f"{self._label}: {10 * tenth} %", err=True)
