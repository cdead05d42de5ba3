"""A stand-in for NVIDIA's management library, and the scenes that it acts out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
COMPILER = shutil.which("cc") or shutil.which("gcc")


def compiled(folder: Path) -> Path:
    """The folder, with the library in it under the name that programs load."""
    assert COMPILER is not None
    library = folder / "libnvidia-ml.so.1"
    options = ("-shared", "-fPIC", "-Wall", "-Werror")
    subprocess.run([COMPILER, *options, "-o", library, _HERE / "nvml.c"], check=True)
    return folder


def acting(folder: Path, scene: str) -> dict[str, str]:
    """The environment of a program that finds the library in `folder` and sees `scene`."""
    file = _HERE / "scenes" / f"{scene}.txt"
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_SCENE": str(file)}
