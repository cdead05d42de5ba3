"""Runs a parsing verb in this process and holds it to the rule: a table, or a refusal."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from detbench.cli.commands import command, run_command
from tests.mutation.tally import FILES, TALLY

Rows = list[dict[str, Any]]
_HANGS = 5  # seconds: no call takes one, on any machine


def parse(path: Path, verb: str, *options: str, of: str = "", codes: tuple[int, ...] = (5,)) -> Any:
    """The rows of `verb FILE --format json`, or None where the file is refused as it should be.

    That is: one of the exit codes `codes`, nothing on stdout, and one line on stderr that names
    the file and says what to do. `of` is the file this one was made from, for the count.
    """
    out, err = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _no_hang():
        try:
            run_command(command(verb), args=[str(path), *options, "--format", "json"])
        except SystemExit as end:
            code = end.code
    FILES.add(of or path.name)
    if code == 0:
        TALLY["read"] += 1
        assert "Traceback" not in err.getvalue()  # notes may be there
        return json.loads(out.getvalue(), parse_constant=_not_finite)
    TALLY["refused"] += 1
    said = err.getvalue()
    assert code in codes, said
    assert out.getvalue() == ""
    assert len(said.splitlines()) == 1, said
    assert path.name in said, said
    assert "; " in said, f"no remedy: {said}"
    return None


def _not_finite(word: str) -> float:
    raise AssertionError(f"{word} in a table")


@contextlib.contextmanager
def _no_hang() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"still not done after {_HANGS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
