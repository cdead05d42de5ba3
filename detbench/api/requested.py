"""From the keywords of the API to a request and a place: checked, renamed, converted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from detbench.api.options import ModelOptions
from detbench.errors import UsageError
from detbench.launch.base import OnEvent, ignore
from detbench.launch.docker import Limits
from detbench.records.spec import Device, Precision
from detbench.running.machines import machines
from detbench.running.place import Door, Place
from detbench.running.plan import Request
from detbench.sizes import bytes_of

_AT_LEAST = {
    "processes": 1, "nodes": 1, "node_rank": 0, "seed": 0, "start": 0, "count": 1, "iterations": 1,
    "num_workers": 0, "evaluate_every": 1, "checkpoint_every": 1, "monitor_every": 0,
    "time_limit": 1, "launch_count": 1,
}  # fmt: skip
_ONE_OF = {
    "device": get_args(Device), "launcher": get_args(Door), "precision": get_args(Precision),
}  # fmt: skip
_REQUESTED = {
    **{name: name for name in ModelOptions.__annotations__},
    "batch_size": "batch_sizes", "weights": "weights", "learning_rate": "learning_rate",
    "start": "start", "count": "count", "iterations": "num_iterations",
    "processes": "num_processes", "evaluate_every": "evaluate_every",
    "checkpoint_every": "checkpoint_every", "kernels": "kernels", "launch_count": "launch_count",
    "roofline": "roofline",
}  # fmt: skip
"""Key here -> field of `Request`."""


def check(function: str, given: Mapping[str, Any], known: type[Mapping[str, Any]]) -> None:
    """Refuse what the keys of `known` do not allow.

    Raises:
        TypeError: there is no such key.
        UsageError: a value is too small, or none of those that there are.
    """
    for name, value in given.items():
        if name not in known.__optional_keys__:  # type: ignore[attr-defined]
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'")
        if value is None:
            continue
        if name in _AT_LEAST and value < _AT_LEAST[name]:
            raise UsageError(f"{name} is at least {_AT_LEAST[name]}, not {value}")
        if name in _ONE_OF and value not in _ONE_OF[name]:
            raise UsageError(f"there is no {name} '{value}'", f"known: {', '.join(_ONE_OF[name])}")


def request(options: Mapping[str, Any], **more: Any) -> Request:
    """What is to be run, of checked options; `more` are fields of `Request`.

    Raises:
        UsageError: the machines of it contradict each other, or a size is none.
        MissingError: the port where the machines meet is taken.
    """
    named = {key: value for key, value in options.items() if value is not None}
    found = {_REQUESTED[key]: value for key, value in named.items() if key in _REQUESTED}
    if "model" in found:
        found["model"] = _joined(found["model"])
    if "batch_sizes" in found:
        sizes = found["batch_sizes"]
        found["batch_sizes"] = tuple(sizes) if isinstance(sizes, Iterable) else (sizes,)
    for name in ("dataset", "weights"):
        if name in found:
            found[name] = str(found[name])
    limit = named.get("memory_limit")
    return Request(
        **found,
        nodes=machines(
            named.get("nodes", 1),
            named.get("node_rank", 0),
            named.get("rendezvous", ""),
            named.get("launcher", "local"),
        ),
        memory_limit=bytes_of(limit) if limit else None,
        **more,
    )


def place(options: Mapping[str, Any]) -> Place:
    """Where it is to be run, of checked options."""
    named = {key: value for key, value in options.items() if value is not None}
    limits = {
        field: named[key]
        for key, field in (("memory_limit", "memory"), ("cpus", "cpus"), ("shm_size", "shm_size"))
        if key in named
    }
    found: dict[str, Any] = {
        key: named[key]
        for key in ("launcher", "monitor_every", "time_limit", "resume")
        if key in named
    }
    found |= {key: Path(named[key]) for key in ("results", "dataset_dir") if key in named}
    return Place(gpus=_joined(named.get("gpus", "")), limits=Limits(**limits), **found)


def on_event(options: Mapping[str, Any]) -> OnEvent:
    """What takes the events: nothing does by default."""
    return options.get("on_event") or ignore


def _joined(value: str | int | Sequence[str | int]) -> str:
    """Several names as the command line has them: with commas."""
    if isinstance(value, str | int):
        return str(value)
    return ",".join(map(str, value))
