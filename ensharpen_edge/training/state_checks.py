"""Whether a saved state is whole: its hash, its parts, its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def state_hash(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the sha256 over names, types, shapes and bytes of all tensors, and over the other metadata."""
    digest = hashlib.sha256()
    for name, text in sorted(metadata.items()):
        digest.update(f"{name}\0{len(text.encode())}\0{text}\0".encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def infinite_tensors(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold NaN or Inf."""
    return [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]


def uneven_slots(slots: Mapping[int, Mapping[str, Tensor]]) -> list[int]:
    """Return the numbers of parameters whose optimizer state has other parts than that of most parameters."""
    kinds = [frozenset(parts) for parts in slots.values()]
    usual = max(set(kinds), key=kinds.count, default=frozenset())
    return [index for index, parts in slots.items() if frozenset(parts) != usual]
