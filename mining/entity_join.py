"""One entity out of several descriptions of it, whatever their order: the reason why batches leave no trace.

``joined`` is commutative, associative and idempotent. Every surface is kept, one as the name, the others as aliases.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from kg.store import GraphReader
from kg.types import Document, Entity, Scalar


def joined(a: Entity, b: Entity) -> Entity:
    """Both descriptions of one id. A mixed-case surface names it before one in capitals or lower case, then order.

    Raises ValueError where the ids differ; a differing type is the store's to refuse.
    """
    if a.id != b.id:
        raise ValueError(f"cannot join {a.id!r} with {b.id!r}")
    if a == b:
        return a
    surfaces = sorted({a.name, *a.aliases, b.name, *b.aliases}, key=_plainness)
    languages = sorted(lang for lang in (a.lang, b.lang) if lang is not None)
    properties = dict(a.properties)
    for name, value in b.properties.items():
        properties[name] = min(properties.get(name, value), value, key=_rank)
    return Entity(
        a.id,
        min(a.type, b.type),
        surfaces[0],
        tuple(sorted(surfaces[1:])),
        languages[0] if languages else None,
        dict(sorted(properties.items())),
    )


def _plainness(surface: str) -> tuple[int, str]:
    """``Apple`` before ``apple`` before ``APPLE``: how a shop would print it."""
    if surface.isupper():
        return (2, surface)
    return (1 if surface.islower() else 0, surface)


def _rank(value: Scalar) -> tuple[str, str]:
    return (type(value).__name__, repr(value))


class Known:
    """What a store already holds, read once, so that a stage asks it nothing row by row.

    Memory: 32 bytes a document and a product, the other entities whole.
    """

    def __init__(self, reader: GraphReader) -> None:
        self.entities: dict[str, Entity] = {}
        self.products: dict[str, bytes] = {}
        for entity in reader.entities():
            if entity.type == "Product":
                self.products[entity.id] = _digest(entity)
            else:
                self.entities[entity.id] = entity
        self.documents = {d.id: (_digest(d), _digest(d.text, d.about)) for d in reader.documents()}

    def join(self, entities: Iterable[Entity]) -> dict[str, Entity]:
        """The entities as they are to be put, joined with what is known; a product is its last description."""
        fresh: dict[str, Entity] = {}
        for entity in entities:
            if entity.type == "Product":
                self.products[entity.id] = _digest(entity)
                fresh[entity.id] = entity
            else:
                known = self.entities.get(entity.id)
                fresh[entity.id] = self.entities[entity.id] = entity if known is None else joined(known, entity)
        return fresh

    def has(self, document: Document, product: Entity | None = None) -> bool:
        """Whether the document, and the product with it, are stored just so."""
        same = self.documents.get(document.id, (b"",))[0] == _digest(document)
        return same and (product is None or self.products.get(product.id) == _digest(product))

    def rewritten(self, document: Document) -> bool:
        """Whether the document is stored with another text or for another product: its old quotes no longer hold."""
        known = self.documents.get(document.id)
        return known is not None and known[1] != _digest(document.text, document.about)

    def add(self, document: Document) -> None:
        self.documents[document.id] = (_digest(document), _digest(document.text, document.about))


def _digest(*values: object) -> bytes:
    parts = [_stable(value) for value in values]
    return blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _stable(value: object) -> str:
    if isinstance(value, Entity):
        properties: Mapping[str, Scalar] = dict(sorted(value.properties.items()))
        return repr((value.id, value.type, value.name, value.aliases, value.lang, properties))
    return repr(value)
