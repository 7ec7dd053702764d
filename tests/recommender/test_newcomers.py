"""What facts say of products that came after the training, beside a model that stays as it was."""

import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import UnknownEntity
from kg.stores.memory import MemoryStore
from kg.types import ACTIONS, Document, Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.choosing import build
from recommender.errors import UnknownProduct
from recommender.explanation import contributions
from recommender.filters import Filters
from recommender.histories import Histories, UserState
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.newcomers import Change, Newcomers
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.rules import Rule
from recommender.widening import WidenedScorer, spoken_for, widen, worth

KNOWN = ("a", "b", "c", "d", "e")
NEW = ("new1", "new2")
TAILS = ("brand:x", "brand:y", "use:z")
STATES = {"brand:x": "MADE_BY", "brand:y": "MADE_BY", "use:z": "USED_FOR"}
HAVING = (("a", "brand:x"), ("b", "brand:x"), ("c", "use:z"), ("d", "use:z"), ("e", "brand:y"))
ROWS = [("u1", "a", 1), ("u1", "c", 2), ("u2", "a", 3), ("u2", "b", 4), ("u3", "c", 5), ("u3", "e", 6)]


def product(name):
    return Entity(f"product:{name}", "Product", name)


def fact(head, relation, tail, confidence=0.5):
    return Fact(head, relation, tail, (Evidence("said", "catalog", confidence),))


class Nothing:
    """A log of nobody."""

    def history(self, user_id, *, session_id=None, limit=None, until=None):
        return ()

    def products(self, user_id, *, session_id=None, actions=ACTIONS, until=None):
        return frozenset()


@pytest.fixture
def store():
    with MemoryStore() as store:
        others = [Entity(tail, tail.partition(":")[0].title(), tail) for tail in TAILS]
        facts = [fact(f"product:{p}", STATES[tail], tail) for p, tail in HAVING]
        facts.append(fact("product:a", "BOUGHT_WITH", "product:e"))
        store.put([*map(product, KNOWN), *others], facts)
        yield store


@pytest.fixture
def artifact(store, log):
    return build(Mixture(((1.0, ItemKNN()), (0.3, Relations()))), read_dataset(store, log(ROWS), allow_undated=True))


def arrive(store, facts):
    store.put(map(product, NEW), [fact(f"product:{p}", STATES[tail], tail, c) for p, tail, c in facts])


def did(*names):
    return tuple(Interaction(name, name, "purchase", at) for at, name in enumerate(names))


def wide(store, artifact):
    newcomers = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    return widen(artifact.chain, newcomers.read(store.entities(type="Product")))


stated = st.lists(st.tuples(st.sampled_from(NEW), st.sampled_from(TAILS), st.floats(0.1, 1.0)), max_size=5)
touched = st.lists(st.sampled_from((*KNOWN, *NEW)), min_size=1, max_size=4, unique=True)


@settings(deadline=None, max_examples=40)
@given(stated, touched)
def test_facts_add_up_and_what_is_known_stays(facts, history):
    with MemoryStore() as store:
        others = [Entity(tail, tail.partition(":")[0].title(), tail) for tail in TAILS]
        known = [fact(f"product:{p}", STATES[tail], tail) for p, tail in HAVING]
        store.put([*map(product, KNOWN), *others], known)
        artifact = Artifact((("relations", Relations().fit(_data(store))),))
        arrive(store, facts)
        widened, user = wide(store, artifact), UserState(None, did(*history))
        asked = Histories.of([user], widened.items, artifact.items)
        ((_, scorer), *_) = widened.chain_for(asked)
        scores = scorer.scores_batch(asked)[0]
        for place, name in enumerate(widened.items.names):
            carried = sum(c.value for c in contributions(scorer, user, name))
            assert carried == pytest.approx(float(scores[place]), rel=1e-4, abs=1e-6)
        if not set(history) & set(NEW):
            assert scores[: len(KNOWN)].tolist() == artifact.chain[0][1].scores(user).tolist()


