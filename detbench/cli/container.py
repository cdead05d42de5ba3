"""The verbs about a family's Docker image and container."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from detbench.cli.options import family_argument

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger(__name__)

_LIMITS = (
    click.option("--memory-limit", default="", help="Such as 8g or 900m, no swap beyond."),
    click.option("--cpus", type=click.FloatRange(0, min_open=True), help="Of a container."),
    click.option("--shm-size", default="8g", show_default=True, help="Of a container's /dev/shm."),
)


def limit_options(function: F) -> F:
    """The options that limit a container."""
    for option in reversed(_LIMITS):
        function = option(function)
    return function


def folder_option(name: str, inside: str, meaning: str) -> Callable[[F], F]:
    """A folder of this host for the path `inside` a container."""
    return click.option(
        name,
        type=click.Path(path_type=Path, file_okay=False),
        help=f"{meaning}: the host's folder that is {inside} in a container; made if missing."
        f"  [default: {name.removeprefix('--').removesuffix('-dir')}/ in the checkout]",
    )


def _pairs(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> Any:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"'{text}' is not NAME=VALUE", context, parameter)
        found[name] = value
    return found


@click.command()
@family_argument()
@click.option(
    "--device",
    type=click.Choice(["cuda", "cpu"]),
    default="cuda",
    show_default=True,
    help="What it is for; one for the CPU stands on a small image and compiles nothing.",
)
@click.option("--base-image", help="The image to stand on, such as nvidia/cuda:...-cudnn-devel.")
@click.option(
    "--build-arg",
    "arguments",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="Another argument of docker/*.Dockerfile, such as PROFILERS='nsys ncu' or TORCH=image.",
)
@click.option(
    "--extra-ca",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A PEM file of certificates to trust, as behind a company's proxy.",
)
@click.option("--no-cache", is_flag=True, help="Build every layer anew.")
@click.option(
    "--dlprof", is_flag=True, help="Build the image of mode dlprof instead, on NVIDIA's of 21.12."
)
def build(family: str, no_cache: bool, **options: Any) -> None:
    """Build the Docker image of a FAMILY, from docker/*.Dockerfile.

    DETECTRON2=pypi takes detectron2's Python tree and compiles nothing: a minute for 10 to 20. It
    trains what this suite trains; DETECTRON2=git, the default, has every operator.

    PIP_INDEX_URL and PIP_EXTRA_INDEX_URL of the environment are passed on.

    \b
    Examples:
      detbench build maskrcnn
      detbench build maskrcnn --build-arg DETECTRON2=pypi
      detbench build maskrcnn --device cpu --base-image debian:bookworm
      detbench build maskrcnn --dlprof
    """
    from detbench.api import containers

    began = time.monotonic()

    def on_event(event: Mapping[str, Any]) -> None:
        timed = f"{time.monotonic() - began:6.0f} s  {event['text']}"
        if event["is_step"]:
            click.echo(timed, err=True)
        else:
            _log.info(timed)

    image = containers.build_image(family, use_cache=not no_cache, on_event=on_event, **options)
    took = time.monotonic() - began
    click.echo(f"{image.tag}: built in {took:.0f} s, {image.bytes / 1e9:.2f} GB")


@click.command(context_settings={"ignore_unknown_options": True})
@family_argument()
@click.option(
    "--gpus",
    default="",
    help="all, none, or indices or UUIDs of GPUs or MIG instances.  [default: all, if any]",
)
@folder_option("--dataset-dir", "/dataset, read-only", "Datasets")
@folder_option("--scratch-dir", "/scratch", "What runs leave")
@limit_options
@click.option("--counters", is_flag=True, help="May read GPU counters: adds CAP_SYS_ADMIN.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(family: str, command: tuple[str, ...], **options: Any) -> None:
    """Open a shell in the container of a FAMILY, at /scripts, or run a COMMAND there.

    The container runs as you and is gone when the shell ends; what it wrote to /scratch stays. It
    begins in the mode that the checkout is switched to.

    \b
    Examples:
      detbench shell maskrcnn --gpus 0
      detbench shell maskrcnn -- bash setup.sh
    """
    from detbench.api import containers

    def on_event(event: Mapping[str, Any]) -> None:
        click.echo(event["text"], err=True)

    sys.exit(containers.open_shell(family, command, on_event=on_event, **options))


@click.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where runs are kept.  [default: results/, in a container /scratch/measurements]",
)
@click.option("--dry-run", is_flag=True, help="Show what would go, and leave it.")
def clean(results: Path | None, dry_run: bool) -> None:
    """Remove what ended runs left behind: containers, and folders of runs that never ended.

    A folder that holds a measurement is named and stays.

    \b
    Example:
      detbench clean --dry-run
    """
    from detbench.api import containers

    cleaned = containers.clean(results, dry_run=dry_run)
    if cleaned.why_no_containers:
        click.echo(f"containers were not looked for: {cleaned.why_no_containers}", err=True)
    for each in cleaned.found:
        if each.kept:
            click.echo(f"kept {each.what}: {each.kept}")
        else:
            click.echo(f"{'would remove' if dry_run else 'removed'} {each.what}")
    if not cleaned.found:
        click.echo("nothing is left behind")
