"""All models side by side: each fitted with its relations, without them and with shuffled ones, on the same cases.

``compare`` measures, baselines among the rows; ``choosing.choose`` decides what is served; ``paired_bootstrap`` says
whether one of two is better beyond chance.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from recommender.arrays import Doubles
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.evaluation import measure_with_coverage
from recommender.metrics import Metrics
from recommender.model import Model
from recommender.models.mixture import Mixture
from recommender.splits import Cut

WITH, WITHOUT, SHUFFLED = "with", "without", "shuffled"
RESAMPLES = 2000


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


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean difference over ``users`` users, and the middle 95 % of what ``resamples`` draws of them made of it."""

    mean: float
    low: float
    high: float
    users: int
    resamples: int

    @property
    def beyond_chance(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    one: Mapping[str, Doubles], other: Mapping[str, Doubles], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """By metric, how much better ``one`` is than ``other``: values (n,) of the same users in the same order.

    The percentile bootstrap over users; the metrics of one call are drawn together. Efron, Tibshirani: "An introduction
    to the bootstrap", 1993. Raises ValueError where there are no users, or not the same number.
    """
    names = sorted(one)
    sizes = {len(part[name]) for part in (one, other) for name in names}
    if len(sizes) > 1:
        raise ValueError(f"the metrics are of {' and '.join(map(str, sorted(sizes)))} users; compare on the same users")
    if not sizes or sizes == {0}:
        raise ValueError("there is no user to compare two models on; give the metrics of at least one")
    differences = np.stack([one[name] - other[name] for name in names], axis=1)
    users, random = len(differences), np.random.default_rng(seed)
    means = np.empty((resamples, len(names)))
    for draw in range(resamples):
        counts = np.bincount(random.integers(0, users, users), minlength=users)
        means[draw] = counts @ differences / users
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    found = zip(names, differences.mean(axis=0), low, high, strict=True)
    return {name: Interval(float(mean), float(a), float(b), users, resamples) for name, mean, a, b in found}
