"""A refusal says what the file is, and what somebody who was sent it can do."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import detbench
from detbench.errors import BadFileError
from detbench.readers.foreign import foreign
from tests import builders
from tests.conftest import Run, assert_refused


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("trace.json"))
    return stream.getvalue()


FOREIGN = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n": "a pointer of Git LFS",
    zipped("model/data.pkl"): "a file of torch.save",
    zipped("trace.json"): "a ZIP archive",
    tarred(): "a tar archive",
    b"\x28\xb5\x2f\xfd\x00": "compressed with zstd",
    b"\x89PNG\r\n": "a picture",
    b"<!DOCTYPE html>\n<html>": "a web page",
    b'<html><script src="https://x/MemoryViz.js">': "PyTorch's page of a memory snapshot",
    b"<?xml version='1.0'?>\n<nvidia_smi_log>": "the XML of nvidia-smi -q -x",
    b"\n==============NVSMI LOG==============\n": "the text of nvidia-smi -q",
    b"Sat Jul  4\n+----+\n| NVIDIA-SMI 550.54  Driver |\n": "the screen of nvidia-smi",
    b"timestamp, pid, process_name, used_gpu_memory [MiB]\n": "processes of nvidia-smi",
    b"host  Sat Jul  4\n[0] NVIDIA A100 | 40'C,  30 % |  1 / 2 MB |\n": "the screen of gpustat",
    b"# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization.\n": "metrics of DCGM's exporter",
    b'{"rocprofiler-sdk-tool": [{}]}': "rocprofv3 JSON",
    b'"Kind","Agent_Id","Queue_Id"\n': "a CSV of rocprofv3",
    b"Epoch: [0]  [  0/600]  eta: 0:25:00  loss: 8.2 (8.2)  time: 4.1973\n": (
        "a log of torchvision's reference training"
    ),
    b'\x18\0\0\0\0\0\0\0\xa3\x7fK"\t\0\0\xc0brain.Event:2': "TensorBoard's events",
    b'{"cells": [], "nbformat": 4}': "a Jupyter notebook",
    b":::MLLOG {}": "a log of MLPerf",
}


@pytest.mark.parametrize("content", FOREIGN, ids=FOREIGN.values())
def test_a_file_of_another_program_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sent.bin"
    path.write_bytes(content)
    for kind in (None, "timeline", "counters", "memory", "monitoring", "training history"):
        with pytest.raises(BadFileError, match=FOREIGN[content]) as refused:
            detbench.read(path, kind)  # type: ignore[arg-type]
        assert refused.value.remedy


OURS = {
    "timeline": builders.DLPROF_ITERATIONS,
    "memory": builders.MEMORY,
    "monitoring": builders.DCGMI,
    "training history": builders.DETECTRON2_LOG,
    "counters": builders.NCU_WIDE,
}


@pytest.mark.parametrize("kind", OURS)
def test_what_is_read_is_not_foreign(kind: str) -> None:
    assert foreign(OURS[kind].encode()) is None


def test_a_log_that_shows_the_screen_of_nvidia_smi_is_a_log(tmp_path: Path) -> None:
    path = tmp_path / "slurm.out"
    path.write_text(f"| NVIDIA-SMI 550.54  Driver |\n{builders.DETECTRON2_LOG}")
    assert detbench.read(path).kind == "training history"


def test_a_file_of_another_kind_is_named_with_its_script(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "sent.txt"
    path.write_text(builders.PMON)
    done = parser("core_util.py", path)
    assert_refused(done, 5, "a file of nvidia-smi pmon", "monitor_util.py reads it")


def test_json_that_is_not_known_is_not_said_to_be_a_trace(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "sent.json"
    path.write_text('{"bert": 1}\n')
    done = parser("throughput.py", path)
    assert done.returncode == 5
    assert "Kineto" not in done.stderr


def test_a_trace_without_kernels_is_not_said_to_be_of_a_cpu(parser: Run, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(
        '{"traceEvents": [{"ph": "X", "cat": "cpu_op", "name": "a", "ts": 1, "dur": 1, "tid": 1}]}'
    )
    assert_refused(parser("compute_util.py", path), 5, "no work of a GPU was recorded")
