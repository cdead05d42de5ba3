"""The catalogue of GPU profiles: whole GPUs, MIG instances and vGPU types, with their sources.

The figures are in `profiles.yaml`; this module knows the naming rules: a MIG profile is
`<slices>g.<memory>gb`, `+me` with media engines (NVIDIA MIG User Guide, "MIG Device Names"); a
vGPU type on one is `<board>-<slices>-<memory>C`, `CME` with media engines (NVIDIA vGPU Software
User Guide). The number in the middle counts compute slices.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from detbench.errors import UsageError

_FILE = Path(__file__).with_suffix(".yaml")
_MIB = 1 << 20
_MAKERS = ("nvidia", "grid", "tesla", "geforce")  # drivers begin names with these, or omit them


@dataclass(frozen=True)
class GpuProfile:
    """A whole GPU, or a kind of slice of one.

    Attributes:
        name: `A100-80GB`, `A100-80GB-2g.20gb`, `A100D-2-20C`.
        gpu: the catalogue's name of the whole GPU.
        memory_bytes: by `memory_is` the total that the driver shows (`nvml`), the total that CUDA
            shows (`cuda`), a vGPU type's `frame buffer`, or a `share` of the whole GPU's.
        compute_slices: out of the GPU's `total_slices`, which is 1 for a GPU without MIG.
        num_sms: streaming multiprocessors; None if no source states them.
        max_instances: how many of this profile fit on one GPU at once.
        mig_profile: `2g.20gb`, for a vGPU type the one it runs on; empty for a whole GPU.
    """

    name: str
    kind: Literal["full", "mig", "vgpu"]
    gpu: str
    memory_bytes: int
    memory_is: Literal["nvml", "cuda", "frame buffer", "share"]
    compute_slices: int
    total_slices: int
    num_sms: int | None
    max_instances: int
    compute_capability: tuple[int, int]
    mig_profile: str
    source: str


def profiles() -> tuple[GpuProfile, ...]:
    """All profiles of the catalogue, each GPU followed by its slices."""
    return tuple(dict.fromkeys(_by_key().values()))


def find(name: str) -> GpuProfile | None:
    """The profile of that name, in the catalogue's or NVML's spelling, or None."""
    return _by_key().get(_key(name))


def profile_named(name: str) -> GpuProfile:
    """The profile of that name, in the catalogue's or NVML's spelling, in any letter case.

    Raises:
        UsageError: the catalogue has none.
    """
    found = find(name)
    if found is None:
        near = ", ".join(_near(name))
        raise UsageError(
            f"no GPU profile is named '{name}'",
            (f"near it are {near}; " if near else "") + "detbench gpus --catalogue lists all",
        )
    return found


def matching(words: str) -> tuple[GpuProfile, ...]:
    """The profiles whose own or GPU's name contains `words`, in any case."""
    part = _key(words)
    return tuple(p for p in profiles() if part in _key(p.name) or part in _key(p.gpu))


def _near(name: str) -> list[str]:
    by_key, key = _by_key(), _key(name)
    begun = [k for k in by_key if k.startswith(key)] if key else []
    close = difflib.get_close_matches(key, by_key, n=4)
    return list(dict.fromkeys(by_key[k].name for k in (*close, *begun)))[:4]


def _key(name: str) -> str:
    """A name reduced to what all its spellings share: no case, separators or maker."""
    words = [word for word in re.split(r"[\s_+-]+", name.lower()) if word]
    while words and words[0] in _MAKERS:
        words.pop(0)
    return "-".join(words)


@cache
def _by_key() -> dict[str, GpuProfile]:
    data = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    sources = data["sources"]
    return {
        _key(spelling): profile
        for gpu in data["gpus"]
        for profile, spellings in _of_gpu(gpu, sources)
        for spelling in (profile.name, *spellings)
    }


def _of_gpu(
    gpu: dict[str, Any], sources: dict[str, str]
) -> Iterator[tuple[GpuProfile, tuple[str, ...]]]:
    """A GPU, its MIG profiles and its vGPU types, each with the other spellings of its name."""
    name, total = gpu["name"], gpu.get("total_slices", 1)

    def profile(figures: dict[str, Any], source: str, **rest: Any) -> GpuProfile:
        return GpuProfile(
            gpu=name,
            memory_bytes=figures["memory_mib"] * _MIB,
            total_slices=total,
            compute_capability=tuple(gpu["compute_capability"]),
            source=sources[figures.get("source", source)],
            **{"memory_is": figures.get("memory_is", "nvml"), **rest},
        )

    whole = profile(
        gpu,
        gpu["source"],
        name=name,
        kind="full",
        compute_slices=total,
        num_sms=gpu.get("num_sms"),
        max_instances=1,
        mig_profile="",
    )
    yield whole, tuple(gpu["nvml"])
    mig = gpu.get("mig", {"profiles": {}})
    for mig_name, figures in mig["profiles"].items():
        spellings = tuple(f"{whole_name} MIG {mig_name}" for whole_name in (name, *gpu["nvml"]))
        yield (
            profile(
                figures,
                mig["source"],
                name=f"{name}-{mig_name}",
                kind="mig",
                **_slice(mig, mig_name),
            ),
            spellings,
        )
    vgpu = gpu.get("vgpu", {"boards": ()})
    for board in vgpu["boards"]:
        for suffix, figures in vgpu["types"].items():
            yield (
                profile(
                    figures,
                    vgpu["source"],
                    name=f"{board}-{suffix}",
                    kind="vgpu",
                    memory_is="frame buffer",
                    **_slice(mig, figures["mig"]),
                ),
                (),
            )


def _slice(mig: dict[str, Any], name: str) -> dict[str, Any]:
    """The figures that a MIG profile shares with the vGPU type on it."""
    figures = mig["profiles"][name]
    return {
        "mig_profile": name,
        "compute_slices": int(name.partition("g.")[0]),
        "num_sms": figures.get("num_sms"),
        "max_instances": figures["max_instances"],
    }