def _data(store):
    import pyarrow as pa

    columns = {"event_id": pa.string(), "user": pa.string(), "session": pa.string(), "product": pa.string()}
    columns |= {"action": pa.string(), "at": pa.int64(), "value": pa.float64()}
    table = pa.table({name: pa.array([], kind) for name, kind in columns.items()})
    return read_dataset(store, table, allow_undated=True)


def test_the_formula_by_hand(store, artifact):
    arrive(store, [("new1", "brand:x", 0.8), ("new1", "brand:y", 0.6)])
    widened = wide(store, artifact)
    term = widened.term
    a, e, new = (widened.items.get(name) for name in ("a", "e", "new1"))
    # brand:x keeps the rarity that two products gave it; brand:y was one product's, so that only now it joins anything
    to_a, to_b, to_e = 0.8 * 0.5 * 0.5, 0.8 * 0.5 * 0.5, 0.6 * 0.5 * 0.5
    scale = 1 / np.sqrt(to_a + to_b + to_e)
    assert term.scale[new] == pytest.approx(scale)
    assert term.scale[a] == pytest.approx(1 / np.sqrt(0.5 * 0.5 * 0.5))  # by MADE_BY alone: newcomers state no more
    scores = term.scores(UserState(None, did("a")))
    assert scores[new] == pytest.approx(to_a * scale * term.scale[a])
    assert term.scores(UserState(None, did("new1")))[e] == pytest.approx(to_e * scale * term.scale[e])
    assert scores[a] == scores[e] == 0


def test_the_shop_without_newcomers_is_asked_as_ever(store, artifact):
    assert wide(store, artifact).chain is artifact.chain


def test_newcomers_without_facts_come_last(store, artifact):
    arrive(store, [])
    found = Recommender(artifact, store, Nothing()).recommend(history=did("a"), k=9)
    assert [(r.product_id, r.origin) for r in found][-2:] == [("new1", "catalogue"), ("new2", "catalogue")]


def test_a_newcomer_stands_among_the_best_whatever_the_scale_of_the_model(store, artifact):
    arrive(store, [("new1", "brand:x", 1.0)])
    ranked = []
    for factor in (0.01, 1.0, 100.0):
        ((origin, model), *fallbacks) = artifact.chain
        scaled = type(model)(tuple((factor * weight, part) for weight, part in model.parts))
        found = Recommender(Artifact(((origin, scaled), *fallbacks)), store, Nothing()).recommend(history=did("a"), k=3)
        ranked.append([(r.product_id, r.origin) for r in found])
    assert ("new1", "newcomer") in ranked[0]
    assert ranked[0] == ranked[1] == ranked[2]


def test_scores_fall_over_the_model_and_the_newcomers_together(store, artifact):
    arrive(store, [("new1", "brand:x", 0.4), ("new2", "use:z", 0.9)])
    found = Recommender(artifact, store, Nothing()).recommend(history=did("a", "c"), k=9)
    beside = [r.score for r in found if r.origin in {artifact.origin, "newcomer"}]
    assert all(one >= other for one, other in pairwise(beside))
    assert [r.product_id for r in Recommender(artifact, store, Nothing()).recommend(history=did("a", "c"), k=3)] == [
        r.product_id for r in found[:3]
    ]


@pytest.mark.parametrize(
    ("scores", "related", "expected"),
    [
        ([4.0, 1.0, 0.0], [0.5, 0.1, 0.0, 0.25], 8.0),
        ([4.0, 1.0, 0.0], [0.5, 0.1, 0.0, 1.0], 4.0),
        ([-4.0, -1.0, -2.0], [0.5, 0.1, 0.0, 0.1], 0.0),
        ([4.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], 0.0),
    ],
)
def test_the_worth_of_a_relation_score(scores, related, expected):
    assert worth(np.array(scores, np.float32), np.array(related, np.float32), related[-1]) == expected


def test_no_newcomer_outranks_what_the_model_is_surest_of():
    scores, related = np.linspace(0, 9, 100, dtype=np.float32), np.zeros(102, np.float32)
    related[[3, 4, 101]] = 0.1, 0.1, 5.0
    assert worth(scores, related, 5.0) * 5.0 == pytest.approx(9.0)


