"""The laws of a graph store, held against every store there is."""

import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

import kg.stores
from kg.errors import EvidenceError, SchemaError, UnknownDocument, UnknownEntity
from kg.store import GraphStore
from kg.types import Counts, Document, Entity, Evidence, Fact, FieldSpan

# Modules of kg/stores that are no store.
PARTS_OF_STORES = {"opening", "sqlite_file", "sqlite_rows", "cypher", "neo4j_reading", "neo4j_rows", "neo4j_writing"}

TEXT = "Acme kettle 🫖 1.7 L\n不锈钢水壶, for tea"
MOUSE, KETTLE, CUP = "product:mouse", "product:kettle", "product:cup"
ENTITIES = (
    Entity(MOUSE, "Product", "Mouse M-1", ("鼠标",), "en", {"price": 9.5, "stock": 3, "new": True, "sku": "m\u00a01"}),
    Entity(KETTLE, "Product", "Kettle 🫖 K-2"),
    Entity(CUP, "Product", "Tea cup"),
    Entity("brand:acme", "Brand", "Acme"),
    Entity("use:tea", "Use", "tea", ("茶",)),
)
DOCUMENT = Document("doc:kettle", KETTLE, "product", TEXT, 100, (FieldSpan("title", 0, 19),))
REVIEW = Document("review:1", KETTLE, "review", "Boils fast. Ace!")


def quoted(relation: str, tail: str, quote: str, at: int | None = 100, confidence: float = 0.9) -> Fact:
    start = TEXT.index(quote)
    found = Evidence(DOCUMENT.id, "rules", confidence, at, None, "title", quote, start, start + len(quote))
    return Fact(KETTLE, relation, tail, (found,))


def mined(
    head: str, tail: str, at: int | None = 50, *, relation: str = "BOUGHT_WITH", source: str = "events", c: float = 0.5
) -> Fact:
    return Fact(head, relation, tail, (Evidence(source, "cooccurrence", c, at, counts={"support": 3, "lift": 1.5}),))


FACTS = (
    quoted("MADE_BY", "brand:acme", "Acme"),
    quoted("USED_FOR", "use:tea", "tea"),
    mined(CUP, KETTLE),
    mined(CUP, MOUSE, None, relation="VIEWED_WITH"),
)


def everything(store: GraphStore) -> tuple[list[Entity], list[Document], list[Fact]]:
    return list(store.entities()), list(store.documents()), list(store.facts())


@pytest.fixture
def shop(store: GraphStore) -> GraphStore:
    store.put(ENTITIES, FACTS, (DOCUMENT, REVIEW))
    return store


def triples(facts: Iterable[Fact]) -> list[tuple[str, str, str]]:
    return [fact.triple for fact in facts]


def test_every_store_module_is_held_against_these_laws(store_names: frozenset[str]) -> None:
    modules = {path.stem for path in Path(kg.stores.__file__).parent.glob("*.py")} - {"__init__"}
    assert modules - PARTS_OF_STORES - store_names == set()


def test_what_is_put_is_read_back(shop: GraphStore) -> None:
    assert isinstance(shop, GraphStore)
    assert everything(shop) == (
        sorted(ENTITIES, key=lambda e: e.id),
        [DOCUMENT, REVIEW],
        sorted(FACTS, key=lambda f: f.triple),
    )
    assert shop.entity(MOUSE).properties == {"price": 9.5, "stock": 3, "new": True, "sku": "m\u00a01"}
    assert [type(v) for _, v in sorted(shop.entity(MOUSE).properties.items())] == [bool, float, str, int]
    assert shop.document(DOCUMENT.id).text == TEXT
    assert list(shop.entities(type="Brand")) == [ENTITIES[3]]
    assert list(shop.documents(about=KETTLE)) == [DOCUMENT, REVIEW]
    assert list(shop.documents(about=CUP)) == []


def test_counts_tell_what_changed(store: GraphStore) -> None:
    assert store.version == 0
    assert store.put(ENTITIES, FACTS, (DOCUMENT, REVIEW)) == Counts(5, 4, 2, 4)
    assert store.version == 1
    assert store.put(ENTITIES, FACTS, (DOCUMENT, REVIEW)) == Counts()
    assert store.version == 1
    assert store.put([replace(ENTITIES[0], name="Mouse M-2")]) == Counts(entities=1)
    assert store.version == 2
    assert store.put() == Counts()
    assert store.retract("nobody") == Counts()
    assert store.version == 2


