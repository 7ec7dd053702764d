"""Several extractors over one stream of documents: cheap ones first, dear ones only where they are wanted."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from kg.types import Document, Entity, Fact, Triple, merge_evidence
from mining.errors import MiningError
from mining.types import Extraction, Extractor

Wanted: TypeAlias = Callable[[Document, Extraction], bool]
_Step: TypeAlias = tuple[Document, Extraction]

CHUNK = 256  # documents under way: bounds the memory where a dear extractor is wanted nowhere


def everywhere(document: Document, so_far: Extraction) -> bool:
    """Wanted for every document."""
    return True


def products(document: Document, so_far: Extraction) -> bool:
    """Wanted for product texts, whatever was found in them."""
    return document.kind == "product"


def products_without_facts(document: Document, so_far: Extraction) -> bool:
    """Wanted for product texts in which no extractor before has found a fact."""
    return document.kind == "product" and not so_far.facts


@dataclass(frozen=True, slots=True)
class Stage:
    """One extractor and where it is wanted, judged by what the stages before have found."""

    extractor: Extractor
    wanted: Wanted = everywhere


class Cascade:
    """Runs its stages over documents and yields one merged extraction a document, in order, as soon as it is there."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = tuple(stages)

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        stream = iter(documents)
        while chunk := list(islice(stream, CHUNK)):
            steps: Iterator[_Step] = ((document, Extraction(document.id)) for document in chunk)
            for stage in self._stages:
                steps = _run(stage, steps)
            for _, extraction in steps:
                yield extraction


def _run(stage: Stage, steps: Iterator[_Step]) -> Iterator[_Step]:
    """One stage, lazily: the extractor pulls the documents it is wanted for, the others wait in line beside them."""
    line: deque[tuple[Document, Extraction, bool]] = deque()

    def pulled() -> Iterator[Document]:
        for document, so_far in steps:
            line.append((document, so_far, stage.wanted(document, so_far)))
            if line[-1][2]:
                yield document

    for extraction in stage.extractor.extract(pulled()):
        while line and not line[0][2]:
            yield line[0][:2]
            line.popleft()
        if not line or line[0][0].id != extraction.document_id:
            raise MiningError(_disorder(stage.extractor, extraction.document_id))
        document, so_far, _ = line.popleft()
        yield document, merge(so_far, extraction)
    for document, so_far, wanted in line:
        if wanted:
            raise MiningError(_disorder(stage.extractor, document.id))
        yield document, so_far


def _disorder(extractor: Extractor, document_id: str) -> str:
    return (
        f"extractor {extractor.method!r} must give one extraction a document, in order; it did not for {document_id!r}"
    )


def merge(one: Extraction, other: Extraction) -> Extraction:
    """Both extractions of one document: facts by triple with their evidence united, entities by id, first name kept."""
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
