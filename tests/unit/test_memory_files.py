"""Memory as others record it: the TBD_MEMORY suite's CSV, torch's timeline."""

import gzip
import json
from pathlib import Path

import pytest

from detbench.errors import BadFileError
from detbench.readers.memory_file import read_memory
from detbench.utilization import memory
from tests.builders import MEMORY_TIMELINE, TBD_MEMORY
from tests.conftest import Run


def parts(path: Path, content: str | bytes) -> dict[tuple[str, str], int]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    at = memory.peak(read_memory(path))
    rows = at[["category", "module", "bytes"]].itertuples(index=False, name=None)
    return {(category, module): size for category, module, size in rows}


def test_the_tbd_suites_peak_is_the_first_highest_row(tmp_path: Path) -> None:
    assert parts(tmp_path / "m.csv", TBD_MEMORY) == {
        ("activations", ""): 60_000_000,
        ("weights", "conv.weight"): 10_000_000,
        ("weights", "fc.weight"): 10_000_000,
        ("weights", "(rounded away)"): 1_000_000,
        ("gradients", "conv.weight"): 10_000_000,
        ("gradients", "fc.weight"): 10_000_000,
        ("gradients", "intermediate_grads"): 60_000_000,
        ("unattributed", ""): 200_000_000 - 161_000_000,
    }


def test_parts_of_more_than_the_peak_were_freed_before(tmp_path: Path) -> None:
    lines = TBD_MEMORY.splitlines(keepends=True)
    found = parts(tmp_path / "m.csv", lines[0] + lines[3])
    assert found["seen but freed", ""] == (200 - 500 - 21 - 20) * 1_000_000
    assert sum(found.values()) == 200_000_000


def test_the_tbd_suites_file_through_the_verb(parser: Run, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(TBD_MEMORY)
    done = parser("memory_util.py", tmp_path / "m.csv")
    assert f"{200e6 / 2**20:.1f} MiB in iteration 2, epoch 1" in done.stdout, done.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_torchs_timeline_at_its_peak(parser: Run, tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "m.raw.json.gz"
    text = json.dumps(MEMORY_TIMELINE).encode()
    found = parts(path, gzip.compress(text, mtime=0) if packed else text)
    assert found == {("weights", ""): 100, ("activations", ""): 50, ("unattributed", ""): 30}
    # The peak is 1 ms after the first event of the recording itself.
    assert "MiB 1.000 ms after the first event" in parser("memory_util.py", path).stdout
    assert parser("memory_util.py", path, "--by", "phase").returncode == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            TBD_MEMORY.replace("total_weight_usage", "weights"),
            "no column total_weight_usage",
        ),
        (TBD_MEMORY[:-1], "line 4: the row is cut short"),
        (TBD_MEMORY[: TBD_MEMORY.rindex(",")], "line 4: the row is cut short"),
        (TBD_MEMORY.replace("120", "1.5"), "line 2: a cell is not a whole number"),
        (TBD_MEMORY[: TBD_MEMORY.index("1,1,100")], "no iteration in it"),
        ("[[1, 2], [[3, 4]]]", "not a raw memory timeline"),
        ("[[1, 2, 3, 8]]", "a category that torch does not know"),
        ("[]", "no event"),
        (json.dumps(MEMORY_TIMELINE)[:-9], "not a raw memory timeline"),
        (
            gzip.compress(json.dumps(MEMORY_TIMELINE).encode(), mtime=0)[:-9],
            "the gzip data is damaged",
        ),
    ],
)
def test_damage_is_refused(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        parts(tmp_path / "m", content)
