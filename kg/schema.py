"""What may be said in the graph: relations with the types they connect, and the attributes of each category.

A schema is read by extraction (what to look for), by validation (``check``) and by people. Off-schema facts are never
written. ``SHOP`` is the default; it needs no category.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kg.errors import SchemaError

LABELS = (
    "Product",
    "Brand",
    "Category",
    "Value",
    "Use",
    "Audience",
    "Thing",
    "Aspect",
    "User",
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact.

    ``symmetric`` ones are read in both directions; mined ones are stored once, smaller id as head.
    """

    name: str
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    definition: str
    symmetric: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a category: what it means and how its values are written.

    ``unit``: its values are measures, and their normal form is in this unit. ``values``: the closed list, where it has
    one. ``abbreviations``: as texts write it → as it is meant (HP → Hewlett-Packard). ``normalise``: the rule of its
    normal form, by name, where unit and list do not say it already.
    """

    name: str
    definition: str = ""
    unit: str | None = None
    values: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    normalise: str | None = None
    abbreviations: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Schema:
    """Relations by name, attributes by category. The category ``"*"`` holds what every category has."""

    relations: Mapping[str, Relation]
    attributes: Mapping[str, tuple[Attribute, ...]] = field(default_factory=dict)

    def attributes_of(self, category: str | None) -> tuple[Attribute, ...]:
        """The attributes of every category, then those of this one."""
        own = self.attributes.get(category, ()) if category not in (None, "*") else ()
        return (*self.attributes.get("*", ()), *own)

    def attribute(self, category: str | None, name: str) -> Attribute | None:
        """The attribute of this name that the category has, or None: nothing may be written of it."""
        return next((known for known in self.attributes_of(category) if known.name == name), None)

    def names(self, categories: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
        """The names of the attributes of its own categories and of these."""
        return {c: tuple(a.name for a in self.attributes_of(c)) for c in sorted({*self.attributes, *categories})}

    def check(self, relation: str, head_type: str, tail_type: str) -> None:
        """Raises SchemaError unless the relation exists and connects these types."""
        known = self.relations.get(relation)
        if known is None:
            names = ", ".join(sorted(self.relations))
            raise SchemaError(f"relation {relation!r} is not in the schema; it knows {names}")
        if head_type not in known.heads or tail_type not in known.tails:
            expected = f"{'|'.join(known.heads)} to {'|'.join(known.tails)}"
            raise SchemaError(f"{relation} connects {expected}, not {head_type} to {tail_type}")


_RELATIONS = (
    Relation("MADE_BY", ("Product",), ("Brand",), "the brand that makes or names the product"),
    Relation("IN_CATEGORY", ("Product",), ("Category",), "the most specific category of the product"),
    Relation("SUBCATEGORY_OF", ("Category",), ("Category",), "a category lies inside another"),
    Relation("HAS_ATTRIBUTE", ("Product",), ("Value",), "a value of an attribute, as stated"),
    Relation("USED_FOR", ("Product",), ("Use",), "is stated to serve this purpose"),
    Relation("LIKELY_USED_FOR", ("Product",), ("Use",), "is inferred, not stated, to serve this purpose"),
    Relation("SUITS", ("Product",), ("Audience",), "is stated to be for these people, animals, places or seasons"),
    Relation("COMPATIBLE_WITH", ("Product",), ("Product", "Thing"), "works with, fits, is made for use with"),
    Relation("ACCESSORY_OF", ("Product",), ("Product", "Thing"), "is a part, refill, case or consumable of"),
    Relation("SUBSTITUTE_FOR", ("Product",), ("Product",), "is chosen instead of", symmetric=True),
    Relation("COMPLEMENTS", ("Product",), ("Product",), "is chosen together with", symmetric=True),
    Relation("BOUGHT_WITH", ("Product",), ("Product",), "lies in the same basket", symmetric=True),
    Relation("VIEWED_WITH", ("Product",), ("Product",), "is looked at in the same session", symmetric=True),
    Relation("BOUGHT_AFTER", ("Product",), ("Product",), "the tail is bought after the head by the same user"),
    Relation("PRAISED_FOR", ("Product",), ("Aspect",), "reviews praise this aspect"),
    Relation("CRITICISED_FOR", ("Product",), ("Aspect",), "reviews criticise this aspect"),
    Relation("SAME_AS", LABELS, LABELS, "two names of one thing, by the merge log", symmetric=True),
)

_ATTRIBUTES = (
    Attribute("color", "the colour of the product"),
    Attribute("material", "what the product is made of"),
    Attribute("size", "a named or measured size"),
    Attribute("weight", "mass", unit="g"),
    Attribute("volume", "capacity", unit="ml"),
    Attribute("length", "length, width, height or diameter", unit="cm"),
    Attribute("power", "electrical power", unit="W"),
    Attribute("voltage", "electrical voltage", unit="V"),
    Attribute("capacity", "battery charge or storage"),
    Attribute("pack", "how many pieces are in the pack"),
    Attribute("model", "the maker's model number"),
)

SHOP = Schema({r.name: r for r in _RELATIONS}, {"*": _ATTRIBUTES})
