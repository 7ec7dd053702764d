"""The loop that trains: epochs of losses, a validation that stops it, and a state that survives kill -9.

Everything by chance in an epoch is drawn from (seed, epoch), so a run that was killed and resumed ends in the same
numbers as an undisturbed one. Leaf module: imports torch.
"""

import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from recommender.errors import ConfigurationError, ModelFitError
from recommender.evaluation import measure
from recommender.model import Scorer
from recommender.splits import Cases

Device = Literal["cpu", "cuda"]
MOST_CASES = 5000
"""Users that decide when to stop, spread evenly; what is reported is measured on everyone."""

_log = logging.getLogger("shopgraph.recommender.training")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a progress callback hears."""

    number: int
    of: int
    loss: float
    ndcg: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training runs; nothing here changes what is learned, but for rounding between devices.

    ``checkpoint`` is a file that is written after every validated epoch and resumed from where it fits the model, the
    data and the seed; it is removed when training is done.
    """

    device: Device = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    on_epoch: Callable[[Epoch], None] | None = None


HERE = Run()


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train. ``patience`` is the number of validations without a better NDCG@10 before it stops."""

    seed: int
    epochs: int
    every: int
    patience: int


S_co = TypeVar("S_co", bound=Scorer, covariant=True)


class Learner(Protocol[S_co]):
    """What a model hands to the loop."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...

    @property
    def fingerprint(self) -> str:
        """Model, data and configuration: a checkpoint of another fingerprint is not resumed from."""
        ...

    def losses(self, random: np.random.Generator) -> Iterator[Tensor]:
        """One epoch: yields a loss, and expects a step before the next."""
        ...

    def scorer(self) -> S_co:
        """What the module knows now."""
        ...


@dataclass(frozen=True, slots=True)
class Trained(Generic[S_co]):
    """The best epoch (the last, without validation), its scorer, and the NDCG@10 of each validated epoch."""

    scorer: S_co
    epoch: int
    curve: dict[int, float] = field(default_factory=dict)


def train(learner: Learner[S_co], schedule: Schedule, run: Run = HERE, cases: Cases | None = None) -> Trained[S_co]:
    """Train to the end of the schedule, or until validation on ``cases`` stops improving.

    Raises ModelFitError where the loss is no number, ConfigurationError for a device that is not there.
    """
    judges = cases.first(MOST_CASES) if cases is not None and len(cases.targets) else None
    with _threads(run.threads):
        state = _State(learner, schedule, run.checkpoint)
        for number in range(state.epoch + 1, schedule.epochs + 1):
            if judges is not None and state.stale(schedule):
                break
            loss = _epoch(learner, schedule.seed, number)
            ndcg = None
            if judges is not None and (number % schedule.every == 0 or number == schedule.epochs):
                ndcg = measure(learner.scorer(), judges, 10).ndcg
            state.passed(number, ndcg)
            if run.on_epoch:
                run.on_epoch(Epoch(number, schedule.epochs, loss, ndcg))
        trained = state.result()
    if run.checkpoint:
        run.checkpoint.unlink(missing_ok=True)
    return trained


def _epoch(learner: Learner[Scorer], seed: int, number: int) -> float:
    learner.module.train()
    losses = []
    for loss in learner.losses(np.random.default_rng([seed, number])):
        learner.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        learner.optimiser.step()
        losses.append(float(loss.detach()))
    mean = float(np.mean(losses)) if losses else 0.0
    if not np.isfinite(mean):
        raise ModelFitError(f"the loss of epoch {number} is {mean}; train with a smaller learning rate")
    learner.module.eval()
    return mean


