"""Utilization tables: how busy a device was, and which of its cores worked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from detbench.api.files import Counters, Files, PathLike, Recording, Summary, Timeline, recordings
from detbench.api.tables import check_level, joined, of_file, only, stack
from detbench.errors import BadFileError, UsageError
from detbench.gpus.counters import CYCLES, METRICS
from detbench.readers import timeline as timelines
from detbench.readers.counters_file import Levels
from detbench.utilization import compute, core, levels, numbered_ranges
from detbench.utilization.described import described
from detbench.utilization.window import devices, why_none

COMPUTE_LEVELS = (
    "device", "class", "kernel", "tensor", "stream", "iteration", "range", "gap", "communication",
    "definition",
)  # fmt: skip
BY_LAUNCH = ("range", "definition")
"""Levels that need to know which call launched which kernel."""
SUMMARY_LEVELS = ("class", "kernel", "tensor")
"""Levels available from a summary, which has no start times."""
CORE_LEVELS = ("file", "device", "class", "kernel", "roofline")

_SHARES = "busy and idle times are shares of the window's wall time"
_KERNEL_TIME = "sum of the durations of {work}s in the window, which may overlap"
_DENOMINATORS = {
    "class": _KERNEL_TIME,
    "kernel": _KERNEL_TIME,
    "tensor": _KERNEL_TIME,
    "iteration": "each iteration's wall time",
    "range": "the wall time from a range's first kernel to its last",
    "definition": "each definition's own, as the table says",
}
_COUNTED = ("count", "kernels", "operators", "gaps")
_ASKED = ",".join((*(METRICS[core][0] for core in ("fma", "tensor", "sfu")), CYCLES))
_COLLECT = f"ask for ncu --metrics {_ASKED} (docs/metrics.md has each chip's), or profile.sh nsight"
_TENSOR = "pass DLProf's kernel or iteration report"

_Formula = Callable[[timelines.Timeline, list[str], str | None], pd.DataFrame]


def compute_utilization(
    files: Files,
    by: str = "device",
    *,
    device: str | None = None,
    range: str | None = None,
    top: int | None = None,
) -> pd.DataFrame:
    """The share of the window in which at least one kernel ran, and what took the time.

    Busy time is the length of the union of kernel intervals over all streams of a device (TBD
    suite, IISWC 2018, section 3). docs/metrics.md defines every column.

    Args:
        files: timelines or summaries: paths or recordings.
        by: one row per `device`, `class`, `kernel`, use of `tensor` cores, `stream`, `iteration`,
            `range`, `gap` length, `communication` or `definition`. Summaries have tables by
            class, kernel and tensor only.
        device: only this GPU number, or `cpu` for the CPU's operators; None for all GPUs.
        range: use the ranges of this name as the window.
        top: number of kernels or ranges to list; None for all.

    Raises:
        BadFileError: a file cannot be read, or lacks the data for the table.
        UsageError: there is no such table or device, or summaries and timelines are mixed.
    """
    check_level(by, COMPUTE_LEVELS)
    read = recordings(files, (Timeline, Summary), "timeline", launches=by in BY_LAUNCH)
    summaries = [each for each in read if isinstance(each, Summary)]
    if summaries and len(summaries) < len(read):
        raise UsageError(
            f"{summaries[0].path} is a summary, others are not", "parse them separately"
        )
    if summaries:
        return _of_summaries(summaries, by, top)
    return _of_timelines([t for t in read if isinstance(t, Timeline)], by, device, range, top)


def core_utilization(
    files: Files,
    by: str = "file",
    *,
    device: str | None = None,
    top: int | None = None,
    timeline: PathLike | Recording | None = None,
    gpu: str | None = None,
) -> pd.DataFrame:
    """The utilization of FMA, FP16, Tensor and SFU cores while kernels ran, weighted by cycles.

    U_m = sum over kernels (cycles * pct_m) / sum over kernels (cycles), as the TBD suite defines
    it (IISWC 2018). Idle time between kernels is excluded. A file with nvprof's levels gives a
    table of levels from 0 to 10, which are not percentages.

    Args:
        files: counters from Nsight Compute or nvprof: paths or recordings.
        by: one row per `file`, `device`, kernel `class` or `kernel` name; with `roofline` the
            operations and the memory traffic of each class.
        device: only launches on this device.
        top: number of classes or kernels to list; None for all.
        timeline: a timeline of the same run, which adds shares of its wall time.
        gpu: for the roofline's shares of peaks, the GPU by its profile or NVML's name.

    Raises:
        BadFileError: a file cannot be read, or lacks the cycles or the metrics of all cores.
        UsageError: there is no such table or device, or levels and percentages are mixed.
    """
    check_level(by, CORE_LEVELS)
    read = recordings(files, Counters, "counters")
    chosen = {
        each.path: only(each.path, each.content.table, "device", device, "launch on device")
        for each in read
    }
    graded = [each for each in read if isinstance(each.content, Levels)]
    if graded:
        if timeline is not None or by == "roofline" or len(graded) < len(read):
            raise UsageError(f"{graded[0].path} has levels, not percentages", "parse it separately")
        return _levels(chosen, by, top)
    if by == "roofline":
        from detbench.api.rooflines import roofline_table

        return roofline_table(chosen, gpu, top, joined(each.window for each in read))
    busy = None if timeline is None else _busy_share(timeline, device)
    tables = {
        file: of_file(file, _COLLECT, core.by, found, by, top, busy)
        for file, found in chosen.items()
    }
    title = "Core utilization, share of kernel cycles"
    if busy is not None:
        of = timeline.path if isinstance(timeline, Recording) else timeline
        title += f"; of wall time: times the busy share of {of}, {busy:.4g} %"
    kernels = sum(len(found) for found in chosen.values())
    return described(
        stack(tables, always=True),
        kind=f"core_utilization by {by}",
        title=title,
        window=joined(each.window for each in read),
        denominator="cycles of the profiled kernels (gpc__cycles_elapsed.max), idle time excluded",
        count=f"{kernels:,} kernels",
        notes=_core_notes(chosen),
    )


def devices_of(recording: Timeline, wanted: str | None) -> list[str]:
    """The devices that a table covers: all that ran kernels, or the `wanted` one.

    Raises:
        BadFileError: the recording is empty, or contains no GPU kernel.
        UsageError: it has no device of that name.
    """
    file, content = recording.path, recording.content
    found = devices(content)
    if wanted == timelines.CPU and (content.activities["kind"] == "operator").any():
        return [timelines.CPU]
    if not found:
        raise BadFileError(file, *why_none(content))
    if wanted is None and found == [timelines.CPU]:
        raise BadFileError(
            file,
            f"contains no GPU kernel: {content.note or 'no work of a GPU was recorded'}",
            "--device cpu shows the CPU's operators; or ask for a trace that has CUDA's activities",
        )
    if wanted is not None and wanted not in found:
        raise UsageError(f"{file} has no device '{wanted}'", f"it has: {', '.join(found)}")
    return found if wanted is None else [wanted]


def _of_timelines(
    read: list[Timeline], by: str, device: str | None, range_: str | None, top: int | None
) -> pd.DataFrame:
    chosen = {each.path: devices_of(each, device) for each in read}
    work = "operator" if device == timelines.CPU else "kernel"
    title, formula = _formula(by, top, work)
    tables = {
        each.path: of_file(
            each.path, "see --help", formula, each.content, chosen[each.path], range_
        )
        for each in read
    }
    table = stack(tables)
    counted = next((name for name in _COUNTED if name in table), None)
    number = int(table[counted].sum()) if counted else len(table)
    what = f"{work}s" if counted in (None, "count", "kernels", "operators") else counted
    window = f"ranges {range_}" if range_ else joined(each.window for each in read)
    return described(
        table,
        kind=f"compute_utilization by {by}",
        title=title,
        window=window,
        denominator=_DENOMINATORS.get(by, _SHARES).format(work=work),
        count=f"{number:,} {what if counted else 'rows'}",
        notes=_timeline_notes(read, by, chosen, range_),
    )


def _timeline_notes(
    read: list[Timeline], by: str, chosen: dict[Path, list[str]], range_: str | None
) -> list[str]:
    """What a reader of the figures has to know; with the file's name where there are several."""
    notes = {each.path: [*filter(None, [each.content.note]), *each.content.notes] for each in read}
    if by == "iteration" and range_ is None:
        for each in read:
            told = (numbered_ranges.note_of(each.content, device) for device in chosen[each.path])
            notes[each.path] += dict.fromkeys(filter(None, told))
    return [
        note if len(read) == 1 else f"{path}: {note}"
        for path, found in notes.items()
        for note in found
    ]


