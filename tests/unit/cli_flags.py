"""Every verb with its arguments and flags, a line each: what `cli_flags.txt` freezes.

python -m tests.unit.cli_flags > tests/unit/cli_flags.txt
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from detbench.cli.commands import cli, command

EVERYWHERE = ("--quiet", "--verbose")


def flags() -> list[str]:
    """`run  --mode TEXT` and so on, sorted."""
    found = [f"every verb  {flag}" for flag in EVERYWHERE]
    for verb in cli.list_commands(click.Context(cli)):
        found += _of(verb, command(verb))
    return sorted(found)


def _of(name: str, verb: click.Command) -> Iterator[str]:
    yield name
    context = click.Context(verb, info_name=name)
    for parameter in verb.params:
        kind = parameter.make_metavar(context)
        if isinstance(parameter, click.Argument):
            yield f"{name}  {kind}"
        elif not set(parameter.opts) & set(EVERYWHERE):
            is_flag = isinstance(parameter, click.Option) and parameter.is_flag
            yield f"{name}  {'/'.join(parameter.opts)}{'' if is_flag else f' {kind}'}"
    if isinstance(verb, click.Group):
        for nested in verb.commands.values():
            yield from _of(f"{name} {nested.name}", nested)


if __name__ == "__main__":
    print("\n".join(flags()))
