"""Coupling says which pairs of facts carry a score: all of them, to the last digit, and none that is not there."""

import numpy as np
import pytest

from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.choosing import choose
from recommender.diversity import COUPLED, path_types
from recommender.explanation import Explainer, contributions
from recommender.histories import Histories, UserState
from recommender.models.coupling import Coupling
from recommender.models.itemknn import ItemKNN
from recommender.models.lae import Lae
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.splits import leave_last_out
from recommender.thresholds import led_to

NAMES = ("茶", "cup", "pot", "tray", "lamp")
USER = UserState("u", (Interaction("e", "茶", "purchase", 1, "u"), Interaction("f", "tray", "view", 2, "u")))


def stated(head, relation, tail, confidence=0.5):
    evidence = Evidence(f"of {head} {relation}", "catalog", confidence)
    return Fact(f"product:{head}", relation, f"product:{tail}", (evidence,))


FACTS = [
    stated("茶", "BOUGHT_WITH", "cup", 0.8),
    stated("茶", "VIEWED_WITH", "cup", 0.4),
    stated("pot", "BOUGHT_WITH", "cup", 0.6),
    stated("tray", "BOUGHT_AFTER", "cup", 0.3),
    stated("pot", "BOUGHT_AFTER", "tray", 0.7),
    stated("茶", "VIEWED_WITH", "tray", 0.2),
]


class Log:
    """Histories by user, without a horizon."""

    def history(self, user_id=None, *, session_id=None, limit=None, until=None):
        return USER.history if user_id == "u" else ()

    def products(self, user_id=None, *, session_id=None, actions=(), until=None):
        return {event.product_id for event in self.history(user_id) if event.action in actions}


@pytest.fixture
def store():
    with MemoryStore() as store:
        store.put([Entity(f"product:{name}", "Product", name) for name in NAMES], FACTS)
        yield store


@pytest.fixture
def data(store, log):
    return read_dataset(store, log([("u", "茶", 1), ("u", "tray", 2, "view"), ("v", "pot", 3)]), allow_undated=True)


def test_the_contributions_are_the_score(data):
    scorer = Coupling().fit(data)
    for name in NAMES:
        parts = contributions(scorer, USER, name)
        assert sum(part.value for part in parts) == pytest.approx(float(scorer.scores(USER, [name])[0]), abs=1e-6)
        assert all(part.value > 0 and part.item != name and part.onward for part in parts)
    assert len(contributions(scorer, USER, "pot")) == 4  # by the cup twice from 茶 and once from the tray; by the tray
    assert not contributions(scorer, USER, "lamp")


def test_a_reason_is_a_walk_through_the_product_between_with_all_facts_that_carry_it(store, data):
    scorer = Coupling().fit(data)
    found = Explainer(store).reasons(scorer, USER, "pot", limit=9)
    first = found[0]
    assert [fact.triple for fact in first.path.facts] == [
        ("product:茶", "BOUGHT_WITH", "product:cup"),
        ("product:pot", "BOUGHT_WITH", "product:cup"),
    ]
    assert [fact.relation for fact in first.also] == ["VIEWED_WITH"]
    assert first.events == USER.history[:1]
    assert [reason.contribution for reason in found] == sorted((r.contribution for r in found), reverse=True)
    assert sum(reason.contribution for reason in found) == pytest.approx(float(scorer.scores(USER, ["pot"])[0]))
    assert all(fact in store.facts(head=fact.head) for reason in found for fact in reason.facts)
    ways = [(reason.events[-1].product_id, reason.path.facts[0].triple[1:]) for reason in found]
    assert len(ways) == len(set(ways)) == 3


def test_what_is_no_longer_stated_carries_nothing(store, data):
    scorer = Coupling().fit(data)
    before = Explainer(store).reasons(scorer, USER, "pot")[0]
    store.retract("of 茶 BOUGHT_WITH")
    found = {reason.facts for reason in Explainer(store).reasons(scorer, USER, "pot", limit=9)}
    assert (stated("茶", "VIEWED_WITH", "cup", 0.4), stated("pot", "BOUGHT_WITH", "cup", 0.6)) in found
    after = next(r for r in Explainer(store).reasons(scorer, USER, "pot", limit=9) if "VIEWED_WITH" in str(r.path))
    assert after.contribution == pytest.approx(before.contribution * 0.4 / (0.8 + 0.4))
    store.retract("of pot BOUGHT_WITH")
    store.retract("of pot BOUGHT_AFTER")
    assert Explainer(store).reasons(scorer, USER, "pot") == ()


