"""What a report page is made of: sections of exhibits, each a table that may also be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from detbench.reporting.charts.parts import Chart


@dataclass(frozen=True)
class Basis:
    """What the numbers of an exhibit are: its window, its denominator, and how many there are."""

    window: str
    denominator: str
    count: str


@dataclass(frozen=True)
class Exhibit:
    """A table, shown as such or drawn as a `chart`; either way it is offered as CSV.

    Attributes:
        table: of everything that is drawn, and perhaps more.
        sources: the files that it was read from.
        chart: what is drawn of it, texts in it made by `plain`; without one the table is shown.
        notes: what a reader has to know, a sentence each.
        folded: whether it is shown only when it is asked for.
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
    """Lines of text under a heading: commands, the end of a log."""

    title: str
    lines: Sequence[str]
    facts: Sequence[str] = ()
    source: Path | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        problems: what could not be shown, a line each.
    """

    title: str
    exhibits: Sequence[Exhibit] = ()
    blocks: Sequence[Block] = ()
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class LeftOut:
    """A part that the page does not have, and why.

    Attributes:
        problems: files that it would have been made of and that could not be read.
    """

    title: str
    why: str
    problems: Sequence[str] = ()
