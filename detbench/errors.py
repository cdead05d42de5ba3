"""The errors a user may see, each with the exit code it ends the program with."""

from __future__ import annotations

import sys
from pathlib import Path


class DetbenchError(Exception):
    """One line for the user: what is wrong and where, then what to do about it.

    Args:
        message: what is wrong, naming the thing and the place in it.
        hint: the remedy, best a command; empty when there is none.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class UsageError(DetbenchError):
    """The command line or a spec asks for something that does not exist or cannot be."""

    exit_code = 2


class MissingError(DetbenchError):
    """The machine lacks a GPU, a program, a permission, a package or a dataset."""

    exit_code = 3


def missing_package(error: ModuleNotFoundError) -> MissingError:
    """The line for a user whose Python lacks a package that detbench needs."""
    return MissingError(
        f"the Python package {error.name} is not installed for {sys.executable}",
        "in the checkout: pip install ., or bash scripts/quickstart.sh for all of it",
    )


class RunFailedError(DetbenchError):
    """A run ended otherwise than well; its record says how."""

    exit_code = 4


class BadFileError(DetbenchError):
    """An input file is unreadable, cut short, foreign, or lacks what was asked of it.

    Args:
        path: the file.
        problem: what is wrong with it.
        hint: the remedy.
        place: where in the file, such as `line 12` or `byte 4096`.
    """

    exit_code = 5

    def __init__(self, path: Path | str, problem: str, hint: str, *, place: str = "") -> None:
        where = f"{path}, {place}" if place else str(path)
        super().__init__(f"{where}: {problem}", hint)
