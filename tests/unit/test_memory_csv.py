from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.memory_csv import read_memory_csv
from detbench.utilization import memory
from tests.builders import MEMORY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "memory_bs4.csv"
    path.write_text(MEMORY)
    return path


def test_the_peak_is_the_largest_snapshot_and_its_parts_add_up(file: Path) -> None:
    table = memory.by(read_memory_csv(file), "category").set_index("category")
    assert table["memory (MiB)"].sum() * 2**20 == pytest.approx(4000)
    assert table.loc["gradients", "share (%)"] == pytest.approx(80)


def test_modules_and_phases(file: Path) -> None:
    parts = read_memory_csv(file)
    first = memory.by(parts, "module").iloc[0]
    assert (first["module"], first["category"]) == ("fc", "gradients")
    phases = memory.by(parts, "phase")
    assert (phases["total (MiB)"] * 2**20).tolist() == pytest.approx([2000, 4000])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("3,forward,weights,conv1,400\n", "", "do not add up"),
        ("3,backward,total,,4000\n", "", "do not add up"),
        (",600", ",many", "line 3: bytes is not a whole number"),
        (",600", ",1.5", "line 3: bytes is not a whole number"),
        ("iteration,phase", "epoch,phase", "the header is not"),
        (MEMORY[38:], "", "no snapshot"),
    ],
)
def test_damage_is_refused(file: Path, old: str, new: str, words: str) -> None:
    file.write_text(MEMORY.replace(old, new))
    with pytest.raises(BadFileError, match=words):
        read_memory_csv(file)
