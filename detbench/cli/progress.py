"""A progress line on stderr, fed by the events of a training."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PLAIN_EVERY = 10  # per cent: how often a line is printed where no terminal can be redrawn


class TrainingProgress:
    """Shows how far a training is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None, loss="")
        self._said = ("", -1)

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_event(self, event: dict[str, Any]) -> None:
        """Take an event of the training; called from the thread that reads its output."""
        if event["event"] != "progress":
            return
        phase, done, total = event["phase"], event["done"], event["total"]
        loss = f"loss {event['loss']:.3f}" if "loss" in event else ""
        self._bar.update(
            self._task,
            description=f"{self._label}: {phase}",
            completed=done,
            total=total or None,
            loss=loss,
        )
        if not self._console.is_terminal:
            self._say(phase, done, total, loss)

    def _say(self, phase: str, done: int, total: int, loss: str) -> None:
        share = 100 * done // total // _PLAIN_EVERY if total else 0
        if (phase, share) == self._said:
            return
        self._said = (phase, share)
        count = f" {done}/{total}" if total else ""
        print(f"{self._label}: {phase}{count} {loss}".rstrip(), file=sys.stderr, flush=True)
