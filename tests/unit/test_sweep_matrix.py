"""The matrix as tables and as a picture."""

from pathlib import Path

import pytest

from detbench.errors import UsageError
from detbench.reporting.heat_map import draw
from detbench.reporting.tables import render
from detbench.sweeping.matrix import causes, cells, grid
from detbench.sweeping.search import CellState, Prediction, Row

GIB = 1 << 30
ROWS = [
    Row(
        "small",
        "noprofile",
        (1, 2, 4),
        {2: CellState("fits", "measured", "", None, "folder", 12.0, 3 << 20, 9.0)},
        {1: Prediction(GIB, GIB), 2: Prediction(2 * GIB, 3 * GIB), 4: Prediction(5 * GIB, 6 * GIB)},
        4 * GIB,
    ),
    Row(
        "large",
        "noprofile",
        (1, 2, 4),
        {
            1: CellState("failed", "measured", "crash"),
            2: CellState("host_oom", "measured", "killed by signal 9"),
        },
    ),
    Row("none", "noprofile", (1, 2, 4), refused="no such weights"),
]


def test_the_grid_tells_measured_from_implied_and_predicted() -> None:
    lines = grid(ROWS).set_index("model")
    assert list(lines.loc["small"]) == ["fits (implied by 2)", "12 img/s", "oom (predicted)"]
    assert list(lines.loc["large"]) == ["failed", "host_oom", "host_oom (implied by 2)"]
    assert list(lines.loc["none"]) == ["not tried"] * 3


def test_every_cause_is_told_once_a_row() -> None:
    assert causes(ROWS) == [
        "small bs4 noprofile: oom: needs at least 5,120 MiB, and 4,096 MiB are available",
        "large bs1 noprofile: failed: crash",
        "large bs2 noprofile: host_oom: killed by signal 9",
        "none bs1 noprofile: not tried: no such weights",
    ]


def test_a_row_a_cell_with_what_was_measured_and_how() -> None:
    table = cells(ROWS, "A100D-2-20C", compute_slices=2)
    assert len(table) == 9
    measured = table.iloc[1]
    assert (measured["status"], measured["source"], measured["run"]) == (
        "fits", "measured", "folder",
    )  # fmt: skip
    assert (measured["images/s"], measured["images/s per compute slice"]) == (12, 6)
    assert measured["peak memory (MiB)"] == 3
    assert (measured["predicted low (MiB)"], measured["predicted to fit"]) == (2048, True)
    implied = table.iloc[0]
    assert (implied["source"], implied["implied by"]) == ("implied", 2)
    assert implied[["images/s", "peak memory (MiB)"]].isna().all()
    assert cells(ROWS, "cpu")["images/s per compute slice"].isna().all()
    lines = render(table, "csv").splitlines()
    assert lines[1].startswith("small,noprofile,1,A100D-2-20C,fits,implied,2,as batch size 2 fits,")


def test_the_picture_shows_the_sources_apart_and_is_never_written_over(tmp_path: Path) -> None:
    from matplotlib.image import imread

    path = tmp_path / "matrix.png"
    draw(ROWS, "A100D-2-20C", path)
    pixels = (255 * imread(path)[:, :, :3]).astype(int)
    colors = {tuple(pixel) for pixel in pixels[::2, ::2].reshape(-1, 3)}
    for fill in ((127, 191, 123), (214, 96, 77), (244, 165, 130), (186, 186, 186)):
        assert fill in colors  # fits, oom, host_oom, failed
    plain = tmp_path / "plain.png"
    everywhere = {size: CellState("fits", "measured", images_per_second=12.0) for size in (1, 2, 4)}
    draw([Row("small", "noprofile", (1, 2, 4), everywhere)], "A100D-2-20C", plain)
    hatched = tmp_path / "hatched.png"
    implied = Row("small", "noprofile", (1, 2, 4), {4: everywhere[4]})
    draw([implied], "A100D-2-20C", hatched)
    assert green(hatched) < 0.95 * green(plain)  # the hatches' lines lie over the green
    before = path.read_bytes()
    with pytest.raises(UsageError, match="File exists"):
        draw(ROWS, "A100D-2-20C", path)
    assert path.read_bytes() == before


def green(path: Path) -> int:
    from matplotlib.image import imread

    pixels = (255 * imread(path)[:, :, :3]).astype(int)
    return int((pixels == (127, 191, 123)).all(axis=2).sum())


def test_a_cell_that_fits_only_with_the_cpus_help_says_so() -> None:
    note = "partly on the CPU: for lack of GPU memory detectron2 moved an operator there, once"
    row = Row("m", "noprofile", (2,), {2: CellState("fits", "measured", note, None, "", 3.0)})
    assert list(grid([row])["bs2"]) == ["3 img/s (partly on the CPU)"]
    assert causes([row]) == [f"m bs2 noprofile: fits: {note}"]
