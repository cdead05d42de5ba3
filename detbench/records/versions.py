"""Upgrades records of older schema versions, one step at a time, when they are read.

A new field with a default needs no new version. To rename or drop a field, raise
`spec.SCHEMA_VERSION` and add here a function that upgrades the previous version. Files of users
are never rewritten.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detbench.errors import BadFileError
from detbench.records import spec

NO_RECORD = "move that run's folder elsewhere, or take the file from a copy"

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By version: a function from the content of a `run.json` to that of the next version."""


def upgraded(path: Path, document: Any) -> dict[str, Any]:
    """The content of a `run.json` in the current version's form.

    Raises:
        BadFileError: it names no version, or that of a newer detbench.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int) or version < 1:
        raise BadFileError(path, "not a run record: it has no schema_version", NO_RECORD)
    if version > spec.SCHEMA_VERSION:
        raise BadFileError(
            path,
            f"written by a newer detbench: this one knows versions up to {spec.SCHEMA_VERSION}",
            "update detbench",
            place=f"schema_version {version}",
        )
    for older in range(version, spec.SCHEMA_VERSION):
        document = UPGRADES[older](document)
    return dict(document)
