"""Nsight Compute's own reports, `.ncu-rep`, through NVIDIA's Python package `ncu-report`.

That package silently skips the missing part of a truncated file, and reads any other file as a
report without kernels. So the framing is checked here first: the magic and the file header are
followed by blocks, each a header and as many bytes as the header says (BlockHeader in
ProfilerReport.proto, which Nsight Compute ships under extras/FileFormat).
"""

from __future__ import annotations

import logging
import math
import shlex
import subprocess
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pandas as pd

from detbench.errors import BadFileError, MissingError
from detbench.readers import ncu_rep_dump
from detbench.readers.ncu_csv import SCHEMA
from detbench.readers.ncu_messages import MAGIC
from detbench.readers.ncu_table import unit_scale
from detbench.readers.text import on_disk, open_bytes

_log = logging.getLogger(__name__)

_NUM_RESULTS, _PAYLOAD_SIZE = 2, 5  # fields of BlockHeader
_AGAIN = "copy it again, or profile again with `ncu --export FILE`"


def read_ncu_rep(path: Path, metrics: Collection[str]) -> pd.DataFrame:
    """Read the launches and `metrics` into the same table as `read_ncu_csv`.

    Launches are numbered in the order of the report, which does not name their process.

    Raises:
        BadFileError: the report is damaged or holds no kernel.
        MissingError: the package is not installed.
    """
    with open_bytes(path) as stream:
        content = stream.read()
    try:
        num_results = _num_results(content)
    except (IndexError, ValueError) as error:
        raise BadFileError(path, "a report of Nsight Compute that is cut short", _AGAIN) from error
    if find_spec("ncu_report") is None:
        raise MissingError(
            f"{path} is a report of Nsight Compute, which needs the package ncu-report: "
            "it is not installed",
            "pip install 'detbench[ncu]', or where ncu is installed: "
            f"ncu --import {path} --csv --page raw > FILE",
        )
    with on_disk(path) as file:
        launches = _launches(path, file, metrics)
    if not launches and not num_results:
        raise BadFileError(path, "no kernel in it", "profile a window that runs on a GPU")
    if len(launches) < num_results:
        raise BadFileError(
            path, f"only {len(launches)} of its {num_results} kernels can be read", _AGAIN
        )
    devices, majors, minors, *columns = zip(*(values for _, values in launches), strict=True)
    return SCHEMA.table(
        {
            "process": [-1] * len(launches),
            "launch": range(len(launches)),
            "kernel": [kernel for kernel, _ in launches],
            "device": [_whole(found) for found in devices],
            "capability": [
                f"{_whole(major)}.{_whole(minor)}" if major and minor else ""
                for major, minor in zip(majors, minors, strict=True)
            ],
            **{
                name: [_base(path, found) for found in column]
                for name, column in zip(metrics, columns, strict=True)
                if any(found is not None for found in column)
            },
        }
    )


_Value = tuple[float, str] | None  # with its unit


def _launches(path: Path, file: Path, metrics: Collection[str]) -> list[tuple[str, list[_Value]]]:
    """The kernel of each launch, with its device, compute capability and `metrics`."""
    command = [sys.executable, ncu_rep_dump.__file__, str(file), *metrics]
    _log.info("runs %s", shlex.join(command))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        word = said[-1] if done.returncode > 0 and said else "it crashed"
        raise BadFileError(path, f"the package ncu-report cannot read it: {word}", _AGAIN)
    try:
        return msgspec.json.decode(done.stdout, type=list[tuple[str, list[_Value]]])
    except msgspec.MsgspecError as error:
        raise BadFileError(path, f"a kernel in it is damaged: {error}", _AGAIN) from error


def _whole(found: _Value) -> str:
    return "" if found is None else str(int(found[0]))


def _base(path: Path, found: _Value) -> float:
    """A metric in base units; NaN if the launch does not have it, or ncu could not measure it."""
    if found is None or math.isnan(found[0]):
        return float("nan")
    value = found[0] * unit_scale(path, found[1])
    if not 0 <= value < math.inf:
        raise BadFileError(path, f"a kernel in it has a counter of {value:g}", _AGAIN)
    return value


def _num_results(content: bytes) -> int:
    """The number of kernels that the block headers announce.

    Raises:
        IndexError, ValueError: the file ends within a block, or does not consist of blocks.
    """
    _, position = _sized(content, len(MAGIC))  # the file's header: a version
    num_results = 0
    while position < len(content):
        header, position = _sized(content, position)
        fields = _integers(header)
        num_results += fields.get(_NUM_RESULTS, 0)
        position += fields.get(_PAYLOAD_SIZE, 0)
    if position != len(content):
        raise ValueError("it ends within a block")
    return num_results


def _sized(content: bytes, position: int) -> tuple[bytes, int]:
    """A message that is preceded by its size, and the position after it."""
    start = position + 4
    end = start + int.from_bytes(content[position:start], "little")
    if end > len(content) or end == start:
        raise ValueError("it ends within a message")
    return content[start:end], end


def _integers(message: bytes) -> dict[int, int]:
    """The top-level integers of a Protocol Buffers message, by field number."""
    fields, position = {}, 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            fields[field], position = _varint(message, position)
        elif wire_type == 2:
            size, position = _varint(message, position)
            position += size
        else:
            raise ValueError("not a block's header")
    if position != len(message):
        raise ValueError("a field is longer than its message")
    return fields


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