def _formula(by: str, top: int | None, work: str) -> tuple[str, _Formula]:
    """The title and the formula of a table of compute utilization."""

    def by_name(
        level: str, timeline: timelines.Timeline, chosen: list[str], name: str | None
    ) -> pd.DataFrame:
        table = compute.by_name(timeline, chosen, level, name)
        return table.groupby("device").head(top) if level == "kernel" and top else table

    def by_range_name(
        timeline: timelines.Timeline, chosen: list[str], name: str | None
    ) -> pd.DataFrame:
        from detbench.utilization.ranges import by_range

        return by_range(timeline, chosen, top or len(timeline.ranges), name)

    def by_definition(
        timeline: timelines.Timeline, chosen: list[str], name: str | None
    ) -> pd.DataFrame:
        from detbench.utilization.definitions import by_definition

        return by_definition(timeline, chosen, name)

    listed = f" (top {top})" if top else ""
    tables: dict[str, tuple[str, _Formula]] = {
        "device": ("Compute utilization, share of the window", compute.by_device),
        "class": (f"By {work} class, share of {work} time", partial(by_name, "class")),
        "kernel": (
            f"Longest {work}s{listed}, share of {work} time",
            partial(by_name, "kernel"),
        ),
        "tensor": (f"By use of Tensor Cores, share of {work} time", partial(by_name, "tensor")),
        "stream": ("By stream, share of the window", compute.by_stream),
        "iteration": ("By iteration, share of each", compute.by_iteration),
        "range": (f"By range{listed}, with the kernels it launched", by_range_name),
        "gap": (f"Gaps without a {work}, share of the window", compute.by_gap),
        "communication": ("Communication, share of the window", compute.by_communication),
        "definition": ("By other tools' definitions", by_definition),
    }
    return tables[by]


