"""Missing values, duplicates, outliers, impossible times and bots: each a named rule with a count and a reason.

Flow: products → ``clean_products``; events → ``bots`` (once, over the whole log) → ``clean_events``; reviews and the
shop's relations likewise. A rule sets its row aside, empties one field, or only counts; ``PRODUCT_RULES`` and its
sisters are the whole list. Nothing here reads a clock: "now" is the ``as_of`` that the caller gives.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Generic, TypeAlias, TypeVar

import numpy as np

from kg import ids
from kg.types import Interaction, Product, Timestamp
from mining.bots import CLOCK_START, BotConfig, bots
from mining.types import CatalogRelation, Review

__all__ = [
    "EVENT_RULES",
    "PRODUCT_RULES",
    "RELATION_RULES",
    "REVIEW_RULES",
    "BotConfig",
    "CleaningConfig",
    "CleaningReport",
    "PriceBounds",
    "Rule",
    "bots",
    "clean_events",
    "clean_products",
    "clean_relations",
    "clean_reviews",
    "price_bounds",
]

T = TypeVar("T")
EXAMPLES = 5

PLACEHOLDERS = frozenset(
    {"unknown", "n/a", "na", "none", "null", "nan", "-", "--", "?", "no brand", "unbranded", "not applicable"}
    | {"不详", "未知", "无", "暂无", "无品牌", "其他"}
)


@dataclass(frozen=True, slots=True)
class CleaningConfig:
    """Where each rule draws its line, and why there."""

    # Prices are log-normal within a category. Six robust deviations keep every luxury edition and drop what a slipped
    # decimal point makes; below 30 prices a median says little, so the parent category speaks.
    price_z: float = 6.0
    price_group: int = 30
    price_spread: float = 0.4  # at least, so a factor of eleven is always allowed: where half the prices are equal, a
    # deviation of nothing would flag all others

    rating_low: float = 0.0
    rating_high: float = 5.0

    resend_seconds: int = 3  # a page that fires twice, a retry, a double click


@dataclass(slots=True)
class CleaningReport:
    """What the rules found: ``seen == kept + set_aside``. ``counts`` by rule, with the first findings as examples."""

    seen: int = 0
    kept: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def set_aside(self) -> int:
        return self.seen - self.kept

    def count(self, rule: str, found: str) -> None:
        self.counts[rule] += 1
        examples = self.examples.setdefault(rule, [])
        if len(examples) < EXAMPLES and found[:200] not in examples:
            examples.append(found[:200])

    def as_dict(self) -> dict[str, object]:
        """For ``report.json``: plain values, rules in a fixed order."""
        rules = {r: {"count": n, "examples": self.examples.get(r, [])} for r, n in sorted(self.counts.items())}
        return {"seen": self.seen, "kept": self.kept, "set_aside": self.set_aside, "rules": rules}


@dataclass(frozen=True, slots=True)
class PriceBounds:
    """The prices (low, high) that are believed, by category path; the empty path holds for all."""

    by_path: Mapping[tuple[str, ...], tuple[float, float]]

    def of(self, category: tuple[str, ...]) -> tuple[float, float]:
        """The bounds of the most specific category that has any, else (0, infinity)."""
        for depth in range(len(category), -1, -1):
            found = self.by_path.get(category[:depth])
            if found:
                return found
        return 0.0, math.inf


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules know beside the row."""

    config: CleaningConfig
    bounds: PriceBounds = field(default_factory=lambda: PriceBounds({}))
    as_of: Timestamp | None = None
    bots: frozenset[str] = frozenset()


Finding: TypeAlias = tuple[T | None, str]  # what is left of the row (None: nothing), what was found
Check: TypeAlias = Callable[[T], Finding[T] | None]


@dataclass(frozen=True, slots=True)
class Rule(Generic[T]):
    """One rule: ``make`` gives a fresh check, which remembers what it must for one pass over the rows."""

    name: str
    reason: str
    make: Callable[[Context], Check[T]]


def clean_products(
    products: Iterable[Product],
    report: CleaningReport,
    *,
    bounds: PriceBounds | None = None,
    config: CleaningConfig | None = None,
) -> Iterator[Product]:
    """The products that stay, in their order. ``bounds`` from an earlier pass keep this one streaming; without them
    the products are held in memory to learn their prices."""
    config = config or CleaningConfig()
    if bounds is None:
        products = list(products)
        bounds = price_bounds(products, config)
    return _cleaned(products, PRODUCT_RULES, Context(config, bounds), report)


