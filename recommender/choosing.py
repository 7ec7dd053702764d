"""What is served: the model that a validation cut prefers, in a sum with the linear relation term.

Flow: fit every candidate on ``cut.train`` → measure each with several history decays → add the relation terms to the
best with the weights that rank best → refit that sum on everything → an artifact with its named fallbacks.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from kg.types import Action
from recommender.arrays import Floats, Ints
from recommender.artifact import Artifact
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.evaluation import blocks, mask, rank_cases
from recommender.explanation import relation_terms
from recommender.histories import HistoryWeights
from recommender.metrics import metrics_at, target_ranks
from recommender.model import Model, Scorer, Tunable
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.relations import Relations
from recommender.scorers import FactorScorer, ItemItemScorer, PopularityScorer, RelationScorer
from recommender.splits import Cases, Cut, taking_actions

DECAYS = (1.0, 0.8, 0.6)
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5)
"""Of a relation term, in units of the base model's spread over the term's. The first says what the term is worth; it is
never served, because a relation term is what makes reasons exact."""
MOST_CASES = 5000
"""Users that choose decays and weights: spread evenly over all. What is reported is measured on everyone."""

_log = logging.getLogger("shopgraph.recommender.choosing")


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting and its NDCG@10 on the validation cases that choose."""

    name: str
    decay: float
    weights: tuple[float, ...]
    ndcg: float
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What won, and everything that was tried, in order. ``cases`` validation users chose."""

    model: Model
    tried: tuple[Tried, ...]
    cases: int


def choose(
    candidates: Sequence[Model], cut: Cut, *, k: int = 10, on_progress: Callable[[str], None] | None = None
) -> Choice:
    """The candidate, history decay and relation weights of highest NDCG@k on ``cut.cases``.

    Relation terms are part of the answer wherever ``cut.train`` has relations. Raises ModelFitError where no candidate
    learns anything.
    """
    cases = cut.cases.first(MOST_CASES)
    tried: list[Tried] = []
    best: tuple[float, Model, Scorer] | None = None
    for candidate in candidates:
        if on_progress:
            on_progress(candidate.name)
        try:
            scorer, model = (
                candidate.tune(cut) if isinstance(candidate, Tunable) else (candidate.fit(cut.train), candidate)
            )
        except ModelFitError as error:
            tried.append(Tried(candidate.name, 1.0, (), 0.0, str(error)))
            continue
        for decay in DECAYS if _decays(model) else (1.0,):
            aged = with_decay(scorer, decay)
            ndcg = metrics_at(rank_cases(aged, cases), cases.owners, len(cases), k).ndcg
            tried.append(Tried(model.name, decay, (1.0,), ndcg))
            if best is None or ndcg > best[0]:
                best = (ndcg, _decayed(model, decay), aged)
    if best is None:
        raise ModelFitError("no candidate learned anything: " + "; ".join(str(t.failed) for t in tried))
    if on_progress:
        on_progress("relation terms")
    return _with_relations(best[1], best[2], cut.train, cases, k, tried)


def _with_relations(base: Model, scorer: Scorer, data: Dataset, cases: Cases, k: int, tried: list[Tried]) -> Choice:
    """One relation term after the other, each with the weight that ranks best beside those before it."""
    parts: list[tuple[float, Model]] = [(1.0, base)]
    scorers: list[Scorer] = [scorer]
    for term in () if any(relation_terms(scorer)) else _terms(data, getattr(base, "decay", 1.0)):
        scorers.append(term.fit(data))
        unit = _spread(scorer, cases) / max(_spread(scorers[-1], cases), 1e-12)
        known = [weight for weight, _ in parts]
        grid = [(*known, float(f"{weight * unit:.3g}")) for weight in WEIGHTS]
        ndcgs = [metrics_at(r, cases.owners, len(cases), k).ndcg for r in _rank_sums(scorers, grid, cases)]
        name = Mixture((*parts, (1.0, term))).name
        tried += [Tried(name, getattr(base, "decay", 1.0), row, n) for row, n in zip(grid, ndcgs, strict=True)]
        parts.append((grid[1 + int(np.argmax(ndcgs[1:]))][-1], term))
    return Choice(Mixture(tuple(parts)) if len(parts) > 1 else base, tuple(tried), len(cases))


def _terms(data: Dataset, decay: float) -> list[Relations]:
    terms = []
    if any(len(edges) for edges in data.links.values()):
        terms.append(Relations(decay=decay, through="items", name="relations"))
    if any(len(edges) for edges in data.attributes.values()):
        terms.append(Relations(decay=decay, through="entities", name="shared entities"))
    return terms


def _rank_sums(scorers: Sequence[Scorer], grid: Sequence[Sequence[float]], cases: Cases) -> list[Ints]:
    """The ranks under each row of weights; every part scores each block once."""
    n_items = len(scorers[0].items)
    ranks = [np.empty(len(cases.targets), np.int64) for _ in grid]
    for histories, rows, items, which in blocks(cases, n_items):
        scores = [scorer.scores_batch(histories) for scorer in scorers]
        masked = mask(histories, cases, n_items)
        for weights, found in zip(grid, ranks, strict=True):
            total: Floats = sum(np.float32(w) * s for w, s in zip(weights, scores, strict=True))  # type: ignore[assignment]
            found[which] = target_ranks(total, rows, items, masked)
    return ranks


def _spread(scorer: Scorer, cases: Cases) -> float:
    """How far a user's best scores stand above the rest: the mean of the best tenth, at most 50, less the mean of all.
    A standard deviation would rather measure how many zeros a sparse term has."""
    some = cases.first(256)
    scores = np.sort(scorer.scores_batch(some.histories), axis=1)
    top = max(1, min(50, scores.shape[1] // 10))
    return float((scores[:, -top:].mean(axis=1) - scores.mean(axis=1)).mean())


def with_decay(scorer: Scorer, decay: float) -> Scorer:
    """The same scorer with another decay of the history, without fitting again."""
    if isinstance(scorer, ItemItemScorer | FactorScorer | RelationScorer):
        return replace(scorer, weights=HistoryWeights(decay, scorer.weights.actions))
    return scorer


def _decays(model: Model) -> bool:
    """Whether the decay can still be chosen: a trained model has learned with the one it was given."""
    return not isinstance(model, Tunable) and is_dataclass(model) and any(f.name == "decay" for f in fields(model))


def _decayed(model: Model, decay: float) -> Model:
    return replace(model, decay=decay) if _decays(model) else model  # type: ignore[type-var]


def build(model: Model, data: Dataset, about: Mapping[str, Any] | None = None) -> Artifact:
    """Fit what was chosen on everything, with its fallbacks: the relation term, then what sells.

    The manifest's ``about`` gets the data range and configuration beside what is given.
    """
    chain: list[tuple[str, Scorer]] = [(model.name, model.fit(data))]
    taking: tuple[Action, ...] = taking_actions(data.histories)
    for fallback in (Relations(), Popularity(half_life_days=30.0)):
        try:
            chain.append((fallback.name, fallback.fit(data)))
        except ModelFitError as error:
            _log.info("no fallback %s: %s", fallback.name, error)
    if not len(data.histories.items) and isinstance(chain[-1][1], RelationScorer):
        # a shop without a log still has something for a stranger: what its facts speak of most
        chain.append(("most connected", PopularityScorer(data.items, _connections(chain[-1][1]))))
    return Artifact(tuple(chain), taking, {**(about or {}), "configuration": repr(model), "data": data_range(data)})


def _connections(term: RelationScorer) -> Floats:
    """The row sums of Q, (n_items,)."""
    return np.where(term.scale > 0, 1.0 / np.maximum(term.scale, 1e-12) ** 2, 0.0).astype(np.float32)


def data_range(data: Dataset) -> dict[str, Any]:
    """What a model was trained on, for its manifest."""
    at = data.histories.at
    return {
        "users": len(data.users),
        "items": len(data.items),
        "events": len(at),
        "oldest_event": int(at.min()) if len(at) else None,
        "newest_event": int(at.max()) if len(at) else None,
        "until": data.until,
        "undated_edges": data.undated,
        "relations": {name: len(edges) for name, edges in {**data.links, **data.attributes}.items()},
    }
