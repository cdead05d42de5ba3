"""Says at the end of a test run how many mutated files were parsed."""

from __future__ import annotations

import pytest

from tests.mutation.outcome import FILES, TALLY


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY:
        terminalreporter.write_line(
            f"mutations: {TALLY.total()} of {len(FILES)} files, "
            f"{TALLY['refused']} refused, {TALLY['read']} read"
        )
