"""Cells of `monitoring.csv` that hold no number."""

from __future__ import annotations


def not_told(why: object) -> str:
    """The cell of a quantity that is not available; `why` is in the driver's words."""
    return f"[N/A: {str(why).translate({91: 40, 93: 41})}]"  # the cell's own end is a ]
