"""The shares that a summary prints: they reveal a missing or damaged row."""

from __future__ import annotations

from pathlib import Path

from detbench.errors import BadFileError


class Shares:
    """Rows whose shares are of one total; `again` is the remedy for a damaged file."""

    def __init__(self, path: Path, again: str) -> None:
        self._path = path
        self._again = again
        self._rows: list[tuple[float, float, int, str]] = []

    def add(self, percent: float, text: str, time: int, place: str) -> None:
        """Add a row: its share, the share as printed, its time in ns, and its place in the file."""
        # The printed share is rounded, by less than one in its last digit.
        digit = 10.0 ** -len(text.partition(".")[2])
        self._rows.append((percent, digit, time, place))

    def end(self) -> None:
        """Check the rows at the end of a report; another report may follow.

        Raises:
            BadFileError: a row's share does not fit the times of the rows in the report.
        """
        total = sum(time for _, _, time, _ in self._rows)
        for percent, digit, time, place in self._rows:
            if not abs(percent - 100 * time / max(1, total)) <= digit:
                raise BadFileError(
                    self._path,
                    f"{percent:g} % is not its share of the rows here: rows are missing or damaged",
                    self._again,
                    place=place,
                )
        self._rows = []
