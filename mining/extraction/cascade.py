"""Who is asked about which document: cheap readers about all of them, a dear one only where they left a doubt."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from kg.types import Document, Entity, Fact, Triple, merge_evidence
from mining.types import Extraction, Extractor

Wanted: TypeAlias = Callable[[Document, Extraction], bool]
"""Whether a reader is asked about a document, by what the readers before it have found there."""

UNSURE = "unsure"  # the reason of what a reader thought it saw and would not write


def everywhere(document: Document, so_far: Extraction) -> bool:
    """Wanted for every document."""
    return True


def doubtful(document: Document, so_far: Extraction) -> bool:
    """Wanted for product texts in which nothing was found, or something that no reader is sure of."""
    return document.kind == "product" and (
        not so_far.facts or any(aside.reason.partition(":")[0] == UNSURE for aside in so_far.set_aside)
    )


@dataclass(frozen=True, slots=True)
class Routed:
    """A reader and where it is wanted, which whoever runs several of them asks. Implements mining.types.Extractor."""

    extractor: Extractor
    wanted: Wanted = everywhere
    quorum: Mapping[str, int] = field(init=False)
    version: str | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quorum", getattr(self.extractor, "quorum", {}))
        object.__setattr__(self, "version", getattr(self.extractor, "version", None))

    @property
    def method(self) -> str:
        return self.extractor.method

    @property
    def report(self) -> Any:
        """The reader's own report, where it keeps one."""
        return getattr(self.extractor, "report", None)

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        return self.extractor.extract(documents)


def merge(one: Extraction, other: Extraction) -> Extraction:
    """Both extractions of one document: facts by triple with their evidence united, entities by id, first name kept."""
    if not other.facts and not other.set_aside:
        return one
    entities: dict[str, Entity] = {entity.id: entity for entity in (*other.entities, *one.entities)}
    facts: dict[Triple, Fact] = {fact.triple: fact for fact in one.facts}
    for fact in other.facts:
        held = facts.get(fact.triple)
        evidence = merge_evidence(held.evidence, fact.evidence) if held else fact.evidence
        facts[fact.triple] = replace(fact, evidence=evidence)
    return Extraction(
        one.document_id,
        tuple(entities[key] for key in sorted(entities)),
        tuple(facts[key] for key in sorted(facts)),
        one.set_aside + other.set_aside,
    )
