"""The examples of docs/python.md that train, run one after another."""

from __future__ import annotations

from pathlib import Path

import pytest

import detbench
from tests.unit.test_python_docs import PAGE, blocks

pytestmark = pytest.mark.train


def test_the_examples_that_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"detbench": detbench}
    found = blocks("train")
    assert len(found) == 2
    for number, block in enumerate(found):
        exec(compile(block, f"{PAGE.name}, training {number}", "exec"), names)
    assert sorted(detbench.runs("mine")["mode"]) == ["memory", "noprofile"]
