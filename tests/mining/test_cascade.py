"""Several extractors over one stream: order, merging, who is asked, and that nothing is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from kg.types import Document, Entity, Evidence, Fact
from mining.errors import MiningError
from mining.extraction.cascade import Cascade, Stage, merge, products, products_without_facts
from mining.types import Extraction, SetAside


def several(count: int) -> list[Document]:
    texts = [f"Cup {number}\nFor tea and for soup {number}." for number in range(count)]
    return [Document(f"doc:{number}", f"product:{number}", "product", text) for number, text in enumerate(texts)]


class Says:
    """An extractor that finds the words it was given, a known answer for the cascade."""

    def __init__(self, method: str, words: dict[str, str]) -> None:
        self.method, self.words, self.asked = method, words, [""]

    def extract(self, documents: Any) -> Iterator[Extraction]:
        for about in documents:
            self.asked.append(about.id)
            word = self.words.get(about.id)
            aside = (SetAside(about.id, self.method, "", "", "nothing"),)
            if word is None:
                yield Extraction(about.id, set_aside=aside)
                continue
            start = about.text.index(word)
            found = Extraction(about.id, *_stated(about, word, start, self.method))
            yield found


def _stated(about: Document, word: str, start: int, method: str) -> tuple[Any, Any]:
    evidence = Evidence(about.id, method, 0.5, quote=word, start=start, end=start + len(word))
    return (Entity(f"use:{word}", "Use", word),), (Fact(about.about, "USED_FOR", f"use:{word}", (evidence,)),)


def test_a_dear_extractor_is_asked_only_where_the_cheap_one_found_nothing() -> None:
    texts = several(6)
    cheap = Says("cheap", {"doc:1": "tea", "doc:4": "soup"})
    dear = Says("dear", {document.id: "tea" for document in texts})
    found = list(Cascade([Stage(cheap), Stage(dear, products_without_facts)]).extract(iter(texts)))
    assert [extraction.document_id for extraction in found] == [document.id for document in texts]
    assert dear.asked[1:] == ["doc:0", "doc:2", "doc:3", "doc:5"]
    methods = [[e.method for f in extraction.facts for e in f.evidence] for extraction in found]
    assert methods == [["dear"], ["cheap"], ["dear"], ["dear"], ["cheap"], ["dear"]]
    assert [aside.reason for aside in found[0].set_aside] == ["nothing"]


def test_evidence_of_one_fact_is_united() -> None:
    (found,) = Cascade([Stage(Says("a", {"doc:0": "tea"})), Stage(Says("b", {"doc:0": "tea"}))]).extract(several(1))
    (fact,) = found.facts
    assert [evidence.method for evidence in fact.evidence] == ["a", "b"]
    assert len(found.entities) == 1
    assert merge(found, found) == found


def test_a_cascade_yields_each_document_as_soon_as_it_is_read() -> None:
    pulled: list[str] = []

    def stream() -> Iterator[Document]:
        for about in several(5):
            pulled.append(about.id)
            yield about

    dear = Says("dear", {})
    results = Cascade([Stage(Says("cheap", {})), Stage(dear, products)]).extract(stream())
    next(results)
    assert dear.asked[1:] == ["doc:0"]
    assert sum(1 for _ in results) == 4


def test_a_cascade_of_nothing_and_one_wanted_nowhere_still_answer_for_every_document() -> None:
    assert [e.document_id for e in Cascade([]).extract(several(3))] == ["doc:0", "doc:1", "doc:2"]
    nowhere = Stage(Says("dear", {}), lambda document, so_far: False)
    assert [e.document_id for e in Cascade([nowhere]).extract(several(600))] == [f"doc:{n}" for n in range(600)]


def test_an_extractor_that_loses_documents_is_named() -> None:
    class Loses(Says):
        def extract(self, documents: Any) -> Iterator[Extraction]:
            yield from list(super().extract(documents))[1:]

    with pytest.raises(MiningError, match="'lossy'"):
        list(Cascade([Stage(Loses("lossy", {}))]).extract(several(3)))