@pytest.mark.parametrize("seed", range(3))
def test_insertion_order_does_not_matter(new_store: Callable[[], GraphStore], seed: int) -> None:
    facts = [*FACTS, mined(CUP, KETTLE, 70, c=0.7), mined(CUP, KETTLE, source="other"), mined(CUP, KETTLE, 60, c=0.7)]
    at_once, rng = new_store(), random.Random(seed)
    at_once.put(ENTITIES, facts, (DOCUMENT, REVIEW))
    expected = everything(at_once)
    bit_by_bit = new_store()  # a server with one database has one store at a time
    bit_by_bit.put(rng.sample(ENTITIES, len(ENTITIES)), documents=(REVIEW, DOCUMENT))
    for fact in rng.sample(facts, len(facts)):
        bit_by_bit.put(facts=[fact])
    assert everything(bit_by_bit) == expected


def test_a_fact_in_one_put_may_rest_on_what_the_store_has(store: GraphStore) -> None:
    store.put(ENTITIES, documents=[DOCUMENT])
    assert store.put(facts=iter(FACTS)) == Counts(facts=4, evidence=4)


def test_evidence_accumulates_and_the_surer_one_stays(shop: GraphStore) -> None:
    assert shop.put(facts=[mined(CUP, KETTLE, source="other", c=0.6)]) == Counts(evidence=1)
    (fact,) = shop.facts(head=CUP, tail=KETTLE)
    assert [e.source for e in fact.evidence] == ["events", "other"]
    assert fact.confidence == pytest.approx(1 - 0.5 * 0.4)
    assert shop.put(facts=[mined(CUP, KETTLE, c=0.2)]) == Counts()
    assert shop.put(facts=[mined(CUP, KETTLE, c=0.8)]) == Counts(evidence=1)
    (fact,) = shop.facts(head=CUP, tail=KETTLE)
    assert [e.confidence for e in fact.evidence] == [0.8, 0.6]


def test_the_run_that_found_it_first_is_kept_and_changes_nothing(store: GraphStore) -> None:
    def found_by(run: str) -> Fact:
        fact = mined(CUP, KETTLE)
        return replace(fact, evidence=(replace(fact.evidence[0], run=run),))

    store.put(ENTITIES, [found_by("first")])
    assert store.put(facts=[found_by("second")]) == Counts()
    (fact,) = store.facts()
    assert fact.evidence[0].run == "first"


def test_retract_of_a_fresh_source_restores_the_store(shop: GraphStore) -> None:
    before = everything(shop)
    new = Document("doc:grinder", "product:grinder", "product", "Grinder by Acme")
    found = (Evidence(new.id, "rules", 1.0, quote="Acme", start=11, end=15),)
    facts = [
        Fact(new.about, "MADE_BY", "brand:acme", found),
        Fact(KETTLE, "MADE_BY", "brand:acme", (Evidence(new.id, "guess", 0.1),)),
        Fact(new.about, "USED_FOR", "use:grinding", (Evidence(new.id, "guess", 0.2),)),
    ]
    entities = [Entity(new.about, "Product", "Grinder"), Entity("use:grinding", "Use", "grinding")]
    assert shop.put(entities, facts, [new]) == Counts(2, 2, 1, 3)
    assert shop.retract(new.id) == Counts(2, 2, 1, 3)
    assert everything(shop) == before
    assert shop.version == 3
    assert shop.search("grinding") == []


def test_retract_leaves_what_other_sources_say(shop: GraphStore) -> None:
    shop.put([Entity("use:camping", "Use", "camping")])  # mentioned by nobody, before and after
    assert shop.retract(DOCUMENT.id) == Counts(entities=2, facts=2, documents=1, evidence=2)
    assert [e.id for e in shop.entities()] == [CUP, KETTLE, MOUSE, "use:camping"]
    assert shop.retract("events") == Counts(entities=2, facts=2, evidence=2)
    assert [e.id for e in shop.entities()] == [KETTLE, "use:camping"]  # the review is still about the kettle
    with pytest.raises(UnknownEntity, match="product:cup"):
        shop.entity(CUP)


