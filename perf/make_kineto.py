#!/usr/bin/env python3
"""Write a PyTorch profiler trace of any size: python perf/make_kineto.py KERNELS FILE.

The trace has PyTorch 2's layout: each kernel comes with an operator, the call that launched it and
the flow between the two, 1.3 kB together; a step has a thousand kernels. Kernel k starts at
20 us * k and lasts 4 us to 12 us, so `busy_percent` has a closed form.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

_EVERY = 20_000  # ns between the starts of two kernels
_IN_STEP = 1000
_ORIGIN = 1_414_456_661_000_000_000  # ns
_HEAD = """{
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 0, "name": "generated", "totalGlobalMem": 42505273344, "numSms": 108
    }
  ],
  "displayTimeUnit": "ms",
  "baseTimeNanoseconds": 0,
  "traceEvents": ["""
_KERNEL = """
  {
    "ph": "X", "cat": "cpu_op", "name": "aten::op_%(op)d", "pid": 4711, "tid": 4711,
    "ts": %(ts)s, "dur": 9.250,
    "args": {
      "External id": %(k)d,"Record function id": 0, "Concrete Inputs": ["", "", "[1, 1]"], \
"Input type": ["float", "float", "ScalarList"], "Input Dims": [[4, 64, 200, 304], [64], []], \
"Ev Idx": %(k)d
    }
  },
  {
    "ph": "X", "cat": "cuda_runtime", "name": "cudaLaunchKernel", "pid": 4711, "tid": 4711,
    "ts": %(ts)s, "dur": 3.125,
    "args": {
      "External id": %(k)d, "cbid": 211, "correlation": %(k)d
    }
  },
  {
    "ph": "s", "id": %(k)d, "pid": 4711, "tid": 4711, "ts": %(ts)s,
    "cat": "ac2g", "name": "ac2g"
  },
  {
    "ph": "X", "cat": "kernel", "name": "void generated::kernel_%(name)d<4, float, \
std::array<char*, 3ul> >(int, float, std::array<char*, 3ul>)", "pid": 0, "tid": 7,
    "ts": %(ts)s, "dur": %(dur)s,
    "args": {
      "External id": %(k)d, "queued": 0, "device": 0, "context": 1, "stream": 7, \
"correlation": %(k)d, "registers per thread": 32, "shared memory": 0, "blocks per SM": 15.407408, \
"warps per SM": 61.629631, "grid": [1664, 1, 1], "block": [128, 1, 1], \
"est. achieved occupancy %%": 96
    }
  },
  {
    "ph": "f", "id": %(k)d, "pid": 0, "tid": 7, "ts": %(ts)s,
    "cat": "ac2g", "name": "ac2g", "bp": "e"
  },"""
_STEP = """
  {
    "ph": "X", "cat": "user_annotation", "name": "ProfilerStep#%d", "pid": 4711, "tid": 4711,
    "ts": %s, "dur": %s,
    "args": {
      "External id": 0
    }
  },"""
_TAIL = """
  {
    "name": "Record Window End", "ph": "i", "s": "g", "pid": "", "tid": "", "ts": %s
  }
  ],
  "traceName": "generated.pt.trace.json"
}
"""


def duration(kernel: int) -> int:
    """The duration of a kernel in ns."""
    return 4_000 + kernel * 37 % 8_000


def busy_percent(num_kernels: int) -> float:
    """Compute utilization over all steps in percent, which is the answer for the trace."""
    num_steps = -(-num_kernels // _IN_STEP)
    return 100 * sum(map(duration, range(num_kernels))) / (num_steps * _IN_STEP * _EVERY)


def texts(num_kernels: int) -> Iterator[str]:
    """The trace, piece by piece."""
    yield _HEAD
    for k in range(num_kernels):
        start = _ORIGIN + k * _EVERY
        if k % _IN_STEP == 0:
            yield _STEP % (k // _IN_STEP, _us(start), _us(_IN_STEP * _EVERY))
        values = {"k": k, "op": k % 50, "name": k % 200, "ts": _us(start), "dur": _us(duration(k))}
        yield _KERNEL % values
    yield _TAIL % _us(_ORIGIN + num_kernels * _EVERY)


def _us(ns: int) -> str:
    """Microseconds as the profiler writes them: three digits after the point."""
    return f"{ns // 1000}.{ns % 1000:03d}"


def write(path: Path, num_kernels: int) -> None:
    """Write the trace."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(texts(num_kernels))


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
