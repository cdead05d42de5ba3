"""A progress line on a terminal's stderr, for files that take long to read."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 2.0
_REFRESH_SECONDS = 0.25
_DESCRIPTORS = Path("/proc/self/fd")


@contextmanager
def reading(files: Sequence[Path]) -> Iterator[Iterator[Path]]:
    """Iterate over files, and after two seconds show the progress on a terminal.

    The readers are not involved: a thread asks the operating system how far the open file has been
    read. On systems other than Linux, the line has only files and seconds.
    """
    if not sys.stderr.isatty():
        yield iter(files)
        return
    watcher = _Watcher(files)
    watcher.start()
    try:
        yield watcher.each()
    finally:
        watcher.stop()


class _Watcher(threading.Thread):
    def __init__(self, files: Sequence[Path]) -> None:
        super().__init__(daemon=True)
        self._files = files
        self._done = 0
        self._over = threading.Event()

    def each(self) -> Iterator[Path]:
        for index, file in enumerate(self._files):
            self._done = index
            yield file

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        if self._over.wait(PATIENCE_SECONDS):
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
        )
        total = len(self._files)
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=total)
            while not self._over.wait(_REFRESH_SECONDS):
                file = self._files[self._done]
                share = _share_read(file)
                known = total > 1 or share > 0
                bar.update(
                    task,
                    description=f"reading {file.name} ({self._done + 1} of {total})",
                    completed=self._done + share,
                    total=total if known else None,
                )


def _share_read(file: Path) -> float:
    """The share of a file that this process has read, 0 to 1; 0 if unknown."""
    try:
        size, name = file.stat().st_size, str(file.resolve())
        for descriptor in _DESCRIPTORS.iterdir():
            try:
                if str(descriptor.readlink()) != name:
                    continue
            except OSError:  # closed in the meantime
                continue
            told = (_DESCRIPTORS.parent / "fdinfo" / descriptor.name).read_text(encoding="ascii")
            return min(1.0, int(told.split()[1]) / size) if size else 0.0
    except OSError:
        pass
    return 0.0
