"""The cells of a monitor's samples: numbers with units, times, and words for what is not known."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import numpy.typing as npt

_NUMBER = re.compile(r"(-?\d{1,12}(?:\.\d{1,12})?) *(%|MiB|W|MHz|C)?", re.ASCII)
# The driver puts its reasons in brackets: [N/A], [Insufficient Permissions], [GPU requires reset].
# Our file adds a reason of its own: [N/A: why].
_NOT_TOLD = re.compile(
    r"\[n/a: (?P<why>[^\]]{1,200})\]|\[(?P<words>[a-z][^\]\d]{0,200})\]"
    r"|(?P<word>n/a|not supported|unknown error|gpu is lost|-)",
    re.IGNORECASE,
)
_STAMP = re.compile(
    r"(\d{4})([-/]?)(\d\d)\2(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", re.ASCII)
_DAY, _HOUR = 86_400.0, 3_600.0


def not_told(cell: str) -> str:
    """The driver's words for a value that it cannot report; empty if the cell holds a value."""
    found = _NOT_TOLD.fullmatch(cell)
    return (found["why"] or found["words"] or found["word"]) if found else ""


def number(cell: str) -> tuple[float, str]:
    """A number and its unit.

    Raises:
        ValueError: it is not a number, or its unit is unknown.
    """
    found = _NUMBER.fullmatch(cell)
    if found is None:
        raise ValueError(f"'{cell[:40]}' is not a number with a known unit")
    return float(found[1]), found[2] or ""


class Times:
    """The times of the samples of one file, in seconds since a moment that all share."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()

    def seconds(self, cell: str) -> float:
        """The time in a cell; NaN if it says that there is none.

        Raises:
            ValueError: it is no time, or of another kind than those before.
        """
        if not_told(cell):
            return float("nan")
        kind, seconds = _read(cell)
        self._kinds.add(kind)
        if len(self._kinds) > 1:
            raise ValueError(f"the time '{cell[:40]}' is of another kind than those before")
        return seconds

    def in_order(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The times in the order of the file, where clocks without a date may pass midnight."""
        if self._kinds != {"clock"}:
            return seconds
        # A monitor writes its samples in order, so a clock that is set back tells a new day.
        days = np.concatenate([[0], np.cumsum(np.diff(seconds) < -_HOUR)])
        return seconds + _DAY * days


def _read(cell: str) -> tuple[str, float]:
    """The kind of time, and its seconds."""
    if found := _NUMBER.fullmatch(cell):  # ours, most often
        return "number", float(found[1])
    if found := _CLOCK.fullmatch(cell):
        hours, minutes, seconds = (int(part) for part in found.groups()[:3])
        return "clock", 3600.0 * hours + 60 * minutes + seconds + _fraction(found[4])
    found = _STAMP.fullmatch(cell)
    if found is None:
        raise ValueError(f"'{cell[:40]}' is neither a number nor a time that is known")
    year, _, month, day, hour, minute, second, fraction, zone = found.groups()
    # Without a zone the clock is taken as it stands: the zone of this machine is not the
    # monitor's, and would shift times by an hour where its summer begins.
    whole = (int(part) for part in (year, month, day, hour, minute, second))
    moment = datetime(*whole, tzinfo=_zone(zone))  # type: ignore[misc, arg-type]
    return "stamp with a zone" if zone else "stamp", moment.timestamp() + _fraction(fraction)


def _fraction(digits: str | None) -> float:
    return float(f"0.{digits or 0}")


def _zone(text: str | None) -> timezone:
    if not text or text[0] not in "+-":
        return timezone.utc
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
