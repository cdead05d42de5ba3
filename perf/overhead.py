#!/usr/bin/env python3
"""The overhead of detbench: images/s of bare detectron2, and of the same training in our modes.

    python perf/overhead.py [--iterations 60] [--repeats 5]

Bare is upstream's DefaultTrainer with the same config and none of our code: detbench.training.bare.
Its clock times all sides over the window, so time between iterations counts. They take turns, on
the CPU, with the embedded dataset. Prints means, 95 % intervals and the ratio to bare.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from detbench.records.events import parse  # noqa: E402
from detbench.records.modes import MODES  # noqa: E402
from detbench.running.plan import Request, plan  # noqa: E402
from detbench.suite import load_family  # noqa: E402
from detbench.utilization.repeats import interval  # noqa: E402

_BARE = "bare DefaultTrainer"
_WARMUP = 15  # iterations before the window

_OURS = """
import sys
from pathlib import Path
from detbench.records.spec import RunSpec
from detbench.training import __main__ as training
from detbench.training.bare import Clock
from detbench.training.frameworks import detectron2 as framework

spec_path, folder = Path(sys.argv[1]), Path(sys.argv[2])
clock = Clock(RunSpec.model_validate_json(spec_path.read_bytes()).window)
build_hooks = framework._Trainer.build_hooks
framework._Trainer.build_hooks = lambda self: [*build_hooks(self), clock]
assert training.main(spec_path, folder) == 0
clock.tell()
"""


def main() -> None:
    """Run all sides in turn and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=60, help="length of the window")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    sides = (_BARE, "noprofile", "torch", "memory")
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    for repeat in range(given.repeats):
        for side in sides:
            speeds[side].append(_measure(side, given.iterations))
            print(f"{repeat + 1}/{given.repeats} {side}: {speeds[side][-1]:.3f} images/s")
    print(f"\n{'mode':22}{'images/s':>10}{'± 95 %':>9}{'of bare (%)':>13}{'± 95 %':>9}")
    for side in sides:
        mean, half = interval(speeds[side])
        # Ratios within a turn: a change in the machine's load affects both.
        shares = [100 * a / b for a, b in zip(speeds[side], speeds[_BARE], strict=True)]
        share, share_half = interval(shares)
        print(f"{side:22}{mean:10.3f}{half or 0:9.3f}{share:13.2f}{share_half or 0:9.2f}")
    print(f"window of {given.iterations} iterations, batch size 4, {given.repeats} turns")


def _measure(side: str, iterations: int) -> float:
    """Images per second of one training in its own process."""
    mode = MODES["noprofile" if side == _BARE else side]
    request = Request(
        device="cpu", start=_WARMUP, count=iterations, num_iterations=_WARMUP + iterations + 1
    )
    (spec,) = plan(load_family("maskrcnn"), mode, request, None, purpose="window")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.json"
        path.write_text(spec.model_dump_json())
        (Path(folder) / "memory_csv_data").mkdir()
        program = ["-m", "detbench.training.bare"] if side == _BARE else ["-c", _OURS]
        done = subprocess.run(
            [sys.executable, *program, path, folder],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    events = filter(None, map(parse, done.stdout.splitlines()))
    seconds = [event["seconds"] for event in events if event["event"] == "clock"]
    if not seconds:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
    return spec.batch_size * iterations / float(seconds[0])


if __name__ == "__main__":
    main()
