"""What is served: the sum of models and linear relation terms that a validation cut prefers.

Flow: fit every candidate on ``cut.train`` → score the cases with several history decays → add to the best, one after
the other, what makes the sum rank better → refit that sum on everything → an artifact with its named fallbacks.

Two models can learn the same from a fact, and only one of them can say so. So the sum grows twice: first of those that
learn from histories alone or say which facts carry a score, then of those that are silent about their facts, for what
they add beyond. Otherwise a silent model takes over what a fact is worth, and with it the reasons.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kg.types import Action
from recommender.arrays import Floats
from recommender.artifact import Artifact
from recommender.coupled import CoupledScorer
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.explanation import fact_terms, relation_terms
from recommender.fusing import Shelf, Shelved, Sum, best_of, grow, joined
from recommender.histories import HistoryWeights
from recommender.model import Model, Scorer, Tunable
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.relations import Relations
from recommender.scorers import (
    FactorScorer,
    GraphFilterScorer,
    ItemItemScorer,
    LeastSquaresScorer,
    PopularityScorer,
    RelationScorer,
    WeightedSumScorer,
)
from recommender.splits import Cut, taking_actions

DECAYS = (1.0, 0.8, 0.6)
MOST_CASES = 5000
"""Users that choose decays and weights: spread evenly over all. What is reported is measured on everyone."""
MOST_PARTS = 5
GAIN = 0.01
"""The share of NDCG@k that one more part must add to be worth fitting, holding and scoring."""

_log = logging.getLogger("shopgraph.recommender.choosing")


@dataclass(frozen=True, slots=True)
class Tried:
    """One setting, its NDCG@k on the validation cases that choose, and how long fitting it took (wall seconds)."""

    name: str
    decay: float
    weights: tuple[float, ...]
    ndcg: float
    model: Model
    failed: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What won, and everything that was tried, in order. ``cases`` validation users chose.
    ``steps`` are the best alone, then the sum after each part that joined: what each part adds."""

    model: Model
    tried: tuple[Tried, ...]
    cases: int
    steps: tuple[Tried, ...]

    def best(self, name: str) -> Model | None:
        """The setting of this name that ranked best alone; None where none learned anything."""
        alone = [row for row in self.tried if row.name == name and len(row.weights) == 1]
        return max(alone, key=lambda row: row.ndcg).model if alone else None


def choose(
    candidates: Sequence[Model],
    cut: Cut,
    *,
    k: int = 10,
    most_parts: int = MOST_PARTS,
    decays: Sequence[float] = DECAYS,
    scratch: Path | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> Choice:
    """The sum of candidates and relation terms, each with its history decay, of highest NDCG@k on ``cut.cases``.

    Relation terms are part of the answer wherever ``cut.train`` has relations, for reasons are read from them; where
    they rank no better, with the weight that costs least. Of candidates of one name only the best may join. ``decays``
    are tried of each model that has one; without an order of events 1 is enough. ``scratch`` is a folder for the
    scores, 4 bytes a case and item for each name. Raises ModelFitError where no candidate learns anything.
    """
    cases = cut.cases.first(MOST_CASES)
    with TemporaryDirectory(prefix="choosing-", dir=scratch) as folder:
        bench = _Bench(Shelf(Path(folder), cases, len(cut.train.items), k), tuple(decays))
        for candidate in candidates:
            if on_progress:
                on_progress(candidate.name)
            bench.add(candidate, cut)
        if not bench.parts:
            raise ModelFitError("no candidate learned anything: " + "; ".join(str(t.failed) for t in bench.tried))
        if on_progress:
            on_progress("sum")
        alone = len(bench.parts)  # a relation term speaks beside a model: by itself it is the fallback
        for term in _terms(cut.train):
            bench.add(term, cut)
        steps = bench.sums(range(alone), most_parts)
        return Choice(bench.model(steps[-1]), tuple(bench.tried), len(cases), tuple(map(bench.told, steps)))


@dataclass(frozen=True, slots=True)
class _Part:
    """A model that learned something, its scores, and NDCG@k by itself. ``explains``: it has a linear relation term;
    ``silent``: it learns from facts and cannot say which of them carries a score."""

    model: Model
    shelved: Shelved
    ndcg: float
    explains: bool
    silent: bool


@dataclass(slots=True)
class _Bench:
    """Everything that learned something, the best of each name, and what was tried."""

    shelf: Shelf
    decays: tuple[float, ...]
    parts: list[_Part] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)

    def add(self, candidate: Model, cut: Cut) -> None:
        """Fits it and keeps its scores under the decay that ranks best."""
        begun = time.monotonic()
        try:
            scorer, model = (
                candidate.tune(cut) if isinstance(candidate, Tunable) else (candidate.fit(cut.train), candidate)
            )
        except ModelFitError as error:
            self.tried.append(Tried(candidate.name, 1.0, (), 0.0, candidate, str(error)))
            return
        seconds = time.monotonic() - begun
        scored: list[tuple[float, float, Shelved]] = []
        for decay in self.decays if _decays(model) else (getattr(model, "decay", 1.0),):
            kept = self.shelf.keep(with_decay(scorer, decay) if _decays(model) else scorer)
            ndcg = self.shelf.ndcgs([kept], [(1.0,)])[0]
            self.tried.append(Tried(model.name, decay, (1.0,), ndcg, _decayed(model, decay), None, seconds))
            scored.append((ndcg, decay, kept))
        best = max(scored, key=lambda row: row[0])
        for row in scored:
            if row is not best:
                row[2].path.unlink()
        explains, silent = any(relation_terms(scorer)), model.uses_relations and not any(fact_terms(scorer))
        self._keep(_Part(_decayed(model, best[1]), best[2], best[0], explains, silent))

    def _keep(self, part: "_Part") -> None:
        """Of one name the best: two settings of one model say nearly the same, and would only be chosen among."""
        places = [place for place, other in enumerate(self.parts) if other.model.name == part.model.name]
        if not places:
            self.parts.append(part)
            return
        worse = min(part, self.parts[places[0]], key=lambda one: one.ndcg)
        worse.shelved.path.unlink()
        if worse is not part:
            self.parts[places[0]] = part

    def sums(self, alone: Sequence[int], most: int) -> list[Sum]:
        """The sum as it grows from the best of ``alone``: by what says which facts it uses, or uses none; then by the
        others. Where no part explains, the relation terms join before these.

        Popularity never joins: it ranks better and would drown the reasons, for it says the same to everyone.
        """
        open_ones = [place for place, part in enumerate(self.parts) if not part.silent]
        first = max([place for place in alone if place in open_ones] or alone, key=lambda place: self.parts[place].ndcg)
        steps = self._grown([Sum((first,), (1.0,), self.parts[first].ndcg)], open_ones, most)
        if not any(self.parts[member].explains for member in steps[-1].members):
            for place in (p for p, part in enumerate(self.parts) if isinstance(part.model, Relations)):
                rows = joined(self.shelf, self._shelved(), steps[-1], place)
                self.tried += map(self.told, rows)
                steps.append(best_of(rows))
        return self._grown(steps, range(len(self.parts)), most)

    def _grown(self, steps: list[Sum], places: Iterable[int], most: int) -> list[Sum]:
        personal = [place for place in places if not isinstance(self.parts[place].model, Popularity)]
        return [*steps[:-1], *grow(self.shelf, self._shelved(), steps[-1], personal, most=most, gain=GAIN)]

    def _shelved(self) -> list[Shelved]:
        return [part.shelved for part in self.parts]

    def told(self, found: Sum) -> Tried:
        decay = getattr(self.parts[found.members[0]].model, "decay", 1.0)
        model = self.model(found)
        return Tried(model.name, decay, found.weights, found.ndcg, model)

    def model(self, found: Sum) -> Model:
        parts = [(weight, self.parts[place].model) for weight, place in zip(found.weights, found.members, strict=True)]
        return Mixture(tuple(parts)) if len(parts) > 1 else parts[0][1]


