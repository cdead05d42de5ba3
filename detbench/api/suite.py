"""What there is to train, which mode a family is switched to, and what it ran last."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from detbench.records import store
from detbench.records.modes import Mode, resolve_mode
from detbench.running import switched as _switched
from detbench.running.switched import profiling_mode, require_noprofile, switched
from detbench.suite import family_names, load_family

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "families",
    "models",
    "profiling_mode",
    "require_noprofile",
    "status",
    "switch",
    "switched",
]


def families() -> pd.DataFrame:
    """A row a family of detectors."""
    import pandas as pd

    found = [load_family(name) for name in family_names()]
    return pd.DataFrame(
        [
            {
                "family": f.family,
                "what": f.title,
                "models": len(f.models),
                "frameworks": ", ".join(f.frameworks),
            }
            for f in found
        ]
    )


def models(family: str) -> pd.DataFrame:
    """A row a model of a family: its frameworks and its training schedule.

    Raises:
        UsageError: there is no such family.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "model": name,
                "frameworks": ", ".join(model.frameworks()),
                "iterations": model.schedule.num_iterations,
                "at batch size": model.schedule.batch_size,
                "learning rate": model.schedule.learning_rate,
            }
            for name, model in load_family(family).models.items()
        ]
    )


def status(results: Path | str | None = None) -> pd.DataFrame:
    """A row a family: its switched mode and its newest run; `attrs["results"]` is the folder.

    Raises:
        MissingError: there is no checkout, to which a switched mode belongs.
        BadFileError: a record is damaged.
    """
    import pandas as pd

    root = store.root_of(results)
    newest = {run.record.spec.family: run for run in store.all_runs(root)}
    rows = []
    for name in family_names():
        run = newest.get(name)
        rows.append(
            {
                "family": name,
                "mode": switched(name).name,
                "newest run": run.folder.name if run else None,
                "status": run.record.status if run else None,
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["results"] = str(root)
    return table


def switch(family: str, mode: str) -> Mode:
    """Choose the mode that the next runs of a family are done in, and return it.

    Raises:
        UsageError: there is no such family or mode.
        MissingError: there is no checkout, or it cannot be written.
    """
    chosen = resolve_mode(mode)
    _switched.switch(family, chosen)
    return chosen
