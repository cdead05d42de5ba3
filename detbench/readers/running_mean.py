"""Time between two reports, out of a mean over all iterations since the process began.

The mean times its count is a sum, and the difference of two sums is the time in between. A process
that begins starts its mean anew. Where no line of the log says so, it shows: the sum falls, or what
lies between two sums fits neither the clock nor the time spent waiting for data.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from detbench.readers.training_history import PERIOD

_ROUNDED = 0.5e-4  # seconds: a mean is printed with four decimals
_STAMP = 2.0  # seconds: two stamps of whole seconds
_SILENCE = 60.0  # seconds without a line that iterations do not account for
_LONG_SILENCE = 300.0
_UNLIKE = 0.5  # the new iterations against the mean, as a share of it


class Seen(NamedTuple):
    """What the log shows around a report; NaN where it does not.

    Attributes:
        elapsed: seconds since the report before.
        idle: seconds since the line before.
        wait: seconds that an iteration waited for data, mean of the latest.
        is_whole: whether the log has other lines than reports, so that a silence is one.
    """

    elapsed: float
    idle: float
    wait: float
    is_whole: bool


class RunningMean:
    """The iterations of a process and their time, as far as they were reported.

    Args:
        left_out: iterations at the start of a process that the mean does not count.

    Attributes:
        period: iterations between two reports; a guess before there were two.
    """

    def __init__(self, left_out: int) -> None:
        self.period = PERIOD
        self._is_guess = True
        self._left_out = left_out
        self._timed, self._seconds = 0, 0.0

    def begin(self) -> None:
        """Begin a process."""
        self._timed, self._seconds = 0, 0.0

    def add(self, since: int, mean: float) -> tuple[int, float]:
        """The number of new iterations and their seconds.

        Args:
            since: iterations since the process began.
            mean: seconds of an iteration, over all of them but those left out.
        """
        before = self._timed, self._seconds
        self._timed = max(0, since - self._left_out)
        self._seconds = self._timed * mean
        num = self._timed - before[0]
        if before[0] and self._is_guess:
            self.period, self._is_guess = num, False
        return num, self._seconds - before[1]

    def is_anew(self, since: int, mean: float, seen: Seen) -> bool:
        """Whether a report of this mean can only come from a process that began after the last.

        `since` counts from the process before, as in `add`.
        """
        timed = max(0, since - self._left_out)
        num, spent = timed - self._timed, timed * mean - self._seconds
        if not self._timed or num <= 0:
            return False
        error = (timed + self._timed) * _ROUNDED
        waited = 0.0 if math.isnan(seen.wait) else num * seen.wait
        if spent + error < waited * (1 - _UNLIKE) or spent - error > seen.elapsed + _STAMP:
            return True
        silence = seen.idle - spent
        unlike = abs(spent - num * mean) > _UNLIKE * num * mean + error
        if silence > _LONG_SILENCE and seen.is_whole:
            return True
        return silence > _SILENCE and (unlike or num > self.period)
