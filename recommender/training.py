"""The loop that trains: epochs of losses, a validation that stops it, and a state that survives kill -9.

Everything by chance in an epoch is drawn from (seed, epoch), so a run that was killed and resumed ends in the same
numbers as an undisturbed one, and so does a run of several processes but for rounding (``distributed``). Leaf module:
imports torch.
"""

import logging
import resource
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as computed_again

from recommender import distributed
from recommender.checkpoint import State
from recommender.errors import ConfigurationError, ModelFitError
from recommender.evaluation import measure
from recommender.model import Scorer
from recommender.splits import Cases

Device = Literal["cpu", "cuda"]
MOST_CASES = 5000
"""Users that decide when to stop, spread evenly; what is reported is measured on everyone."""
TILE = 4096
"""Rows of a batch whose scores are in memory at once: with 1,024 negatives 16 MB a matrix."""

_log = logging.getLogger("shopgraph.recommender.training")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What a progress callback hears. ``memory`` is the most bytes held so far: of the process (its resident set) on a
    CPU, of torch's tensors on a GPU."""

    number: int
    of: int
    loss: float
    ndcg: float | None
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training runs; nothing here changes what is learned, but for rounding.

    ``checkpoint`` is a file that is written after every validated epoch and resumed from where it fits the model, the
    data and the seed; it is removed when training is done. ``mixed`` multiplies dense matrices in bfloat16 (messages,
    sums, parameters and the optimiser stay float32); by default on a GPU only. Inside ``distributed.joined`` every
    process learns from its part of each batch, and the first one alone writes, validates and calls ``on_epoch``.
    """

    device: Device = "cpu"
    threads: int = 1
    checkpoint: Path | None = None
    on_epoch: Callable[[Epoch], None] | None = None
    mixed: bool | None = None


HERE = Run()


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long to train. ``patience`` is the number of validations without a better NDCG@10 before it stops.

    ``final_rate`` is the share of the learning rate that the last epoch has; it falls linearly from one to it.
    """

    seed: int
    epochs: int
    every: int
    patience: int
    final_rate: float = 1.0

    def rate(self, number: int) -> float:
        """The share of the learning rate in an epoch; the first is number 1."""
        return 1 - (1 - self.final_rate) * (number - 1) / max(1, self.epochs - 1)


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

    def batches(self, random: np.random.Generator) -> Iterator[Sized]:
        """One epoch: everything by chance that its steps need, so that all processes draw the same. A batch's length
        is the number of rows that its loss is a mean of, or a sum over."""
        ...

    def loss(self, batch: Any, rows: slice) -> Tensor:
        """What some rows of a batch add to its loss; what all of them add is the loss of the batch. It reaches every
        parameter that has a gradient, for no rows too."""
        ...

    def scorer(self) -> S_co:
        """What the module knows now."""
        ...


@dataclass(frozen=True, slots=True)
class Trained(Generic[S_co]):
    """The best epoch (the last, without validation), its scorer, the NDCG@10 of each validated epoch, and the most
    memory held, as in ``Epoch``."""

    scorer: S_co
    epoch: int
    curve: dict[int, float] = field(default_factory=dict)
    memory: int = 0


def train(learner: Learner[S_co], schedule: Schedule, run: Run = HERE, cases: Cases | None = None) -> Trained[S_co]:
    """Train to the end of the schedule, or until validation on ``cases`` stops improving.

    Raises ModelFitError where the loss is no number, ConfigurationError for a device that is not there or processes
    that do not train the same.
    """
    judges = cases.first(MOST_CASES) if cases is not None and len(cases.targets) else None
    key = f"{learner.fingerprint} seed={schedule.seed}"
    distributed.check_alike(key)
    rates = [group["lr"] for group in learner.optimiser.param_groups]
    with _threads(run.threads):
        state = State(learner, key, run.checkpoint)
        step = distributed.parallel(_Step(learner, run))
        for number in range(state.epoch + 1, schedule.epochs + 1):
            if judges is not None and state.stale(schedule.patience):
                break
            for group, rate in zip(learner.optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * schedule.rate(number)
            loss = _epoch(learner, step, schedule.seed, number)
            ndcg = None
            if judges is not None and (number % schedule.every == 0 or number == schedule.epochs):
                ndcg = _judged(learner, judges)
            state.passed(number, ndcg)
            if run.on_epoch and distributed.rank() == 0:
                run.on_epoch(Epoch(number, schedule.epochs, loss, ndcg, peak_memory(run.device)))
        state.finish()
        memory = peak_memory(run.device)
        _log.info("trained %d epochs; at most %.2f GB were held", state.epoch, memory / 1e9)
        return Trained(learner.scorer(), state.best or state.epoch, state.curve, memory)


class _Step(nn.Module):
    """A learner's loss as a module, which is what can be made parallel and autocast."""

    def __init__(self, learner: Learner[Scorer], run: Run) -> None:
        super().__init__()
        self.module = learner.module
        self._loss, self._device = learner.loss, run.device
        self._mixed = run.device == "cuda" if run.mixed is None else run.mixed

    def forward(self, batch: Sized, rows: slice) -> Tensor:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._mixed):
            return self._loss(batch, rows)