def test_a_history_that_did_not_move_keeps_its_learned_vector(artifact):
    model = artifact.chain[0][1].parts[0][1]
    more = type(artifact.items)((*artifact.items.names, "new1"))
    widened = WidenedScorer(model, more)
    user = UserState("u1", did("a", "new1"))
    alone = model.scores(user)
    assert widened.scores(user).tolist() == [*alone.tolist(), 0.0]


class Slow(MemoryStore):
    """Lists the products of one reading, and does not go on before it is told to."""

    def __init__(self):
        super().__init__()
        self.slow, self.listed, self.go = False, threading.Event(), threading.Event()

    def entities(self, *, type=None):
        found = list(super().entities(type=type))
        if self.slow and type == "Product":
            self.slow = False
            self.listed.set()
            assert self.go.wait(30)
        return iter(found)


def test_who_asks_while_another_reads_does_not_wait_and_who_wrote_does(log):
    with Slow() as store:
        store.put(map(product, KNOWN))
        recommender = Recommender(
            build(ItemKNN(), read_dataset(store, log(ROWS), allow_undated=True)), store, Nothing()
        )
        assert tuple(recommender.items) == KNOWN
        store.put([product("new1")])
        store.slow = True
        first = threading.Thread(target=lambda: recommender.items)
        first.start()
        assert store.listed.wait(30)
        assert tuple(recommender.items) == KNOWN
        store.put([product("new2")])
        writer = threading.Thread(target=recommender.refresh)
        writer.start()
        threading.Timer(0.05, store.go.set).start()
        writer.join(30)
        store.slow = True  # nothing is read again
        assert tuple(recommender.items) == (*KNOWN, *NEW)
        first.join(30)


def test_the_first_reading_is_waited_for(log):
    with Slow() as store:
        store.put(map(product, KNOWN))
        recommender = Recommender(
            build(ItemKNN(), read_dataset(store, log(ROWS), allow_undated=True)), store, Nothing()
        )
        store.slow = True
        found = []
        askers = [threading.Thread(target=lambda: found.append(tuple(recommender.items))) for _ in range(2)]
        for asker in askers:
            asker.start()
        assert store.listed.wait(30)
        store.go.set()
        for asker in askers:
            asker.join(30)
        assert found == [KNOWN, KNOWN]


def linked(newcomers, store):
    return {r: set(cells) for r, cells in newcomers.read(store.entities(type="Product")).links.items()}


K5 = Entity("thing:velkin k5", "Thing", "Velkin K5")
CAMERA = Entity("product:new1", "Product", "Velkin K5 Camera")
BY_NAME = "COMPATIBLE_WITH by name"


def made_for(head, source):
    return Fact(f"product:{head}", "COMPATIBLE_WITH", K5.id, (Evidence(source, "rules", 0.8),))


@pytest.mark.parametrize("head", ["new2", "b"])
def test_what_others_state_by_name_comes_and_goes_with_their_texts(store, artifact, head):
    newcomers = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    store.put([CAMERA, product("new2")])
    assert linked(newcomers, store) == {}
    store.put(
        [K5, product(head)], [made_for(head, "doc")], [Document("doc", f"product:{head}", "product", "for the K5")]
    )
    assert linked(newcomers, store) == {BY_NAME: {(head, "new1")}}
    store.retract("doc")
    store.put([product(head)])
    assert linked(newcomers, store) == {}


def test_what_a_thing_names_is_worked_out_again_where_a_product_has_another_name(store, artifact):
    newcomers = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    store.put([K5, product("new2")], [made_for("new2", "said")])
    assert linked(newcomers, store) == {}
    store.put([Entity("product:a", "Product", "Velkin K5 Camera")])
    assert linked(newcomers, store) == {BY_NAME: {("new2", "a")}}
    store.put([product("a")])
    assert linked(newcomers, store) == {}


NAMES = ("Velkin K5 Camera", "Bag", "Velkin K5 Battery")
SAYS = (
    *((STATES[tail], tail) for tail in TAILS), ("COMPATIBLE_WITH", K5.id), ("BOUGHT_WITH", "product:new2"),
    ("BOUGHT_WITH", "product:a"), ("USED_FOR", "use:new"),
)  # fmt: skip
written = st.tuples(st.sampled_from(("a", "b", *NEW, "new3")), st.sampled_from(NAMES), st.sets(st.sampled_from(SAYS)))


