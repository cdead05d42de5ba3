"""`detbench` in this process: what a user would see, without the time that a start takes."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detbench.cli.commands import cli, run_command


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    def rows(self) -> Any:
        """Its stdout, which is JSON and nothing else."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    def refused(self, code: int, *words: str) -> None:
        """One line on stderr that says all of `words`, nothing on stdout, and this exit code."""
        assert self.out == ""
        self.refused_with_table(code, *words)

    def refused_with_table(self, code: int, *words: str) -> None:
        """The same, below a table of what is wrong."""
        assert self.code == code, self.out + self.err
        assert len(self.err.splitlines()) == 1, self.err
        for word in words:
            assert word in self.err


def detbench(*arguments: str | Path) -> Ran:
    """Run `detbench ARGUMENTS`."""
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_command(cli, args=[str(a) for a in arguments], prog_name="detbench")
        except SystemExit as end:
            code = end.code or 0
    return Ran(code, out.getvalue(), err.getvalue())
