"""Do a sweep: the search's runs one by one, beside other sweeps, until the matrix is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from detbench.errors import DetbenchError, MissingError
from detbench.records.spec import RunRecord, RunSpec
from detbench.records.store import Run
from detbench.sweeping.cells import measured
from detbench.sweeping.locks import claimed, device_file, held, lock_file, owner, wait_until_free
from detbench.sweeping.retries import why_again
from detbench.sweeping.search import Predictor, Row, next_to_try, runs_left

Do = Callable[[RunSpec, Path | None], Run]
"""Does a run; the folder is that of a failed run that it tries again."""


@dataclass
class Sweep:
    """The cells of a matrix on one GPU profile.

    Attributes:
        root: the results folder.
        specs: the runs by model, mode and batch size.
        devices: the GPUs' UUIDs, or `cpu`; sweeps that share one take turns, as two runs at once
            would compete for its memory and time.
        limits: the most that a training may use, by its launcher.
        predictor: predicts the memory that a training needs; None searches without predictions.
        again: whether runs from before this sweep are ignored.
        confirm: whether every prediction has to be confirmed by a run.
        say: shows a line to whoever watches.
    """

    root: Path
    specs: Mapping[tuple[str, str, int], RunSpec]
    devices: tuple[str, ...]
    limits: Mapping[str, Any]
    predictor: Predictor | None
    again: bool
    confirm: bool
    say: Callable[[str], None]
    began: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    refused: dict[tuple[str, str], DetbenchError] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The rows as the results folder decides them now."""
        return [self._row(*key) for key in dict.fromkeys(cell[:2] for cell in self.specs)]

    def run(self, do: Do) -> None:
        """Do the runs that are left; at the end, wait for cells that other sweeps are doing.

        Raises:
            MissingError: the machine lacks something that the runs need.
            KeyboardInterrupt: the user ended a run.
        """
        while open_rows := [row for row in self.rows() if self._next(row)]:
            done = [self._do_row(row.model, row.mode, do) for row in open_rows]
            if not any(done) and (spec := self._next(self._row(*_key(open_rows[0])))):
                self._wait_for(spec)

    def estimate(self) -> tuple[int, float | None]:
        """How many runs are left at most, and their seconds, estimated from the runs so far."""
        rows = self.rows()
        left = sum(runs_left(row) for row in rows)
        known = [s.seconds for row in rows for s in row.measured.values() if s.seconds is not None]
        return left, left * sum(known) / len(known) if known else None

    def _row(self, model: str, mode: str) -> Row:
        own = {size: spec for (m, o, size), spec in self.specs.items() if (m, o) == (model, mode)}
        found = {
            size: state
            for size, spec in own.items()
            if (state := measured(self.root, spec, self.limits, since=self.began, again=self.again))
        }
        predictions = {
            size: prediction
            for size in own
            if self.predictor and (prediction := self.predictor.predict(model, size))
        }
        refusal = self.refused.get((model, mode))
        return Row(
            model,
            mode,
            tuple(sorted(own)),
            found,
            predictions,
            self.predictor.capacity_bytes if self.predictor else 0,
            self.confirm,
            str(refusal) if refusal else "",
        )

    def _do_row(self, model: str, mode: str, do: Do) -> bool:
        """Do the row's runs until it is decided or another sweep does one; whether any was done."""
        done = False
        while (spec := self._next(self._row(model, mode))) and self._try(spec, do):
            done = True
        return done

    def _next(self, row: Row) -> RunSpec | None:
        size = next_to_try(row)
        return None if size is None else self.specs[row.model, row.mode, size]

    def _try(self, spec: RunSpec, do: Do) -> bool:
        """Do the run, and once more if it failed for a cause that may not recur.

        False if another sweep is doing it.
        """
        with claimed(lock_file(self.root, spec)) as mine:
            if not mine:
                return False
            row = self._row(spec.model, spec.mode)
            if spec.batch_size in row.measured:  # another sweep has just done it
                return True
            try:
                with self._devices():
                    record = self._do(spec, do)
            except DetbenchError as error:
                if error.exit_code == MissingError.exit_code:  # every other run would end so too
                    raise
                self.refused[spec.model, spec.mode] = error
                self.say(f"{_name(spec)}: refused: {error}")
                return True
            if record.status == "interrupted":
                raise KeyboardInterrupt
            seconds = (record.ended - record.started).total_seconds()
            how = "fits" if record.status == "ok" else f"{record.status}: {record.cause}"
            self.say(f"{_name(spec)}: {how} ({seconds:.0f} s)")
        return True

    def _do(self, spec: RunSpec, do: Do) -> RunRecord:
        left, seconds = self.estimate()
        self.say(f"sweep: {_name(spec)}; {describe(left, seconds)}")
        folder, record = do(spec, None)
        if why := why_again(record):
            self.say(f"{_name(spec)}: {record.status}: {record.cause}; tried once more, as {why}")
            _, record = do(spec, folder)
        return record

    @contextmanager
    def _devices(self) -> Iterator[None]:
        """Hold the devices for the block."""
        with ExitStack() as stack:
            for device in sorted(self.devices):  # in one order: no two sweeps wait for each other
                path = device_file(self.root, device)
                stack.enter_context(held(path, partial(self._say_waiting, device, path)))
            yield

    def _say_waiting(self, what: str, path: Path) -> None:
        self.say(f"sweep: waiting for {what}, which process {owner(path)} holds")

    def _wait_for(self, spec: RunSpec) -> None:
        path = lock_file(self.root, spec)
        self._say_waiting(_name(spec), path)
        wait_until_free(path)


def describe(left: int, seconds: float | None) -> str:
    """The number of runs left and their time, in words."""
    time = "time unknown until one is done" if seconds is None else f"about {_duration(seconds)}"
    return f"at most {left} {'run' if left == 1 else 'runs'} left, {time}"


def _duration(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _key(row: Row) -> tuple[str, str]:
    return row.model, row.mode


def _name(spec: RunSpec) -> str:
    return f"{spec.model} bs{spec.batch_size} {spec.mode}"


def by_cell(specs: Sequence[RunSpec]) -> dict[tuple[str, str, int], RunSpec]:
    """The runs of a matrix by model, mode and batch size."""
    return {(spec.model, spec.mode, spec.batch_size): spec for spec in specs}