def write(store, name, title, says):
    """The product as it is now, in the place of what it was."""
    about = f"product:{name}"
    store.retract(f"doc:{name}")
    things = [Entity(tail, tail.partition(":")[0].title(), tail) for tail in (*TAILS, "use:new")]
    known = [product(other) for other in ("a", "new2") if other != name and not held(store, f"product:{other}")]
    facts = [Fact(about, r, t, (Evidence(f"doc:{name}", "rules", 0.8),)) for r, t in sorted(says) if t != about]
    store.put(
        [Entity(about, "Product", title), K5, *things, *known],
        facts,
        [Document(f"doc:{name}", about, "product", title)],
    )
    return store.entity(about), [store.entity(e.id) for e in known]


def held(store, entity):
    try:
        return store.entity(entity)
    except UnknownEntity:
        return None


@pytest.mark.parametrize("most", [8, 1])
@settings(deadline=None, max_examples=60)
@given(writes=st.lists(written, min_size=1, max_size=8))
def test_what_one_product_changes_is_read_as_all_are_read(most, writes):
    with MemoryStore() as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr("recommender.compatibility.MOST_NAMED", most)
        others = [Entity(tail, tail.partition(":")[0].title(), tail) for tail in TAILS]
        known = [fact(f"product:{p}", STATES[tail], tail) for p, tail in HAVING]
        store.put([*map(product, KNOWN), *others], known)
        term = Relations().fit(_data(store))
        write(store, "new3", "Bag", {("COMPATIBLE_WITH", K5.id)})
        for called_so in "ab":
            write(store, called_so, NAMES[0], ())
        step = Newcomers(store, term.items, term)
        step.read(store.entities(type="Product"))
        for name, title, says in writes:
            entity, with_it = write(store, name, title, says)
            for other in with_it:
                step.again(other)
            found = step.again(entity)
            assert found == Newcomers(store, term.items, term).read(store.entities(type="Product"))


def test_a_thing_that_comes_to_name_too_many_names_nothing_any_more(store, artifact, monkeypatch):
    monkeypatch.setattr("recommender.compatibility.MOST_NAMED", 1)
    newcomers = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    store.put([CAMERA, K5, product("new2")], [made_for("new2", "said")])
    assert linked(newcomers, store) == {BY_NAME: {("new2", "new1")}}
    kit = Entity("product:new3", "Product", "Velkin K5 Kit")
    store.put([kit])
    assert newcomers.again(kit).links == {}
    store.put([product("new3")])
    assert set(newcomers.again(product("new3")).links[BY_NAME]) == {("new2", "new1")}


def test_a_known_product_that_is_no_longer_called_so_leaves_the_thing_to_the_others(store, artifact, monkeypatch):
    monkeypatch.setattr("recommender.compatibility.MOST_NAMED", 1)
    newcomers = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    cameras = [Entity(f"product:{name}", "Product", f"Velkin K5 Camera {name}") for name in "ab"]
    store.put([*cameras, K5, product("new2")], [made_for("new2", "said")])
    assert linked(newcomers, store) == {}
    store.put([product("a")])
    found = newcomers.again(product("a"))
    assert set(found.links[BY_NAME]) == {("new2", "b")}
    fresh = Newcomers(store, artifact.items, spoken_for(artifact.chain))
    assert found == fresh.read(store.entities(type="Product"))


def change(store, name, facts=()):
    since = store.version
    store.put([product(name)], facts)
    return Change(f"product:{name}", since, store.version)


