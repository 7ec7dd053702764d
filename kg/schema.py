"""What may be said in the graph: relations with the types they connect, and the attributes of each category.

A schema is read by extraction (what to look for), by validation (``check``) and by people. Off-schema facts are never
written. ``SHOP`` is the default; it needs no category.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    """One attribute of a category: what it means, its unit, its closed list of values where it has one."""

    name: str
    definition: str = ""
    unit: str | None = None
    values: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Schema:
    """Relations by name, attributes by category. The category ``"*"`` holds what every category has."""

    relations: Mapping[str, Relation]
    attributes: Mapping[str, tuple[Attribute, ...]] = field(default_factory=dict)

    def attributes_of(self, category: str | None) -> tuple[Attribute, ...]:
        """The attributes of every category, then those of this one."""
        own = self.attributes.get(category, ()) if category is not None else ()
        return (*self.attributes.get("*", ()), *own)

    def check(self, relation: str, head_type: str, tail_type: str) -> None:
        """Raises SchemaError unless the relation exists and connects these types."""
        known = self.relations.get(relation)
        if known is None:
            names = ", ".join(sorted(self.relations))
            raise SchemaError(f"relation {relation!r} is not in the schema; it knows {names}")
        if head_type not in known.heads or tail_type not in known.tails:
            expected = f"{'|'.join(known.heads)} to {'|'.join(known.tails)}"
            raise SchemaError(f"{relation} connects {expected}, not {head_type} to {tail_type}")

    @classmethod
    def read(cls, path: Path) -> "Schema":
        """A schema file: JSON ``{"attributes": {category: [{"name", "definition", "unit", "values", "examples"}]}}``.

        Relations are those of ``SHOP``. Raises SchemaError that names the line or the field.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise SchemaError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
        attributes = raw.get("attributes") if isinstance(raw, dict) else None
        if not isinstance(attributes, dict):
            raise SchemaError(f"{path}: expected an object with the field 'attributes', an object of lists by category")
        read = {c: tuple(_attribute(path, c, i, a) for i, a in enumerate(rows)) for c, rows in attributes.items()}
        return cls(SHOP.relations, read)


def _attribute(path: Path, category: str, index: int, raw: object) -> Attribute:
    where = f"{path}: attributes[{category!r}][{index}]"
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str) or not raw["name"].strip():
        raise SchemaError(f"{where}: expected an object with a non-empty string 'name'")
    unknown = sorted(set(raw) - {"name", "definition", "unit", "values", "examples"})
    if unknown:
        raise SchemaError(f"{where}: unknown field {unknown[0]!r}")
    return Attribute(
        name=raw["name"],
        definition=str(raw.get("definition", "")),
        unit=raw.get("unit"),
        values=tuple(map(str, raw.get("values", ()))),
        examples=tuple(map(str, raw.get("examples", ()))),
    )


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