def test_relations_by_name_are_left_to_the_thing(log):
    evidence = (Evidence("catalog", "catalog", 0.9),)
    with MemoryStore() as store:
        store.put(
            [Entity("product:k5", "Product", "Velkin K5"), Entity("thing:velkin k5", "Thing", "Velkin K5")]
            + [Entity(f"product:{name}", "Product", name) for name in ("bag", "strap")],
            [Fact(f"product:{name}", "COMPATIBLE_WITH", "thing:velkin k5", evidence) for name in ("bag", "strap")]
            + [stated("bag", "BOUGHT_WITH", "k5")],
        )
        data = read_dataset(store, log([("u", "bag", 1)]), allow_undated=True)
    assert {"COMPATIBLE_WITH by name", "BOUGHT_WITH"} == data.links.keys()
    assert Coupling().fit(data).links.keys() == {"BOUGHT_WITH"}


def test_it_speaks_in_the_service_beside_newcomers(store, data):
    """A newcomer changes nothing of what is known, and reasons are found as before."""
    model = Mixture(((1.0, Coupling()), (0.5, Relations())))
    recommender = Recommender(Artifact((("coupling", model.fit(data)),)), store, Log())
    before = next(r for r in recommender.recommend("u") if r.product_id == "pot")
    evidence = (Evidence("of new", "catalog", 0.5),)
    store.put([Entity("product:new", "Product", "new")], [Fact("product:new", "BOUGHT_WITH", "product:茶", evidence)])
    after = {r.product_id: r for r in recommender.recommend("u")}
    assert {"new", "pot"} <= after.keys()
    assert (after["pot"].score, after["pot"].reasons) == (before.score, before.reasons)
    assert any(len(reason.path.facts) == 2 for reason in before.reasons)


def test_confidence_and_path_types_know_the_pairs(data):
    scorer = Coupling().fit(data)
    histories = Histories.of([USER], scorer.items, scorer.users)
    sure = {least: led_to((("coupling", scorer),), histories, least) for least in (0.1, 0.5, 0.65)}
    place = scorer.items.places["pot"]
    assert [bool(sure[least][place]) for least in sure] == [True, True, False]
    assert not sure[0.65].any()  # the tray leads on at .7, but to nothing that is as sure
    assert path_types(scorer, histories, [place, scorer.items.places["lamp"]]) == [COUPLED, None]


def test_what_is_silent_about_its_facts_joins_after_what_tells_them(log):
    """What is taken after the one of a pair is the other, which facts know and histories hardly."""
    random = np.random.default_rng(0)
    pairs = [(f"i{n:02d}", f"i{n + 1:02d}") for n in range(0, 80, 2)]
    with MemoryStore() as shop:
        shop.put(
            [Entity(f"product:{name}", "Product", name) for pair in pairs for name in pair],
            [stated(one, "BOUGHT_WITH", other) for one, other in pairs],
        )
        rows = [
            (f"u{user}", name, 10 * user + at)
            for user in range(60)
            for first, second in [random.choice(len(pairs), 2, replace=False)]
            for at, name in enumerate((pairs[first][0], *pairs[second]))
        ]
        cut = leave_last_out(read_dataset(shop, log(rows)))
    choice = choose([ItemKNN(), Lae(dimensions=4, facts=1.0)], cut)
    alone = {row.name: row.ndcg for row in choice.tried if len(row.weights) == 1}
    assert alone["collective lae"] > 2 * alone["itemknn"]
    assert choice.steps[0].model == choice.best("itemknn")
    assert [part.name for _, part in choice.model.parts][:2] == ["itemknn", "relations"]
    assert all(row.ndcg >= step.ndcg for step, row in zip(choice.steps, choice.steps[1:], strict=False))


def test_of_one_name_only_the_best_setting_may_join(store, log):
    random = np.random.default_rng(1)
    rows = [(f"u{u}", f"i{int(i):02d}", t) for t in range(4) for u in range(30) for i in random.integers(0, 12, 1)]
    cut = leave_last_out(read_dataset(store, log(rows), relations=[]))
    models = [ItemKNN(shrink=shrink, neighbours=count) for shrink in (0.0, 50.0) for count in (1, None)]
    choice = choose(models, cut)
    parts = [part for _, part in choice.model.parts] if isinstance(choice.model, Mixture) else [choice.model]
    assert parts == [choice.best("itemknn")]
    assert choice.steps[0].ndcg == max(row.ndcg for row in choice.tried)
    assert choice.best("ease") is None
