"""The speed of a run in mode noprofile beside that of bare upstream."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, judged
from detbench.errors import RunFailedError
from detbench.records.spec import RunSpec


def claims(bench: Bench) -> Iterator[Claim]:
    """Measuring costs next to nothing: detectron2's own trainer, without a line of ours, beside."""
    scale = bench.scale
    size = scale.batch_sizes[-1]
    run = bench.good_run(batch_size=size, window=scale.window)
    speed = run.record.throughput
    if speed is None or speed.began is None or speed.ended is None:
        raise RunFailedError("the run has no whole window")
    ours = speed.ended - speed.began
    bare = _bare_seconds(bench, run.record.spec)
    images, (least, most) = speed.images, scale.of_bare
    yield judged(
        "noprofile is as fast as bare detectron2",
        f"{100 * least:.0f} to {100 * most:.0f} % of its images/s",
        f"{images / ours:.4g} and {images / bare:.4g} images/s, {100 * bare / ours:.1f} %",
        least <= bare / ours <= most,
        "one pair of runs: repeat it, as others may use this machine",
    )


def _bare_seconds(bench: Bench, spec: RunSpec) -> float:
    """The wall time of the same window of upstream's trainer."""
    told: list[float] = []

    def notice(event: Mapping[str, Any]) -> None:
        if event["event"] == "clock":
            told.append(event["seconds"])

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        file, log = folder / "spec.json", folder / "output.log"
        file.write_text(spec.model_dump_json())
        command = [sys.executable, "-m", "detbench.training.bare", str(file), temporary]
        bench.launch(command, log, notice)
        if not told:
            lines = log.read_text(errors="replace").strip().splitlines()
            raise RunFailedError(f"bare detectron2 failed: {lines[-1] if lines else 'no output'}")
    return told[0]
