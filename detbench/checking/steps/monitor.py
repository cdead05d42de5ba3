"""The samples beside a run, and nvidia-smi beside both."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, ImpossibleError, impossible, judged
from detbench.readers.monitoring import read_monitoring
from detbench.telemetry.monitor import MONITORING
from detbench.utilization.monitor import by_quantity

# Quantity -> the largest difference of the means, as a share of nvidia-smi's and in its unit: the
# two sample at different moments.
_TOLERANCES = {
    "memory used (MiB)": (0.05, 64.0),
    "power (W)": (0.15, 5.0),
    "utilization (%)": (0.0, 10.0),
}
_PATIENCE = 5.0  # seconds
_COLUMNS = "index,timestamp,utilization.gpu,memory.used,power.draw"


def claims(bench: Bench) -> Iterator[Claim]:
    """Over a run, the means of monitoring.csv are those of nvidia-smi."""
    gpu = bench.needed_gpu()
    program = shutil.which("nvidia-smi")
    if program is None:
        raise ImpossibleError("no nvidia-smi on the PATH")
    device = gpu.parent or gpu.uuid  # nvidia-smi samples no instance
    command = [program, f"--id={device}", f"--query-gpu={_COLUMNS}", "--format=csv", "-lms", "1000"]
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "nvidia-smi.csv"
        with file.open("wb") as sink:
            beside = subprocess.Popen(command, stdout=sink)
            try:
                scale = bench.scale
                run = bench.good_run(batch_size=scale.batch_sizes[-1], window=scale.window)
            finally:
                _end(beside)
        _end_with_a_whole_line(file)
        theirs = _means(read_monitoring(file))
    samples = read_monitoring(run.folder / MONITORING)
    ours = _means(samples[samples["gpu"] != "host"])
    for quantity, (share, least) in _TOLERANCES.items():
        text = f"monitoring.csv agrees with nvidia-smi: {quantity}"
        if quantity not in ours or quantity not in theirs:
            yield impossible(text, "the driver does not tell it of this device")
            continue
        allowed = max(share * theirs[quantity], least)
        yield judged(
            text,
            f"means within {allowed:.3g}",
            f"{ours[quantity]:.4g} and {theirs[quantity]:.4g}",
            abs(ours[quantity] - theirs[quantity]) <= allowed,
        )


def _end(program: subprocess.Popen[bytes]) -> None:
    """End it, though it may hang in a driver whose GPU is lost."""
    program.terminate()
    with suppress(subprocess.TimeoutExpired):
        program.wait(_PATIENCE)
        return
    program.kill()


def _end_with_a_whole_line(file: Path) -> None:
    """Cut off what nvidia-smi was writing when it was ended."""
    data = file.read_bytes()
    file.write_bytes(data[: data.rfind(b"\n") + 1])


def _means(samples: pd.DataFrame) -> dict[str, float]:
    """Means by quantity, of those that were told."""
    table = by_quantity(samples).dropna(subset="mean")
    return dict(zip(table["quantity"], table["mean"], strict=True))
