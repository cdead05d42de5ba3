"""Builds a family's image from docker/*.Dockerfile, and checks whether it is up to date."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from detbench import __version__
from detbench.checkout import commit
from detbench.errors import MissingError, RunFailedError
from detbench.launch.docker import LABEL, tag

if TYPE_CHECKING:
    from docker import DockerClient

_SOURCE = "detbench.source"
_SUITE = "suite"
DLPROF = "dlprof"
"""The name of the image of mode dlprof, and of its Dockerfile."""

_PARENT = re.compile(r"^ARG BASE=detbench/(\w+?)(-framework)?$", re.MULTILINE)
_STEP = re.compile(r"^Step \d+/\d+ : ")
_PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")
_TAIL = 25  # the number of lines shown of a failed step
_CPU = {"BASE_IMAGE": "debian:bookworm", "DETECTRON2": "pypi", "PROFILERS": "nsys"}
"""Build arguments of an image for the CPU, which needs no CUDA; its detectron2 is not compiled."""


@dataclass(frozen=True)
class Recipe:
    """The options of a build.

    Attributes:
        arguments: build arguments, which override those of the Dockerfiles.
        extra_ca: a PEM file of certificates to trust, as behind a company's proxy.
    """

    for_cpu: bool = False
    arguments: dict[str, str] = field(default_factory=dict)
    extra_ca: Path | None = None
    use_cache: bool = True

    def all_arguments(self) -> dict[str, str]:
        """The build arguments, including those of the device and the environment."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return {**(_CPU if self.for_cpu else {}), **passed_on, **self.arguments}


def build(
    client: DockerClient, root: Path, family: str, recipe: Recipe, say: Callable[[str, bool], None]
) -> str:
    """Build a family's image and the images below it from the checkout `root`; returns its id.

    `say` is called with every line of the engine's output, and whether a step begins with it.

    Raises:
        MissingError: a file that the build needs is missing.
        RunFailedError: a step failed; its last lines were passed to `say`.
    """
    from docker.errors import APIError

    context = _context(root, recipe)
    arguments = recipe.all_arguments()
    base = ""
    for stem in _chain(root, family):
        base = _build(client, context, stem, base, arguments, recipe, say, {})
        client.images.get(base).tag(_layer_tag(stem))
    labels = {
        LABEL: family,
        _SOURCE: source_digest(root),
        "org.opencontainers.image.title": f"detbench {family}",
        "org.opencontainers.image.version": __version__,
        "org.opencontainers.image.revision": commit(),
        "org.opencontainers.image.licenses": "Apache-2.0",
        **{
            f"detbench.{name.lower()}": value
            for name, value in arguments.items()
            if "URL" not in name
        },
    }
    image = _build(
        client, context, _SUITE, base, {"FAMILY": family, "COMMIT": commit()}, recipe, say, labels
    )
    before = client.images.list(name=tag(family))
    client.images.get(image).tag(tag(family))
    for old in before:
        if old.id != image and not client.images.get(str(old.id)).tags:
            with suppress(APIError):  # a container still uses it
                client.images.remove(str(old.id))
    return image


def build_dlprof(
    client: DockerClient, root: Path, recipe: Recipe, say: Callable[[str, bool], None]
) -> str:
    """Build the image of mode dlprof; returns its id. Parameters and errors as in `build`."""
    arguments = recipe.all_arguments()
    image = _build(client, _context(root, recipe), DLPROF, "", arguments, recipe, say, {})
    client.images.get(image).tag(tag(DLPROF))
    return image


def staleness(client: DockerClient, root: Path, family: str) -> str:
    """Why a family's image is out of date, and the remedy; empty if it is not.

    Raises:
        docker.errors.ImageNotFound: the family has no image.
    """
    labels = client.images.get(tag(family)).labels or {}
    if labels.get(_SOURCE) == source_digest(root):
        return ""
    built = labels.get("org.opencontainers.image.revision", "")[:12] or "an unknown commit"
    return (
        f"image {tag(family)} was built from {built}, and files have changed since:"
        " bash build_image.sh"
    )


def source_digest(root: Path) -> str:
    """The sha256 of all files that go into an image, names included."""
    found = hashlib.sha256()
    for name in _files(root):
        found.update(name.encode() + b"\0" + (root / name).read_bytes() + b"\0")
    return found.hexdigest()


def _files(root: Path) -> list[str]:
    from docker.utils import exclude_paths

    patterns = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    wanted = [p for line in patterns if (p := line.strip()) and not p.startswith("#")]
    return sorted(name for name in exclude_paths(str(root), wanted) if (root / name).is_file())


def _context(root: Path, recipe: Recipe) -> bytes:
    """The build context as a tar archive."""
    from docker.utils.build import create_archive

    extra = []
    if recipe.extra_ca is not None:
        try:
            text = recipe.extra_ca.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MissingError(
                f"--extra-ca {recipe.extra_ca}: {error}", "name a PEM file"
            ) from error
        extra = [("docker/certificates/extra.crt", text)]
    archive = create_archive(str(root), files=_files(root), extra_files=extra)
    try:
        return bytes(archive.read(-1))
    finally:
        archive.close()


def _chain(root: Path, family: str) -> list[str]:
    """The Dockerfiles of a family's image, base first, found by the default of each one's BASE."""
    chain: list[str] = []
    stem: str | None = family
    while stem is not None:
        path = root / "docker" / f"{stem}.Dockerfile"
        if not path.is_file():
            raise MissingError(f"there is no {path}", "write one like docker/maskrcnn.Dockerfile")
        chain.insert(0, stem)
        parent = _PARENT.search(path.read_text(encoding="utf-8"))
        stem = parent[1] if parent else None
    return chain


def _layer_tag(stem: str) -> str:
    return "detbench/base" if stem == "base" else f"detbench/{stem}-framework"


def _build(
    client: DockerClient,
    context: bytes,
    stem: str,
    base: str,
    arguments: dict[str, str],
    recipe: Recipe,
    say: Callable[[str, bool], None],
    labels: dict[str, str],
) -> str:
    lines: list[str] = []
    step = image = ""
    stream = client.api.build(
        fileobj=io.BytesIO(context),
        custom_context=True,
        dockerfile=f"docker/{stem}.Dockerfile",
        buildargs={**arguments, **({"BASE": base} if base else {})},
        labels=labels,
        nocache=not recipe.use_cache,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for event in stream:
        if "error" in event:
            for line in lines[-_TAIL:]:
                say(line, True)
            said = " ".join(event["error"].split())
            raise RunFailedError(
                f"docker/{stem}.Dockerfile, {step or 'its start'}: {said}",
                "pass --base-image with an image that is here or can be pulled"
                if " : FROM " in step
                else "its last lines are above; --verbose shows all",
            )
        if "aux" in event:
            image = event["aux"].get("ID", image)
        for line in event.get("stream", event.get("status", "")).splitlines():
            if not line.strip():
                continue
            if _STEP.match(line):
                step, lines = line, []
                say(f"{stem}: {line}", True)
            else:
                lines.append(line)
                say(line, False)
    if not image:
        raise RunFailedError(
            f"docker/{stem}.Dockerfile: the engine returned no image", "try it with --no-cache"
        )
    return image
