"""What facts say of products that came after the training, beside a model that stays as it was."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.stores.memory import MemoryStore
from kg.types import ACTIONS, Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.choosing import build
from recommender.explanation import contributions
from recommender.histories import Histories, UserState
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.newcomers import Arrivals
from recommender.reading import read_dataset
from recommender.recommender import Recommender
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

    def history(self, user_id, *, session_id=None, limit=None):
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
    arrivals = Arrivals(store, artifact.items, spoken_for(artifact.chain))
    return widen(artifact.chain, arrivals.read(store.entities(type="Product")))


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
