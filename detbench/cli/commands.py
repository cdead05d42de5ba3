"""The verbs of `detbench`, and the only place where errors become lines and exit codes."""

from __future__ import annotations

import io
import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

import click

from detbench import __version__
from detbench.cli.loudness import add_loudness, usual_afterwards
from detbench.errors import DetbenchError, missing_package

# Verb -> module of this package and function in it; a module is imported when its verb is used.
_VERBS = {
    "families": ("suite", "families"),
    "models": ("suite", "models"),
    "data": ("data", "data"),
    "build": ("container", "build"),
    "shell": ("container", "shell"),
    "clean": ("container", "clean"),
    "doctor": ("machine", "doctor"),
    "gpus": ("gpus", "gpus"),
    "gpu-check": ("gpu_check", "gpu_check"),
    "setup": ("machine", "setup"),
    "switch": ("suite", "switch"),
    "status": ("suite", "status"),
    "train": ("runs", "train"),
    "run": ("runs", "run"),
    "profile": ("runs", "profile"),
    "sweep": ("sweep", "sweep"),
    "eval": ("runs", "evaluate"),
    "throughput": ("measure", "throughput"),
    "time-to-train": ("measure", "time_to_train"),
    "fit": ("fit", "fit"),
    "compare": ("compare", "compare"),
    "core-util": ("parse.core", "core_util"),
    "compute-util": ("parse.compute", "compute_util"),
    "memory-util": ("parse.memory", "memory_util"),
    "monitor-util": ("parse.monitor", "monitor_util"),
    "report": ("report", "report"),
    "throughput-util": ("parse.throughput", "throughput_util"),
    "results": ("results", "results"),
}


class _LazyGroup(click.Group):
    """A group that imports a verb's module only when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        return command(cmd_name)


@cache
def command(verb: str) -> click.Command:
    """The command of a verb; imports its module."""
    module, function = _VERBS[verb]
    found = getattr(import_module(f"detbench.cli.{module}"), function)
    assert isinstance(found, click.Command)
    add_loudness(found)
    return found


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="detbench")
def cli() -> None:
    """Benchmark and profile the training of object detectors.

    \b
    detbench train maskrcnn              train to accuracy and time it
    detbench switch maskrcnn memory      choose the mode of the next runs
    detbench run maskrcnn                run a short window in that mode
    detbench memory-util FILE            print its measurement as a table

    Results go to stdout, progress and notes to stderr.

    \b
    Completion in bash; in zsh and fish likewise:
    eval "$(_DETBENCH_COMPLETE=bash_source detbench)"
    """


add_loudness(cli)


def main() -> None:
    """Run the command line; an error that a user can cause ends in one line and its exit code."""
    run_command(cli, prog_name="detbench")


def run_command(command: click.Command, **options: Any) -> None:
    """Run one command as a program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names in files may not fit the terminal's encoding; they are escaped, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with usual_afterwards():
            command.main(standalone_mode=False, **options)
    except DetbenchError as error:
        _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        lack = missing_package(error)
        _fail(str(lack), lack.exit_code)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        see = f"; see {context.command_path} --help" if context else ""
        _fail(f"{error.format_message().rstrip('.')}{see}", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of our output is gone, as in `... | head`, and so is anyone to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _fail(message: str, code: int) -> None:
    click.echo(f"detbench: {' '.join(message.split())}", err=True)
    sys.exit(code)
