"""Names files of other programs, which hold nothing that is read here, by what only they have.

A refusal that names the real format helps more than a list of the known ones.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Foreign(NamedTuple):
    """A format that is not read.

    Attributes:
        name: what the file is.
        instead: what to do, for somebody who was sent the file.
    """

    name: str
    instead: str


_MONITOR = "ask for what nvidia-smi --query-gpu=timestamp,index,... --format=csv -l 1 writes"
_UNPACK = "unpack it, and name a file in it"
_TRACE = "ask for a trace of the PyTorch profiler: prof.export_chrome_trace('FILE.json.gz')"
_SNAPSHOT = "ask for the file of torch.cuda.memory._dump_snapshot('FILE.pickle')"
# What the beginning of a file holds -> what it is. Bytes, for most of these are not text.
_KNOWN: dict[bytes, Foreign] = {
    rb"\Aversion https://git-lfs": Foreign(
        "a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull"
    ),
    rb"\APK\x03\x04.{0,200}/?data\.pkl": Foreign(
        "a file of torch.save (weights or tensors)",
        "a memory snapshot comes from torch.cuda.memory._dump_snapshot",
    ),
    rb"\APK\x03\x04": Foreign("a ZIP archive", _UNPACK),
    rb"\A\x28\xb5\x2f\xfd": Foreign("compressed with zstd", "unpack it: zstd -d FILE"),
    rb"\A\x04\x22\x4d\x18": Foreign("compressed with lz4", "unpack it: lz4 -d FILE"),
    rb"\A\x1f[\x9d\xa0]": Foreign("compressed with compress", "unpack it: gunzip FILE"),
    rb"\A7z\xbc\xaf\x27\x1c": Foreign("a 7-Zip archive", _UNPACK),
    rb"\A.{257}ustar": Foreign("a tar archive", _UNPACK),
    rb"\A(\x89PNG|\xff\xd8\xff|%PDF)": Foreign("a picture", "ask for the file that it shows"),
    rb"\A(\([dl]p\d+\n|[}\]]q.)[^\0]{0,40}?(\0{3})?(segments|device|total_size)": Foreign(
        "a memory snapshot of PyTorch in a pickle of protocol 0 or 1", _SNAPSHOT
    ),
    rb'\A\s*(\{\s*"segments"|\[\s*\{[^{]{0,400}"total_size")\s*:': Foreign(
        "a memory snapshot of PyTorch as JSON", _SNAPSHOT
    ),
    rb"MemoryViz\.js": Foreign(
        "PyTorch's page of a memory snapshot", "ask for the snapshot itself, FILE.pickle"
    ),
    rb"(?i)\A\s*<(!doctype )?html": Foreign(
        "a web page", "download the file itself, not the page that shows it"
    ),
    rb"<nvidia_smi_log>": Foreign("the XML of nvidia-smi -q -x", _MONITOR),
    rb"NVSMI LOG": Foreign("the text of nvidia-smi -q", _MONITOR),
    rb"\| NVIDIA-SMI \d": Foreign("the screen of nvidia-smi", _MONITOR),
    rb"\A\s*(timestamp, *)?(gpu_\w+, *)*pid, *(process_)?name": Foreign(
        "processes of nvidia-smi --query-compute-apps", _MONITOR
    ),
    rb"\A.{0,200}\n\[0\] [^\n]*\| *\d+.?C, *\d+ %": Foreign("the screen of gpustat", _MONITOR),
    rb"# HELP DCGM_FI_": Foreign("metrics of DCGM's exporter", _MONITOR),
    rb"rocprofiler-sdk": Foreign("rocprofv3 JSON", _TRACE),
    rb'\A"Kind","Agent_Id"': Foreign("a CSV of rocprofv3", _TRACE),
    rb"brain\.Event:\d": Foreign(
        "TensorBoard's events", "ask for the training's log: metrics.json or log.txt"
    ),
    rb'\A\s*\{[^{]{0,200}"(cells|nbformat)"': Foreign(
        "a Jupyter notebook", "ask for the measurement that it shows"
    ),
    rb"Epoch: \[\d+\]\s+\[\s*\d+/\d+\]\s+eta: ": Foreign(
        "a log of torchvision's reference training, or of one made after it (DETR)",
        "its times are means of the last 20 iterations, which overlap: ask for the run's duration",
    ),
    rb":::MLLOG": Foreign("a log of MLPerf", "ask for the training's own log: log.txt"),
}


def foreign(head: bytes) -> Foreign | None:
    """What a file that begins with `head` is, if it is a known format that is not read."""
    return next((name for sign, name in _KNOWN.items() if re.search(sign, head, re.DOTALL)), None)
