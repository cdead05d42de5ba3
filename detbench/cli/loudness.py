"""How much is said on stderr: errors always, progress and notes as a rule, each step if asked."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_log = logging.getLogger("detbench")
_CHOSEN = "detbench.loudness"


def add_loudness(command: click.Command) -> None:
    """Give a command, and the commands in it, the options --quiet and --verbose."""
    for name, callback, told in (
        ("--quiet", _quiet, "No progress and no notes on stderr, only errors."),
        ("--verbose", _verbose, "Say on stderr what is done, and the commands that are run."),
    ):
        # Not a value of the verb's: `run_command` undoes what the callback does.
        command.params.append(
            click.Option(
                [name],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=callback,
                help=told,
            )
        )
    if isinstance(command, click.Group):
        for nested in command.commands.values():
            add_loudness(nested)


@contextmanager
def usual_afterwards() -> Iterator[None]:
    """Whatever is chosen within ends with it, so that an error's line is always seen."""
    stderr = sys.stderr
    try:
        yield
    finally:
        if sys.stderr is not stderr:
            sys.stderr.close()
            sys.stderr = stderr
        _log.handlers.clear()
        _log.setLevel(logging.NOTSET)


def _quiet(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given and _is_new(context, parameter):
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def _verbose(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given and _is_new(context, parameter):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        _log.addHandler(handler)
        _log.setLevel(logging.INFO)


def _is_new(context: click.Context, parameter: click.Parameter) -> bool:
    """Whether it has not been said before the verb already."""
    before = context.meta.get(_CHOSEN)
    if before not in (None, parameter.name):
        raise click.UsageError("--quiet and --verbose cannot be had at once", context)
    context.meta[_CHOSEN] = parameter.name
    return before is None
