"""Which module of a model is at work, in its forward and in its backward pass."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch


class ModuleAtWork:
    """Tracks the module at work; it has to be told of every module that is entered and left.

    The nodes of the autograd graph are numbered as they are made, so the number of a node that
    runs in the backward pass tells during which module's turn it was made. Nothing has to be
    attached to what the modules take and return.
    """

    def __init__(self) -> None:
        self._entered: list[str] = []
        self._numbers: list[int] = []  # where each turn begins
        self._names: list[str] = []  # whose turn it is

    def begin(self) -> None:
        """An iteration begins: turns of earlier ones are over."""
        self._numbers, self._names = [], []

    def enter(self, name: str) -> None:
        """The forward of this module begins."""
        self._entered.append(name)
        self._turn(name)

    def leave(self) -> str:
        """The forward of the module entered last ends; returns its name."""
        left = self._entered.pop()
        self._turn(self._entered[-1] if self._entered else "")
        return left

    def name(self) -> str:
        """The module whose forward runs, or made the node that runs; empty where there is none."""
        if self._entered:
            return self._entered[-1]
        node: Any = torch._C._current_autograd_node()
        if node is None:
            return ""
        turn = bisect_right(self._numbers, node._sequence_nr()) - 1
        return self._names[turn] if turn >= 0 else ""

    def _turn(self, name: str) -> None:
        """From here on the nodes of the autograd graph are made by the module `name`."""
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._names.append(name)
