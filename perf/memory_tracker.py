#!/usr/bin/env python3
"""The cost of our memory tracker per iteration, compared with torch's own MemTracker.

    python perf/memory_tracker.py [--iterations 20] [--repeats 5]

The tiny Mask R-CNN of `benchmarks/maskrcnn` trains on the CPU with the embedded dataset and the
same seed: bare, with our tracker, and with torch.distributed._tools.mem_tracker.MemTracker, in
turn, each in its own process. Prints the median iteration time of each side (the minimum over all
turns), the time it adds to the bare iteration, and the ratio of our cost to MemTracker's. The
losses after the last iteration must be equal.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from detbench.records.modes import MODES  # noqa: E402
from detbench.running.plan import Request, plan  # noqa: E402
from detbench.suite import load_family  # noqa: E402

_BARE, _OURS, _THEIRS = SIDES = ("bare", "ours", "MemTracker")
_WARMUP = 5  # iterations before the window

_PROGRAM = """
import json, sys, time
from pathlib import Path
from detbench.records.spec import RunSpec
from detbench.training import __main__ as training
from detbench.training.frameworks import detectron2 as framework
from detectron2.engine import HookBase
from torch.distributed._tools.mem_tracker import MemTracker

side, spec_path, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
window = RunSpec.model_validate_json(spec_path.read_bytes()).window
seconds, losses = [], []

class Clock(HookBase):
    def before_step(self):
        if self.trainer.iter not in window:
            return
        if side == "MemTracker":  # it tracks a single iteration, so each one gets a new tracker
            self.tracker = MemTracker()
            self.tracker.track_external(self.trainer.model, self.trainer.optimizer)
            self.tracker.__enter__()
        self.began = time.perf_counter()

    def after_step(self):
        if self.trainer.iter in window:
            seconds.append(time.perf_counter() - self.began)
            if side == "MemTracker":
                self.tracker.__exit__(None, None, None)
        losses.append(self.trainer.storage.latest()["total_loss"][0])

ours = framework._Trainer.build_hooks

# The clock comes last: the time to attach a tracker is not part of an iteration.
framework._Trainer.build_hooks = lambda self: [*ours(self), Clock()]
assert training.main(spec_path, output) == 0
print("TOLD", json.dumps({"seconds": seconds, "loss": losses[-1]}))
"""


def main() -> None:
    """Run all sides in turn and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iterations", type=int, default=20, help="length of the window")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    least = dict.fromkeys(SIDES, float("inf"))
    losses: dict[str, float] = {}
    for repeat in range(given.repeats):
        for side in SIDES:
            told = _measure(side, given.iterations)
            median = statistics.median(told["seconds"][1:])
            least[side] = min(least[side], median)
            losses[side] = told["loss"]
            print(f"{repeat + 1}/{given.repeats} {side}: {median:.4f} s, loss {told['loss']!r}")
    bare = least[_BARE]
    print(f"\n{'':14}{'iteration (s)':>14}{'added (s)':>11}{'added (%)':>11}")
    for side in SIDES:
        added = least[side] - bare
        print(f"{side:14}{least[side]:14.4f}{added:11.4f}{100 * added / bare:11.1f}")
    ratio = (least[_OURS] - bare) / (least[_THEIRS] - bare)
    print(f"our cost / MemTracker's: {ratio:.3f}")
    print(f"losses {'agree' if len(set(losses.values())) == 1 else 'DIFFER'}: {losses}")


def _measure(side: str, iterations: int) -> dict[str, list[float]]:
    """The seconds of each iteration in the window, and the last loss, from a separate process."""
    mode = MODES["memory" if side == _OURS else "noprofile"]
    request = Request(
        device="cpu", start=_WARMUP, count=iterations, num_iterations=_WARMUP + iterations
    )
    (spec,) = plan(load_family("maskrcnn"), mode, request, None, purpose="window")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.json"
        path.write_text(spec.model_dump_json())
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, side, path, folder],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    told = [line[5:] for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    if not told:
        sys.exit(f"{side} failed:\n{done.stderr[-2000:]}")
    found: dict[str, list[float]] = json.loads(told[0])
    return found


if __name__ == "__main__":
    main()
