"""A thread that samples at a steady pace beside a run, into `monitoring.csv`."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from detbench.gpus.discovery import Gpu
from detbench.launch.base import Halt, OnEvent
from detbench.telemetry import gpu, host

MONITORING = "monitoring.csv"

COLUMNS = ("time [s]", "utc", "gpu", "uuid", "name", *gpu.COLUMNS, "gpus", *host.COLUMNS)
"""The columns of the file. `gpu` is `host` in the host's row; an empty cell does not apply."""

_PATIENCE = 5.0  # seconds for a pending sample: the run does not wait for a hanging driver


class Monitor:
    """A context in which the host and each GPU are sampled every `every` seconds.

    A sample is written in one call, so that a killed program leaves whole rows. An error while
    sampling ends the samples and never disturbs the run.

    Args:
        file: a new file.
        gpus: the GPUs of the run.
        halt: is told when a GPU is lost, as a training that used it may hang for good.
    """

    def __init__(
        self, file: Path, *, every: float, gpus: Iterable[Gpu] = (), halt: Halt | None = None
    ) -> None:
        self._file, self._every, self._gpus, self._halt = file, every, tuple(gpus), halt
        self._host = host.HostSampler(file.parent)
        self._over, self._abandoned = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="monitor", daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(_PATIENCE)
        self._abandoned.set()  # a late sample is not written, as the file is closed

    def watching(self, on_event: OnEvent) -> OnEvent:
        """Wrap `on_event`: processes that a launcher reports count as the run's from then on."""

        def notice(event: Mapping[str, Any]) -> None:
            if event.get("event") == "started":
                if event["pid"] is None:
                    self._host.why_no_run = event["why"]
                else:
                    self._host.roots.add(event["pid"])
            on_event(event)

        return notice

    def _work(self) -> None:
        sampler = gpu.GpuSampler(self._gpus)
        try:
            with suppress(OSError), self._file.open("xb", buffering=0) as sink:
                self._sample(sampler, sink)
        finally:
            sampler.close()

    def _sample(self, sampler: gpu.GpuSampler, sink: io.FileIO) -> None:
        _write(sink, [dict(zip(COLUMNS, COLUMNS, strict=True))])
        begun = time.monotonic()
        due = 0
        while True:
            at, utc = time.monotonic() - begun, datetime.now(timezone.utc)
            stamp = {"time [s]": f"{at:.3f}", "utc": utc.isoformat(timespec="milliseconds")}
            rows = [{"gpu": "host", "gpus": sampler.count, **self._host.sample()}]
            rows += sampler.sample()
            if self._halt and sampler.lost:
                self._halt.why = sampler.lost
            if self._abandoned.is_set():
                return
            _write(sink, [{**stamp, **row} for row in rows])
            if self._over.is_set():
                return
            # By the clock: a slow sample does not delay the next, and missed samples are skipped.
            due = max(due + 1, int((time.monotonic() - begun) / self._every))
            if self._over.wait(max(0.0, begun + due * self._every - time.monotonic())):
                since = time.monotonic() - begun - at
                if due > 1 and since < self._every / 2:
                    return  # too short an interval for rates


def _write(sink: io.FileIO, rows: list[dict[str, str]]) -> None:
    """Append rows, all or none.

    Raises:
        OSError: the rows do not fit on the disk.
    """
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n").writerows(rows)
    data, before = text.getvalue().encode(), sink.tell()
    try:
        written = sink.write(data)
    except OSError:
        written = 0
    if written != len(data):
        os.truncate(sink.fileno(), before)
        raise OSError("no space left for samples")
