"""Runs a notebook from top to bottom in a kernel of its own, in a folder with its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "profile_in_a_notebook.ipynb"


def executed(notebook: Path, folder: Path) -> list[Any]:
    """The cells of a notebook after each was run, with `folder` as its working folder."""
    import nbformat
    from nbclient import NotebookClient

    document = nbformat.read(notebook, as_version=4)
    NotebookClient(
        document, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    return list(document.cells)


def outputs(cells: list[Any], mime: str) -> list[Any]:
    """What the cells show in this format, in their order."""
    shown = [output for cell in cells for output in cell.get("outputs", ())]
    return [output["data"][mime] for output in shown if mime in output.get("data", {})]
