"""The time in a log whose stamps have no year: detectron2's `[11/24 10:00:00`."""

from __future__ import annotations

import math
import re

_STAMP = re.compile(r"\[(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)[ \]]")
_DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)  # months of a common year
_DAY = 86400
_HALF_A_YEAR = 182 * _DAY
_SET = 60  # seconds: a clock set back by less than this does not matter here


class LogClock:
    """Turns stamps into seconds that only grow, over midnight and new year.

    A step back of more than half a year is a new year. A year is a common year unless the log has
    a line of 29 February. After any other step back of a minute or more (the end of summer time,
    logs joined in the wrong order) times are unknown: every later one is NaN.

    Attributes:
        broken: the stamp that stepped back; empty until one does.
    """

    def __init__(self) -> None:
        self.broken = ""
        self.seen = False
        self._years = 0  # days in the years before this one
        self._leap = False
        self._last = -math.inf

    def read(self, line: str) -> float | None:
        """The seconds of a line's stamp, from an arbitrary origin; None if it has no stamp."""
        found = _STAMP.match(line)
        if found is None:
            return None
        month, day, hour, minute, second = map(int, found.groups())
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return None
        self.seen = True
        self._leap |= (month, day) == (2, 29)
        in_year = _DAYS_BEFORE[month - 1] + day
        clock = (hour * 60 + minute) * 60 + second
        now = self._seconds(month, in_year, clock)
        if self._last - now > _HALF_A_YEAR:
            self._years += 365 + self._leap
            self._leap = False
            now = self._seconds(month, in_year, clock)
        if now < self._last - _SET and not self.broken:
            self.broken = found[0][1:-1]
        self._last = max(self._last, now)
        return math.nan if self.broken else now

    def _seconds(self, month: int, in_year: int, clock: int) -> float:
        return (self._years + in_year + (self._leap and month > 2)) * _DAY + clock
