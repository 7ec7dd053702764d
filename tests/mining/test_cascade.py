"""Who is asked about which document, and what several readers say of one together."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact
from mining.extraction.cascade import Routed, doubtful, merge
from mining.progress import Silent
from mining.text_facts import TextMining
from mining.types import Extraction, SetAside


def several(count: int) -> list[Document]:
    texts = [f"Cup {number}\nFor tea and for soup {number}." for number in range(count)]
    return [Document(f"doc:{number}", f"product:{number}", "product", text) for number, text in enumerate(texts)]


class Says:
    """An extractor that finds the words it was given: a known answer."""

    version = "1"

    def __init__(self, method: str, words: dict[str, str], unsure: Iterable[str] = ()) -> None:
        self.method, self.words, self.unsure, self.asked = method, words, set(unsure), list[str]()

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        for document in documents:
            self.asked.append(document.id)
            aside = (SetAside(document.id, self.method, "USED_FOR", "tea", "unsure"),)
            yield _stated(document, self.words.get(document.id), self.method, aside * (document.id in self.unsure))


def _stated(document: Document, word: str | None, method: str, aside: tuple[SetAside, ...]) -> Extraction:
    if word is None:
        return Extraction(document.id, set_aside=aside)
    start = document.text.index(word)
    evidence = Evidence(document.id, method, 0.5, quote=word, start=start, end=start + len(word))
    fact = Fact(document.about, "USED_FOR", f"use:{word}", (evidence,))
    return Extraction(document.id, (Entity(f"use:{word}", "Use", word),), (fact,), aside)


def mined(store: MemoryStore, folder: Path, *extractors: Says | Routed) -> TextMining:
    mining = TextMining(store, extractors, run_dir=folder, run=None)
    mining.run(until=None, allow_undated=True, progress=Silent())
    return mining


def shop(documents: list[Document]) -> MemoryStore:
    store = MemoryStore()
    store.put([Entity(document.about, "Product", document.id) for document in documents], documents=documents)
    return store


def test_a_dear_reader_is_asked_only_where_cheap_ones_left_a_doubt(tmp_path: Path) -> None:
    texts = several(6)
    cheap = Says("cheap", {"doc:1": "tea", "doc:4": "soup", "doc:5": "tea"}, unsure=["doc:5"])
    dear = Says("dear", {document.id: "tea" for document in texts})
    store = shop(texts)
    report = mined(store, tmp_path, cheap, Routed(dear, doubtful)).report
    assert dear.asked == ["doc:0", "doc:2", "doc:3", "doc:5"]
    assert report.extractors["dear"].not_asked == 2
    methods = {fact.head: sorted(e.method for e in fact.evidence) for fact in store.facts(relation="USED_FOR")}
    assert methods["product:1"] == ["cheap"]
    assert methods["product:5"] == ["cheap", "dear"]
    assert methods["product:0"] == ["dear"]


def test_what_the_dear_reader_said_goes_when_it_is_no_longer_wanted(tmp_path: Path) -> None:
    texts = several(2)
    store, dear = shop(texts), Says("dear", {"doc:0": "tea", "doc:1": "tea"})
    mined(store, tmp_path, Says("cheap", {}), Routed(dear, doubtful))
    sure = Says("cheap", {"doc:0": "soup"})
    sure.version = "2"
    mined(store, tmp_path, sure, Routed(dear, doubtful))
    grown = {(fact.triple, fact.evidence) for fact in store.facts(relation="USED_FOR")}
    fresh = shop(texts)
    mined(fresh, tmp_path / "fresh", sure, Routed(dear, doubtful))
    assert grown == {(fact.triple, fact.evidence) for fact in fresh.facts(relation="USED_FOR")}


def test_evidence_of_one_fact_is_united() -> None:
    (document,) = several(1)
    one, other = (_stated(document, "tea", method, ()) for method in ("a", "b"))
    found = merge(one, other)
    assert [evidence.method for fact in found.facts for evidence in fact.evidence] == ["a", "b"]
    assert len(found.entities) == 1
    assert merge(found, found) == found
