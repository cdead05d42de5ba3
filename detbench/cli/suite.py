"""The verbs about families, models and modes."""

from __future__ import annotations

import click

from detbench.cli.completion import of_modes
from detbench.cli.options import family_argument, format_option, print_table


@click.command()
@format_option()
def families(style: str) -> None:
    """List the families of detectors.

    \b
    Example:
      detbench families
    """
    import pandas as pd

    from detbench.suite import family_names, load_family

    found = [load_family(name) for name in family_names()]
    rows = [
        {
            "family": f.family,
            "what": f.title,
            "models": len(f.models),
            "frameworks": ", ".join(f.frameworks),
        }
        for f in found
    ]
    print_table(pd.DataFrame(rows), style)


@click.command()
@family_argument()
@format_option()
def models(family: str, style: str) -> None:
    """List the models of a FAMILY, their frameworks and their training schedules.

    \b
    Example:
      detbench models maskrcnn
    """
    import pandas as pd

    from detbench.suite import load_family

    rows = [
        {
            "model": name,
            "frameworks": ", ".join(model.frameworks()),
            "iterations": model.schedule.num_iterations,
            "at batch size": model.schedule.batch_size,
            "learning rate": model.schedule.learning_rate,
        }
        for name, model in load_family(family).models.items()
    ]
    print_table(pd.DataFrame(rows), style)


@click.command()
@family_argument()
@click.argument("mode", shell_complete=of_modes)
def switch(family: str, mode: str) -> None:
    """Choose the MODE that the next runs of a FAMILY are done in.

    \b
    noprofile  nothing attached: throughput and accuracy
    nvprof     GPU timeline, for compute utilization
    nsight     Nsight Compute counters, for core utilization
    memory     where the memory goes
    torch      PyTorch profiler trace
    dlprof     DLProf reports
    \b
    Example:
      detbench switch maskrcnn memory
    """
    from detbench.records.modes import resolve_mode
    from detbench.running.switched import switch as remember

    chosen = resolve_mode(mode)
    remember(family, chosen)
    click.echo(f"{family}: mode {chosen.name} ({chosen.summary})")


@click.command()
@format_option()
def status(style: str) -> None:
    """Show each family's switched mode and its newest run.

    \b
    Example:
      detbench status
    """
    import pandas as pd

    from detbench.records import store
    from detbench.running.switched import switched
    from detbench.suite import family_names

    root = store.default_root()
    newest = {record.spec.family: (folder, record) for folder, record in store.all_runs(root)}
    rows = []
    for name in family_names():
        folder, record = newest.get(name, (None, None))
        rows.append(
            {
                "family": name,
                "mode": switched(name).name,
                "newest run": folder.name if folder else None,
                "status": record.status if record else None,
            }
        )
    print_table(pd.DataFrame(rows), style, f"results in {root}")
