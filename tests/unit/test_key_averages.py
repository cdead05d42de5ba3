"""Tables that `key_averages().table()` of the PyTorch profiler printed."""

import json
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from tests.builders import KEY_AVERAGES
from tests.conftest import Run

MEMCPY = next(line for line in KEY_AVERAGES.splitlines(True) if "Memcpy" in line)
RELU = next(line for line in KEY_AVERAGES.splitlines(True) if "relu_kernel" in line)


def kernels(folder: Path, content: str) -> list[tuple[object, ...]]:
    path = folder / "table.txt"
    path.write_text(content)
    return list(detbench.read(path).tables["kernels"].itertuples(index=False, name=None))


def test_kernels_are_told_from_operators_ranges_and_copies(tmp_path: Path) -> None:
    assert kernels(tmp_path, KEY_AVERAGES) == [
        ("void gemm<float, 4>", 3, 6_000_000),
        ("relu_kernel", 6, 3_000_000),
    ]
    assert detbench.read(tmp_path / "table.txt").source.tool == "PyTorch profiler (key_averages)"


def test_a_name_that_is_too_long_pushes_the_columns_aside(tmp_path: Path) -> None:
    content = KEY_AVERAGES.replace("     relu_kernel", "a_relu_kernel_of_a_very_long_name")
    assert kernels(tmp_path, content)[1] == ("a_relu_kernel_of_a_very_long_name", 6, 3_000_000)


def test_what_a_cut_table_leaves_out_counts_in_the_shares(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_text(KEY_AVERAGES.replace(RELU, ""))
    done = parser("compute_util.py", path, "--json")
    told = json.loads(done.stdout)
    (row,) = told["kernel"]
    # 6 ms of the 9 that are no copy.
    assert row["share (%)"] == pytest.approx(100 * 6 / 9)
    assert "3 ms on the GPU are in no row" in told["notes"][1]
    assert told["notes"][1] in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            KEY_AVERAGES.replace("6.000ms        60.00%", "many        60.00%"),
            "'many' is not a time",
        ),
        (KEY_AVERAGES[: KEY_AVERAGES.index("Memcpy")], "line 10: the row is cut short"),
        (KEY_AVERAGES[: KEY_AVERAGES.index(MEMCPY)], "the table has no end"),
        (KEY_AVERAGES.replace("total: 10.000ms", "total: 7.000ms"), "the line under them 7.000 ms"),
        (KEY_AVERAGES.replace("CUDA", "CPU"), "no time on a GPU"),
    ],
)
def test_damage_is_refused(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadFileError, match=words):
        kernels(tmp_path, content)


def test_of_several_tables_the_first_counts_with_a_note(parser: Run, tmp_path: Path) -> None:
    one = kernels(tmp_path, KEY_AVERAGES)
    both = KEY_AVERAGES + "\n" + KEY_AVERAGES.replace("relu_kernel", "tanh_kernel")
    assert kernels(tmp_path, both) == one
    done = parser("compute_util.py", tmp_path / "table.txt")
    assert "2 tables in the file, of which the first counts" in done.stderr


def test_the_table_of_an_old_pytorch_is_refused_as_that(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    names = (
        "Name", "Self CPU total %", "Self CPU total", "CPU total %", "CPU total", "CPU time avg",
        "CUDA total %", "CUDA total", "CUDA time avg", "Number of Calls",
    )  # fmt: skip
    rule = "  ".join(["-" * 17] * len(names)) + "\n"
    header = "  ".join(f"{name:<17}" for name in names) + "\n"
    cells = (
        "conv2d",
        "1.00%",
        "1.000us",
        "1.00%",
        "1.000us",
        "1.000us",
        "NaN",
        "0.000us",
        "0.000us",
        "1",
    )
    path.write_text(rule + header + rule + "  ".join(f"{cell:<17}" for cell in cells) + "\n" + rule)
    with pytest.raises(BadFileError, match=r"PyTorch 1\.7 or older.*export_chrome_trace"):
        detbench.read(path)