class _State(Generic[S_co]):
    """Where a training stands: epoch, best epoch, its parameters; in memory and, where asked, on disk."""

    def __init__(self, learner: Learner[S_co], schedule: Schedule, checkpoint: Path | None) -> None:
        self._learner, self._path = learner, checkpoint
        self._key = f"{learner.fingerprint} seed={schedule.seed}"
        self.epoch, self.best, self.curve = 0, 0, dict[int, float]()
        self._kept = _copy(learner.module)
        if checkpoint is not None and checkpoint.exists():
            self._resume(checkpoint)

    def stale(self, schedule: Schedule) -> bool:
        return len([epoch for epoch in self.curve if epoch > self.best]) >= schedule.patience

    def passed(self, number: int, ndcg: float | None) -> None:
        self.epoch = number
        if ndcg is not None:
            self.curve[number] = ndcg
            if self.best == 0 or ndcg > self.curve[self.best]:
                self.best, self._kept = number, _copy(self._learner.module)
        if self._path is not None and (ndcg is not None or not self.curve):
            self._save(self._path)

    def result(self) -> Trained[S_co]:
        if self.curve:
            self._learner.module.load_state_dict(self._kept)
        return Trained(self._learner.scorer(), self.best or self.epoch, self.curve)

    def _save(self, path: Path) -> None:
        arrays = {f"now.{name}": value for name, value in _copy(self._learner.module).items()}
        arrays |= {f"best.{name}": value for name, value in self._kept.items()}
        for index, slot in self._learner.optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in slot.items()}
        about = {"key": self._key, "epoch": self.epoch, "best": self.best, "curve": list(self.curve.items())}
        plain = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **plain)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    def _resume(self, path: Path) -> None:
        """Go on from the file, or from the start where it belongs to something else."""
        with np.load(path, allow_pickle=False) as stored:
            about: dict[str, Any] = json.loads(str(stored["about"]))
            if about["key"] != self._key:
                _log.info("%s belongs to another training and is not resumed from", path)
                return
            parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "optimiser": {}}
            for name in stored.files:
                part, _, rest = name.partition(".")
                if part in parts:
                    parts[part][rest] = torch.from_numpy(stored[name])
        self._learner.module.load_state_dict(parts["now"])
        self._kept = parts["best"]
        self._load_optimiser(parts["optimiser"])
        self.epoch, self.best = about["epoch"], about["best"]
        self.curve = dict(map(tuple, about["curve"]))
        _log.info("resumed after epoch %d", self.epoch)

    def _load_optimiser(self, stored: dict[str, Tensor]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in stored.items():
            index, _, name = key.partition(".")
            slots.setdefault(int(index), {})[name] = value
        whole = self._learner.optimiser.state_dict()
        self._learner.optimiser.load_state_dict({**whole, "state": slots})


def _copy(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone().cpu() for name, value in module.state_dict().items()}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checked(device: Device) -> str:
    """The device's name for torch. Raises ConfigurationError where it is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("no CUDA device is visible to torch; train with the device cpu")
    return device


def generator(seed: int) -> torch.Generator:
    """Chance for initial values, independent of the global state and of the device."""
    return torch.Generator().manual_seed(seed)


def sampled_softmax(
    query: Tensor,
    items: Tensor,
    bias: Tensor,
    target: Tensor,
    negatives: Tensor,
    more: tuple[Tensor, Tensor] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean of -log softmax of the target's score among it and the negatives; a negative that is the target is void.

    Shapes: ``query`` (b, d) and ``items`` (n, d), already scaled; ``bias`` (n,); ``target`` (b,); ``negatives`` (m,);
    ``more`` is added to the scores of the targets (b,) and of the negatives (b, m). ``weights`` (b,) make it a weighted
    mean. Holds b·m numbers: keep the batch modest rather than the negatives few.
    """
    right = (query * items[target]).sum(1) + bias[target]
    wrong = query @ items[negatives].T + bias[negatives]
    if more is not None:
        right, wrong = right + more[0], wrong + more[1]
    wrong = wrong.masked_fill(negatives[None, :] == target[:, None], -torch.inf)
    losses = torch.logsumexp(torch.cat([right[:, None], wrong], dim=1), dim=1) - right
    return losses.mean() if weights is None else (losses * weights).sum() / weights.sum()
