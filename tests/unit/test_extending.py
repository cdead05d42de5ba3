"""docs/extending.md is true: what it says is done, in a checkout of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
# ```LANGUAGE [PATH or mark], the text, ```
BLOCKS = re.findall(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def follow(checkout: Path, *, training: bool) -> dict[str, str]:
    """Do what every block says; returns what each command printed."""
    printed = {}
    for language, argument, text in BLOCKS:
        if language == "diff":
            call(checkout, ["git", "apply", "--recount", "-"], text)
        elif language == "sh":
            if argument != "train" or training:
                printed[text] = call(checkout, ["bash", "-euc", text])
        else:
            path = checkout / argument
            path.parent.mkdir(exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
    return printed


def call(checkout: Path, command: list[str], given: str = "") -> str:
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=checkout,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        # A repository around the checkout is none of git's business.
        env={**os.environ, "PATH": tools, "PYTHONPATH": str(checkout),
             "GIT_CEILING_DIRECTORIES": str(checkout.parent)},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{given}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_is_followed_word_by_word(checkout: Path) -> None:
    printed = follow(checkout, training=False)
    listed, profiled, tabled = list(printed.values())[1:]
    assert "ssdlite320_mobilenet_v3   torchvision" in listed
    assert "-m detbench.training" in listed
    assert "mode python (Python's own profiler)" in profiled
    # [1000, 4000) and [5000, 6000) of [1000, 6000).
    assert re.search(r"^ *0 +80 ", tabled, re.MULTILINE), tabled
    # It holds to our style, too.
    for check in (["check"], ["format", "--check"]):
        call(checkout, ["ruff", *check, "--no-cache", "detbench"])
    # A kernel that ends before it begins, and a row cut short, as the reader's text says.
    for damaged in ("4711,5000,600\n", "4711,50"):
        text = (checkout / "kernels.csv").read_text().replace("4711,5000,6000\n", damaged)
        (checkout / "damaged.csv").write_text(text)
        with pytest.raises(AssertionError, match=r"damaged\.csv.*profile again: rocprof"):
            call(checkout, ["python", "parsers/compute_util.py", "damaged.csv"])


@pytest.mark.train
def test_the_family_and_the_mode_that_the_page_adds_work(checkout: Path) -> None:
    last = list(follow(checkout, training=True).values())[-2]
    assert "ok" in last
    assert "function,calls,own (s)" in last
