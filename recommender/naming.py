"""Which products a Thing means: the way from "made for the Velkin K5" to the camera in the catalogue, taken with care.

A Thing names a product where its normal form equals the product's name, an alias, its model or part number, or where
its words stand together in the product's name. The second way is trusted only for names that tell products apart: two
words, a word that mixes letters and digits (``V7``), or four Han characters (two of them weigh as a word). A plural s
is no difference. A Thing that names more than ``MOST_NAMED`` products is a kind of product, not a product, and products
that are themselves made for the Thing are its fellow accessories, not what it names: both stay connected through the
Thing alone.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kg import ids
from kg.errors import UnknownEntity
from kg.store import GraphReader
from kg.types import Entity

MOST_NAMED = 8
_WORDS = re.compile(r"[㐀-鿿]|[^\W_㐀-鿿]+")


@dataclass(frozen=True, slots=True)
class Naming:
    """The names of one product: its title and aliases, and the codes that are its alone."""

    names: tuple[str, ...]
    codes: tuple[str, ...] = ()


def words(surface: str) -> tuple[str, ...]:
    """The normal form in words; a Han character is a word; a plural s is cut from words of four letters or more."""
    found = _WORDS.findall(ids.normal_form(surface))
    return tuple(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in found)


def tells_apart(name: Sequence[str]) -> bool:
    """Whether these words, standing in a title, can be trusted to name one product rather than a kind of product."""
    han = sum("㐀" <= word <= "鿿" for word in name)
    mixed = any(any(c.isdigit() for c in w) and any(c.isalpha() for c in w) for w in name)
    return mixed or 2 * (len(name) - han) + han >= 4


def is_named_by(naming: Naming, surface: str) -> bool:
    """Whether this surface of a Thing means this product, were it the only product."""
    wanted = words(surface)
    if not wanted:
        return False
    if any(words(name) == wanted for name in (*naming.names, *naming.codes)):
        return True
    return tells_apart(wanted) and any(_stands_in(wanted, words(name)) for name in naming.names)


def _stands_in(wanted: Sequence[str], name: Sequence[str]) -> bool:
    return any(tuple(name[i : i + len(wanted)]) == tuple(wanted) for i in range(len(name) - len(wanted) + 1))


def naming_of(reader: GraphReader, product: Entity) -> Naming:
    """What a product is called: its names, and as codes its part number and the values of its attribute ``model``."""
    codes = [str(product.properties["mpn"])] if "mpn" in product.properties else []
    for fact in reader.facts(head=product.id, relation="HAS_ATTRIBUTE"):
        try:
            value = reader.entity(fact.tail)
        except UnknownEntity:  # taken back since the fact was read
            continue
        if value.properties.get("attribute") == "model":
            codes.append(value.name)
    return Naming((product.name, *product.aliases), tuple(codes))


def resolve(things: Mapping[str, Iterable[str]], products: Mapping[str, Naming]) -> dict[str, tuple[str, ...]]:
    """Thing id → the ids of the products it names, sorted; Things that name none or too many are left out.

    ``things`` gives the surfaces of each Thing, ``products`` the names of each product.
    """
    by_word: defaultdict[str, set[str]] = defaultdict(set)
    for product, naming in products.items():
        for name in (*naming.names, *naming.codes):
            for word in words(name):
                by_word[word].add(product)
    found = {}
    for thing, surfaces in things.items():
        matches: set[str] = set()
        for surface in surfaces:
            near = [by_word.get(word, set()) for word in words(surface)]
            candidates = set.intersection(*near) if near else set()
            matches |= {product for product in candidates if is_named_by(products[product], surface)}
        if 0 < len(matches) <= MOST_NAMED:
            found[thing] = tuple(sorted(matches))
    return found
