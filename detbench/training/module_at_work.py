"""Finds the module of a model that is at work, in the forward and the backward pass."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

import torch


class ModuleAtWork:
    """Tracks the module at work; it has to be told of every module that is entered and left.

    The nodes of the autograd graph are numbered in order of creation, so the number of a node that
    runs in the backward pass tells the module during whose turn it was created. Nothing has to be
    attached to the inputs and outputs of modules.
    """

    def __init__(self) -> None:
        self._entered: list[str] = []
        self._numbers: list[int] = []  # the first node of each turn
        self._names: list[str] = []  # the module of each turn

    def begin(self) -> None:
        """Begin an iteration and forget the turns of earlier ones."""
        self._numbers, self._names = [], []

    def enter(self, name: str) -> None:
        """Begin the forward of this module."""
        self._entered.append(name)
        self._turn(name)

    def leave(self) -> str:
        """End the forward of the module entered last, and return its name."""
        left = self._entered.pop()
        self._turn(self._entered[-1] if self._entered else "")
        return left

    def name(self) -> str:
        """The module whose forward runs or has created the running node; empty if there is none."""
        if self._entered:
            return self._entered[-1]
        node: Any = torch._C._current_autograd_node()
        if node is None:
            return ""
        turn = bisect_right(self._numbers, node._sequence_nr()) - 1
        return self._names[turn] if turn >= 0 else ""

    def _turn(self, name: str) -> None:
        """Credit the module `name` with the nodes of the autograd graph created from here on."""
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._names.append(name)
