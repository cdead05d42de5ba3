"""The parts of a report page: sections of exhibits, each a table with an optional chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detbench.reporting.charts.parts import Chart


@dataclass(frozen=True)
class Basis:
    """The window, the denominator and the count behind an exhibit's numbers."""

    window: str
    denominator: str
    count: str


@dataclass(frozen=True)
class Exhibit:
    """A table, shown as such or as a `chart`; in both cases it can be downloaded as CSV.

    Attributes:
        table: everything that is drawn, and possibly more.
        sources: the files that it was read from.
        chart: its chart, with texts escaped by `plain`; without one, the table is shown.
        notes: what a reader has to know, one sentence each.
        folded: whether it is hidden until a reader opens it.
    """

    title: str
    table: pd.DataFrame
    basis: Basis
    sources: Sequence[Path] = ()
    chart: Chart | None = None
    notes: Sequence[str] = ()
    folded: bool = False


@dataclass(frozen=True)
class Block:
    """Lines of text under a heading, such as commands or the end of a log."""

    title: str
    lines: Sequence[str]
    facts: Sequence[str] = ()
    source: Path | None = None


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        problems: one line per file that could not be shown.
    """

    title: str
    exhibits: Sequence[Exhibit] = ()
    blocks: Sequence[Block] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class LeftOut:
    """A section that the page omits, and why.

    Attributes:
        problems: one line per file for this section that could not be read.
    """

    title: str
    why: str
    problems: Sequence[str] = ()
