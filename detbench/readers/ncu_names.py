"""The names that Nsight Compute shows in place of metrics: those of the details page.

They stand in its console output and in `ncu --csv` without `--page raw`. Labels are those of the
sections SpeedOfLight and ComputeWorkloadAnalysis and of the breakdown of the former; case, blanks
and a trailing unit vary by version.
"""

from __future__ import annotations

import re

from detbench.gpus.counters import ELAPSED

_SHOWN = {
    "elapsed cycles": "sm__cycles_elapsed.max",
    "sm active cycles": "sm__cycles_active.avg",
    "duration": "gpu__time_duration.sum",
}
_BREAKDOWN = re.compile(r"sm: (inst executed )?pipe (\w+(?: \w+)*?)( cycles active)?", re.ASCII)


def metric_of(name: str) -> str:
    """The metric that a label stands for; the label itself if it is none of the known ones."""
    label = " ".join(name.lower().replace("_", " ").split()).removesuffix(" (%)")
    if label in _SHOWN:
        return _SHOWN[label]
    found = _BREAKDOWN.fullmatch(label)
    if found is None:
        return name
    kind = "inst_executed_" if found[1] else ""
    ending = "_cycles_active" if found[3] else ""
    return f"sm__{kind}pipe_{found[2].replace(' ', '_')}{ending}{ELAPSED}"