def _terms(data: Dataset) -> list[Relations]:
    terms = []
    if any(len(edges) for edges in data.links.values()):
        terms.append(Relations(through="items", name="relations"))
    if any(len(edges) for edges in data.attributes.values()):
        terms.append(Relations(through="entities", name="shared entities"))
    return terms


_WEIGHTED = (
    ItemItemScorer, FactorScorer, LeastSquaresScorer, GraphFilterScorer, RelationScorer, CoupledScorer
)  # fmt: skip


def with_decay(scorer: Scorer, decay: float) -> Scorer:
    """The same scorer with another decay of the history, without fitting again."""
    if isinstance(scorer, _WEIGHTED):
        return replace(scorer, weights=HistoryWeights(decay, scorer.weights.actions))
    if isinstance(scorer, WeightedSumScorer):
        return WeightedSumScorer(tuple((weight, with_decay(part, decay)) for weight, part in scorer.parts))
    return scorer


def _decays(model: Model) -> bool:
    """Whether the decay can still be chosen: a trained model has learned with the one it was given."""
    settled = isinstance(model, Tunable) or getattr(model, "decay_is_learned", False)
    return not settled and is_dataclass(model) and any(f.name == "decay" for f in fields(model))


def _decayed(model: Model, decay: float) -> Model:
    return replace(model, decay=decay) if _decays(model) else model  # type: ignore[type-var]


def build(model: Model, data: Dataset, about: Mapping[str, Any] | None = None) -> Artifact:
    """Fit what was chosen on everything, with its fallbacks: the relation term, then what sells.

    The manifest's ``about`` gets the data range and configuration beside what is given.
    """
    chain = ((model.name, model.fit(data)), *fallbacks(data))
    taking: tuple[Action, ...] = taking_actions(data.histories)
    return Artifact(chain, taking, {**(about or {}), "configuration": repr(model), "data": data_range(data)})


def fallbacks(data: Dataset) -> list[tuple[str, Scorer]]:
    """Who is asked, in this order, where the model has nothing to say."""
    chain: list[tuple[str, Scorer]] = []
    for fallback in (Relations(), Popularity(half_life_days=30.0)):
        try:
            chain.append((fallback.name, fallback.fit(data)))
        except ModelFitError as error:
            _log.info("no fallback %s: %s", fallback.name, error)
    if not len(data.histories.items) and chain and isinstance(chain[-1][1], RelationScorer):
        # a shop without a log still has something for a stranger: what its facts speak of most
        chain.append(("most connected", PopularityScorer(data.items, _connections(chain[-1][1]))))
    return chain


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
