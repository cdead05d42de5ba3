"""What the parsing verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detbench.errors import BadFileError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from detbench.readers.timeline import Timeline


def of_file(file: Path, hint: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """What a formula makes of a file's table; that it cannot be made is the file's fault."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise BadFileError(file, str(error), hint) from error


def devices_of(file: Path, timeline: Timeline, wanted: str | None) -> list[str]:
    """The devices a table is about: all that ran kernels, or the `wanted` one."""
    from detbench.readers.timeline import CPU
    from detbench.utilization.window import devices

    found = devices(timeline)
    if wanted == CPU and (timeline.activities["kind"] == "operator").any():
        return [CPU]
    if not found:
        raise BadFileError(file, "no kernel and no operator in it", "record a window of training")
    if wanted is None and found == [CPU]:
        raise BadFileError(
            file,
            f"no GPU kernel in it: {timeline.note or 'it was recorded on a CPU alone'}",
            "--device cpu shows the CPU's operators",
        )
    if wanted is not None and wanted not in found:
        raise UsageError(f"{file} has no device '{wanted}'", f"it has: {', '.join(found)}")
    return found if wanted is None else [wanted]


def stack(tables: dict[Path, pd.DataFrame], *, always: bool = False) -> pd.DataFrame:
    """One table of several files' tables, told apart by a first column where there are several."""
    import pandas as pd

    if len(tables) == 1 and not always:
        return next(iter(tables.values()))
    columns = dict.fromkeys(name for table in tables.values() for name in table.columns)
    return pd.concat([table.assign(file=str(file)) for file, table in tables.items()])[
        ["file", *columns]
    ]