def clean_events(
    events: Iterable[Interaction],
    report: CleaningReport,
    *,
    as_of: Timestamp | None = None,
    bots: Iterable[str] = (),
    config: CleaningConfig | None = None,
) -> Iterator[Interaction]:
    """The events that stay, in their order. ``as_of``: nothing can have happened later. ``bots``: see ``bots``.
    Memory: about 200 bytes an event, to know it again."""
    context = Context(config or CleaningConfig(), as_of=as_of, bots=frozenset(bots))
    return _cleaned(events, EVENT_RULES, context, report)


def clean_reviews(
    reviews: Iterable[Review],
    report: CleaningReport,
    *,
    as_of: Timestamp | None = None,
    config: CleaningConfig | None = None,
) -> Iterator[Review]:
    """The reviews that stay, in their order."""
    return _cleaned(reviews, REVIEW_RULES, Context(config or CleaningConfig(), as_of=as_of), report)


def clean_relations(relations: Iterable[CatalogRelation], report: CleaningReport) -> Iterator[CatalogRelation]:
    """The shop's relations that stay, in their order."""
    return _cleaned(relations, RELATION_RULES, Context(CleaningConfig()), report)


def price_bounds(products: Iterable[Product], config: CleaningConfig | None = None) -> PriceBounds:
    """Which prices are believed, by category: ``price_z`` robust deviations (1.4826 · MAD of the logarithm) around the
    median, for each category and its ancestors with at least ``price_group`` prices. Eight bytes a price and level."""
    config = config or CleaningConfig()
    logs: defaultdict[tuple[str, ...], array[float]] = defaultdict(lambda: array("d"))
    for product in products:
        if product.price is not None and product.price > 0:
            for depth in range(len(product.category) + 1):
                logs[product.category[:depth]].append(math.log(product.price))
    return PriceBounds({path: _bounds(values, config) for path, values in logs.items() if _enough(values, config)})


def _enough(values: "array[float]", config: CleaningConfig) -> bool:
    return len(values) >= config.price_group


def _bounds(values: "array[float]", config: CleaningConfig) -> tuple[float, float]:
    logs = np.asarray(values)
    middle = float(np.median(logs))
    spread = max(1.4826 * float(np.median(np.abs(logs - middle))), config.price_spread)
    return math.exp(middle - config.price_z * spread), math.exp(middle + config.price_z * spread)


def _cleaned(rows: Iterable[T], rules: Iterable[Rule[T]], context: Context, report: CleaningReport) -> Iterator[T]:
    checks = [(rule.name, rule.make(context)) for rule in rules]
    for row in rows:
        report.seen += 1
        left = _checked(row, checks, report)
        if left is not None:
            report.kept += 1
            yield left


def _checked(row: T, checks: list[tuple[str, Check[T]]], report: CleaningReport) -> T | None:
    left = row
    for name, check in checks:
        finding = check(left)
        if finding is not None:
            report.count(name, finding[1])
            if finding[0] is None:
                return None
            left = finding[0]
    return left


# ---- rules ----------------------------------------------------------------------------------------------------------


def _repeated(key: Callable[[T], str | bytes]) -> Callable[[Context], Check[T]]:
    """The first row with a key stays, later ones are set aside."""

    def make(context: Context) -> Check[T]:
        seen: set[str | bytes] = set()

        def check(row: T) -> Finding[T] | None:
            its = key(row)
            if its in seen:
                return None, its if isinstance(its, str) else repr(row)
            seen.add(its)
            return None

        return check

    return make


def _missing(name: str) -> Callable[[Context], Check[Product]]:
    """Counts products without that field; they stay as they are."""

    def check(product: Product) -> Finding[Product] | None:
        value = getattr(product, name)
        return None if value is not None and value != "" and value != () else (product, product.id)

    return lambda context: check


def _placeholder_brand(context: Context) -> Check[Product]:
    def check(product: Product) -> Finding[Product] | None:
        if product.brand is None or ids.normal_form(product.brand) not in PLACEHOLDERS:
            return None
        return replace(product, brand=None), f"{product.id}: {product.brand}"

    return check


def _price_not_positive(context: Context) -> Check[Product]:
    def check(product: Product) -> Finding[Product] | None:
        if product.price is None or (product.price > 0 and math.isfinite(product.price)):
            return None
        return replace(product, price=None), f"{product.id}: {product.price}"

    return check


def _price_outlier(context: Context) -> Check[Product]:
    def check(product: Product) -> Finding[Product] | None:
        low, high = context.bounds.of(product.category)
        if product.price is None or low <= product.price <= high:
            return None
        return replace(product, price=None), f"{product.id}: {product.price} outside {low:.2f} to {high:.2f}"

    return check