def test_an_entity_and_a_document_are_their_last_put(shop: GraphStore) -> None:
    renamed = Entity(MOUSE, "Product", "Trackball")
    assert shop.put([ENTITIES[0], renamed]) == Counts(entities=1)
    assert shop.entity(MOUSE) == renamed
    assert [e.id for e, _ in shop.search("trackball")] == [MOUSE]
    assert shop.search("鼠标") == []
    moved = replace(REVIEW, about=CUP, text="Good cup")
    assert shop.put(documents=[moved]) == Counts(documents=1)
    assert list(shop.documents(about=CUP)) == [moved]
    assert list(shop.documents(about=KETTLE)) == [DOCUMENT]


BAD_EVIDENCE = {
    "none": (),
    "another text": (Evidence(DOCUMENT.id, "rules", 1.0, quote="acme", start=0, end=4),),
    "off by one": (Evidence(DOCUMENT.id, "rules", 1.0, quote="Acme", start=1, end=5),),
    "negative start": (Evidence(DOCUMENT.id, "rules", 1.0, quote="te", start=-3, end=-1),),
    "past the end": (Evidence(DOCUMENT.id, "rules", 1.0, quote="tea", start=len(TEXT) - 3, end=len(TEXT) + 9),),
    "empty quote": (Evidence(DOCUMENT.id, "rules", 1.0, quote="", start=2, end=2),),
    "quote without a span": (Evidence(DOCUMENT.id, "rules", 1.0, quote="Acme"),),
    "span without a quote": (Evidence(DOCUMENT.id, "rules", 1.0, start=0, end=4),),
    "unknown document": (Evidence("doc:none", "rules", 1.0, quote="Acme", start=0, end=4),),
    "too sure": (Evidence("events", "cooccurrence", 1.01),),
    "not a number": (Evidence("events", "cooccurrence", float("nan")),),
    "infinite count": (Evidence("events", "cooccurrence", 0.5, counts={"lift": float("inf")}),),
    "no source": (Evidence("", "cooccurrence", 0.5),),
    "no method": (Evidence("events", "", 0.5),),
    "lone surrogate": (Evidence("events\ud800", "cooccurrence", 0.5),),
}


@pytest.mark.parametrize("evidence", BAD_EVIDENCE.values(), ids=BAD_EVIDENCE)
def test_bad_evidence_refuses_the_whole_put(store: GraphStore, evidence: tuple[Evidence, ...]) -> None:
    bad = Fact(KETTLE, "MADE_BY", "brand:acme", evidence)
    with pytest.raises(EvidenceError, match="MADE_BY"):
        store.put(ENTITIES, [*FACTS, bad], [DOCUMENT])
    assert everything(store) == ([], [], [])
    assert store.version == 0


def test_a_wrong_quote_is_told_with_what_is_there(store: GraphStore) -> None:
    evidence = (Evidence(DOCUMENT.id, "rules", 1.0, quote="Ajax", start=0, end=4),)
    with pytest.raises(EvidenceError, match=r"product:kettle.*MADE_BY.*'Ajax'.*'Acme'"):
        store.put(ENTITIES, [Fact(KETTLE, "MADE_BY", "brand:acme", evidence)], [DOCUMENT])


BAD_PUTS: dict[str, tuple[type[Exception], dict[str, list[object]]]] = {
    "unknown head": (UnknownEntity, {"facts": [mined("product:none", KETTLE)]}),
    "unknown tail": (UnknownEntity, {"facts": [mined(KETTLE, "product:none")]}),
    "document about nothing": (UnknownEntity, {"documents": [replace(REVIEW, about="product:none")]}),
    "unknown relation": (SchemaError, {"facts": [mined(CUP, KETTLE, relation="EATS")]}),
    "wrong types": (SchemaError, {"facts": [mined("brand:acme", KETTLE)]}),
    "empty id": (SchemaError, {"entities": [Entity("", "Product", "x")]}),
    "empty name": (SchemaError, {"entities": [Entity("product:x", "Product", " ")]}),
    "unknown type": (SchemaError, {"entities": [Entity("product:x", "Planet", "x")]}),
    "another type": (SchemaError, {"entities": [Entity(MOUSE, "Brand", "Mouse")]}),
    "list as property": (SchemaError, {"entities": [Entity("product:x", "Product", "x", properties={"a": [1]})]}),  # type: ignore[dict-item]
    "infinite property": (SchemaError, {"entities": [Entity("product:x", "Product", "x", properties={"a": 1e999})]}),
    "lone surrogate": (SchemaError, {"entities": [Entity("product:x", "Product", "x\udcff")]}),
    "unknown kind": (SchemaError, {"documents": [replace(REVIEW, kind="letter")]}),  # type: ignore[arg-type]
    "time between seconds": (SchemaError, {"facts": [mined(CUP, KETTLE, 1.5)]}),  # type: ignore[arg-type]
    "text under a quote": (EvidenceError, {"documents": [replace(DOCUMENT, text="Ajax kettle", fields=())]}),
}


