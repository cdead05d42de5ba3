"""Shell completion of families, models, modes and GPU profiles, looked up on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def of_families(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """The families of this installation."""
    from detbench.suite import family_names

    return _offered(family_names(), begun)


def of_models(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """The models and groups of the family on the command line, or of all families."""
    from detbench.suite import family_names, load_family

    # On an unfinished line, click has not assigned all words to parameters yet.
    typed = {context.params.get("family"), *context.args}
    known = family_names()
    families = [load_family(name) for name in known if name in typed or not typed & {*known}]
    return _offered([name for f in families for name in (*f.groups, *f.models)], begun)


def of_modes(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """The modes."""
    from detbench.records.modes import MODES

    return _offered(MODES, begun)


def of_gpu_profiles(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
    """The GPU profiles of the catalogue."""
    from detbench.gpus.profiles import matching

    return _offered([profile.name for profile in matching("")], begun)


def _offered(names: Iterable[str], begun: str) -> list[str]:
    """Names that complete the typed text, or the last part of a comma-separated list."""
    before, comma, last = begun.rpartition(",")
    return [before + comma + name for name in names if name.startswith(last)]
