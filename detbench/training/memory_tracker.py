"""Tracks every tensor storage of a training iteration, and its purpose.

Each live byte belongs to exactly one (category, module) pair, so the parts of a snapshot add up
to its total: the process's memory on a CPU, the device's used memory on a GPU. Memory that no
tensor explains has its own rows, `unattributed`.
"""

from __future__ import annotations

import gc
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from detbench.records.spec import Window
from detbench.training.device_memory import DeviceMemory, memory_of
from detbench.training.memory_ledger import Account, Key, Ledger, parts_of
from detbench.training.memory_tables import write_parts, write_timeline
from detbench.training.module_at_work import ModuleAtWork
from detbench.training.protocol import Hook, Step, Trainer

_BATCH_DEPTH = 5  # the depth of tensors in a batch: list, dict, Instances, Boxes, tensor
_TO_DEVICE = torch.ops.aten._to_copy.default  # the dispatcher's operator for `tensor.to(device)`
_OTHERS: Key = ("others", "(before the window)")


class MemoryTracker(Hook, TorchDispatchMode):
    """Tracks memory over the window: every phase's parts at its peak, and a timeline.

    Phases of an iteration: data, forward, backward, optimizer. Memory that a kernel allocates and
    frees within one operator is not a tensor and shows up as `unattributed`. The peak is the
    moment at which tensors together hold the most.

    Args:
        memory: the levels of the device's memory; by default those of `memory_of(device)`.
    """

    def __init__(
        self, window: Window, path: Path, device: torch.device, memory: DeviceMemory | None = None
    ) -> None:
        super().__init__()
        self._window = window
        self._path = path
        self._memory = memory or memory_of(device)
        self._is_here: Callable[[torch.Tensor], bool] = attrgetter(f"is_{device.type}")
        self._ledger = Ledger(self._memory)
        self._live: dict[int, tuple[Account, weakref.ref[torch.UntypedStorage]]] = {}
        self._batch: set[int] = set()  # the batch's storages on another device
        self._at_work = ModuleAtWork()
        self._removers: list[Callable[[], None]] = []

    # The hook: when to watch, and the phases of an iteration.

    def before_train(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def before_step(self, iteration: int) -> None:
        if iteration == self._window.start:
            self._attach(self._trainer.model, self._trainer.optimizer)
        if iteration in self._window:
            self._batch.clear()
            self._at_work.begin()
            self._ledger.begin(iteration)

    def after_step(self, step: Step) -> None:
        if step.iteration in self._window:
            self._ledger.end()
        if step.iteration == self._window.stop - 1:
            self._detach()

    def after_train(self) -> None:
        self._detach()

    # Attaching to the model and detaching from it.

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
        self._see_all((o for o in gc.get_objects() if issubclass(type(o), torch.Tensor)), _OTHERS)
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
        self._live.clear()

    # Which module is at work.

    def _enter_module(self, name: str, module: torch.nn.Module, inputs: Any) -> None:
        if not name:
            self._mark_inputs(inputs)
            self._ledger.enter("forward")
        self._at_work.enter(name)

    def _leave_module(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if not self._at_work.leave():
            self._ledger.enter("backward")

    def _optimizer_begins(self, *_: Any) -> None:
        self._ledger.enter("optimizer")

    # The category of a storage.

    def _mark_inputs(self, inputs: Any) -> None:
        for tensor in _tensors_in(inputs, _BATCH_DEPTH):
            if self._is_here(tensor):
                self._watch(tensor, ("inputs", ""))
            else:
                self._batch.add(tensor.untyped_storage()._cdata)

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
        known = self._live.get(tensor.untyped_storage()._cdata)
        if known is None or known[0].key[0] == "temporaries":
            self._watch(tensor, ("activations", self._at_work.name()))
        if tensor.grad_fn is None:
            return tensor
        # A node that kept its own output would never be freed.
        with torch._C._DisableTorchDispatch():
            return tensor.detach()

    # Watching storages.

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **kwargs) if kwargs else func(*args)
        self._see_all(args)  # tensors from numpy, or from before the window
        if isinstance(result, torch.Tensor):
            if func is _TO_DEVICE and args[0].untyped_storage()._cdata in self._batch:
                self._see(result, ("inputs", ""))
            else:
                self._see(result)
        elif isinstance(result, (list, tuple)):
            self._see_all(result)
        return result

    def _see_all(self, values: Iterable[Any], key: Key | None = None) -> None:
        for value in values:
            if isinstance(value, torch.Tensor):
                self._see(value, key)
            elif isinstance(value, (list, tuple)):
                self._see_all(value, key)

    def _see(self, tensor: torch.Tensor, key: Key | None = None) -> None:
        """Count a new storage: under `key`, or as a temporary of the module at work."""
        if not self._is_here(tensor):
            return
        try:
            storage = tensor.untyped_storage()
        except NotImplementedError:  # a sparse tensor has none
            return
        known = self._live.get(storage._cdata)
        if known is None:
            self._begin(storage, key or ("temporaries", self._at_work.name()))
        elif known[0].size != storage.nbytes():
            self._ledger.resize(known[0], storage.nbytes())

    def _watch(self, tensor: torch.Tensor, key: Key) -> None:
        """Count the storage of `tensor` under `key`, or move it there if it is already counted."""
        if not self._is_here(tensor) or tensor.layout is not torch.strided:
            return
        storage = tensor.untyped_storage()
        known = self._live.get(storage._cdata)
        if known is None:
            self._begin(storage, key)
        else:
            self._ledger.move(known[0], key)

    def _begin(self, storage: torch.UntypedStorage, key: Key) -> None:
        address = storage._cdata
        account = self._ledger.add(storage.nbytes(), key)
        self._live[address] = account, weakref.ref(storage, partial(self._forget, address))

    def _forget(self, address: int, _: Any) -> None:
        self._ledger.free(self._live.pop(address)[0])

    # The results.

    def finish(self) -> dict[str, int]:
        """Write parts and timeline; returns the bytes at the moment when tensors held the most.

        They are given by category, as `total`, and as `tracked`: the total without `unattributed`.
        """
        peaks = self._ledger.peaks
        parts = {when: parts_of(peak, self._memory) for when, peak in peaks.items()}
        write_parts(self._path, parts)
        write_timeline(self._path, self._ledger.timeline, self._memory)
        highest = max(peaks, key=lambda when: peaks[when].tracked)
        categories: defaultdict[str, int] = defaultdict(int)
        for (category, _), size in parts[highest].items():
            categories[category] += size
        total = sum(categories.values())
        return {**categories, "tracked": peaks[highest].tracked, "total": total}


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
