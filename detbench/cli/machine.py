"""The verbs about this machine."""

from __future__ import annotations

import sys

import click

from detbench.cli.options import format_option, print_table


@click.command()
@click.argument("family")
@format_option()
def setup(family: str, style: str) -> None:
    """Check what this machine has for a FAMILY, and say how to get the rest. Fetches nothing.

    \b
    Example:
      detbench setup maskrcnn
    """
    import pandas as pd

    from detbench import doctor
    from detbench.suite import load_family

    checks = doctor.examine(load_family(family))
    rows = [{"what": c.what, "state": c.state, "detail": c.detail} for c in checks]
    print_table(pd.DataFrame(rows), style, f"{family} on this machine")
    if any(check.required and check.state == doctor.MISSING for check in checks):
        sys.exit(3)
