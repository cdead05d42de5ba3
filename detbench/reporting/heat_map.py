"""The picture of a feasibility matrix: models x batch sizes, one color per status."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from detbench.reporting.png import new_figure, save
from detbench.sweeping.matrix import cell_text
from detbench.sweeping.search import CellState, CellStatus, Row, states

_WHAT: Final = "the heat map"
_CELL: Final = (1.5, 0.62)  # inches
_MARGIN: Final = (3.4, 1.7)  # inches for model names, and for the title and the legend
COLORS: Final[dict[CellStatus, str]] = {
    "fits": "#7fbf7b",
    "oom": "#d6604d",
    "host_oom": "#f4a582",
    "timeout": "#c2a5cf",
    "failed": "#bababa",
    "not tried": "#ffffff",
}
_HATCHES: Final = {"implied": "//", "predicted": ".."}
_LONGEST: Final = 18  # characters of a line in a cell


def draw(rows: Sequence[Row], gpu_profile: str, path: Path) -> None:
    """Draw a matrix into a new PNG file.

    Measured cells are plain, implied ones are hatched, predicted ones are dotted.

    Raises:
        MissingError: matplotlib is not installed.
        UsageError: the file exists, or cannot be written.
    """
    sizes = sorted({size for row in rows for size in row.batch_sizes})
    width, height = (
        count * cell + margin
        for count, cell, margin in zip((len(sizes), len(rows)), _CELL, _MARGIN, strict=True)
    )
    figure = new_figure(_WHAT, width, height)
    from matplotlib.patches import Patch, Rectangle  # new_figure checked that it is installed

    axis = figure.subplots()
    shown: set[tuple[CellStatus, str]] = set()
    for y, row in enumerate(rows):
        for size, state in states(row).items():
            x = sizes.index(size)
            color, hatch = COLORS[state.status], _HATCHES.get(state.source)
            axis.add_patch(Rectangle((x, y), 1, 1, facecolor=color, edgecolor="0.55", hatch=hatch))
            axis.text(
                x + 0.5, y + 0.5, _text(state), ha="center", va="center", fontsize=8,
                bbox={"facecolor": color, "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
            shown.add((state.status, state.source))
    axis.set(xlim=(0, len(sizes)), ylim=(len(rows), 0), xlabel="batch size (images per iteration)")
    axis.set_xticks([x + 0.5 for x in range(len(sizes))], [str(size) for size in sizes])
    axis.set_yticks([y + 0.5 for y in range(len(rows))], [f"{r.model}\n{r.mode}" for r in rows])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set_title(f"What trains on {gpu_profile}", fontsize=11)
    keys = [
        Patch(
            facecolor=COLORS[status],
            edgecolor="0.55",
            hatch=_HATCHES.get(source),
            label=status if source == "none" else f"{status}, {source}",
        )
        for status, source in sorted(shown, key=lambda key: (list(COLORS).index(key[0]), key[1]))
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    save(figure, path, _WHAT)


def _text(state: CellState) -> str:
    """The text of a cell, in lines short enough for it."""
    text = cell_text(state)
    return text.replace(" (", "\n(") if len(text) > _LONGEST else text