def _epoch(learner: Learner[Scorer], step: nn.Module, seed: int, number: int) -> float:
    """The mean loss of the epoch's batches."""
    learner.module.train()
    losses = []
    for batch in learner.batches(np.random.default_rng([seed, number])):
        learner.optimiser.zero_grad()
        loss = step(batch, distributed.part(len(batch)))
        (loss * distributed.count()).backward()  # gradients are averaged, and the parts' losses are to be summed
        learner.optimiser.step()
        losses.append(float(loss.detach()))
    mean = distributed.total(float(np.mean(losses)) if losses else 0.0)
    if not np.isfinite(mean):
        raise ModelFitError(f"the loss of epoch {number} is {mean}; train with a smaller learning rate")
    learner.module.eval()
    return mean


def _judged(learner: Learner[Scorer], judges: Cases) -> float:
    """NDCG@10, measured by the first process."""
    return distributed.first_says(measure(learner.scorer(), judges, 10).ndcg if distributed.rank() == 0 else None)


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


def peak_memory(device: Device) -> int:
    """Bytes: the largest resident set that this process has had, or what torch has held on its GPU."""
    if device == "cuda":
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB


def generator(seed: int) -> torch.Generator:
    """Chance for initial values, independent of the global state and of the device."""
    return torch.Generator().manual_seed(seed)


def batch_size(rows: int, least: int, most_steps: int | None) -> int:
    """``least``, or more where an epoch over so many rows would take more than ``most_steps`` steps."""
    return least if most_steps is None else max(least, -(-rows // most_steps))


def tiled(loss: Callable[..., Tensor], rows: slice, *of_rows: Tensor) -> Tensor:
    """The sum of a loss over stretches of at most ``TILE`` rows: of ``loss(stretch, …)`` with the part of each of
    ``of_rows`` (n_rows, …) that belongs to it.

    What a stretch picks out of a larger tensor by itself costs the whole tensor on the way back, for each stretch: so
    rows are picked before, and handed in. Of several stretches none is kept for the way back: there it is computed once
    more, so that memory does not grow with the batch (Chen et al.: "Training deep nets with sublinear memory cost",
    2016, arXiv 1604.06174).
    """
    if rows.stop - rows.start <= TILE:
        return loss(rows, *of_rows)
    tiles = [slice(start, min(start + TILE, rows.stop)) for start in range(rows.start, rows.stop, TILE)]
    parts = zip(tiles, *(torch.split(whole, TILE) for whole in of_rows), strict=True)
    shares = [computed_again(loss, *part, use_reentrant=False, preserve_rng_state=False) for part in parts]
    return torch.stack(shares).sum()


def sampled_softmax(
    query: Tensor,
    items: Tensor,
    bias: Tensor,
    target: Tensor,
    negatives: Tensor,
    more: tuple[Tensor, Tensor] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Sum of -log softmax of the target's score among it and the negatives; a negative that is the target is void.

    Shapes: ``query`` (b, d) and ``items`` (n, d), already scaled; ``bias`` (n,); ``target`` (b,); ``negatives`` (m,);
    ``more`` is added to the scores of the targets (b,) and of the negatives (b, m). ``weights`` (b,) weigh the sum.
    Scores are float32 whatever they are multiplied in. Holds b·m numbers: see ``tiled``.
    """
    chosen, rivals = (items[target], bias[target]), (items[negatives], bias[negatives])
    return softmax_among(query, chosen, rivals, negatives[None, :] == target[:, None], more, weights)


def softmax_among(
    query: Tensor,
    chosen: tuple[Tensor, Tensor],
    rivals: tuple[Tensor, Tensor],
    void: Tensor,
    more: tuple[Tensor, Tensor] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """``sampled_softmax`` of items that were picked before: ``chosen``, vectors (b, d) and biases (b,) of the targets,
    ``rivals`` (m, d) and (m,). ``void`` (b, m): which rival is the target itself."""
    right = (query * chosen[0]).sum(1).float() + chosen[1]
    wrong = (query @ rivals[0].T).float() + rivals[1]
    if more is not None:
        right, wrong = right + more[0], wrong + more[1]
    wrong = wrong.masked_fill(void, -torch.inf)
    losses = torch.logsumexp(torch.cat([right[:, None], wrong], dim=1), dim=1) - right
    return losses.sum() if weights is None else (losses * weights).sum()
