"""The errors that a user may see, each with the exit code of the program."""

from __future__ import annotations

import sys
from pathlib import Path


class DetbenchError(Exception):
    """One line for the user: what is wrong and where, then what to do about it.

    Attributes:
        message: what is wrong, naming the thing and the place in it.
        remedy: what to do, if possible a command; empty if there is nothing to do.
        exit_code: the exit code of the command line.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(DetbenchError):
    """The command line or a spec asks for something that does not exist or is impossible."""

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
    """A run did not succeed; its record says why."""

    exit_code = 4


class BadFileError(DetbenchError):
    """An input file is unreadable, cut short, of a foreign format, or lacks the requested data.

    Attributes:
        path: the file.
        problem: what is wrong with it.
        place: where in the file, such as `line 12` or `byte 4096`; empty for the whole file.
        remedy: what to do about it.
    """

    exit_code = 5

    def __init__(self, path: Path | str, problem: str, remedy: str, *, place: str = "") -> None:
        where = f"{path}, {place}" if place else str(path)
        super().__init__(f"{where}: {problem}", remedy)
        self.path = Path(path)
        self.problem = problem
        self.place = place
