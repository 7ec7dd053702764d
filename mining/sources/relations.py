"""Product-to-product rows that the shop brings, in two layouts: one relation a row, or lists beside each product."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from kg.schema import SHOP
from mining.sources.columns import squash
from mining.sources.reading import Fields, Request, read_typed
from mining.sources.rows import OnReject, ReadReport
from mining.sources.shop import file_of
from mining.sources.text import is_missing, plain_text, structured
from mining.sources.values import BadRow, id_of
from mining.types import CatalogRelation

# The shop's words → relations of the schema. "buy_after_viewing" is left out on purpose: its tail is bought instead of
# the head as often as after it.
LABELS: Mapping[str, str] = {
    "also_bought": "BOUGHT_WITH",
    "also_buy": "BOUGHT_WITH",
    "bought_together": "BOUGHT_WITH",
    "bought_with": "BOUGHT_WITH",
    "also_viewed": "VIEWED_WITH",
    "also_view": "VIEWED_WITH",
    "viewed_with": "VIEWED_WITH",
    "substitute": "SUBSTITUTE_FOR",
    "complement": "COMPLEMENTS",
    "accessory": "ACCESSORY_OF",
    "compatible": "COMPATIBLE_WITH",
}
_PRODUCT_RELATIONS = {r.name for r in SHOP.relations.values() if "Product" in r.heads and "Product" in r.tails} - {
    "SAME_AS"  # resolution decides that, with a reason
}
_KNOWN = {squash(label): relation for label, relation in LABELS.items()} | {squash(r): r for r in _PRODUCT_RELATIONS}
_WIDE = frozenset(
    map(squash, ("related", "also_bought", "also_buy", "also_viewed", "also_view", "bought_together"))
) | {"buyafterviewing"}


def read_relations(
    path: Path | str,
    *,
    on_reject: OnReject,
    columns: Mapping[str, str] | None = None,
    preset: str | None = None,
    encoding: str | None = None,
    report: ReadReport | None = None,
    labels: Mapping[str, str] | None = None,
) -> Iterator[CatalogRelation]:
    """The relations of a file, or of a shop folder, in file order.

    ``labels`` maps further words of the shop to relations of the schema (``{"0": "VIEWED_WITH"}``) and comes first;
    a word that nobody knows sets its row aside as ``unknown relation``. Amazon's metadata files are read too: their
    lists (``also_buy``, ``related``) give one relation an id. Raises SourceError, ColumnError.
    """
    request = Request(
        file_of(Path(path), "relations"),
        "relations",
        on_reject,
        columns,
        preset,
        encoding,
        ReadReport() if report is None else report,
    )
    known = {label: relation_of(relation, {}) for label, relation in (labels or {}).items()}

    def make(fields: Fields) -> Iterator[CatalogRelation] | tuple[CatalogRelation]:
        return (_long(fields, known),) if fields.has("tail") and fields.has("relation") else _wide(fields, known)

    return read_typed(request, make, lambda seen: ("relation", "tail") if _wide_columns(seen) else ())


def relation_of(label: str, labels: Mapping[str, str]) -> str:
    """The relation of the schema that a shop's word means. Raises BadRow ``unknown relation``."""
    relation = labels.get(label) or _KNOWN.get(squash(label)) or _KNOWN.get(squash(label).removesuffix("s"))
    if relation is None:
        raise BadRow(f"unknown relation: {label[:60]!r} (map it to one of {', '.join(sorted(_PRODUCT_RELATIONS))})")
    return relation


def _long(fields: Fields, labels: Mapping[str, str]) -> CatalogRelation:
    head, tail = id_of(fields.get("head"), "head"), id_of(fields.get("tail"), "tail")
    label = id_of(fields.get("relation"), "relation")
    return CatalogRelation(head, relation_of(label, labels), tail, label, _counts(fields))


def _counts(fields: Fields) -> dict[str, float]:
    count = fields.number("count") if fields.has("count") else None
    return {} if count is None else {"support": count}


def _wide_columns(seen: list[str]) -> list[str]:
    return [name for name in seen if squash(name) in _WIDE]


def _wide(fields: Fields, labels: Mapping[str, str]) -> Iterator[CatalogRelation]:
    head = id_of(fields.get("head"), "head")
    for column in _wide_columns(list(fields.values)):
        cell = structured(fields.values[column])
        lists = cell if isinstance(cell, Mapping) else {column: cell}
        for label, tails in lists.items():
            yield from _listed(fields, labels, head, str(label), tails)


def _listed(
    fields: Fields, labels: Mapping[str, str], head: str, label: str, tails: object
) -> Iterator[CatalogRelation]:
    tails = structured(tails)
    if isinstance(tails, str) and not is_missing(tails):
        tails = [part for part in plain_text(tails).replace(";", ",").replace("|", ",").split(",") if part.strip()]
    if not isinstance(tails, list | tuple):
        return
    for tail in tails:
        try:
            yield CatalogRelation(head, relation_of(label, labels), id_of(tail, "tail"), label)
        except BadRow as error:
            fields.note(f"{str(error).partition(':')[0]}: {label[:60]}, left out" if label else str(error))
