"""GPUs and GPU profiles as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from detbench.gpus.discovery import NO_INSTANCE, Gpu, Survey, Unusable
from detbench.gpus.profiles import GpuProfile

_COLUMNS = (
    "index",
    "GPU",
    "name",
    "profile",
    "memory (MiB)",
    "compute capability",
    "driver",
    "UUID",
    "MIG parent",
    "state",
)


def machine_table(told: Survey) -> pd.DataFrame:
    """One row per GPU or MIG instance; `attrs["notes"]` says why none is usable, and the remedy."""
    table = pd.DataFrame([_row(each) for each in told.seen], columns=_COLUMNS)
    notes = []
    if told.why_none:
        notes.append(f"no GPU can be used here: {told.why_none}")
        notes.append("known profiles: detbench gpus --catalogue")
    notes += [
        f"GPU {each.label}: its administrator can create an instance:"
        f" sudo nvidia-smi mig -i {each.label} -cgi PROFILE -C (docs/mig.md)"
        for each in told.seen
        if isinstance(each, Unusable) and NO_INSTANCE in each.why
    ]
    table = table.astype({"index": "Int64", "memory (MiB)": "Int64"})
    table.attrs["notes"] = notes
    return table


def _row(each: Gpu | Unusable) -> dict[str, Any]:
    row = {"index": each.number, "GPU": each.label, "name": each.name or None}
    if not isinstance(each, Gpu):
        return {**row, "UUID": each.uuid or None, "state": each.why}
    return {
        **row,
        "profile": each.catalogued.name if each.catalogued else None,
        "memory (MiB)": each.memory_bytes >> 20,
        "compute capability": "{}.{}".format(*each.compute_capability),
        "driver": each.driver,
        "UUID": each.uuid,
        "MIG parent": each.parent or None,
        "state": "ok",
    }


def catalogue_table(profiles: Iterable[GpuProfile]) -> pd.DataFrame:
    """One row per GPU profile, with the source of its figures."""
    rows = [
        {
            "profile": p.name,
            "GPU": p.gpu,
            "kind": p.kind,
            "MIG profile": p.mig_profile or None,
            "memory (MiB)": p.memory_bytes >> 20,
            "memory is": p.memory_is,
            "slices": f"{p.compute_slices} of {p.total_slices}",
            "SMs": p.num_sms,
            "at most": p.max_instances,
            "compute capability": "{}.{}".format(*p.compute_capability),
            "source": p.source,
        }
        for p in profiles
    ]
    return pd.DataFrame(rows).astype({"SMs": "Int64"})
