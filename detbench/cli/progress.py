"""Shows events on stderr: notes as lines, progress as a bar or occasional lines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class _Bar:
    """A progress bar on a terminal; elsewhere one line per tenth."""

    def __init__(self, label: str, *columns: ProgressColumn) -> None:
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            *columns,
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None, loss="")
        self._is_plain, self._said = not console.is_terminal, ("", -1)
        self._bar.start()

    def show(self, label: str, done: int, total: int, line: str, loss: str = "") -> None:
        """Show the progress; `line` is printed where no bar can be drawn."""
        self._bar.update(
            self._task, description=label, completed=done, total=total or None, loss=loss
        )
        tenth = 10 * done // total if total else 0
        if self._is_plain and (label, tenth) != self._said:
            self._said = (label, tenth)
            click.echo(line, err=True)

    def stop(self) -> None:
        self._bar.stop()


class _Events(ABC):
    """An event callback, used as a context that removes its bar at the end."""

    def __init__(self) -> None:
        self._bar: _Bar | None = None

    def __enter__(self) -> _Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show an event. Those of a training come from the thread that reads its output."""
        if event["event"] == "note":
            click.echo(event["text"], err=True)
        elif event["event"] == "progress":
            self._show(event)
        elif event["event"] == "ended":
            self._end()

    @abstractmethod
    def _show(self, event: Mapping[str, Any]) -> None:
        """Show progress."""

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class RunEvents(_Events):
    """Shows runs: one bar each, labelled with its name and phase."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show an event. Those of a training come from the thread that reads its output."""
        if event["event"] == "run":
            self._name = event["name"]
            columns = MofNCompleteColumn(), TextColumn("{task.fields[loss]}")
            self._bar = _Bar(self._name, *columns, TimeElapsedColumn(), TimeRemainingColumn())
        super().__call__(event)

    def _show(self, event: Mapping[str, Any]) -> None:
        bar = self._bar
        if bar is None:  # a training's last word, after its end
            return
        done, total, label = event["done"], event["total"], f"{self._name}: {event['phase']}"
        loss = f"loss {event['loss']:.3f}" if "loss" in event else ""
        count = f" {done}/{total}" if total else ""
        bar.show(label, done, total, f"{label}{count} {loss}".rstrip(), loss)


class CheckEvents(RunEvents):
    """Shows a check: its steps and verdicts as lines, and its runs as `RunEvents` does."""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show an event. Those of a training come from the thread that reads its output."""
        if event["event"] == "step":
            click.echo(f"step {event['number']} of {event['of']}: {event['name']}", err=True)
        elif event["event"] == "claim":
            self._end()
            click.echo(f"  {event['verdict']}: {event['text']}", err=True)
        super().__call__(event)


class DataEvents(_Events):
    """Shows work on a dataset: one bar per phase, in bytes or images."""

    def __init__(self, *, counts_bytes: bool) -> None:
        super().__init__()
        self._counts_bytes, self._phase = counts_bytes, ""

    def _show(self, event: Mapping[str, Any]) -> None:
        label, done, total = event["phase"], event["done"], event["total"]
        if self._bar is None or label != self._phase:
            self._end()
            counted = (
                (DownloadColumn(), TransferSpeedColumn())
                if self._counts_bytes
                else (MofNCompleteColumn(),)
            )
            self._bar, self._phase = _Bar(label, *counted, TimeRemainingColumn()), label
        if not total:  # an empty file is there at once
            done = total = 1
        self._bar.show(label, done, total, f"{label}: {10 * (10 * done // total)} %")
