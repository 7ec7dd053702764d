"""All models side by side: each fitted with its relations, without them and with shuffled ones.

``fits`` trains, ``reporting`` measures and writes down; ``choosing.choose`` decides what is served;
``paired_bootstrap`` says whether one of two is better beyond chance.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

import numpy as np

from recommender.arrays import Doubles
from recommender.dataset import Dataset
from recommender.errors import ModelFitError
from recommender.model import Model, Scorer
from recommender.models.mixture import Mixture

WITH, WITHOUT, SHUFFLED = "with", "without", "shuffled"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Fit:
    """One model after learning: ``scorer`` is None where ``failed`` says why. ``seconds`` is wall time."""

    model: str
    relations: str
    seed: int | None
    scorer: Scorer | None
    seconds: float
    failed: str | None = None


def fits(
    models: Sequence[Model], train: Dataset, *, seeds: Sequence[int] = (0,), shuffle_seed: int = 0
) -> Iterator[Fit]:
    """Every model, one at a time: those that use relations with them, without them, and with shuffled ones.

    A model that has a seed is trained once for each of ``seeds``. A model that cannot learn here is a fit that says
    why.
    """
    variants: dict[str, Dataset] = {WITHOUT: train.without_relations()}
    if train.links or train.attributes:
        variants = {WITH: train, **variants, SHUFFLED: train.shuffled(shuffle_seed)}
    for model in models:
        for name, data in variants.items():
            if model.uses_relations or name == WITHOUT:
                yield from seeded(model, data, name, seeds)


def seeded(model: Model, data: Dataset, relations: str, seeds: Sequence[int]) -> Iterator[Fit]:
    """The model once for each seed, or once where it has none."""
    for seed in seeds if has_seed(model) else (None,):
        begun = time.perf_counter()
        try:
            scorer = (model if seed is None else reseeded(model, seed)).fit(data)
        except ModelFitError as error:
            yield Fit(model.name, relations, seed, None, 0.0, str(error))
        else:
            yield Fit(model.name, relations, seed, scorer, time.perf_counter() - begun)


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
