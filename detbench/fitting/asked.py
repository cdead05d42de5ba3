"""The need of a model at any batch size, and the table of what fits which GPU profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from detbench.errors import MissingError, UsageError
from detbench.fitting.footprints import Footprint, Setting, known
from detbench.fitting.measure import framework_of, measure_new, setting_of
from detbench.fitting.need import Need, Range, answer, capacity, need
from detbench.gpus import discovery
from detbench.gpus.profiles import GpuProfile, profile_named
from detbench.suite import Family

_GIB = 1 << 30
_MEASURED = (2, 4)  # batch sizes: a line needs two


@dataclass(frozen=True)
class Asked:
    """A model in a setting, whose need is predicted.

    Attributes:
        processes: number of GPUs that train together; with several, each holds every gradient
            twice.
    """

    model: str
    footprints: Sequence[Footprint]
    setting: Setting
    processes: int

    @staticmethod
    def of(family: Family, model: str, wanted: Setting, processes: int) -> Asked:
        """The model with its known footprints, in the part of `wanted` that applies to it."""
        footprints = known(framework_of(family, model), model)
        return Asked(model, footprints, setting_of(family, model, wanted), processes)

    def need(self, batch_size: int) -> Need:
        """The need at a batch size, in images per GPU."""
        return need(self.model, self.footprints, self.setting, batch_size, self.processes)


def measure_first(family: Family, model: str, wanted: Setting) -> Iterator[int]:
    """Measure this exact setting on the CPU in two short trainings, unless it is known.

    Yields:
        The batch size of each finished training.

    Raises:
        RunFailedError: a training failed.
    """
    setting = setting_of(family, model, wanted)
    for footprint in measure_new(family, model, setting, _MEASURED):
        yield footprint.batch_size


def profiles_named(names: str) -> list[GpuProfile]:
    """Profiles from the catalogue: comma-separated names, or `auto` for this machine's GPUs.

    Raises:
        UsageError: the catalogue lacks a name or a GPU.
        MissingError: `auto` finds no GPU.
    """
    if names != "auto":
        return [profile_named(name) for name in names.split(",")]
    here, why_none = discovery.several()
    if not here:
        raise MissingError(
            f"--gpu-profile auto: {why_none}",
            "name one, such as A100D-2-20C; detbench gpus --catalogue lists them",
        )
    found = [gpu.catalogued for gpu in here]
    if None in found:
        name = here[found.index(None)].name
        raise UsageError(f"'{name}' is not in the catalogue", "name a profile with the same memory")
    return list(dict.fromkeys(profile for profile in found if profile is not None))


def answers(
    asked: Sequence[Asked], batch_sizes: Sequence[int], profiles: Sequence[GpuProfile]
) -> pd.DataFrame:
    """One row per profile, model and batch size: whether it fits, and the need by parts in GiB."""
    needs = {(each.model, size): each.need(size) for each in asked for size in batch_sizes}
    rows: list[dict[str, Any]] = []
    for profile in profiles:
        available = capacity(profile)
        for (model, batch_size), needed in needs.items():
            rows.append(
                {
                    "GPU profile": profile.name,
                    "model": model,
                    "batch size": batch_size,
                    "fits": answer(needed, available),
                    "likelier answer": "yes" if needed.total.middle <= available.middle else "no",
                    **_in_gib("need", needed.total),
                    **_in_gib("capacity", available),
                    "setting": "measured" if needed.is_measured else "by the law",
                    **{f"{name} (GiB)": part.middle / _GIB for name, part in needed.parts.items()},
                }
            )
    return pd.DataFrame(rows)


def _in_gib(name: str, amount: Range) -> dict[str, float]:
    return {
        f"{name}, {which} (GiB)": getattr(amount, which) / _GIB
        for which in ("low", "middle", "high")
    }
