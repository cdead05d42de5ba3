"""The picture of a snapshot of PyTorch's CUDA allocator: memory over its events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from detbench.reporting.png import new_figure, save

if TYPE_CHECKING:
    import pandas as pd

_WIDTH, _HEIGHT = 11.0, 3.6  # inches per GPU
_MIB = 2.0**20


def draw_events(events: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draw what tensors requested and what was reserved, a GPU below the other, into a new PNG.

    Args:
        events: rows of `memory_snapshot.SCHEMA` by their title.
        path: the new file.

    Raises:
        MissingError: matplotlib is not installed.
        UsageError: the file exists, or cannot be written.
    """
    figure = new_figure("--timeline", _WIDTH, _HEIGHT * len(events))
    axes = figure.subplots(len(events), squeeze=False)[:, 0]
    for axis, (title, own) in zip(axes, events.items(), strict=True):
        has_times = own["time (s)"].notna().all()
        place = own["time (s)"] if has_times else own["event"].astype("int64")
        requested = own["requested (bytes)"] / _MIB
        axis.fill_between(place, requested, step="post", color="C2", label="requested")
        axis.step(
            place, own["reserved (bytes)"] / _MIB, where="post", color="0.2", label="reserved"
        )
        peak = int(requested.argmax())
        axis.plot(place.iloc[peak], requested.iloc[peak], "v", color="black", clip_on=False)
        axis.set_title(f"{title}: peak {requested.iloc[peak]:,.1f} MiB", fontsize=10)
        axis.set_xlabel("time since the first event (s)" if has_times else "event")
        axis.set_ylabel("memory (MiB)")
        axis.set_ylim(bottom=0)
        axis.margins(x=0)
        axis.legend(loc="lower right", fontsize=8)
    save(figure, path, "--timeline")
