"""The public API, a line each name with its signature: what `api_names.txt` freezes.

python -m tests.unit.api_names > tests/unit/api_names.txt
"""

from __future__ import annotations

import inspect

import detbench


def names() -> list[str]:
    """`read(path, kind=None, *, launches=True)` and so on, sorted; classes by their fields."""
    return [_line(name, getattr(detbench, name)) for name in sorted(detbench.__all__)]


def _line(name: str, thing: object) -> str:
    if not callable(thing):
        return name
    parameters = inspect.signature(thing).parameters.values()
    return f"{name}{inspect.Signature([_plain(p) for p in parameters])}"


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Without its type, which the type checker looks at."""
    return parameter.replace(annotation=inspect.Parameter.empty)


if __name__ == "__main__":
    print("\n".join(names()))
