"""Which GPU a process means by a device's number, from what Nsight Systems knows of the machine.

Activities name a GPU as their process does: one in a container, or with CUDA_VISIBLE_DEVICES, calls
any GPU 0. TARGET_INFO_CUDA_DEVICE has the GPU of each process and number, with its UUID.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from detbench.readers.cupti_launches import PROCESS_SHIFT
from detbench.readers.database import Database
from detbench.readers.schema import categorical
from detbench.readers.streams import distinct

Numbers = npt.NDArray[np.int64]
_DEVICES = "TARGET_INFO_CUDA_DEVICE"
_UUID = re.compile("[1-9a-f]")  # one of zeros is none
_LISTED = 8
_PID = (1 << PROCESS_SHIFT) - 1  # above it stands the machine that nsys ran on


class Named(NamedTuple):
    """The GPU of each activity.

    Attributes:
        device: its name.
        is_merged: whether a number means several GPUs.
        note: what a reader has to know; empty where numbers are GPUs.
    """

    device: pd.Categorical[str]
    is_merged: bool
    note: str


def name_devices(database: Database, process: Numbers, number: Numbers) -> Named:
    """Name the GPU of each activity, by its process (-1: not told) and its number there."""
    first, code = distinct(process, number)
    pairs = [(int(process[row]), int(number[row])) for row in first]
    known = _physical(database)
    gpus = {pair: known[_plain(pair)] for pair in pairs if _plain(pair) in known}
    if len(gpus) < len(pairs):
        texts, is_merged, note = [str(device) for _, device in pairs], False, _untold(pairs)
    else:
        uuids, numbers = _sets((d, gpu.uuid) for (_, d), gpu in gpus.items())
        is_merged = any(len(each) > 1 for each in uuids.values())
        is_own = not is_merged and all(len(each) == 1 for each in numbers.values())
        names = {pair: str(pair[1]) for pair in pairs} if is_own else _by_gpu(gpus)
        texts, note = [names[pair] for pair in pairs], "" if is_own else _note(names)
    labels = list(dict.fromkeys(texts))
    position = np.array([labels.index(text) for text in texts], np.int64)
    return Named(categorical(position[code], labels), is_merged, note)


def _plain(pair: tuple[int, int]) -> tuple[int, int]:
    return pair[0] & _PID, pair[1]


def _sets(
    pairs: Iterable[tuple[int, str]],
) -> tuple[dict[int, set[str]], dict[str, set[int]]]:
    """What goes with each first part, and what with each second."""
    forth: dict[int, set[str]] = defaultdict(set)
    back: dict[str, set[int]] = defaultdict(set)
    for number, text in pairs:
        forth[number].add(text)
        back[text].add(number)
    return forth, back


def _untold(pairs: list[tuple[int, int]]) -> str:
    """The note where processes share a number, and the file does not say whether a GPU, too."""
    count = Counter(number for _, number in pairs)
    shared = [number for number, processes in count.items() if processes > 1]
    if not shared:
        return ""
    return (
        f"{count[shared[0]]:,} processes used a GPU that they call {shared[0]}, and the file does"
        f" not tell ({_DEVICES}) whether it is the same one: it is one device here"
    )


class _Gpu(NamedTuple):
    """A GPU, or an instance of one: its UUID tells it apart, its number is for the eye."""

    uuid: str
    number: int


def _physical(database: Database) -> dict[tuple[int, int], _Gpu]:
    """The GPU of each process (its plain id) and number; empty if the file does not say it."""
    columns = database.columns.get(_DEVICES, set())
    if not {"pid", "cudaId", "gpuId"} <= columns:
        return {}
    uuid = "uuid" if "uuid" in columns else "''"
    rows = database.rows(f"select pid, cudaId, gpuId, {uuid} from {_DEVICES}")  # noqa: S608
    rows = [row for row in rows if all(isinstance(value, int) for value in row[:3])]
    is_told = all(_UUID.search(str(row[3])) for row in rows)
    found = {}
    for pid, number, gpu, name in rows:
        # A process may be written here as `globalPid` is.
        plain = int(str(pid))
        plain = plain >> PROCESS_SHIFT if plain > _PID else plain
        told = str(name) if is_told else f"#{gpu}"
        found[plain & _PID, int(str(number))] = _Gpu(told, int(str(gpu)))
    return found


def _by_gpu(gpus: dict[tuple[int, int], _Gpu]) -> dict[tuple[int, int], str]:
    """Names by the machine's numbers; where two GPUs share one, by a process that used each."""
    first: dict[str, tuple[int, int]] = {}
    for pair in sorted(gpus):
        first.setdefault(gpus[pair].uuid, pair)
    uuids, _ = _sets((gpu.number, gpu.uuid) for gpu in gpus.values())
    if all(len(found) == 1 for found in uuids.values()):
        return {pair: str(gpu.number) for pair, gpu in gpus.items()}
    owners = {uuid: f"process {pair[0] & _PID}, GPU {pair[1]}" for uuid, pair in first.items()}
    return {pair: owners[gpu.uuid] for pair, gpu in gpus.items()}


def _note(names: dict[tuple[int, int], str]) -> str:
    told = [f"{pair[1]} of process {pair[0] & _PID} is {names[pair]}" for pair in sorted(names)]
    more = f"; and {len(told) - _LISTED:,} more" if told[_LISTED:] else ""
    return (
        "processes number their GPUs in their own ways, and devices are the GPUs themselves here: "
        + "; ".join(told[:_LISTED])
        + more
    )
