"""Learns each batch once more where its words lie a little worse: FGM (Miyato, Dai and Goodfellow, 2017)."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn


class Adversary:
    """Shifts what ``embeddings`` say of each text by a vector of length ``far``, up the gradient of the loss.

    It works while they train, and until ``leave``.
    """

    def __init__(self, embeddings: nn.Module, far: float) -> None:
        self.far = far
        self._shift: torch.Tensor | None = None
        self._hook = embeddings.register_forward_hook(self._shifted)

    def losses(self, loss: Callable[[], torch.Tensor]) -> Iterator[torch.Tensor]:
        """Half the loss of a batch as it is, then half of that with its words shifted; gradients of the first must be
        there before the second is asked for."""
        self._shift = None
        yield loss() / 2
        if self._shift is None or self._shift.grad is None:
            return  # the loss does not hang on any word
        slope = self._shift.grad
        length = slope.flatten(1).norm(dim=1).clamp(min=torch.finfo(slope.dtype).tiny)
        self._shift = self.far * slope / length[:, None, None]
        yield loss() / 2
        self._shift = None

    def leave(self) -> None:
        self._hook.remove()

    def _shifted(self, embeddings: nn.Module, given: Any, said: torch.Tensor) -> torch.Tensor:
        if not embeddings.training:
            return said
        if self._shift is None:  # nothing yet, but the gradient gathers there
            self._shift = torch.zeros_like(said, requires_grad=True)
        return said + self._shift
