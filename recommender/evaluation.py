"""How good is a model, measured the same way for all: every item ranked, for every user of a cut.

Flow: ``compare(models, cut)`` fits each model on ``cut.train`` with its relations, without, and with shuffled ones, and
measures it on ``cut.cases``: rows of a report, baselines among them. ``choosing.choose`` decides what is served.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from recommender.arrays import Bools, Floats, Ints
from recommender.dataset import Dataset
from recommender.errors import ModelFitError, ScoreError
from recommender.histories import Histories
from recommender.metrics import Metrics, metrics_at, target_ranks
from recommender.models.base import Model, Scorer
from recommender.models.mixture import Mixture
from recommender.splits import Cases, Cut, taken

_BLOCK_BYTES = 64 << 20

WITH, WITHOUT, SHUFFLED = "with", "without", "shuffled"


@dataclass(frozen=True, slots=True)
class Row:
    """One model on one cut. ``relations`` says what it was given; ``coverage`` is the share of all items that stand
    in at least one list; ``failed`` names what kept it from learning."""

    model: str
    relations: str
    seed: int | None
    metrics: Metrics | None
    coverage: float = 0.0
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    failed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Report:
    """All items ranked at ``k`` for ``users`` users over ``items`` items; rows in the order in which they were run."""

    k: int
    users: int
    items: int
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def best(self) -> Row:
        """The row of highest NDCG; of equals the first. Raises ModelFitError where no model learned anything."""
        measured = [row for row in self.rows if row.metrics is not None]
        if not measured:
            raise ModelFitError("no model learned anything: " + "; ".join(str(row.failed) for row in self.rows))
        return max(measured, key=_ndcg)


def _ndcg(row: Row) -> float:
    return row.metrics.ndcg if row.metrics else -1.0


def compare(
    models: Sequence[Model],
    cut: Cut,
    *,
    k: int = 10,
    seeds: Sequence[int] = (0,),
    shuffle_seed: int = 0,
    on_row: Callable[[Row], None] | None = None,
) -> Report:
    """Every model on the same cases: those that use relations with them, without them, and with shuffled ones.

    A model that has a seed is trained once for each of ``seeds``. A model that cannot learn here becomes a row that
    says why. ``on_row`` hears of each row as it is done.
    """
    variants: dict[str, Dataset] = {WITHOUT: cut.train.without_relations()}
    if cut.train.links or cut.train.attributes:
        variants = {WITH: cut.train, **variants, SHUFFLED: cut.train.shuffled(shuffle_seed)}
    rows: list[Row] = []
    for model in models:
        for name, data in variants.items():
            if not model.uses_relations and name != WITHOUT:
                continue
            for seed in seeds if has_seed(model) else (None,):
                row = _measured(model if seed is None else reseeded(model, seed), name, seed, Cut(data, cut.cases), k)
                rows.append(row)
                if on_row:
                    on_row(row)
    return Report(k, len(cut.cases), len(cut.train.items), tuple(rows))


def _measured(model: Model, relations: str, seed: int | None, cut: Cut, k: int) -> Row:
    begun = time.perf_counter()
    try:
        scorer = model.fit(cut.train)
    except ModelFitError as error:
        return Row(model.name, relations, seed, None, failed=str(error))
    fitted = time.perf_counter()
    metrics, coverage = measure_with_coverage(scorer, cut.cases, k)
    return Row(model.name, relations, seed, metrics, coverage, fitted - begun, time.perf_counter() - fitted)


def has_seed(model: Model) -> bool:
    if isinstance(model, Mixture):
        return any(has_seed(part) for _, part in model.parts)
    return is_dataclass(model) and any(f.name == "seed" for f in fields(model))


def reseeded(model: Model, seed: int) -> Model:
    """The same model with another seed, in all its parts."""
    if isinstance(model, Mixture):
        return Mixture(tuple((weight, reseeded(part, seed)) for weight, part in model.parts))
    return replace(model, seed=seed) if has_seed(model) else model  # type: ignore[type-var]


def measure(scorer: Scorer, cases: Cases, k: int = 10, *, exclude_seen: bool = True) -> Metrics:
    """The metrics at k over all users of ``cases`` that have a target."""
    return metrics_at(rank_cases(scorer, cases, exclude_seen=exclude_seen), cases.owners, len(cases), k)


def measure_with_coverage(scorer: Scorer, cases: Cases, k: int) -> tuple[Metrics, float]:
    """The metrics at k, and the share of all items that stand in at least one user's first k."""
    shown = np.zeros(len(scorer.items), bool)

    def watch(scores: Floats, masked: Bools) -> None:
        open_scores = np.where(masked, np.float32(-np.inf), scores)
        shown[np.argpartition(-open_scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]] = True

    ranks = rank_cases(scorer, cases, watch=watch)
    return metrics_at(ranks, cases.owners, len(cases), k), float(shown.mean())


def rank_cases(
    scorer: Scorer,
    cases: Cases,
    *,
    exclude_seen: bool = True,
    watch: Callable[[Floats, Bools], None] | None = None,
) -> Ints:
    """The rank of every target of ``cases``, (t,), among all items but those the user has taken already.

    Works block by block over the users, in about 200 MB whatever their number; ``watch`` sees the scores and the mask
    of each block. Raises ScoreError where the scorer breaks its promise.
    """
    n_items = len(scorer.items)
    ranks = np.empty(len(cases.targets), np.int64)
    for histories, rows, items, which in blocks(cases, n_items):
        scores = scorer.scores_batch(histories)
        if scores.shape != (len(histories), n_items):
            raise ScoreError(f"scores have the shape {scores.shape}, expected {(len(histories), n_items)}")
        masked = mask(histories, cases, n_items) if exclude_seen else np.zeros(scores.shape, bool)
        ranks[which] = target_ranks(scores, rows, items, masked)
        if watch:
            watch(scores, masked)
    return ranks


def blocks(cases: Cases, n_items: int) -> Iterator[tuple[Histories, Ints, Ints, Ints]]:
    """Some users at a time: histories, the row and the item of each target, and their places in ``cases.targets``."""
    size = max(1, _BLOCK_BYTES // (4 * n_items))
    order = np.argsort(cases.owners, kind="stable")
    owners = cases.owners[order]
    for start in range(0, len(cases), size):
        histories = cases.histories.rows(start, start + size)
        which = order[slice(*np.searchsorted(owners, [start, start + len(histories)]))]
        yield histories, cases.owners[which] - start, cases.targets[which], which


def mask(histories: Histories, cases: Cases, n_items: int) -> Bools:
    """What each row has taken already, (n, n_items)."""
    masked = np.zeros((len(histories), n_items), bool)
    had = taken(histories, cases.taking)
    masked[histories.owners[had], histories.items[had]] = True
    return masked
