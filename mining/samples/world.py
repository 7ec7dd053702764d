"""The sample shop as its simulator sees it: catalogue and planted truth as arrays over products."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from kg.types import Product
from mining.samples.truth import Season, Truth

Weights = NDArray[np.float64]

# Leaf categories of what is used up and bought again; everything else is bought once by one person.
CONSUMED = frozenset(
    {
        "Capsules",
        "Beans",
        "Filters",
        "Cleaning",
        "Water filters",
        "Film",
        "Toner",
        "Ink",
        "Paper",
        "Label tape",
        "Refills",
        "Staples",
        "Gas cartridges",
        "Dust bags",
        "Mop pads",
        "Pads and brushes",
        "Floor care",
        "Kitchen",
        "Glass",
        "Bathroom",
        "Moisturisers",
        "Serums",
        "Cleansers",
        "Masks",
        "Sunscreen",
        "After sun",
        "Brush heads",
        "Blades",
        "Shaving care",
        "Hair",
        "Hands",
        "Notebooks",
    }
)


@dataclass(frozen=True, slots=True)
class World:
    """The shop as the simulator sees it: arrays over products (P,), season factors (days, P), who goes with whom."""

    ids: tuple[str, ...]
    popularity: Weights
    top: NDArray[np.int64]
    brand: NDArray[np.int64]
    chinese: NDArray[np.bool_]
    consumed: NDArray[np.bool_]
    season: Weights
    rivals: tuple[tuple[int, ...], ...]  # looked at together
    group: tuple[tuple[int, ...], ...]  # true substitutes only
    anchors: tuple[tuple[int, ...], ...]  # of a complement
    complements: tuple[tuple[int, ...], ...]
    held_out: tuple[tuple[int, ...], ...]
    partners: tuple[tuple[int, ...], ...]  # held-out pairs, in both directions
    held_out_from: int


def build_world(catalog: Sequence[Product], truth: Truth, days: NDArray[np.int64], rng: np.random.Generator) -> World:
    """The shop over ``days``, the first seconds of each day. Raises ValueError for a product the catalogue lacks."""
    index = {product.id: i for i, product in enumerate(catalog)}
    named = {i for c in truth["complements"] for i in (c["anchor"], c["complement"])}
    named |= {i for g in truth["substitutes"] for i in g["products"]} | {t["product"] for t in truth["trend"]}
    if unknown := sorted(named - set(index)):
        raise ValueError(f"truth names the product {unknown[0]!r}, which is not in the catalogue of {len(index)}")
    common = [(index[c["anchor"]], index[c["complement"]]) for c in truth["complements"] if not c["held_out"]]
    held = [(index[a], index[c]) for a, c in truth["held_out_complements"]]
    group = _symmetric(len(index), ([index[i] for i in g["products"]] for g in truth["substitutes"]))
    paths = dict.fromkeys(p.category for p in catalog)
    leaves = _symmetric(len(index), ([i for i, p in enumerate(catalog) if p.category == path] for path in paths))
    return World(
        ids=tuple(index),
        popularity=_popularity(len(index), common, held, rng),
        top=_codes(p.category[0] for p in catalog),
        brand=_codes(_brand_name(p.brand or "", truth) for p in catalog),
        chinese=np.array([any("一" <= c <= "鿿" for c in p.title) for p in catalog]),
        consumed=np.array([p.category[-1] in CONSUMED for p in catalog]),
        season=_season(catalog, truth, days),
        rivals=tuple(g or leaves[i] for i, g in enumerate(group)),
        group=group,
        anchors=_targets(len(index), [(c, a) for a, c in (*common, *held)]),
        complements=_targets(len(index), common),
        held_out=_targets(len(index), held),
        partners=_targets(len(index), [*held, *((c, a) for a, c in held)]),
        held_out_from=seconds(truth["held_out_from"]),
    )


def _popularity(
    size: int, common: Iterable[tuple[int, int]], held: Iterable[tuple[int, int]], rng: np.random.Generator
) -> Weights:
    popularity = np.exp(rng.normal(0.0, 0.55, size))
    popularity[sorted({a for a, _ in (*common, *held)})] *= 2.2  # people come for machines
    popularity[sorted({c for _, c in held})] *= 0.9  # rare, not unknown
    return popularity


def _season(catalog: Sequence[Product], truth: Truth, days: NDArray[np.int64]) -> Weights:
    """Demand factors, shape (days, products)."""
    factors = np.ones((len(days), len(catalog)))
    for season in truth["seasonal"]:
        below = [p.category[: len(season["category"])] == tuple(season["category"]) for p in catalog]
        factors[:, np.array(below)] *= _swing(season, days)[:, None]
    return factors


def _swing(season: Season, days: NDArray[np.int64]) -> Weights:
    phase = 2 * math.pi * (days - seconds(season["peak"])) / (365.25 * 86_400)
    swing: Weights = season["low"] + (season["high"] - season["low"]) * (1 + np.cos(phase)) / 2
    return swing


def _symmetric(size: int, groups: Iterable[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return _targets(size, [(i, j) for members in groups for i in members for j in members if i != j])


def _targets(size: int, pairs: Iterable[tuple[int, int]]) -> tuple[tuple[int, ...], ...]:
    found: list[list[int]] = [[] for _ in range(size)]
    for head, tail in pairs:
        found[head].append(tail)
    return tuple(map(tuple, found))


def _codes(names: Iterable[str]) -> NDArray[np.int64]:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.int64)


def _brand_name(brand: str, truth: Truth) -> str:
    return next((name for name, aliases in truth["brands"].items() if brand in aliases), brand)


def seconds(date: str) -> int:
    """The first second of an ISO date, UTC."""
    return int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