def _of_summaries(read: list[Summary], by: str, top: int | None) -> pd.DataFrame:
    """A table of summaries, with the note that no utilization follows from them."""
    if by not in SUMMARY_LEVELS:
        raise BadFileError(
            read[0].path,
            f"a summary has no start times: no table by {by}",
            "use --by class or kernel, or a timeline (nsys export --type sqlite)",
        )
    tables = {
        each.path: of_file(each.path, _TENSOR, compute.of_sums, each.content, by).head(
            top or len(each.content.kernels)
        )
        for each in read
    }
    table = stack(tables)
    return described(
        table,
        kind=f"compute_utilization by {by}",
        title=f"By {by}, share of summed kernel time (a summary: no utilization)",
        window="unknown: a summary does not have it",
        denominator="sum of the durations of all kernels in the summary, which may overlap",
        count=f"{int(sum(each.content.kernels['count'].sum() for each in read)):,} kernels",
        notes=[
            "A summary has no start times, so no utilization follows from it.",
            *dict.fromkeys(note for each in read for note in each.content.notes),
            *(
                f"{each.path} was cut: {each.content.unlisted / 1e6:,.4g} ms on the GPU are in no"
                " row, and the shares are of the time with them"
                for each in read
                if each.content.unlisted
            ),
        ],
    )


def _levels(chosen: dict[Path, pd.DataFrame], by: str, top: int | None) -> pd.DataFrame:
    """The table of nvprof's levels."""
    table = stack({file: levels.by(found, by, top) for file, found in chosen.items()})
    return described(
        table,
        kind=f"core_utilization by {by} (levels)",
        title=levels.TITLE,
        window="all profiled kernels",
        denominator="levels are means over launches",
        count=f"{int(table['kernels'].sum()):,} launches of all units",
        notes=["nvprof grades use from 0 (idle) to 10 (max); these levels are not percentages."],
    )


def _core_notes(chosen: dict[Path, pd.DataFrame]) -> list[str]:
    """Distinct lines `core: reason` for what is missing, and what the line `tensor` is."""
    found = [core.core_utilization(launches) for launches in chosen.values()]
    lines = [line for each in found for line in each.reasons]
    for file, each in zip(chosen, found, strict=True):
        # Which file's launches lack a metric is told; the other notes hold for any file.
        lines += [
            f"{note} ({file})" if len(chosen) > 1 and " launches" in note else note
            for note in each.notes
        ]
    return list(dict.fromkeys(lines))


def _busy_share(timeline: PathLike | Recording, device: str | None) -> float:
    """Compute utilization of a timeline's only device, in percent."""
    (read,) = recordings(timeline, (Timeline, Summary), "timeline")
    if not isinstance(read, Timeline):
        raise BadFileError(read.path, "a summary has no busy share", "pass a timeline")
    found = devices_of(read, device)
    if len(found) > 1:
        raise UsageError(f"{read.path} has several devices", f"pass --device {'|'.join(found)}")
    return float(compute.by_device(read.content, found)["busy (%)"].iloc[0])
