"""The verbs about a family's Docker image and container."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from detbench.cli.options import family_argument
from detbench.errors import MissingError, UsageError

if TYPE_CHECKING:
    from detbench.launch.docker import Limits

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger(__name__)

_LIMITS = (
    click.option("--memory-limit", default="", help="Such as 8g or 900m, no swap beyond."),
    click.option("--cpus", type=click.FloatRange(0, min_open=True), help="Of a container."),
    click.option("--shm-size", default="8g", show_default=True, help="Of a container's /dev/shm."),
)


def limit_options(function: F) -> F:
    """What a container may use; `limits` makes `Limits` of them."""
    for option in reversed(_LIMITS):
        function = option(function)
    return function


def limits(options: dict[str, Any]) -> Limits:
    """Takes the options of `limit_options` out of `options`."""
    from detbench.launch.docker import Limits

    return Limits(options.pop("memory_limit"), options.pop("cpus"), options.pop("shm_size"))


def folder_option(name: str, inside: str, meaning: str) -> Callable[[F], F]:
    """A folder of this host for the path `inside` a container."""
    return click.option(
        name,
        type=click.Path(path_type=Path, file_okay=False),
        help=f"{meaning}: the host's folder that is {inside} in a container; made if missing."
        f"  [default: {name.removeprefix('--').removesuffix('-dir')}/ in the checkout]",
    )


def host_folder(given: Path | None, name: str) -> Path:
    """The folder given, or the checkout's own, made if it is missing.

    Raises:
        MissingError: it cannot be made.
    """
    from detbench.checkout import checkout

    folder = given or (checkout() or Path.cwd()) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MissingError(
            f"{folder} cannot be made: {error.strerror}", f"pass --{name}-dir with another one"
        ) from error
    return folder


def _checkout() -> Path:
    from detbench.checkout import checkout

    root = checkout()
    if root is None:
        raise MissingError(
            "images are built from a checkout, and detbench is installed without one",
            "clone the repository",
        )
    return root


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
def build(
    family: str,
    device: str,
    base_image: str | None,
    arguments: dict[str, str],
    extra_ca: Path | None,
    no_cache: bool,
) -> None:
    """Build the Docker image of a FAMILY, from docker/*.Dockerfile.

    PIP_INDEX_URL and PIP_EXTRA_INDEX_URL of the environment are passed on.

    \b
    Examples:
      detbench build maskrcnn
      detbench build maskrcnn --device cpu --base-image debian:bookworm
    """
    from detbench.launch import images
    from detbench.launch.docker import engine, tag
    from detbench.suite import load_family

    load_family(family)
    root = _checkout()
    if base_image:
        arguments["BASE_IMAGE"] = base_image
    recipe = images.Recipe(
        for_cpu=device == "cpu", arguments=arguments, extra_ca=extra_ca, use_cache=not no_cache
    )
    began = time.monotonic()

    def say(line: str, is_step: bool) -> None:
        timed = f"{time.monotonic() - began:6.0f} s  {line}"
        if is_step:
            click.echo(timed, err=True)
        else:
            _log.info(timed)

    with engine() as client:
        image = images.build(client, root, family, recipe, say)
        size = client.images.get(image).attrs["Size"]
    took = time.monotonic() - began
    click.echo(f"{tag(family)}: built in {took:.0f} s, {size / 1e9:.2f} GB")


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
def shell(
    family: str,
    gpus: str,
    dataset_dir: Path | None,
    scratch_dir: Path | None,
    counters: bool,
    command: tuple[str, ...],
    **options: Any,
) -> None:
    """Open a shell in the container of a FAMILY, at /scripts, or run a COMMAND there.

    The container runs as you and is gone when the shell ends; what it wrote to /scratch stays. It
    begins in the mode that the checkout is switched to.

    \b
    Examples:
      detbench shell maskrcnn --gpus 0
      detbench shell maskrcnn -- bash setup.sh
    """
    import os

    from detbench.launch import images, terminal
    from detbench.launch.docker import (
        DATASET,
        SCRATCH,
        Wanted,
        create,
        engine,
        remove,
        tag,
    )
    from detbench.running.switched import MODE_VARIABLE, switched
    from detbench.suite import load_family

    load_family(family)
    mode = switched(family)
    chosen = _gpus(gpus)
    dataset, scratch = host_folder(dataset_dir, "dataset"), host_folder(scratch_dir, "scratch")
    may_count = counters or (mode.name == "nsight" and bool(chosen))
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not command
    wanted = Wanted(
        family=family,
        image=tag(family),
        command=command or ("bash",),
        gpus=chosen,
        writable=((scratch, SCRATCH),),
        read_only=((dataset, DATASET),),
        environment=(
            (MODE_VARIABLE, mode.name),
            ("TERM", os.environ.get("TERM", "dumb")),
        ),
        limits=limits(options),
        counters=may_count,
        interactive=is_terminal,
        reads_stdin=True,
    )
    with engine() as client:
        if old := images.staleness(client, _checkout(), family):
            click.echo(f"{old}: bash build_image.sh", err=True)
        click.echo(
            f"{tag(family)}, mode {mode.name}, GPUs {','.join(chosen) or 'none'}; "
            f"/dataset is {dataset}, /scratch is {scratch}",
            err=True,
        )
        if may_count:
            click.echo("it may read GPU counters: CAP_SYS_ADMIN is added", err=True)
        container = create(client, wanted)
        try:
            code = terminal.attend(container, is_terminal=is_terminal)
        finally:
            remove(container)
    sys.exit(code)


def _gpus(given: str) -> tuple[str, ...]:
    """What `--gpus` says: nothing for none, `("all",)`, or indices and UUIDs.

    Raises:
        UsageError: an index is none of a GPU here.
    """
    from detbench.gpus.discovery import discover

    here, why_none = discover()
    if given == "none" or (not given and not here):
        return ()
    if given in ("", "all"):
        return ("all",)
    names = tuple(part.strip() for part in given.split(",") if part.strip())
    wrong = [n for n in names if n.isdecimal() and here and int(n) >= len(here)]
    if wrong or not names:
        raise UsageError(
            f"--gpus {given}: there is no GPU {wrong[0] if wrong else ''}",
            f"here are {len(here)}" if here else why_none,
        )
    return names


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
    from detbench.launch.docker import engine, leftovers, remove
    from detbench.records import store as kept

    verb = "would remove" if dry_run else "removed"
    count = 0
    try:
        with engine() as client:
            for container in leftovers(client):
                count += 1
                if not dry_run:
                    remove(container)
                click.echo(f"{verb} container {container.name} ({container.status})")
    except MissingError as error:
        click.echo(f"no containers looked for: {error}", err=True)
    for folder in kept.abandoned(results or kept.default_root()):
        count += 1
        if held := kept.measurements_in(folder, but_logs=True):
            click.echo(f"kept {folder}: it holds {held[0].path}")
            continue
        if not dry_run:
            kept.discard(folder)
        click.echo(f"{verb} {folder}")
    if not count:
        click.echo("nothing is left behind")
