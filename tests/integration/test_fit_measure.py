"""`detbench fit --measure`: a footprint of the very setting, taken here, kept and used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.train

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--image-size", "160x128", "--num-classes", "3", "--objects", "4")


def fit(cache: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "detbench", "fit", "maskrcnn", "--gpu-profile", "A100D-1-10C",
         "--models", "mask_rcnn_R_18_FPN_tiny", "--batch-sizes", "4,4000", *options],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip


def test_a_setting_is_measured_once_and_answers_by_it(tmp_path: Path) -> None:
    refused = fit(tmp_path, *SMALL)
    assert refused.returncode == 2
    assert "--measure" in refused.stderr  # 4 objects an image come with no footprint

    measured = fit(tmp_path, *SMALL, "--measure", "--rois-per-image", "48", "--format", "json")
    assert measured.returncode == 0, measured.stderr
    assert measured.stderr.count("measured at batch size") == 2
    few, many = json.loads(measured.stdout)
    assert few["setting"] == "measured"
    assert (few["fits"], many["fits"]) == ("yes", "no")
    # Weights of the tiny model: as many bytes as its 32-bit parameters.
    assert few["weights (GiB)"] == many["weights (GiB)"] > 0
    assert few["temporaries (GiB)"] + few["activations (GiB)"] > 0

    again = fit(tmp_path, *SMALL, "--measure", "--rois-per-image", "48")
    assert "measured at batch size" not in again.stderr
    assert "yes" in again.stdout
