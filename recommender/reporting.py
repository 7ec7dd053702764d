"""Everything that is worth knowing about models on one cut: right or not, for whom, how sure, and at whose cost.

Flow: ``comparing.fits`` → the ranks of all targets and the lists of all users, block by block → metrics, slices, what
the lists are like (``exposure``), what providers get (``fairness``) → means over seeds, and the difference to the best
baseline with its interval.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from recommender import exposure
from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.comparing import WITH, WITHOUT, Fit, Interval, fits, paired_bootstrap, seeded
from recommender.errors import ModelFitError
from recommender.evaluation import rank_cases, slices
from recommender.fairness import Fairness, Providers
from recommender.metrics import Metrics, metrics_at, user_metrics
from recommender.model import Model
from recommender.splits import Cut

BASELINES = ("popularity", "itemknn", "ease")
SERVED = "served"
WHOLE = "all"
"""The slice that holds every target."""
METRICS = ("recall", "ndcg", "mrr", "hit_rate", "precision")
LISTS = exposure.NAMES
FAIRNESS = ("unfairness_catalogue", "unfairness_purchases")
_COMPARED = ("ndcg", "recall", "hit_rate", "mrr")


@dataclass(frozen=True, slots=True)
class Measured:
    """One fit on the cases. ``slices`` has ``WHOLE`` first; ``lists`` are the figures of ``exposure``; ``ranks`` (t,)
    are those of the targets, ``curve`` is the Lorenz curve of exposure. Times are wall seconds."""

    model: str
    relations: str
    seed: int | None
    slices: Mapping[str, Metrics] = field(default_factory=dict)
    lists: Mapping[str, float | None] = field(default_factory=dict)
    providers: Fairness | None = None
    curve: Sequence[float] = ()
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    failed: str | None = None
    ranks: Ints = field(default_factory=lambda: np.zeros(0, np.int64), repr=False, compare=False)

    @property
    def metrics(self) -> Metrics | None:
        return self.slices.get(WHOLE)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; the ranks stay out."""
        told = {name: getattr(self, name) for name in ("model", "relations", "seed", "failed")}
        return {
            **told,
            "metrics": None if self.metrics is None else self.metrics.as_dict(),
            "slices": {name: m.as_dict() for name, m in self.slices.items() if name != WHOLE},
            **dict(self.lists),
            "providers": None if self.providers is None else self.providers.as_dict(),
            "exposure_curve": list(self.curve),
            "fit_seconds": self.fit_seconds,
            "score_seconds": self.score_seconds,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """One model over its seeds. ``spread`` is the standard deviation over the seeds, 0 for one; ``against`` is by slice
    and metric the difference to the best baseline, users paired, each user's values averaged over the seeds."""

    model: str
    relations: str
    seeds: int
    mean: Mapping[str, float]
    spread: Mapping[str, float]
    slices: Mapping[str, float]
    against: Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All models on the same users, all items ranked; ``targets`` by slice. ``baseline`` is the name of the best one,
    None where no baseline learned anything."""

    k: int
    users: int
    items: int
    targets: Mapping[str, int]
    baseline: str | None
    rows: tuple[Measured, ...]
    summaries: tuple[Summary, ...]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "k": self.k,
            "users": self.users,
            "items": self.items,
            "targets": dict(self.targets),
            "baseline": self.baseline,
            "summaries": [asdict(summary) for summary in self.summaries],
            "rows": [row.as_dict() for row in self.rows],
        }


def evaluate(
    models: Sequence[Model],
    cut: Cut,
    *,
    served: Model | None = None,
    k: int = 10,
    seeds: Sequence[int] = (0,),
    on_row: Callable[[Measured], None] | None = None,
) -> Evaluation:
    """Measure all ``comparing.fits`` of ``models``, and ``served`` with its relations under the name ``SERVED``.

    Only one model is in memory at a time. The best baseline is the one of ``BASELINES`` with the highest NDCG on these
    same users: the hardest one to beat. Raises ModelFitError where no model learned anything.
    """
    bench = _Bench(cut, k)
    rows: list[Measured] = []
    for fit in _all(models, served, cut, seeds):
        rows.append(bench.measure(fit))
        if on_row:
            on_row(rows[-1])
    if not any(row.metrics for row in rows):
        raise ModelFitError("no model learned anything: " + "; ".join(str(row.failed) for row in rows))
    baseline = max(
        (row for row in rows if row.metrics and row.model in BASELINES), key=lambda row: _ndcg(row), default=None
    )
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        if row.metrics:
            groups.setdefault((row.model, row.relations), []).append(row)
    summaries = tuple(bench.summary(group, baseline) for group in groups.values())
    targets = {name: int(belongs.sum()) for name, belongs in bench.parts.items()}
    return Evaluation(
        k, len(cut.cases), len(cut.train.items), targets, baseline.model if baseline else None, tuple(rows), summaries
    )


def _all(models: Sequence[Model], served: Model | None, cut: Cut, seeds: Sequence[int]) -> Iterator[Fit]:
    yield from fits(models, cut.train, seeds=seeds)
    if served is not None:
        related = served.uses_relations and bool(cut.train.links or cut.train.attributes)
        data = cut.train if related else cut.train.without_relations()
        for fit in seeded(served, data, WITH if related else WITHOUT, seeds):
            yield replace(fit, model=SERVED)


def _ndcg(row: Measured) -> float:
    return row.metrics.ndcg if row.metrics else -1.0


class _Bench:
    """The cases, and what of them and of training every measurement needs."""

    def __init__(self, cut: Cut, k: int) -> None:
        self.cases, self.k = cut.cases, k
        self.known = exposure.Known.of(cut.train, cut.cases)
        self.providers = Providers.of(cut.train)
        self.parts: Mapping[str, Bools] = {
            WHOLE: np.ones(len(cut.cases.targets), bool),
            **slices(cut.train, cut.cases),
        }

    def measure(self, fit: Fit) -> Measured:
        if fit.scorer is None:
            return Measured(fit.model, fit.relations, fit.seed, failed=fit.failed)
        begun = time.perf_counter()
        blocks: list[Ints] = []

        def watch(scores: Floats, masked: Bools) -> None:
            blocks.append(exposure.best_places(scores, masked, self.k))

        ranks = rank_cases(fit.scorer, self.cases, watch=watch)
        lists = np.concatenate(blocks) if blocks else np.zeros((0, self.k), np.int64)
        shown = exposure.exposures(lists, len(fit.scorer.items))
        return Measured(
            fit.model,
            fit.relations,
            fit.seed,
            {name: self._metrics(ranks, belongs) for name, belongs in self.parts.items()},
            exposure.figures(lists, self.known),
            self.providers.fairness(shown) if self.providers else None,
            exposure.lorenz(shown),
            fit.seconds,
            time.perf_counter() - begun,
            ranks=ranks,
        )

    def _metrics(self, ranks: Ints, belongs: Bools) -> Metrics:
        return metrics_at(ranks[belongs], self.cases.owners[belongs], len(self.cases), self.k)

    def _each(self, rows: Sequence[Measured], belongs: Bools) -> dict[str, Doubles]:
        """Each user's metrics on one slice, averaged over the rows."""
        owners = self.cases.owners[belongs]
        found = [user_metrics(row.ranks[belongs], owners, len(self.cases), self.k) for row in rows]
        return {name: np.mean([one[name] for one in found], axis=0) for name in _COMPARED}

    def summary(self, rows: Sequence[Measured], baseline: Measured | None) -> Summary:
        measured = [row.metrics for row in rows if row.metrics]
        against: dict[str, Mapping[str, Interval]] = {}
        if baseline and (rows[0].model, rows[0].relations) != (baseline.model, baseline.relations):
            for name, belongs in self.parts.items():
                if belongs.any():
                    against[name] = paired_bootstrap(self._each(rows, belongs), self._each([baseline], belongs))
        table = {name: [getattr(m, name) for m in measured] for name in METRICS}
        for name in LISTS:
            table[name] = [value for row in rows if (value := row.lists[name]) is not None]
        for name in FAIRNESS:
            table[name] = [getattr(row.providers, name) for row in rows if row.providers]
        table = {name: values for name, values in table.items() if values}
        return Summary(
            rows[0].model,
            rows[0].relations,
            len(rows),
            {name: float(np.mean(values)) for name, values in table.items()},
            {name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in table.items()},
            {name: float(np.mean([row.slices[name].ndcg for row in rows])) for name in self.parts},
            against,
        )
