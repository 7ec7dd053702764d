"""Low-rank adapters: the encoder's matrices stay, and a product of two narrow ones is learned beside each.

LoRA gives every matrix the same rank, AdaLoRA learns which need how much. After training the products are added into
the matrices, so that whatever saves, compresses or reads a model sees an encoder like any other.
"""

import importlib.util
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from mining.errors import ConfigurationError

Adapters: TypeAlias = Literal["none", "lora", "adalora"]
"""``none``: every weight of the encoder learns."""
FASTER: dict[Adapters, float] = {"none": 1.0, "lora": 8.0, "adalora": 16.0}
"""Times the rate of a whole encoder: adapters begin at nothing, and have a short way to go."""
APART = 0.1  # how much it costs that the directions of AdaLoRA are not at right angles
WARM, SETTLED = 0.1, 0.3  # shares of the steps before AdaLoRA drops directions, and after


class LowRank:
    """Adapters of ``rank`` beside every linear layer of an encoder, which alone learn from now on.

    AdaLoRA begins with half as many directions again and drops the least useful, until ``rank`` a layer are left on
    average. Raises ConfigurationError where peft is not installed or the encoder has no such layer (GPT-2's are none).
    """

    def __init__(self, encoder: nn.Module, kind: Literal["lora", "adalora"], rank: int, steps: int) -> None:
        need_peft()
        import peft

        names = [name for name, layer in encoder.named_modules() if isinstance(layer, nn.Linear)]
        read = [name for name in names if not name.startswith("pooler.")]  # nobody reads what a pooler says
        if not read:
            raise ConfigurationError("the encoder has no linear layers to put adapters beside; train it whole")
        told: dict[str, Any] = {"target_modules": read, "lora_alpha": 2 * rank}
        self.ada = kind == "adalora"
        if self.ada:
            wide, ends = rank + max(1, rank // 2), {"tinit": int(WARM * steps), "tfinal": int(SETTLED * steps)}
            config = peft.AdaLoraConfig(init_r=wide, target_r=rank, total_step=steps, **ends, **told)
            self.tuner: Any = peft.AdaLoraModel(encoder, config, "default")
        else:
            self.tuner = peft.LoraModel(encoder, peft.LoraConfig(r=rank, **told), "default")

    def penalty(self) -> torch.Tensor | float:
        """What is added to the loss of a step."""
        if not self.ada:
            return 0.0
        sides = [p if "lora_A" in name else p.T for name, p in self._named("lora_A", "lora_B")]
        bent = [torch.linalg.matrix_norm(side @ side.T - torch.eye(len(side), device=side.device)) for side in sides]
        return APART * torch.stack(bent).mean()

    def stepped(self, step: int, average: Mapping[str, torch.Tensor]) -> None:
        """After an update and before its gradients go: AdaLoRA drops directions, from ``average`` too.

        ``average``: name → averaged weight, of whatever network the encoder is part of.
        """
        if not self.ada:
            return
        self.tuner.update_and_allocate(step)
        for name, weight in self._named("lora_E"):
            averaged = next(value for key, value in average.items() if key.endswith(name))
            averaged.masked_fill_(weight.detach() == 0, 0)

    def merge(self) -> None:
        """Adds the adapters into the matrices and takes them off."""
        self.tuner.merge_and_unload()

    def state(self) -> dict[str, torch.Tensor]:
        """What AdaLoRA has seen so far, beside the weights."""
        if not self.ada:
            return {}
        seen = self.tuner.rankallocator
        kept = {f"useful.{name}": value for name, value in seen.exp_avg_ipt.items()}
        kept |= {f"unsure.{name}": value for name, value in seen.exp_avg_unc.items()}
        left = seen.peft_config.rank_pattern or {}
        return kept | {f"left.{name}": torch.tensor(directions) for name, directions in left.items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Goes on from a ``state``."""
        if not self.ada:
            return
        seen = self.tuner.rankallocator
        for key, value in state.items():
            kind, _, name = key.partition(".")
            if kind == "left":
                seen.peft_config.rank_pattern = (seen.peft_config.rank_pattern or {}) | {name: value.tolist()}
            elif kind == "useful":
                seen.exp_avg_ipt[name], seen.ipt[name] = value, torch.zeros_like(value)
            else:
                seen.exp_avg_unc[name] = value

    def _named(self, *kinds: str) -> list[tuple[str, torch.Tensor]]:
        named = self.tuner.model.named_parameters()
        return [(name, p) for name, p in named if any(f".{kind}." in name for kind in kinds)]


def need_peft() -> None:
    """Raises ConfigurationError."""
    if importlib.util.find_spec("peft") is None:
        raise ConfigurationError(
            "low-rank adapters need peft: install the extra with pip install 'shopgraph[adapters]'"
        )
