"""Hooks that open and close a profiler over the window."""

from __future__ import annotations

from pathlib import Path

import torch

from detbench.records.spec import Window
from detbench.training.protocol import Hook, Step, Trainer


class CudaWindow(Hook):
    """Marks the window for profilers that wrap the process: nvprof, Nsight Systems and Compute.

    They start with capture switched off; cudaProfilerStart and -Stop switch it on for the window,
    and every iteration in it is an NVTX range named `iteration N`.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._range_open = False

    def before_step(self, iteration: int) -> None:
        if iteration == self._window.start:
            torch.cuda.synchronize()
            torch.cuda.profiler.start()
        if iteration in self._window:
            torch.cuda.nvtx.range_push(f"iteration {iteration}")
            self._range_open = True

    def after_step(self, step: Step) -> None:
        if step.iteration in self._window:
            torch.cuda.synchronize()  # so that the range holds its kernels, not only their launch
            torch.cuda.nvtx.range_pop()
            self._range_open = False
        if step.iteration == self._window.stop - 1:
            torch.cuda.profiler.stop()

    def after_train(self) -> None:
        if self._range_open:
            torch.cuda.nvtx.range_pop()
            torch.cuda.profiler.stop()


class DlprofWindow(Hook):
    """Names every operator for DLProf, which selects the window's iterations itself."""

    def __init__(self) -> None:
        self._context: torch.autograd.profiler.emit_nvtx | None = None

    def before_train(self, trainer: Trainer) -> None:
        import nvidia_dlprof_pytorch_nvtx

        nvidia_dlprof_pytorch_nvtx.init(enable_function_stack=True)
        self._context = torch.autograd.profiler.emit_nvtx()
        self._context.__enter__()

    def after_train(self) -> None:
        if self._context is not None:
            self._context.__exit__(None, None, None)


class TorchProfiler(Hook):
    """The PyTorch profiler (Kineto) over the window, as a gzipped Chrome trace.

    Args:
        path: the trace; it appears only when it is complete.
    """

    def __init__(self, window: Window, path: Path, device: torch.device) -> None:
        self._window = window
        self._path = path
        activities = [torch.profiler.ProfilerActivity.CPU]
        if device.type == "cuda":
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        # One warm-up step, if there is room for it, excludes the tracer's own start-up.
        warmup = min(1, window.start)
        self._profiler = torch.profiler.profile(
            activities=activities,
            schedule=torch.profiler.schedule(
                wait=window.start - warmup, warmup=warmup, active=window.count, repeat=1
            ),
        )

    def before_train(self, trainer: Trainer) -> None:
        self._profiler.start()

    def after_step(self, step: Step) -> None:
        self._profiler.step()

    def after_train(self) -> None:
        self._profiler.stop()

    def finish(self) -> dict[str, int]:
        part = self._path.with_name(f".part-{self._path.name}")
        self._profiler.export_chrome_trace(str(part))
        part.rename(self._path)
        return {}
