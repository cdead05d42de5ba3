"""What this machine is and has: its GPUs, and whether a family and a mode can run on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detbench.errors import UsageError
from detbench.running.place import Door

if TYPE_CHECKING:
    import pandas as pd

    from detbench.running.examine import Examination


def gpus_here() -> pd.DataFrame:
    """A row a GPU or MIG instance of this machine, usable or not.

    `attrs["notes"]` say why none can be used, and what an administrator would do about it.
    """
    from detbench.gpus.discovery import survey
    from detbench.gpus.tables import machine_table

    return machine_table(survey())


def gpu_profiles(part: str = "") -> pd.DataFrame:
    """A row a known GPU profile: all, or those whose name, or whose GPU's, holds `part`.

    Raises:
        UsageError: there is none.
    """
    from detbench.gpus.profiles import matching
    from detbench.gpus.tables import catalogue_table

    found = matching(part)
    if not found:
        raise UsageError(f"no GPU profile's name holds '{part}'", "detbench gpus --catalogue")
    return catalogue_table(found)


def doctor(
    family: str = "maskrcnn", mode: str = "noprofile", launcher: Door = "local"
) -> pd.DataFrame:
    """A row a thing that was looked at; `attrs["lacks"]` is what keeps the mode from running.

    Raises:
        UsageError: there is no such family or mode.
    """
    from detbench.running.examine import examine

    return _table(examine(family, mode, launcher))


def setup_checks(family: str) -> pd.DataFrame:
    """A row a thing that a family needs; `attrs["lacks"]` names the packages that are missing.

    Raises:
        UsageError: there is no such family.
    """
    from detbench.running.examine import examine_machine

    return _table(examine_machine(family))


def _table(found: Examination) -> pd.DataFrame:
    import pandas as pd

    rows = [{"what": c.what, "state": c.state, "detail": c.detail} for c in found.checks]
    table = pd.DataFrame(rows)
    table.attrs.update(mode=found.mode, lacks=found.lacks)
    return table
