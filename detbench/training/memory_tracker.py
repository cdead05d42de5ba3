"""Follows every tensor storage of a training iteration and says what it is there for.

Each live byte belongs to exactly one (category, module) pair, so the parts of a snapshot add up
to its total: what the process holds on a CPU, what the device has in use on a GPU. The part that
no tensor explains is a row of its own, `unattributed`.
"""

from __future__ import annotations

import csv
import os
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from detbench.records import Window
from detbench.training.protocol import Hook, Step, Trainer

_Key = tuple[str, str]  # category, module
_CUDA_BLOCK = 512  # the caching allocator rounds every allocation up to this many bytes
_BATCH_DEPTH = 5  # how deep tensors lie in a batch: list, dict, Instances, Boxes, tensor


@dataclass
class _Storage:
    """A live storage: its size, what it is there for, and the watch on its end."""

    size: int
    key: _Key
    watch: weakref.ref[torch.UntypedStorage]


class MemoryTracker(Hook, TorchDispatchMode):
    """Tracks memory over the window and keeps, for every phase, the parts at its peak.

    Phases of an iteration: data, forward, backward, optimizer. Memory that a kernel takes and
    gives back within one operator is not a tensor and shows up as `unattributed`.
    """

    def __init__(self, window: Window, path: Path, device: torch.device) -> None:
        super().__init__()
        self._window = window
        self._path = path
        self._device = device
        self._live: dict[int, _Storage] = {}
        self._bytes: defaultdict[_Key, int] = defaultdict(int)
        self._total = 0
        self._peak = -1
        self._at_peak = False
        self._parts: dict[_Key, int] = {}
        self._modules: list[str] = []
        self._phase = ""
        self._iteration = -1
        self._removers: list[Callable[[], None]] = []
        self.snapshots: list[tuple[int, str, dict[_Key, int]]] = []

    # The hook's side: when to watch, and the phases of an iteration.

    def before_train(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def before_step(self, iteration: int) -> None:
        if iteration == self._window.start:
            self._attach(self._trainer.model, self._trainer.optimizer)
        if iteration in self._window:
            self._iteration = iteration
            self._enter_phase("data")

    def after_step(self, step: Step) -> None:
        if step.iteration in self._window:
            self._enter_phase("")
        if step.iteration == self._window.stop - 1:
            self._detach()

    def after_train(self) -> None:
        self._detach()

    def _enter_phase(self, phase: str) -> None:
        self._keep_peak()
        if self._phase:
            self.snapshots.append((self._iteration, self._phase, self._parts))
        self._phase, self._peak, self._at_peak = phase, self._total, True

    # Attaching to the model and letting go of it.

    def _attach(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        owners = {p: name.rpartition(".")[0] for name, p in model.named_parameters()}
        for parameter, owner in owners.items():
            self._watch(parameter, ("weights", owner))
            self._mark_gradient(owner, parameter)
            if parameter.requires_grad:
                self._on_removal(
                    parameter.register_post_accumulate_grad_hook(
                        partial(self._mark_gradient, owner)
                    )
                )
        for name, buffer in model.named_buffers():
            self._watch(buffer, ("buffers", name.rpartition(".")[0]))
        self._mark_optimizer_state(owners, optimizer)
        self._on_removal(optimizer.register_step_pre_hook(self._optimizer_begins))
        self._on_removal(
            optimizer.register_step_post_hook(
                lambda optimizer, *_: self._mark_optimizer_state(owners, optimizer)
            )
        )
        for name, module in model.named_modules():
            self._on_removal(module.register_forward_pre_hook(partial(self._enter_module, name)))
            self._on_removal(module.register_forward_hook(self._leave_module, always_call=True))
        saved = torch.autograd.graph.saved_tensors_hooks(self._mark_activation, _unpack)
        saved.__enter__()
        self._removers.append(lambda: saved.__exit__(None, None, None))
        self.__enter__()
        self._removers.append(lambda: self.__exit__(None, None, None))

    def _on_removal(self, handle: Any) -> None:
        self._removers.append(handle.remove)

    def _detach(self) -> None:
        while self._removers:
            self._removers.pop()()
        self._phase = ""

    def _enter_module(self, name: str, module: torch.nn.Module, inputs: Any) -> None:
        if not name:
            for tensor in _tensors_in(inputs, _BATCH_DEPTH):
                self._watch(tensor, ("inputs", ""))
            self._enter_phase("forward")
        self._modules.append(name)

    def _leave_module(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if self._modules and not self._modules.pop():
            self._enter_phase("backward")

    def _optimizer_begins(self, *_: Any) -> None:
        self._enter_phase("optimizer")

    # What a storage is there for.

    def _mark_gradient(self, owner: str, parameter: torch.Tensor) -> None:
        if parameter.grad is not None:
            self._watch(parameter.grad, ("gradients", owner))

    def _mark_optimizer_state(
        self, owners: dict[Any, str], optimizer: torch.optim.Optimizer
    ) -> None:
        for parameter, state in optimizer.state.items():
            for value in state.values():
                if isinstance(value, torch.Tensor):
                    self._watch(value, ("optimizer state", owners.get(parameter, "")))

    def _mark_activation(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = self._live.get(tensor.untyped_storage()._cdata)
        if storage is None or storage.key[0] == "temporaries":
            self._watch(tensor, ("activations", self._modules[-1] if self._modules else ""))
        # A node that kept its own output itself would never be freed.
        return tensor.detach()

    # Counting.

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        module = self._modules[-1] if self._modules else ""
        for leaf in tree_leaves(result):
            if (
                isinstance(leaf, torch.Tensor)
                and leaf.device.type == self._device.type
                and leaf.untyped_storage()._cdata not in self._live
            ):
                self._watch(leaf, ("temporaries", module))
        return result

    def _watch(self, tensor: torch.Tensor, key: _Key) -> None:
        """Count the storage of `tensor` under `key`, moving it there if it counts already."""
        if tensor.device.type != self._device.type:
            return
        storage = tensor.untyped_storage()
        address = storage._cdata
        known = self._live.get(address)
        if known is not None:
            self._bytes[known.key] -= known.size
            self._bytes[key] += known.size
            known.key = key
            return
        size = storage.nbytes()
        if self._device.type == "cuda":
            size = -(-size // _CUDA_BLOCK) * _CUDA_BLOCK
        watch = weakref.ref(storage, partial(self._forget, address))
        self._live[address] = _Storage(size, key, watch)
        self._bytes[key] += size
        self._total += size
        if self._total > self._peak:
            self._peak, self._at_peak = self._total, True

    def _forget(self, address: int, _: Any) -> None:
        self._keep_peak()
        storage = self._live.pop(address)
        self._bytes[storage.key] -= storage.size
        self._total -= storage.size

    def _keep_peak(self) -> None:
        """Keep the parts when memory is about to sink from its highest point so far."""
        if not self._at_peak:
            return
        self._at_peak = False
        self._parts = {key: size for key, size in self._bytes.items() if size}
        self._parts.update(self._unattributed())

    def _unattributed(self) -> dict[_Key, int]:
        if self._device.type == "cpu":
            return {("unattributed", "(process)"): _resident_bytes() - self._total}
        allocated = torch.cuda.memory_allocated(self._device)
        reserved = torch.cuda.memory_reserved(self._device)
        free, total = torch.cuda.mem_get_info(self._device)
        return {
            ("unattributed", "(inside operators)"): allocated - self._total,
            ("unattributed", "(cached by the allocator)"): reserved - allocated,
            ("unattributed", "(outside the allocator)"): total - free - reserved,
        }

    # What comes out.

    def finish(self) -> dict[str, int]:
        """Write the snapshots; returns bytes by category at the highest peak of the window."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f".part-{self._path.name}")
        with part.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("iteration", "phase", "category", "module", "bytes"))
            for iteration, phase, parts in self.snapshots:
                for (category, module), size in sorted(parts.items()):
                    writer.writerow((iteration, phase, category, module, size))
                writer.writerow((iteration, phase, "total", "", sum(parts.values())))
        part.rename(self._path)
        peak = max((parts for _, _, parts in self.snapshots), key=lambda p: sum(p.values()))
        categories: defaultdict[str, int] = defaultdict(int)
        for (category, _), size in peak.items():
            categories[category] += size
        return {**categories, "total": sum(peak.values())}


def _unpack(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _tensors_in(value: Any, depth: int) -> Iterator[torch.Tensor]:
    """The tensors in a batch: in lists and dicts, and in the fields of objects such as Boxes."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _tensors_in(item, depth - 1)
    elif depth and isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors_in(item, depth - 1)
    elif depth and hasattr(value, "__dict__"):
        yield from _tensors_in(vars(value), depth)


def _resident_bytes() -> int:
    """Memory of this process that lies in RAM (proc(5), statm, second field)."""
    with Path("/proc/self/statm").open() as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
