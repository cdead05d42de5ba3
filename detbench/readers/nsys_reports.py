"""Reports of `nsys stats` that tell no kernel's time, or not once: refused by name."""

from __future__ import annotations

import re

_UNIT = re.compile(r" ?\((%|\w+)\)$")
INSTEAD = (
    "ask for the whole timeline: nsys export --type sqlite FILE.nsys-rep, or"
    " nsys stats --report cuda_gpu_trace --format csv"
)
# Columns that only this report has (without their units) -> what it is.
_REPORTS = {
    ("NVTX Range", "Kern Inst", "Kernel Name"): (
        "nvtx_kern_sum of nsys stats: it counts a kernel in every range around its launch"
    ),
    ("Range", "Total Proj Time"): (
        "nvtx_gpu_proj_sum of nsys stats: it has the time of ranges on the GPU, not of kernels"
    ),
    ("Projected Start", "Projected Duration"): (
        "nvtx_gpu_proj_trace of nsys stats: it has the times of ranges on the GPU, not of kernels"
    ),
    ("API Start", "Kernel Start", "Kernel Name"): (
        "cuda_kern_exec_trace of nsys stats: it lacks kernels whose launch was not recorded"
    ),
    ("Time", "Num Calls"): "a summary of calls (cuda_api_sum, osrt_sum) of nsys stats",
    ("Time", "Source", "Name"): "a summary of MPI or other events of nsys stats",
    ("Time", "Style", "Range"): "a summary of ranges (nvtx_sum) of nsys stats",
    ("Time", "Count", "Operation"): "a summary of copies (cuda_gpu_mem_time_sum) of nsys stats",
}  # fmt: skip


def other_report(names: list[str]) -> str:
    """What a table with these column names is, if it is a report that is not read."""
    known = {_UNIT.sub("", name) for name in names}
    return next((what for needed, what in _REPORTS.items() if known >= set(needed)), "")