@pytest.mark.parametrize(("error", "arguments"), BAD_PUTS.values(), ids=BAD_PUTS)
def test_a_bad_put_changes_nothing(
    shop: GraphStore, error: type[Exception], arguments: dict[str, list[object]]
) -> None:
    before, version = everything(shop), shop.version
    good = {"entities": [Entity("product:good", "Product", "Good")], "facts": [mined(CUP, KETTLE, source="new")]}
    with pytest.raises(error):
        shop.put(**{name: [*good.get(name, []), *arguments.get(name, [])] for name in (*good, *arguments)})  # type: ignore[arg-type]
    assert everything(shop) == before
    assert shop.version == version


def test_a_generator_that_fails_changes_nothing(store: GraphStore) -> None:
    def facts() -> Iterable[Fact]:
        yield mined(CUP, KETTLE)
        raise RuntimeError("the reader broke")

    with pytest.raises(RuntimeError, match="the reader broke"):
        store.put(ENTITIES, facts())
    assert everything(store) == ([], [], [])


def test_a_document_may_change_where_all_quotes_still_fit(shop: GraphStore) -> None:
    longer = replace(DOCUMENT, text=TEXT + " and coffee")
    assert shop.put(documents=[longer]) == Counts(documents=1)
    assert shop.document(DOCUMENT.id) == longer


def test_until_is_half_open_and_undated_evidence_needs_leave(shop: GraphStore) -> None:
    shop.put(facts=[mined(CUP, KETTLE, 100, source="later")])
    assert triples(shop.facts(until=50)) == []
    assert triples(shop.facts(until=51)) == [(CUP, "BOUGHT_WITH", KETTLE)]
    (fact,) = shop.facts(until=100)
    assert [e.source for e in fact.evidence] == ["events"]
    assert len(list(shop.facts(until=101))) == 3
    assert triples(shop.facts(until=50, allow_undated=True)) == [(CUP, "VIEWED_WITH", MOUSE)]
    assert len(list(shop.facts(until=101, allow_undated=True))) == len(list(shop.facts())) == 4
    assert list(shop.facts(head=KETTLE, until=100)) == []


def test_facts_are_found_by_every_part_in_order(shop: GraphStore) -> None:
    everyone = list(shop.facts())
    assert triples(everyone) == sorted(triples(everyone))
    for head in (None, CUP, KETTLE, "product:none"):
        for relation in (None, "MADE_BY", "BOUGHT_WITH", "NONE"):
            for tail in (None, KETTLE, "brand:acme", "product:none"):
                expected = [
                    f
                    for f in everyone
                    if head in (None, f.head) and relation in (None, f.relation) and tail in (None, f.tail)
                ]
                assert list(shop.facts(head=head, relation=relation, tail=tail)) == expected


def test_ids_are_ordered_by_code_point(store: GraphStore) -> None:
    ids = ["product:z", "product:A", "product:é", "product:\ufffd", "product:🫖", "product:水", "product:a b"]
    store.put([Entity(i, "Product", "x") for i in ids], [mined(i, ids[0]) for i in ids[1:]])
    assert [e.id for e in store.entities()] == sorted(ids)
    assert [f.head for f in store.facts()] == sorted(ids[1:])
    assert [e.id for e, _ in store.search("x")] == sorted(ids)


