"""The bench of a check: the device, the time that is left, and the runs that steps do on it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from detbench.checking.claims import ImpossibleError
from detbench.checking.scale import SCALES, Scale
from detbench.errors import RunFailedError
from detbench.fitting.need import answer, capacity
from detbench.gpus.discovery import Gpu
from detbench.launch.base import OnEvent, ignore
from detbench.launch.local import LocalLauncher
from detbench.records.modes import resolve_mode
from detbench.records.spec import Device, RunSpec, Window
from detbench.records.store import Run
from detbench.running import session
from detbench.running.place import Place
from detbench.running.plan import Purpose, Request
from detbench.sweeping.predicting import need_of

_LEAST = 15.0  # seconds: a training that has less is not begun


@dataclass
class Bench:
    """What the steps share.

    Attributes:
        gpu: None on a CPU; `why_no_gpu` says why there is none.
        root: the folder that keeps the runs.
        ends: when all steps have to be over, by `time.monotonic`.
        step_ends: when the present step has to be over.
        runs: all runs so far, in their order.
        tables: what the steps leave to be printed, by title.
        losses: those of the newest training, an item an iteration.
    """

    device: Device
    gpu: Gpu | None
    why_no_gpu: str
    root: Path
    ends: float
    on_event: OnEvent
    step_ends: float = 0.0
    interrupted: bool = False
    runs: list[Run] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    @property
    def scale(self) -> Scale:
        """The settings of the steps on this device."""
        return SCALES[self.device]

    @property
    def has_time(self) -> bool:
        """Whether there is time for another training."""
        return min(self.ends, self.step_ends) - time.monotonic() >= _LEAST

    def needed_gpu(self) -> Gpu:
        """The GPU.

        Raises:
            ImpossibleError: there is none.
        """
        if self.gpu is None:
            raise ImpossibleError(self.why_no_gpu)
        return self.gpu

    def seconds(self) -> float:
        """The time that a training may take now.

        Raises:
            ImpossibleError: too little is left.
        """
        if not self.has_time:
            raise ImpossibleError(self._time_is_up())
        return min(self.ends, self.step_ends) - time.monotonic()

    def run(
        self,
        mode: str = "noprofile",
        *,
        family: str = "maskrcnn",
        model: str | None = None,
        batch_size: int,
        window: Window,
        purpose: Purpose = "window",
        may_learn: bool = False,
        **more: Any,
    ) -> Run:
        """Do one run on the embedded dataset, however it ends.

        Args:
            mode: what is attached to it.
            family: of the model.
            model: the scale's own by default.
            batch_size: images an iteration.
            window: the iterations that are measured.
            purpose: see `plan`.
            may_learn: whether it trains from scratch; otherwise random weights stay as they are.
            **more: further fields of `Request`.

        Raises:
            ImpossibleError: there is no time left for it.
            MissingError: the machine lacks what it needs.
            DetbenchError: it was refused.
        """
        request = Request(
            model=model or self.scale.model,
            batch_sizes=(batch_size,),
            device=self.device,
            dataset="embedded",
            weights="none" if may_learn else "random",
            start=window.start,
            count=window.count,
            **more,
        )
        place = Place(
            results=self.root,
            gpus=self.gpu.uuid if self.gpu else "none",
            time_limit=self.seconds(),
        )
        begun, (spec,) = session.prepare(
            family, resolve_mode(mode), request, place, purpose, self._notice
        )
        self.losses.clear()
        run = begun.do(spec)
        self.runs.append(run)
        self.interrupted = run.record.status == "interrupted"
        if self.interrupted:
            raise KeyboardInterrupt
        return run

    def good_run(self, mode: str = "noprofile", **wanted: Any) -> Run:
        """As `run`, of a run that ended well.

        Raises:
            RunFailedError: it did not.
        """
        run = self.run(mode, **wanted)
        spec, status = run.record.spec, run.record.status
        what = f"{spec.model} batch size {spec.batch_size} {spec.precision} {mode}"
        if status == "timeout":
            raise ImpossibleError(f"{what}: {self._time_is_up()}")
        if status == "oom" and (beyond := self._beyond(spec)):
            raise ImpossibleError(f"{what}: {beyond}")
        if status != "ok":
            raise RunFailedError(f"{what}: {status}: {run.record.cause}")
        return run

    def launch(self, command: Sequence[str], log: Path, on_event: OnEvent = ignore) -> None:
        """Run a program that is no run of the suite, on the bench's device.

        Raises:
            ImpossibleError: there is too little time for it.
            KeyboardInterrupt: the user ended it.
        """
        ended = LocalLauncher((self.gpu.uuid,) if self.gpu else ()).run(
            command,
            log=log,
            environment={"PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"},
            on_event=on_event,
            time_limit=self.seconds(),
        )
        if ended.by == "interrupt":
            raise KeyboardInterrupt
        if ended.by == "timeout":
            raise ImpossibleError(self._time_is_up())

    def _time_is_up(self) -> str:
        is_last = self.step_ends >= self.ends
        return "the time is up; pass more --minutes" if is_last else "the step's time is up"

    def _beyond(self, spec: RunSpec) -> str:
        """Why a training that ran out of memory is none of the suite's faults; empty if it is one.

        A slice of a GPU holds fewer images than the check was made for.
        """
        need = need_of(spec)
        if self.gpu is None or self.gpu.catalogued is None or need is None:
            return ""
        if answer(need, capacity(self.gpu.catalogued)) == "yes":
            return ""
        return f"needs about {need.total.middle / 2**30:.1f} GiB, more than {self.gpu.profile} has"

    def _notice(self, event: Mapping[str, Any]) -> None:
        if event["event"] == "progress" and "loss" in event:
            self.losses.append(event["loss"])
        self.on_event(event)
