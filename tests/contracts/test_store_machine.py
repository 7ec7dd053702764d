"""Any sequence of puts and retracts leaves a store as it leaves ``MemoryStore``, and as a plain list would have it."""

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kg.errors import KGError
from kg.store import GraphStore
from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact, merge_evidence

IDS = ("product:a", "product:水", "product:🫖", "brand:x", "use:y")
TYPES = {"product": "Product", "brand": "Brand", "use": "Use"}
NAMES = ("tea 🫖", "水壶 kettle", "Kettle", "tea cup + lid")
TEXTS = ("tea 水壶 for tea", "tea 水 and 🫖")
SOURCES = ("doc:0", "doc:1", "events", "catalogue")

entities = st.builds(
    lambda i, name, aliases, properties: Entity(i, TYPES[i.partition(":")[0]], name, aliases, None, properties),
    st.sampled_from(IDS),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(NAMES), max_size=2).map(tuple),
    st.dictionaries(st.sampled_from(("p", "q")), st.sampled_from((1, 2.5, "价", True)), max_size=2),
)
documents = st.builds(
    Document,
    st.sampled_from(SOURCES[:2]),
    st.sampled_from(IDS[:3]),
    st.sampled_from(("product", "review")),
    st.sampled_from(TEXTS),
    st.sampled_from((None, 5)),
)
EVERYONE = [Entity(i, TYPES[i.partition(":")[0]], "tea 🫖") for i in IDS]
EVERY_TEXT = [Document(source, IDS[0], "product", TEXTS[0]) for source in SOURCES[:2]]
confidences = st.sampled_from((0.0, 0.25, 0.5, 1.0))
times = st.sampled_from((None, 0, 10, 20))
mined = st.builds(
    lambda source, confidence, at, counts: Evidence(source, "mined", confidence, at, counts=counts),
    st.sampled_from(SOURCES),
    confidences,
    times,
    st.dictionaries(st.sampled_from(("support", "lift")), st.sampled_from((1, 2.5)), max_size=2),
)
quoted = st.builds(
    lambda source, confidence, at, quote: Evidence(
        source, "rules", confidence, at, None, "title", quote, 0, len(quote)
    ),
    st.sampled_from(SOURCES[:2]),
    confidences,
    times,
    st.sampled_from(("tea", "tea 水", "tea 水壶")),  # the last one is in one of the texts only
)
triples = st.one_of(
    st.tuples(st.sampled_from(IDS[:3]), st.sampled_from(("BOUGHT_WITH", "VIEWED_WITH")), st.sampled_from(IDS[:3])),
    st.tuples(st.sampled_from(IDS[:3]), st.just("MADE_BY"), st.just("brand:x")),
    st.tuples(st.sampled_from(IDS[:3]), st.just("USED_FOR"), st.just("use:y")),
)
facts = st.builds(
    lambda triple, evidence: Fact(*triple, tuple(evidence)),
    triples,
    st.lists(st.one_of(mined, quoted), min_size=1, max_size=2),
)


class StoreMachine(RuleBasedStateMachine):
    """Drives a store, a MemoryStore and a list of everything that was said and not taken back."""

    def __init__(self, store: GraphStore) -> None:
        super().__init__()
        self.store, self.memory = store, MemoryStore()
        self.said: list[tuple[tuple[str, str, str], Evidence]] = []

    @rule(
        new=st.lists(entities, max_size=4),
        told=st.lists(facts, max_size=4),
        texts=st.lists(documents, max_size=2),
        whole=st.sampled_from((True, True, False)),
    )
    def put(self, new: list[Entity], told: list[Fact], texts: list[Document], whole: bool) -> None:
        if whole:  # bring whatever the facts need, so that most puts are good
            new, texts = [*EVERYONE, *new], [*EVERY_TEXT, *texts]
        try:
            expected = self.memory.put(new, told, texts)
        except KGError as error:
            refused = error
        else:
            assert self.store.put(new, told, texts) == expected
            self.said += [(fact.triple, e) for fact in told for e in fact.evidence]
            return
        with pytest.raises(type(refused), match=re.escape(str(refused))):
            self.store.put(new, told, texts)

    @precondition(lambda self: self.said)
    @rule(source=st.sampled_from(SOURCES))
    def retract(self, source: str) -> None:
        assert self.store.retract(source) == self.memory.retract(source)
        self.said = [(triple, e) for triple, e in self.said if e.source != source]

    @invariant()
    def holds_what_was_said(self) -> None:
        alive: dict[tuple[str, str, str], tuple[Evidence, ...]] = {}
        for triple, evidence in self.said:
            alive[triple] = merge_evidence(alive.get(triple, ()), (evidence,))
        assert list(self.store.facts()) == [Fact(*triple, alive[triple]) for triple in sorted(alive)]

    @invariant()
    def answers_as_memory_does(self) -> None:
        store, memory = self.store, self.memory
        assert store.version == memory.version
        assert list(store.entities()) == list(memory.entities())
        assert list(store.documents()) == list(memory.documents())
        for until, undated in ((10, False), (10, True)):
            there = list(store.facts(until=until, allow_undated=undated))
            assert there == list(memory.facts(until=until, allow_undated=undated))
        for text in ("tea", "水壶", "kettle 🫖"):
            assert store.search(text) == memory.search(text)
        known = [e.id for e in memory.entities()]
        if len(known) > 1:
            assert store.paths(known[0], known[-1]) == memory.paths(known[0], known[-1])

    def teardown(self) -> None:
        self.store.close()


def test_any_sequence_of_writes_leaves_the_store_as_memory(new_store: Callable[[], GraphStore]) -> None:
    run_state_machine_as_test(
        lambda: StoreMachine(new_store()),
        settings=settings(
            max_examples=25,
            phases=(Phase.generate,),  # shrinking against a server takes minutes; 15 steps can be read
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
