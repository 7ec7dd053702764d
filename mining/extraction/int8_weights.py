"""Weights of a model in 8 bits: a whole number of -127..127 a weight, and a scale a row (symmetric, per channel).

Rows and not whole matrices share a scale: one row of large weights would round all the others away.
"""

from collections.abc import Iterable, Mapping

import torch

SCALE = ".scale"  # after the name of a weight: the factor of each of its rows
FEWEST = 4096  # numbers of a tensor that is worth it; biases and norms stay as they are


def packed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with every large one of two dimensions and more in 8 bits beside its scales."""
    kept: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if value.dim() > 1 and value.numel() >= FEWEST and value.is_floating_point():
            scale = value.float().abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
            kept[name] = (value.float() / scale).round().to(torch.int8)
            kept[name + SCALE] = scale
        else:
            kept[name] = value
    return kept


def unpacked(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors in 32 bits again, to within half a step of each row; what was never packed stays as it is."""
    return {
        name: value.float() * state[name + SCALE] if value.dtype == torch.int8 else value
        for name, value in state.items()
        if not _is_scale(name, state)
    }


def size(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes."""
    return sum(value.numel() * value.element_size() for value in tensors)


def _is_scale(name: str, state: Mapping[str, torch.Tensor]) -> bool:
    weight = state.get(name.removesuffix(SCALE)) if name.endswith(SCALE) else None
    return weight is not None and weight.dtype == torch.int8
