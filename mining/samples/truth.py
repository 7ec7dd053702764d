"""What is planted in the sample shop: the right answers for tests and benchmarks, never an input of mining."""

import json
from typing import Literal, NotRequired, TypedDict

from mining.samples import sample_shop

FORMAT_VERSION = 1


class Complement(TypedDict):
    """Who owns ``anchor`` needs ``complement``. A held-out pair is not bought together before ``held_out_from``."""

    anchor: str
    complement: str
    why: str
    held_out: bool


class SubstituteGroup(TypedDict):
    """Products among which a shopper chooses one."""

    name: str
    products: list[str]


class Trend(TypedDict):
    """A product whose demand rises from ``starts`` (ISO date, UTC) to the end of the log."""

    product: str
    starts: str


class Season(TypedDict):
    """Demand for everything below ``category`` swings over a year between ``low`` and ``high``, highest at ``peak``."""

    category: list[str]
    peak: str
    low: float
    high: float


class Label(TypedDict):
    """One stated relation. ``context`` is a longer quote that says which occurrence of ``quote`` is meant."""

    relation: Literal["COMPATIBLE_WITH", "ACCESSORY_OF", "USED_FOR", "SUITS"]
    quote: str
    context: NotRequired[str]


class LabelledProduct(TypedDict):
    """All relations that the title and description of one product state; an empty list says that there are none."""

    product: str
    labels: list[Label]


class Incompatible(TypedDict):
    """A stated negation: ``product`` does not go with ``tail``; ``target`` is the product meant, where it is ours."""

    product: str
    tail: str
    target: str | None
    quote: str


class Contradiction(TypedDict):
    """A review that says otherwise: ``claim`` stands in the catalogue, ``said`` in the review."""

    review: str
    product: str
    claim: str
    said: str


class Truth(TypedDict):
    """The whole of ``shop/truth.json``; ``shop/README.md`` says how it was planted."""

    format_version: int
    trend: list[Trend]
    seasonal: list[Season]
    held_out_from: str
    bots: list[str]
    brands: dict[str, list[str]]
    complements: list[Complement]
    held_out_complements: list[list[str]]
    substitutes: list[SubstituteGroup]
    same_product: list[list[str]]
    near_duplicates: list[list[str]]
    incompatible: list[Incompatible]
    contradictions: list[Contradiction]
    relations: list[LabelledProduct]


def load_truth() -> Truth:
    """Reads ``shop/truth.json``. Raises ValueError where the file is of another format version."""
    truth: Truth = json.loads(sample_shop().truth.read_text(encoding="utf-8"))
    if truth["format_version"] != FORMAT_VERSION:
        raise ValueError(f"truth.json has format version {truth['format_version']}, expected {FORMAT_VERSION}")
    return truth


def label_span(text: str, label: Label) -> tuple[int, int]:
    """Where ``label`` lies in ``text``, a product's document: half-open, in code points. Raises ValueError if nowhere.

    Without a context the first occurrence counts, as the labelling rules want it.
    """
    quote = label["quote"]
    start = text.index(label.get("context", quote)) + label.get("context", quote).index(quote)
    return start, start + len(quote)
