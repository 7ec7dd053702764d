"""The ranker as plain arrays and JSON, with the writer and the reader of an artifact."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from recommender.histories import HistoryWeights, Ids
from recommender.model import Scorer
from recommender.ranking.ranker import TASKS, Network, Ranker
from recommender.ranking.view import ALONE, BESIDE, IN_LIST, SUMMED, View

_VIEW = ("behaviour", "words", "statics", "prices")
_NETWORK = tuple(field.name for field in fields(Network))
TOLD = (*BESIDE, *IN_LIST, *ALONE, *SUMMED)
"""What a network reads by its place: one that was trained on other features cannot be asked."""


def written(
    ranker: Ranker, array: Callable[[str, Any], dict[str, Any]], scorer: Callable[[Scorer], dict[str, Any]]
) -> dict[str, Any]:
    view = ranker.view
    told = {name: array(f"ranker.{name}", getattr(view, name)) for name in _VIEW}
    told |= {name: array(f"ranker.{name}", getattr(ranker.network, name)) for name in _NETWORK}
    return {
        **told,
        "features": list(TOLD),
        "tasks": dict(zip(TASKS, ranker.values, strict=True)),
        "links": list(ranker.links),
        "attributes": list(ranker.attributes),
        "pool": ranker.pool,
        "most": ranker.most,
        "actions": dict(view.weights.actions),
        "term": None if view.term is None else scorer(view.term),
    }


def read(
    told: Mapping[str, Any], items: Ids, array: Callable[[Mapping[str, Any]], Any], scorer: Callable[[Any], Any]
) -> Ranker:
    """Raises ValueError for the features of another version."""
    if tuple(told["features"]) != TOLD or set(told["tasks"]) != set(TASKS):
        raise ValueError("its ranker was trained on other features than this version tells")
    arrays = {name: array(told[name]) for name in (*_VIEW, *_NETWORK)}
    term = None if told["term"] is None else scorer(told["term"])
    view = View(
        items, **{name: arrays[name] for name in _VIEW}, term=term, weights=HistoryWeights(1.0, told["actions"])
    )
    network = Network(**{name: np.asarray(arrays[name]) for name in _NETWORK})
    values = tuple(told["tasks"][task] for task in TASKS)
    return Ranker(view, network, tuple(told["links"]), tuple(told["attributes"]), values, told["pool"], told["most"])
