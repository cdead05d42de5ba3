"""What goes to stderr: errors always, progress and notes by default, each step on request."""

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
    """Add the options --quiet and --verbose to a command and its subcommands."""
    for name, callback, told in (
        ("--quiet", _quiet, "Print only errors to stderr, no progress or notes."),
        ("--verbose", _verbose, "Print each step and the commands it runs to stderr."),
    ):
        # The verb gets no value: the callback does it all, and `run_command` undoes it.
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
    """Restore the default loudness on exit, so that an error's line is always printed."""
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
    """Whether the option was not already given before the verb."""
    before = context.meta.get(_CHOSEN)
    if before not in (None, parameter.name):
        raise click.UsageError("--quiet and --verbose exclude each other", context)
    context.meta[_CHOSEN] = parameter.name
    return before is None
