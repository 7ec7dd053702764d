"""A schema that a catalogue suggests: one pass over the products, a few counters a category, attributes by rules.

products → ``Sighting`` → ``_Category`` (tallies of bounded size) → ``Proposed`` → ``Schema`` for a person to accept.
The same products in the same order give the same proposal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kg.ids import normal_form
from kg.schema import SHOP, Attribute, Schema
from kg.types import Product
from mining.normal_values import RULES, in_form
from mining.normalization import parse
from mining.schema.sightings import VOCABULARIES, Sighting, sighted
from mining.schema.tally import Tally
from mining.units import CANONICAL, unit_of

CATEGORIES = 500  # that are kept apart; products of later ones are counted and left out
NAMES = 100  # keys of "key: value" pairs a category
VALUES = 60  # values that are kept of one attribute
TERMS = 1_000  # segments, word pairs and openings a category
LONGEST_LIST = 40  # values of a closed list
FEWEST, SHARE = 3, 0.02  # products that must show an attribute, at least and of its category
NUMBERED = 0.05  # the share where only a word beside numbers says that it is one: else model names come along
FAMILY = 3  # different words before one head make a family: light, medium and dark roast
BRANDED = 0.3  # of the products begin with words that others begin with too
MOSTLY = 0.6  # of the titles that begin with a word go on with the same next one: it belongs to the name
MEASURED = 0.8  # of the values of a key are measures of one dimension
RULED = 0.6  # of the values of a key have a form by one rule
REPEATED = 2.0  # times that a value of a closed list comes on average

NAME_OF = {"mass": "weight", "charge": "capacity", "data": "storage", "count": "count"}
ANY_CATEGORY = "*"


@dataclass(frozen=True, slots=True)
class Proposed:
    """An attribute that a person may accept. ``support``: products that show it. ``values``: as written → products.

    ``closed``: its values look like a closed list. ``shown``: how it was seen, in a person's words.
    """

    name: str
    support: int
    values: Mapping[str, int]
    shown: str
    unit: str | None = None
    normalise: str | None = None
    closed: bool = False

    def attribute(self, products: int) -> Attribute:
        """It as an entry of a schema file, with its evidence as the definition."""
        written = _one_each(self.values)
        definition = f"proposed: {self.shown}, {self.support} of {products} products"
        if self.closed and len(written) <= LONGEST_LIST:
            return Attribute(self.name, definition, values=written)
        whole = Attribute(self.name, definition, self.unit, normalise=self.normalise)
        readable = [v for v in written if self.unit is None or in_form(whole, v) is not None]
        return replace(whole, examples=tuple(readable[:5]))


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a catalogue suggests. ``products`` by category; ``left_out`` by reason."""

    proposed: Mapping[str, tuple[Proposed, ...]]
    products: Mapping[str, int]
    left_out: Mapping[str, int] = field(default_factory=dict)

    def schema(self) -> Schema:
        attributes = {c: tuple(p.attribute(self.products[c]) for p in of) for c, of in self.proposed.items() if of}
        return Schema(SHOP.relations, attributes)


def induce(products: Iterable[Product]) -> Proposal:
    """The attributes that the products of each category show. Memory is bounded by the constants of this module.

    Products without a category count only where no product has one: their attributes are then those of ``"*"``.
    """
    categories: dict[str, _Category] = {}
    left_out: Counter[str] = Counter()
    for product in products:
        name = product.category[-1].strip() if product.category else ""
        if name not in categories and len(categories) >= CATEGORIES:
            left_out[f"beyond the first {CATEGORIES} categories"] += 1
            continue
        categories.setdefault(name, _Category()).add(sighted(product), branded=bool(product.brand))
    without = categories.pop("", None)
    if without is not None and not categories:
        categories[ANY_CATEGORY] = without
    elif without is not None:
        left_out["no category"] = without.products
    found = {name: tuple(_distinct(category.proposals())) for name, category in sorted(categories.items())}
    return Proposal(found, {n: c.products for n, c in categories.items()}, dict(sorted(left_out.items())))


def _distinct(proposals: Iterator[Proposed]) -> Iterator[Proposed]:
    """What comes first keeps its name; what the shop itself names comes first."""
    names: set[str] = set()
    for proposed in proposals:
        if normal_form(proposed.name) not in names:
            names.add(normal_form(proposed.name))
            yield proposed


class _Values:
    """The values of one attribute as written, and how many products show it."""

    def __init__(self) -> None:
        self.support, self.tally = 0, Tally(VALUES)
        self.units: Counter[str] = Counter()

    def add(self, surfaces: Iterable[str], unit: str | None = None) -> None:
        self.support += 1
        self.tally.add(surfaces)
        if unit is not None:
            self.units[unit] += 1

    def proposed(self, name: str, shown: str, *, unit: str | None = None, normalise: str | None = None) -> Proposed:
        return Proposed(name, self.support, dict(self.tally.most()), shown, unit, normalise)


