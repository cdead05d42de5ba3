"""All formats that get mutated: a small file of each, and what is right for what is left of it.

To add a format, add a `Format` to the module of its kind. Its `answer` is told in plain Python from
the lines that hold data, so that it shares nothing with the readers.
"""

from __future__ import annotations

from tests.mutation import counters, logs, memory, monitoring, summaries, timelines

FORMATS = (
    *counters.FORMATS,
    *timelines.FORMATS,
    *summaries.FORMATS,
    *memory.FORMATS,
    *monitoring.FORMATS,
    *logs.FORMATS,
)
