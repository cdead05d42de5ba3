"""Checkpoints in a run's folder, under detectron2's names: `model_0000099.pth`, `last_checkpoint`.

The number is the iteration that had just ended; `last_checkpoint` holds the newest one's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from detbench.errors import BadFileError

LAST = "last_checkpoint"
FINAL = "model_final.pth"
KEPT = 2  # the end of the training may have broken the newest
_NAME = re.compile(r"model_(\d+)\.pth")


def iterations_done(folder: Path) -> int:
    """The iterations done at the newest checkpoint; 0 if there is none."""
    last = folder / LAST
    found = _NAME.fullmatch(last.read_text(encoding="utf-8").strip()) if last.is_file() else None
    return int(found[1]) + 1 if found else 0


def save(folder: Path, iteration: int, state: Mapping[str, Any]) -> None:
    """Save the state after `iteration`; then remove the oldest checkpoint."""
    name = f"model_{iteration:07d}.pth"
    write(folder / name, state)
    _replace_text(folder / LAST, name)
    for old in sorted(folder.glob("model_[0-9]*.pth"))[:-KEPT]:
        old.unlink()


def clear(folder: Path) -> None:
    """Remove the checkpoints of a training that succeeded, but not its final weights."""
    for file in (folder / LAST, *folder.glob("model_[0-9]*.pth")):
        file.unlink(missing_ok=True)


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Save `state` to `path`, which exists only once it is complete."""
    part = path.with_name(f".part-{path.name}")
    torch.save(dict(state), part)
    part.replace(path)


def load_newest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The newest checkpoint's state; None if there is none."""
    if not iterations_done(folder):
        return None
    return _read(folder / (folder / LAST).read_text(encoding="utf-8").strip(), device)


def load_weights(model: torch.nn.Module, path: Path, device: torch.device) -> None:
    """Load a model's weights from a checkpoint of ours, or from a bare state dict.

    Raises:
        BadFileError: not a file of torch's, or the weights of another architecture.
    """
    found = _read(path, device)
    weights = found.get("model", found)
    own = model.state_dict()
    for name, value in weights.items():
        if name not in own:
            raise _other(path, f"it has {name}, which the model lacks")
        if getattr(value, "shape", None) != own[name].shape:
            theirs = tuple(getattr(value, "shape", ()))
            raise _other(path, f"{name} has shape {theirs}, the model's {tuple(own[name].shape)}")
    if missing := [name for name in own if name not in weights]:
        raise _other(path, f"it lacks {missing[0]}")
    model.load_state_dict(weights)


def _other(path: Path, why: str) -> BadFileError:
    return BadFileError(
        path, f"weights of another architecture: {why}", "name its own --model and --framework"
    )


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    try:
        found = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch, zipfile and pickle have no common base
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadFileError(
            path, f"not a checkpoint: {said}", "pass the model_final.pth of a run"
        ) from error
    if not isinstance(found, dict):
        raise BadFileError(path, "not a checkpoint: no state dict in it", "pass another file")
    return found


def _replace_text(path: Path, text: str) -> None:
    part = path.with_name(f".part-{path.name}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
