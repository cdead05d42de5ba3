"""A training that computes no feature maps, used to measure its memory.

The tensors, their sizes and their lifetimes do not depend on the values in the feature maps, but
nearly all of the time is spent on computing those. Everything else is computed, so that a
detector's choices (anchors, matches, proposals, samples) are made as usual, on other values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

_MATRIX_PRODUCTS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
}
_MAP_DIMENSIONS = 4  # images, channels, height, width


class SkipFeatures(TorchDispatchMode):
    """A context in which feature maps and matrix products are zeros, in untouched memory."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MATRIX_PRODUCTS or (_makes_new(func) and _is_map(args)):
            elsewhere = {"device": "meta"} if kwargs.get("device") is not None else {}
            shapes = func(*tree_map_only(torch.Tensor, _as_shape, args), **{**kwargs, **elsewhere})
            if func in _MATRIX_PRODUCTS or _is_map(shapes):
                return tree_map_only(torch.Tensor, _zeros, shapes)
        elif _changes_first(func) and _is_map(args[:1]):
            return args[0]
        return func(*args, **kwargs)


def _makes_new(func: Any) -> bool:
    """Whether an operator only creates tensors whose shapes depend on no values."""
    schema = func._schema
    is_new = all(a.alias_info is None for a in (*schema.arguments, *schema.returns))
    return is_new and torch.Tag.dynamic_output_shape not in func.tags


def _changes_first(func: Any) -> bool:
    """Whether an operator only changes its first argument, as `op_(self, ...)`."""
    return func._schema.name.endswith("_") and len(func._schema.returns) == 1


def _is_map(values: Any) -> bool:
    """Whether the first tensor in `values` is a batch of feature maps."""
    first = next((t for t in tree_leaves(values) if isinstance(t, torch.Tensor)), None)
    return first is not None and first.ndim == _MAP_DIMENSIONS and first.is_floating_point()


def _zeros(shape: torch.Tensor) -> torch.Tensor:
    # From NumPy, whose zeros are pages that are not yet allocated; torch writes its zeros.
    if not shape.numel():
        return torch.zeros(shape.shape, dtype=shape.dtype)
    values = np.zeros(shape.numel() * shape.itemsize, np.uint8)  # NumPy has no bfloat16
    return torch.from_numpy(values).view(shape.dtype).view(shape.shape)


def _as_shape(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
