"""How many mutated files were parsed, in all processes of a test run; said at its end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

TALLY: Counter[str] = Counter()
FILES: set[str] = set()


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Only a worker of pytest-xdist has it: what it hands to the process that prints.
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["mutations"] = (dict(TALLY), sorted(FILES))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    counts, files = getattr(node, "workeroutput", {}).get("mutations", ({}, []))
    TALLY.update(counts)
    FILES.update(files)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.write_line(
            f"mutations: {TALLY.total()} of {len(FILES)} files, "
            f"{TALLY['refused']} refused, {TALLY['read']} read"
        )
