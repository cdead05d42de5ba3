"""The report page: one self-contained HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from detbench import __version__
from detbench.errors import MissingError
from detbench.reporting.measurements import Runs
from detbench.reporting.parts import Exhibit, LeftOut, Section
from detbench.reporting.sections import SECTIONS
from detbench.reporting.tables import cell

_FEW = 6  # most files in an open list; longer lists are folded


@dataclass(frozen=True)
class Link:
    """A link to a file: its text and its href."""

    text: str
    href: str


def build(
    runs: Runs,
    unreadable: Sequence[str],
    folder: Path,
    made: datetime,
    makers: Sequence[Callable[[Runs], Section | LeftOut]] = SECTIONS,
) -> str:
    """The page as HTML.

    Args:
        runs: the runs, oldest first.
        unreadable: one line per record that could not be read.
        folder: where the page will be stored; its links to measurements are relative to it. The
            folder may be missing.
        made: the time of creation, in UTC.
        makers: functions that make the sections, in the order of the page.

    Raises:
        MissingError: a package that the page needs is not installed.
    """
    try:
        from jinja2 import Environment
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise MissingError(
            f"a report page needs the Python package {error.name}",
            "in the checkout: pip install '.[report]'",
        ) from error

    parts = [make(runs) for make in makers]
    sections = [part for part in parts if isinstance(part, Section)]
    left_out = [part for part in parts if isinstance(part, LeftOut)]
    exhibits = [exhibit for section in sections for exhibit in section.exhibits]
    keys = {id(exhibit): f"e{number}" for number, exhibit in enumerate(exhibits)}
    figures = {keys[id(exhibit)]: _figure(exhibit) for exhibit in exhibits}

    def link(path: Path) -> Link:
        relative = os.path.relpath(path.absolute(), folder.absolute())
        return Link(relative, quote(os.fsencode(relative)))

    scripts = [get_plotlyjs(), _asset("page.js")]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_asset("page.html")).render(
        sections=sections,
        left_out=left_out,
        problems=list(
            dict.fromkeys([*unreadable, *(line for part in parts for line in part.problems)])
        ),
        runs=len(runs.items),
        version=__version__,
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        key=lambda exhibit: keys[id(exhibit)],
        anchor=slug,
        link=link,
        few=_FEW,
        cells=_cells,
        style=_asset("page.css"),
        scripts=scripts,
        hashes=[_hash(script) for script in scripts],
        figures=_in_script(figures),
    )


def slug(title: str) -> str:
    """A title as a file name or an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80] or "data"


def _asset(name: str) -> str:
    return (files("detbench.reporting") / "assets" / name).read_text(encoding="utf-8")


def _figure(exhibit: Exhibit) -> dict[str, Any]:
    """The data of an exhibit for the page's script."""
    return {
        "name": f"{slug(exhibit.title)}.csv",
        "csv": exhibit.table.to_csv(index=False),
        "traces": exhibit.chart.traces if exhibit.chart else [],
        "layout": exhibit.chart.whole_layout() if exhibit.chart else {},
    }


def _cells(table: pd.DataFrame) -> list[list[tuple[str, bool]]]:
    """The rows of a table as texts, each with whether its column is numeric."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    return [
        [(cell(value), number) for value, number in zip(row, numeric, strict=True)]
        for row in table.itertuples(index=False)
    ]


def _in_script(data: Mapping[str, Any]) -> str:
    """JSON without any `<`, so that no text in it can end the script element."""
    return json.dumps(_clean(data), ensure_ascii=False, separators=(",", ":")).replace(
        "<", "\\u003c"
    )


def _clean(value: Any) -> Any:
    """Values that JSON can represent: Python numbers for numpy's, null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {key: _clean(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _hash(script: str) -> str:
    """The hash by which the page's security policy allows this script and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
