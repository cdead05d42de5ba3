"""The verbs about datasets: fetching them, and checking what is there."""

from __future__ import annotations

from pathlib import Path

import click

from detbench.cli.options import format_option, print_table

_ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="The datasets' folder.  [default: $DETECTRON2_DATASETS or /dataset]",
)


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
    from detbench.api import data as datasets
    from detbench.cli.progress import DataEvents

    with DataEvents(counts_bytes=True) as on_event:
        target = datasets.download_dataset(
            name, root, mirror=mirror, keep_archives=keep_archives, on_event=on_event
        )
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
    from detbench.api import data as datasets
    from detbench.cli.progress import DataEvents

    with DataEvents(counts_bytes=False) as on_event:
        table = datasets.verify_dataset(name, root, quick=quick, on_event=on_event)
    print_table(table, style, f"{name}: complete")