def test_paths_walk_both_ways_shortest_first(shop: GraphStore) -> None:
    assert [triples(p.facts) for p in shop.paths(MOUSE, "brand:acme")] == [
        [(CUP, "VIEWED_WITH", MOUSE), (CUP, "BOUGHT_WITH", KETTLE), (KETTLE, "MADE_BY", "brand:acme")]
    ]
    shop.put(facts=[mined(KETTLE, MOUSE, c=0.1), mined(KETTLE, MOUSE, c=0.9, relation="VIEWED_WITH")])
    found = [triples(p.facts) for p in shop.paths(MOUSE, "brand:acme")]
    assert [len(p) for p in found] == [2, 2, 3]
    assert [p[0][1] for p in found[:2]] == ["VIEWED_WITH", "BOUGHT_WITH"]  # the surer one first
    assert shop.paths(MOUSE, "brand:acme", max_hops=1) == []
    assert [triples(p.facts) for p in shop.paths(MOUSE, "brand:acme", limit=1)] == found[:1]
    assert shop.paths(MOUSE, MOUSE) == []
    for pair in ((MOUSE, "product:none"), ("product:none", MOUSE)):
        with pytest.raises(UnknownEntity, match="product:none"):
            shop.paths(*pair)


def test_no_path_leads_through_a_hub(store: GraphStore) -> None:
    products = [Entity(f"product:{i}", "Product", "x") for i in range(1_001)]
    evidence = (Evidence("catalogue", "catalog", 1.0),)
    facts = [Fact(p.id, "MADE_BY", "brand:acme", evidence) for p in products]
    store.put([*products, ENTITIES[3]], facts[:1_000])
    assert len(store.paths("product:0", "product:1")) == 1
    store.put(facts=facts[1_000:])
    assert store.paths("product:0", "product:1") == []
    assert len(store.paths("product:0", "brand:acme")) == 1  # as an end it may be one


def test_search_finds_names_and_aliases_in_any_script(shop: GraphStore) -> None:
    def found(text: str, **options: object) -> list[str]:
        return [e.id for e, _ in shop.search(text, **options)]  # type: ignore[arg-type]

    assert found("鼠标") == found("鼠") == found("MOUSE") == found("ｍ 1") == [MOUSE]
    assert found("🫖") == found("kettle") == [KETTLE]
    assert found("tea") == ["use:tea", CUP]  # equal before contained
    assert found("tea", type="Product") == [CUP]
    assert found("tea cup") == [CUP]  # all words before some words
    assert found("tea mouse") == ["use:tea", CUP, MOUSE]  # some words where none has all
    assert found("tea", limit=1) == ["use:tea"]
    assert found("nothing") == found("") == found("?!") == found("\ud800") == []
    ((_, score),) = shop.search("Mouse M-1")
    assert score == 1.0
    assert all(0 < score <= 1 for _, score in shop.search("tea mouse"))


def test_unknown_ids_have_their_errors(shop: GraphStore) -> None:
    for unknown in ("product:none", "", "x\ud800"):
        with pytest.raises(UnknownEntity):
            shop.entity(unknown)
        with pytest.raises(UnknownDocument):
            shop.document(unknown)
        assert list(shop.facts(head=unknown)) == []
        assert shop.retract(unknown) == Counts()


def test_numbers_keep_one_type_however_they_came(store: GraphStore) -> None:
    store.put(ENTITIES, [Fact(CUP, "BOUGHT_WITH", KETTLE, (Evidence("e", "m", 1, 5, counts={"b": 2, "a": 1}),))])
    ((evidence,),) = [f.evidence for f in store.facts()]
    assert type(evidence.confidence) is float
    assert [type(v) for v in evidence.counts.values()] == [float, float]
    assert type(evidence.at) is int


def test_a_reader_sees_whole_batches(store: GraphStore) -> None:
    """While one thread puts and retracts a pair of facts, no other thread sees one of them alone."""
    store.put(ENTITIES)
    pair = [mined(CUP, KETTLE), mined(CUP, MOUSE)]
    seen, stop = set[int](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(len(list(store.facts())))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for _ in range(15):
        store.put(ENTITIES, pair)
        store.retract("events")
    stop.set()
    for thread in readers:
        thread.join()
    assert seen <= {0, 2}


def test_an_open_iterator_survives_a_write(shop: GraphStore) -> None:
    facts = shop.facts()
    first = next(facts)
    shop.retract("events")
    shop.retract(DOCUMENT.id)
    assert [first, *facts] == sorted(FACTS, key=lambda f: f.triple)
