"""What the driver, torch and the profiler say of this machine, side by side."""

from __future__ import annotations

from collections.abc import Iterator

from detbench.checking.bench import Bench
from detbench.checking.claims import Claim, impossible, judged
from detbench.gpus.discovery import DRIVER_PARAMETERS
from detbench.launch.local import LocalLauncher
from detbench.records.modes import MODES
from detbench.records.spec import Window
from detbench.running.attach import attach
from detbench.running.doctor import lacks

_SHORT = Window(start=1, count=2)
_MEMORY_TOLERANCE = 0.05  # of NVML's total, part of which the driver keeps for itself


def claims(bench: Bench) -> Iterator[Claim]:
    """Torch trains on the GPU that the driver names, and the profiler may read its counters."""
    run = bench.good_run(batch_size=bench.scale.batch_sizes[0], window=_SHORT)
    told = run.record.environment
    yield judged(
        "a training begins and ends here",
        "status ok, all versions known",
        f"torch {told.get('torch', 'n/a')}, {told.get('gpu', told.get('cpu', 'n/a'))}",
        run.record.throughput is not None,
    )
    gpu = bench.needed_gpu()
    total, seen = gpu.memory_bytes, told.get("gpu_memory_bytes", 0)
    own, theirs = gpu.uuid, told.get("torch_gpu_uuid", "")
    yield judged(
        "torch and the driver see the same GPU",
        f"its UUID, and memory within {100 * _MEMORY_TOLERANCE:.0f} %",
        f"{theirs or 'UUID n/a'}, {seen / 2**30:.1f} of {total / 2**30:.1f} GiB,"
        f" driver {gpu.driver}",
        # Of an instance torch may tell the GPU's.
        (not theirs or gpu.is_mig or own.endswith(theirs))
        and abs(seen - total) <= _MEMORY_TOLERANCE * total,
        "CUDA_VISIBLE_DEVICES may name another device",
    )
    what = "Nsight Compute is here and may read the counters"
    attachment = attach(MODES["nsight"], gpu, 1, _SHORT)
    missing = lacks(MODES["nsight"], attachment, LocalLauncher(), gpu, "")
    if missing:
        yield impossible(what, "; ".join(f"lacks {lack.what}: {lack.remedy}" for lack in missing))
    elif not DRIVER_PARAMETERS.is_file():
        yield impossible(what, f"no {DRIVER_PARAMETERS} tells it; the next step shows it")
    else:
        yield judged(what, "the program and the permission", "both", True)