def test_who_says_what_was_written_does_not_make_all_be_read(log):
    with Slow() as store:
        store.put([*map(product, KNOWN), Entity("brand:x", "Brand", "x")])
        store.put(facts=[fact(f"product:{p}", "MADE_BY", "brand:x") for p in "ab"])
        artifact = build(Relations(), read_dataset(store, log(ROWS), allow_undated=True))
        recommender = Recommender(artifact, store, Nothing())
        recommender.refresh()
        store.slow = True
        store.go.set()
        for name in (*NEW, "a", "new3"):
            recommender.refresh(change(store, name, [fact(f"product:{name}", "MADE_BY", "brand:x")]))
        assert not store.listed.is_set()
        found = recommender.recommend(history=did("a"), k=9)
        assert found == Recommender(artifact, store, Nothing()).recommend(history=did("a"), k=9)
        assert {"new1", "new2", "new3"} <= {r.product_id for r in found if r.origin == "newcomer"}
        store.listed.clear()
        store.slow = True
        first, second = change(store, "new4"), change(store, "new5")
        recommender.refresh(second)  # nothing leads from what is known to it: all are read
        assert store.listed.is_set()
        recommender.refresh(first)
        assert tuple(recommender.items) == (*KNOWN, *NEW, "new3", "new4", "new5")


def test_what_another_writer_wrote_in_between_is_read_too(store, artifact):
    recommender = Recommender(artifact, store, Nothing())
    recommender.refresh()
    store.put([product("new1")])
    recommender.refresh(change(store, "new2"))
    assert tuple(recommender.items) == (*KNOWN, *NEW)
    last = change(store, "new3")
    store.put([product("new4")])
    recommender.refresh(last)
    assert tuple(recommender.items) == (*KNOWN, *NEW, "new3", "new4")


def test_prices_and_availability_follow_a_change(store, artifact):
    recommender = Recommender(artifact, store, Nothing())
    recommender.refresh()
    for name, price in (("new1", 5.0), ("a", 7.0), ("new0", 9.0)):
        since = store.version
        store.put([Entity(f"product:{name}", "Product", name, properties={"price": price, "available": name != "a"})])
        recommender.refresh(Change(f"product:{name}", since, store.version))
    found = recommender.recommend(history=did("c"), k=9, filters=Filters(min_price=1.0, available=False))
    assert {r.product_id for r in found} == {"new1", "a", "new0"}
    found = recommender.recommend(history=did("c"), k=9, filters=Filters(min_price=6.0))
    assert [r.product_id for r in found] == ["new0"]


def test_an_earlier_moment_has_no_newcomers(store, artifact):
    before = Recommender(artifact, store, Nothing()).recommend(history=did("a"), k=9, as_of=9)
    arrive(store, [("new1", "brand:x", 1.0)])
    recommender = Recommender(artifact, store, Nothing())
    assert recommender.recommend(history=did("a"), k=9, as_of=9) == before
    assert recommender.recommend(history=did("a", "new1"), k=9, as_of=9) == before
    assert "new1" in {r.product_id for r in recommender.recommend(history=did("a"), k=9)}
    with pytest.raises(UnknownProduct):
        recommender.explain("new1", history=did("a"), as_of=9)


class Late(MemoryStore):
    """Forgets a thing after its facts were read, as a retraction between two look-ups does."""

    gone = None

    def entity(self, entity_id):
        if entity_id == self.gone:
            raise UnknownEntity(entity_id)
        return super().entity(entity_id)


def test_a_value_that_goes_while_newcomers_are_read_stops_nobody(log):
    with Late() as store:
        brand = Entity("brand:x", "Brand", "x")
        value = Entity("value:v7", "Value", "V7", properties={"attribute": "model"})
        store.put([*map(product, KNOWN), brand, value], [fact(f"product:{p}", "MADE_BY", brand.id) for p in "ab"])
        artifact = build(Relations(), read_dataset(store, log(ROWS), allow_undated=True))
        store.put([product("new1")], [fact("product:new1", "HAS_ATTRIBUTE", "value:v7")])
        store.gone = "value:v7"
        assert "new1" in Recommender(artifact, store, Nothing()).items.names


def test_rules_are_counted_together(store, artifact):
    rules = [Rule("one", "hide", Filters(only=("a", "b"))), Rule("two", "hide", Filters(only=("new1",)))]
    store.put([product("new1")])
    assert Recommender(artifact, store, Nothing()).concerned(rules) == [2, 1]