class _Category:
    """The tallies of one category."""

    def __init__(self) -> None:
        self.products = self.branded = 0
        self.keyed = dict[str, _Values]()
        self.measures, self.numbered, self.listed = dict[str, _Values](), dict[str, _Values](), dict[str, _Values]()
        self.packs = _Values()
        self.pairs, self.segments, self.openings = Tally(TERMS), Tally(TERMS), Tally(TERMS)

    def add(self, seen: Sighting, *, branded: bool) -> None:
        self.products += 1
        self.branded += branded
        self._count(self.keyed, {name: ([value], None) for name, value in seen.keyed.items()})
        self._count(self.measures, {d: ([surface], unit) for d, (surface, unit) in seen.measures.items()})
        self._count(self.numbered, {word: ([surface], None) for word, surface in seen.numbered.items()})
        self._count(self.listed, {name: (surfaces, None) for name, surfaces in seen.listed.items()})
        if seen.packs:
            self.packs.add(seen.packs)
        self.pairs.add(f"{first} {head}" for first, head in seen.pairs)
        self.segments.add(seen.segments)
        self.openings.add(seen.openings)

    def _count(self, known: dict[str, _Values], seen: Mapping[str, tuple[Sequence[str], str | None]]) -> None:
        for name, (surfaces, unit) in seen.items():
            if name not in known and len(known) >= 2 * NAMES:
                for rare in sorted(known, key=lambda n: (-known[n].support, n))[NAMES:]:
                    del known[rare]
            known.setdefault(name, _Values()).add(surfaces, unit)

    @property
    def fewest(self) -> float:
        return max(FEWEST, SHARE * self.products)

    def proposals(self) -> Iterator[Proposed]:
        """The shop's own keys first, then what the titles show."""
        keyed = [_of_key(name, values) for name, values in self._frequent(self.keyed)]
        yield from keyed
        if not self.branded:
            yield from self._brand()
        units = {known.dimension for p in keyed if p.unit and (known := unit_of(p.unit)) is not None}
        for dimension, values in self._frequent(self.measures):
            if dimension not in units:
                unit = max(sorted(values.units), key=values.units.__getitem__)
                read = unit_of(unit)
                unit = read.name if read is not None else CANONICAL[dimension]
                yield values.proposed(NAME_OF.get(dimension, dimension), "measures in titles", unit=unit)
        if self.packs.support >= self.fewest:
            yield self.packs.proposed("pack", "packs in titles", normalise="pack")
        for word, values in self._frequent(self.numbered):
            if len(values.tally) >= FEWEST and values.support >= NUMBERED * self.products:
                yield values.proposed(word, f"numbers with the word {word!r} in titles")
        for name, values in self._frequent(self.listed):
            rule = name if name in RULES else None
            yield values.proposed(name, f"known words of {name} in titles", normalise=rule)
        yield from self._words()

    def _frequent(self, known: Mapping[str, _Values]) -> list[tuple[str, _Values]]:
        often = [(name, values) for name, values in known.items() if values.support >= self.fewest]
        return sorted(often, key=lambda pair: (-pair[1].support, pair[0]))

    def _brand(self) -> Iterator[Proposed]:
        """Words that several titles begin with: a first word, and on to the next where most titles go on so."""
        often = dict(self.openings.most(2))
        next_words: dict[str, list[str]] = {}
        for opening in often:
            next_words.setdefault(opening.rpartition(" ")[0], []).append(opening)
        brands: dict[str, int] = {}
        for brand in next_words.get("", []):
            whole, count = brand, often[brand]
            while longer := [o for o in next_words.get(whole, []) if often[o] >= MOSTLY * often[whole]]:
                whole = longer[0]
            brands[whole] = count
        support = sum(brands.values())
        if support >= max(self.fewest, BRANDED * self.products):
            yield Proposed("brand", support, brands, "words that titles begin with")

    def _words(self) -> Iterator[Proposed]:
        """Families of one head (``light roast``, ``dark roast``), then the segments that belong to none."""
        openings = {normal_form(opening) for opening, _ in self.openings.most(2)}
        names = {word for opening in openings if " " in opening for word in opening.split()}
        before: Counter[str] = Counter()
        families: dict[str, dict[str, int]] = {}
        for pair, count in self.pairs.most():
            first, _, head = pair.partition(" ")
            before[first] += count
            if count > 1 and pair not in openings and first not in names:
                families.setdefault(head, {})[pair] = count
        used: set[str] = set()
        for head, family in sorted(families.items(), key=lambda f: (-sum(f[1].values()), f[0])):
            # What mostly stands before other words is no head: "organic", "medium".
            if len(family) >= FAMILY and sum(family.values()) >= max(self.fewest, before[head]):
                used.update(family)
                yield Proposed(
                    f"{head} type", sum(family.values()), family, f"words before {head!r} in titles", closed=True
                )
        known = set().union(*VOCABULARIES.values())
        rest = {s: n for s, n in self.segments.most(FEWEST) if s not in used | known | openings}
        if len(rest) >= FAMILY:
            yield Proposed("feature", sum(rest.values()), rest, "phrases that titles repeat", closed=True)


def _of_key(name: str, values: _Values) -> Proposed:
    """A key of the shop with what its values have in common: a dimension, a rule, a closed list, or nothing."""
    counts = dict(values.tally.most())
    whole, shown = sum(counts.values()), f'"{name}: …"'
    found = {value: parse(value) for value in counts}
    dimensions: Counter[str] = Counter()
    for value, measure in found.items():
        if measure is not None:
            dimensions[measure.dimension] += counts[value]
    for dimension, count in dimensions.most_common(1):
        if count >= MEASURED * whole:
            return values.proposed(name, shown, unit=CANONICAL[dimension])
    for rule in ("color", "material", "size", "pack"):
        formed = sum(count for value, count in counts.items() if RULES[rule](value) is not None)
        if formed >= RULED * whole and not (rule in ("size", "pack") and all(v.isdigit() for v in counts)):
            return values.proposed(name, shown, normalise=rule)
    closed = not values.tally.forgot and len(counts) <= LONGEST_LIST and whole >= REPEATED * len(counts)
    return replace(values.proposed(name, shown), closed=closed)


def _one_each(values: Mapping[str, int]) -> tuple[str, ...]:
    """One writing of each value, the most frequent first."""
    kept: dict[str, str] = {}
    for value in sorted(values, key=lambda v: (-values[v], v)):
        if normal_form(value):
            kept.setdefault(normal_form(value), value.strip())
    return tuple(kept.values())
