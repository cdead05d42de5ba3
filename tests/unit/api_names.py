"""The public API, a line each name with its signature: what `api_names.txt` freezes.

python -m tests.unit.api_names > tests/unit/api_names.txt
"""

from __future__ import annotations

import inspect
import re

import detbench
from detbench.api import options

_UNPACKED = re.compile(r"Unpack\[(\w+)\]")


def names() -> list[str]:
    """`read(path, kind=None, *, launches=True)` and so on, sorted; classes by their fields."""
    return [_line(name, getattr(detbench, name)) for name in sorted(detbench.__all__)]


def _line(name: str, thing: object) -> str:
    if not callable(thing):
        return name
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(thing).parameters.values():
        if unpacked := _UNPACKED.fullmatch(str(parameter.annotation)):
            keys = sorted(getattr(options, unpacked[1]).__optional_keys__)
            parameters += [
                inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=...) for key in keys
            ]
        else:
            parameters.append(_plain(parameter))
    return f"{name}{inspect.Signature(parameters)}".replace("Ellipsis", "...")


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Without its type, which the type checker looks at."""
    return parameter.replace(annotation=inspect.Parameter.empty)


if __name__ == "__main__":
    print("\n".join(names()))
