"""A stand-in for NVIDIA's management library, and the scenes that it acts out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.needed import program

_HERE = Path(__file__).parent
SCENES = _HERE / "scenes"


def compiled(folder: Path, *defined: str) -> Path:
    """The folder, with the library in it under the name that programs load.

    `defined` are macros: OLD_DRIVER leaves out what an old driver lacks.
    """
    compiler = program("cc", "apt-get install gcc libc6-dev")
    library = folder / "libnvidia-ml.so.1"
    options = ("-shared", "-fPIC", "-Wall", "-Werror", *(f"-D{macro}" for macro in defined))
    subprocess.run([compiler, *options, "-o", library, _HERE / "nvml.c"], check=True)
    return folder


def acting(folder: Path, scene: str) -> dict[str, str]:
    """The environment of a program that finds the library in `folder` and sees `scene`."""
    file = SCENES / f"{scene}.txt"
    return {**os.environ, "LD_LIBRARY_PATH": str(folder), "NVML_SCENE": str(file)}
