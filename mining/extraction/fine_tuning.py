"""What every fine-tuning here shares: two rates, warm-up and decay, averaged weights, the best epoch, resume.

The caller draws all randomness of an epoch from (seed, epoch); then a run that was killed goes on to the same weights.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import nn

NOISE = 0.01  # of F1 on held-back texts, within which the later epoch is taken
_PROGRESS = "progress.json"


@dataclass(frozen=True, slots=True)
class Pace:
    """``rate`` of the encoder, ``head_rate`` of all else; ``warmup``: share of ``steps`` that rise; ``smooth``: how
    much of the averaged weights a step keeps."""

    steps: int
    rate: float = 1e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    warmup: float = 0.1
    clip: float = 1.0
    smooth: float = 0.99


class Beside(Protocol):
    """What changes weights beside the optimiser, and remembers things of its own that a resumed run needs."""

    def stepped(self, step: int, average: Mapping[str, torch.Tensor]) -> None:
        """After an update, while its gradients are there; may change the averaged weights in place."""

    def state(self) -> dict[str, torch.Tensor]: ...

    def restore(self, state: Mapping[str, torch.Tensor]) -> None: ...


class FineTuning:
    """AdamW over a network and its encoder. ``epoch``, ``best_epoch`` and ``best_f1`` say how far it is, ``rate`` how
    fast the encoder learned in the last step."""

    def __init__(self, network: nn.Module, encoder: nn.Module, pace: Pace, beside: Beside | None = None) -> None:
        self.pace, self.beside = pace, beside
        self.trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        inner = {id(p) for p in encoder.parameters()}
        groups = [
            {"params": [p for p in self.trained.values() if id(p) in inner], "lr": pace.rate},
            {"params": [p for p in self.trained.values() if id(p) not in inner], "lr": pace.head_rate},
        ]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=pace.decay, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _slope(pace.steps, pace.warmup))
        self.average = {name: p.detach().clone() for name, p in self.trained.items()}
        self.best: dict[str, torch.Tensor] = {}
        self.epoch, self.best_epoch, self.best_f1, self.steps = 0, 0, -1.0, 0
        self.rate = 0.0

    def step(self, losses: Iterable[torch.Tensor]) -> float:
        """One update of weights and of their average, for a batch in parts, each done with before the next is made.
        Returns the sum of the losses."""
        total = 0.0
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.pace.clip)
        self.rate = float(self.optimizer.param_groups[0]["lr"])
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        keep = min(self.pace.smooth, (1 + self.steps) / (10 + self.steps))  # young averages forget their start
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.trained.values()), 1 - keep)
        if self.beside:
            self.beside.stepped(self.steps, self.average)
        self.optimizer.zero_grad(set_to_none=True)
        return total

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with its averaged weights."""
        live = {name: parameter.detach().clone() for name, parameter in self.trained.items()}
        self._put(self.average)
        try:
            yield
        finally:
            self._put(live)

    def measured(self, f1: float) -> None:
        """Ends an epoch whose averaged weights have this F1. A small set cannot tell near equals apart, and the later
        epoch was refined by smaller steps: it is taken."""
        self.epoch += 1
        if f1 >= self.best_f1 - NOISE or not self.best:
            self.best_f1, self.best_epoch = max(f1, self.best_f1), self.epoch
            self.best = {name: value.clone() for name, value in self.average.items()}

    def settle(self) -> None:
        """Leaves the network with the weights of its best epoch."""
        self._put(self.best or self.average)

    def keep(self, folder: Path | None, run: str) -> None:
        """Writes a checkpoint; ``run`` says which run it is of."""
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        state = {f"live.{name}": p.detach() for name, p in self.trained.items()}
        state |= {f"average.{name}": value for name, value in self.average.items()}
        state |= {f"best.{name}": value for name, value in self.best.items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"adam.{number}.{key}": torch.as_tensor(value) for key, value in moments.items()}
        state |= {f"beside.{name}": value for name, value in (self.beside.state() if self.beside else {}).items()}
        name = f"epoch{self.epoch}.safetensors"
        save_file({key: value.cpu().contiguous() for key, value in state.items()}, folder / name)
        progress = {"weights": name, "run": run, "epoch": self.epoch, "steps": self.steps}
        waiting = folder / f"{_PROGRESS}.new"
        waiting.write_text(json.dumps({**progress, "best_epoch": self.best_epoch, "best_f1": self.best_f1}), "utf-8")
        waiting.replace(folder / _PROGRESS)
        for old in folder.glob("epoch*.safetensors"):
            if old.name != name:
                old.unlink()

    def resume(self, folder: Path | None, run: str) -> None:
        """Goes on from a checkpoint of the same run; one of another run is left to be overwritten."""
        if folder is None or not (folder / _PROGRESS).is_file():
            return
        progress = json.loads((folder / _PROGRESS).read_text("utf-8"))
        if progress["run"] != run:
            return
        device = str(next(iter(self.trained.values())).device)
        state = load_file(folder / progress["weights"], device=device)
        self._put({name: state[f"live.{name}"] for name in self.trained})
        self.average = {name: state[f"average.{name}"] for name in self.trained}
        self.best = {name: state[f"best.{name}"] for name in self.trained if f"best.{name}" in state}
        moments: dict[int, dict[str, torch.Tensor]] = defaultdict(dict)
        for key, value in state.items():
            if key.startswith("adam."):
                _, number, name = key.split(".")
                moments[int(number)][name] = value.cpu() if name == "step" else value
        if self.beside:
            self.beside.restore({k.partition(".")[2]: v for k, v in state.items() if k.startswith("beside.")})
        for held in ("epoch", "steps", "best_epoch", "best_f1"):
            setattr(self, held, progress[held])
        for _ in range(self.steps):
            self.optimizer.step()  # without gradients: nothing moves, but the schedule wants it so
            self.schedule.step()
        whole = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": dict(moments), "param_groups": whole["param_groups"]})

    def _put(self, values: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(values[name])


def _slope(steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, int(steps * warmup))

    def at(step: int) -> float:
        return min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))

    return at
