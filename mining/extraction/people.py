"""What people accepted or put right, as facts of their own: whatever the machines read, a person's word stands."""

from collections.abc import Iterable, Iterator

from kg import ids
from kg.schema import SHOP, Schema
from kg.types import Document, Entity, Evidence, Fact
from mining.catalog import STATED, category_of
from mining.decisions import Decision, DecisionLog
from mining.grounding import ground
from mining.language import chinese_share
from mining.normal_values import in_form, value_entity
from mining.types import Extraction, SetAside

METHOD = "people"
CHANGED = "no longer in the text"


class PeopleExtractor:
    """Implements mining.types.Extractor over a log of decisions, which is read anew for each document.

    It has no ``version``, so that a decision holds from the next run on. What people rejected is kept out of the graph
    by whoever runs the other extractors.
    """

    method = METHOD

    def __init__(self, decisions: DecisionLog, schema: Schema = SHOP) -> None:
        self._decisions, self._schema = decisions, schema

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        for document in documents:
            facts: dict[tuple[str, str], Fact] = {}
            entities: dict[str, Entity] = {}
            aside: list[SetAside] = []
            for decision in self._decisions.holding(document.id):
                place = _place(decision, document) if decision.right else None
                if place is not None:
                    entity = self._tail(decision, document, document.text[slice(*place)])
                    entities[entity.id] = entity
                    facts[decision.relation, entity.id] = _fact(decision, document, entity, place)
                elif decision.right:
                    aside.append(SetAside(document.id, METHOD, decision.relation, decision.right[:200], CHANGED))
            yield Extraction(document.id, tuple(entities.values()), tuple(facts.values()), tuple(aside))

    def _tail(self, decision: Decision, document: Document, quote: str) -> Entity:
        if decision.attribute is not None:
            category = category_of(document)
            attribute = self._schema.attribute(category, decision.attribute)
            return value_entity(category, decision.attribute, quote, in_form(attribute, quote) if attribute else None)
        kind = self._schema.relations[decision.relation].tails[-1]
        lang = "zh" if chinese_share(quote) > 0 else None
        return Entity(ids.named(kind, quote), kind, " ".join(quote.split()), lang=lang)


def _place(decision: Decision, document: Document) -> tuple[int, int] | None:
    """Where the right words stand: where they were judged, else where they stand now, letter by letter."""
    if decision.right == decision.quote and document.text[decision.start : decision.end] == decision.quote:
        return decision.start, decision.end
    found = ground(decision.right, document.text)
    return (found.start, found.end) if found is not None and found.how == "exact" else None


def _fact(decision: Decision, document: Document, entity: Entity, place: tuple[int, int]) -> Fact:
    start, end = place
    evidence = Evidence(
        document.id, METHOD, STATED, at=document.at, field=document.field_at(start),
        quote=document.text[start:end], start=start, end=end,
    )  # fmt: skip
    return Fact(document.about, decision.relation, entity.id, (evidence,))
