"""Whether the suite tells the truth on this machine's GPU."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from detbench.api.files import PathLike
from detbench.errors import DetbenchError, MissingError, UsageError
from detbench.launch.base import OnEvent, ignore
from detbench.records.spec import Device

if TYPE_CHECKING:
    import pandas as pd


class Checked(NamedTuple):
    """What a check found.

    Attributes:
        verdicts: a row a claim: `step`, `claim`, `expected`, `measured`, `verdict` (`passed`,
            `failed` or `not possible here`) and `reason`.
        tables: what was measured, by title: throughput, predicted and measured memory and others.
        bundle: one archive of all of it, under 16 MiB; None if it could not be written.
        runs: the folder that keeps the runs.
        left_out: a line for each measurement that was too large for the bundle.
        interrupted: whether the user ended it.
        problem: why there is no bundle; None if there is one.
    """

    verdicts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    bundle: Path | None
    runs: Path
    left_out: list[str]
    interrupted: bool = False
    problem: DetbenchError | None = None


def gpu_check(
    *,
    minutes: float = 12.0,
    bundle: PathLike | None = None,
    device: Device | None = None,
    gpu: str | int = "",
    results: PathLike | None = None,
    on_event: OnEvent | None = None,
) -> Checked:
    """Check the suite against this machine's GPU: known kernels, models, memory, time and energy.

    Every step is a claim with a tolerance. One that fails stops no other, and each has a limit on
    its time, so the whole ends within `minutes` and the seconds that a training takes to end.

    Args:
        minutes: the time for all steps.
        bundle: the archive, a new file; `gpu-check_<GPU>_<time>.tar.gz` here by default.
        device: `cpu` rehearses the check with the modes that a CPU has; `cuda` if there is a GPU.
        gpu: the index or UUID of a GPU or MIG instance; the first one by default.
        results: a folder for the runs; by default a new one in the default results folder.
        on_event: called with `step` (`name`, `number`, `of`), `claim` (`step`, `text`, `verdict`)
            and the events of the runs; see `PlaceOptions`.

    Raises:
        UsageError: the bundle exists, or `minutes` is too small.
        MissingError: `device` is cuda, or a GPU is named, and there is none.
    """
    from detbench.checking import bundle as archives
    from detbench.checking.bench import Bench
    from detbench.checking.perform import perform, verdict_table
    from detbench.gpus import discovery
    from detbench.new_file import new_file, refuse_existing
    from detbench.records.store import default_root
    from detbench.utilization.described import described

    if not minutes > 0:  # not a number, too
        raise UsageError(f"minutes is above 0, not {minutes}")
    if device == "cpu" and gpu not in ("", "none"):
        raise UsageError(f"gpu {gpu}: the rehearsal is on the CPU", "leave out gpu, or device")
    found, why_none = discovery.several("none" if device == "cpu" else str(gpu))
    if device == "cpu":
        why_none = "the check is a rehearsal on the CPU"
    if not found and (device == "cuda" or (device is None and gpu != "")):
        raise MissingError(f"no GPU to check: {why_none}", "--device cpu rehearses the check")
    made = datetime.now(timezone.utc)
    stamp = made.strftime("%Y%m%dT%H%M%SZ")
    name = found[0].profile if found else "cpu"
    path = Path(bundle) if bundle is not None else Path(f"gpu-check_{name}_{stamp}.tar.gz")
    refuse_existing(path, "--bundle")
    root = Path(results) if results is not None else default_root() / f"gpu-check_{stamp}"
    bench = Bench(
        device="cuda" if found else "cpu",
        gpu=found[0] if found else None,
        why_no_gpu=why_none,
        root=root,
        ends=time.monotonic() + 60 * minutes,
        on_event=on_event or ignore,
    )
    verdicts = described(
        verdict_table(perform(bench)),
        kind="verdicts",
        title=f"The suite on {found[0].name if found else 'this CPU, a rehearsal'}",
        window="each step's own",
        denominator="each claim's own tolerance",
        count=f"{len(bench.runs)} runs in {(datetime.now(timezone.utc) - made).seconds} s",
    )
    try:
        with new_file(path, "--bundle") as stream:
            left_out = archives.write(stream, verdicts, bench.tables, bench.runs, made)
    except (Exception, KeyboardInterrupt) as error:  # no verdict is lost to any of them
        problem = error if isinstance(error, DetbenchError) else None
        problem = problem or DetbenchError(f"--bundle {path}: {type(error).__name__}: {error}")
        return Checked(verdicts, bench.tables, None, root, [], bench.interrupted, problem)
    return Checked(verdicts, bench.tables, path, root, left_out, bench.interrupted)
