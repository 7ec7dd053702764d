"""In which numbers an encoder is multiplied on this processor: 16 bits, 8 bits, or 32 where neither is fast.

Weights of 8 bits need not be multiplied as such: where the processor has bfloat16 (AMX, AVX-512 BF16), that is faster
and loses less. Without it, bfloat16 is many times slower than 32 bits, so the processor is asked.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import nn

from mining.errors import ConfigurationError

Arithmetic: TypeAlias = Literal["bfloat16", "int8", "float32"]
KINDS: tuple[Arithmetic, ...] = get_args(Arithmetic)
_FEATURES: Mapping[Arithmetic, tuple[str, ...]] = {
    "bfloat16": ("amx_bf16", "avx512_bf16"),
    "int8": ("avx512_vnni",),
}


def fastest(features: Mapping[str, Any] | None = None) -> Arithmetic:
    """The fastest arithmetic of a processor with these features; by default of this one, as PyTorch knows it."""
    told = torch.cpu.get_capabilities() if features is None else features
    return next((kind for kind, names in _FEATURES.items() if any(told.get(name) for name in names)), "float32")


def native_bfloat16(device: str) -> bool:
    """Whether bfloat16 has instructions of its own there; emulated it is slower than float32."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return fastest() == "bfloat16"


def adapt(encoder: nn.Module, arithmetic: Arithmetic) -> None:
    """Change a 32-bit encoder in place, to be read with and no longer to be trained."""
    if arithmetic not in KINDS:
        raise ConfigurationError(f"arithmetic is one of {', '.join(KINDS)}; got {arithmetic!r}")
    if arithmetic == "bfloat16":
        for weight in encoder.parameters():  # and not the buffers: the frequencies of rotary positions must be exact
            weight.data = weight.data.to(torch.bfloat16)
    elif arithmetic == "int8":
        _replace_linear(encoder)


def _replace_linear(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            _replace_linear(child)


class Int8Linear(nn.Module):
    """y = x W' + b with W in 8 bits and a scale a row, x in 8 bits with a scale and a zero a call (dynamic).

    The multiplication is oneDNN's, as PyTorch's compiler calls it; plain tensors, no quantised type. Without VNNI it
    adds two products in 16 bits, which saturate where weights have more than 7: there they have no more.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        levels = 127 if any(torch.cpu.get_capabilities().get(name) for name in _FEATURES["int8"]) else 63
        scale = weight.abs().amax(1).clamp(min=1e-12) / levels
        rounded = (weight / scale[:, None]).round().to(torch.int8)
        self.weight = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.scale, self.zero = scale, torch.zeros(len(scale), dtype=torch.int32)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low, high = (float(value) for value in torch.aminmax(x))
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 1e-8)
        zero = round(-low / scale)
        narrow = x.mul(1 / scale).add_(zero + 0.5).clamp_(0, 255).to(torch.uint8)
        weight = (self.weight, self.scale, self.zero, self.bias)
        # After them: the result as it is, in 32 bits, and nothing done to it.
        product: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            narrow, scale, zero, *weight, 1.0, 0, torch.float32, "none", [], ""
        )
        return product