def _resent(context: Context) -> Check[Interaction]:
    last: dict[bytes, Timestamp] = {}
    config = context.config

    def check(event: Interaction) -> Finding[Interaction] | None:
        if event.user_id is None and event.session_id is None:
            return None
        key = _digest(event.user_id, event.session_id, event.product_id, event.action)
        before = last.get(key)
        last[key] = event.at
        tolerance = config.resend_seconds if event.at >= CLOCK_START else 0
        if before is None or abs(event.at - before) > tolerance:
            return None
        return None, f"{event.event_id}: {event.action} of {event.product_id} by {event.user_id} at {event.at}"

    return check


def _future(at: Callable[[T], Timestamp | None], name: Callable[[T], str]) -> Callable[[Context], Check[T]]:
    def make(context: Context) -> Check[T]:
        def check(row: T) -> Finding[T] | None:
            when = at(row)
            if when is None or context.as_of is None or when <= context.as_of:
                return None
            return None, f"{name(row)}: {when} is after {context.as_of}"

        return check

    return make


def _bot(context: Context) -> Check[Interaction]:
    def check(event: Interaction) -> Finding[Interaction] | None:
        return (None, event.user_id) if event.user_id is not None and event.user_id in context.bots else None

    return check


def _rating_of_event(context: Context) -> Check[Interaction]:
    def check(event: Interaction) -> Finding[Interaction] | None:
        if event.action != "rating" or _in_range(event.value, context.config):
            return None
        return replace(event, value=None), f"{event.event_id}: {event.value}"

    return check


def _rating_of_review(context: Context) -> Check[Review]:
    def check(review: Review) -> Finding[Review] | None:
        if _in_range(review.rating, context.config):
            return None
        return replace(review, rating=None), f"{review.id}: {review.rating}"

    return check


def _self_relation(context: Context) -> Check[CatalogRelation]:
    def check(relation: CatalogRelation) -> Finding[CatalogRelation] | None:
        return (None, f"{relation.label}: {relation.head}") if relation.head == relation.tail else None

    return check


def _in_range(rating: float | None, config: CleaningConfig) -> bool:
    return rating is None or config.rating_low <= rating <= config.rating_high


def _digest(*parts: str | None) -> bytes:
    return blake2b("\x1f".join(part or "" for part in parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


PRODUCT_RULES: tuple[Rule[Product], ...] = (
    Rule("duplicate_product", "an id came before: the first one stays", _repeated(lambda p: p.id)),
    Rule("missing_title", "kept; the graph shows the id instead", _missing("title")),
    Rule("missing_brand", "kept; no brand is guessed", _missing("brand")),
    Rule("missing_category", "kept; no category is guessed", _missing("category")),
    Rule("missing_price", "kept; no price is guessed", _missing("price")),
    Rule("placeholder_brand", "'Unknown' is no brand, and would tie strangers together", _placeholder_brand),
    Rule("price_not_positive", "a price of nothing or less is none", _price_not_positive),
    Rule("price_outlier", "far from every other price of its category", _price_outlier),
)
EVENT_RULES: tuple[Rule[Interaction], ...] = (
    Rule("duplicate_event_id", "the event came before, word for word or not", _repeated(lambda e: e.event_id)),
    Rule("future_event", "after the time the log was taken", _future(lambda e: e.at, lambda e: e.event_id)),
    Rule("bot_event", "by a user that behaves as no person does", _bot),
    Rule("resent_event", "the same person did the same within seconds", _resent),
    Rule("rating_out_of_range", "kept without its value", _rating_of_event),
)
REVIEW_RULES: tuple[Rule[Review], ...] = (
    Rule("duplicate_review_id", "an id came before: the first one stays", _repeated(lambda r: r.id)),
    Rule(
        "duplicate_review",
        "the same user said the same words of the same product",
        _repeated(lambda r: _digest(r.user_id, r.product_id, r.title, r.text) if r.user_id else f"review {r.id}"),
    ),
    Rule("future_review", "after the time the reviews were taken", _future(lambda r: r.at, lambda r: r.id)),
    Rule("rating_out_of_range", "kept without its rating", _rating_of_review),
)
RELATION_RULES: tuple[Rule[CatalogRelation], ...] = (
    Rule("self_relation", "a product goes with itself", _self_relation),
    Rule(
        "duplicate_relation",
        "head, label and tail came before: the first one stays",
        _repeated(lambda r: _digest(r.head, r.label, r.relation, r.tail)),
    ),
)
