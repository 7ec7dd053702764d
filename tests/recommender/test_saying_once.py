"""What says the same is told once, and the numbers still add up: facts stated from both ends, facts in two terms."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact, Interaction
from recommender.explanation import Contribution, Explainer, contributions, statements
from recommender.histories import UserState
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.reading import read_dataset

USER = UserState("u", (Interaction("e", "茶", "purchase", 1, "u"),))


def stated(head, relation, tail, source, confidence=0.5):
    evidence = Evidence(source, "catalog", confidence, counts={"users": 7.0})
    return Fact(f"product:{head}", relation, f"product:{tail}", (evidence,))


@pytest.fixture
def store():
    with MemoryStore() as store:
        store.put(
            [Entity(f"product:{name}", "Product", name) for name in ("茶", "cup", "pot", "tray")],
            [
                stated("茶", "BOUGHT_WITH", "cup", "of 茶"),
                stated("cup", "BOUGHT_WITH", "茶", "of cup"),
                stated("茶", "COMPLEMENTS", "cup", "of 茶", 0.3),
                stated("茶", "BOUGHT_AFTER", "pot", "of 茶"),
                stated("pot", "BOUGHT_AFTER", "茶", "of pot"),
                stated("茶", "VIEWED_WITH", "tray", "of 茶", 0.2),
                stated("tray", "VIEWED_WITH", "茶", "of tray", 0.4),
            ],
        )
        yield store


@pytest.fixture
def scorer(store, log):
    return Relations().fit(read_dataset(store, log([("u", "茶", 1)])))


def told(store, scorer, product, **options):
    return [
        (reason.path.facts[0].triple, reason.contribution)
        for reason in Explainer(store).reasons(scorer, USER, product, **options)
    ]


def test_a_symmetric_fact_stated_from_both_ends_is_one_reason(store, scorer):
    found = told(store, scorer, "cup")
    assert [triple for triple, _ in found] == [
        ("product:茶", "BOUGHT_WITH", "product:cup"),
        ("product:茶", "COMPLEMENTS", "product:cup"),
    ]
    assert found[0][1] == pytest.approx(found[1][1] * 1.0 / 0.3)  # 0.5 from each end
    assert sum(value for _, value in found) == pytest.approx(float(scorer.scores(USER, ["cup"])[0]), abs=1e-6)


def test_a_directed_fact_in_both_directions_is_two(store, scorer):
    triples = {triple for triple, _ in told(store, scorer, "pot")}
    assert triples == {
        ("product:茶", "BOUGHT_AFTER", "product:pot"),
        ("product:pot", "BOUGHT_AFTER", "product:茶"),
    }


def test_the_stronger_statement_is_told(store, scorer):
    ((triple, value),) = told(store, scorer, "tray")
    assert triple == ("product:tray", "VIEWED_WITH", "product:茶")
    assert value == pytest.approx(float(scorer.scores(USER, ["tray"])[0]), abs=1e-6)


def test_what_one_end_no_longer_states_is_not_counted(store, scorer):
    before = dict(told(store, scorer, "cup"))
    store.retract("of 茶")
    ((triple, value),) = told(store, scorer, "cup")
    assert triple == ("product:cup", "BOUGHT_WITH", "product:茶")
    assert value == pytest.approx(before["product:茶", "BOUGHT_WITH", "product:cup"] / 2)


def test_what_lost_an_end_comes_after_what_now_adds_more(store, log):
    """Stated from both ends it is first; when one end falls silent, a fact that adds more than the rest goes before."""
    store.put((), [stated("茶", "COMPLEMENTS", "cup", "of cup", 0.8)])
    scorer = Relations().fit(read_dataset(store, log([("u", "茶", 1)])))
    assert [triple[1] for triple, _ in told(store, scorer, "cup")] == ["BOUGHT_WITH", "COMPLEMENTS"]
    store.retract("of 茶")
    found = told(store, scorer, "cup")
    assert [triple[1] for triple, _ in found] == ["COMPLEMENTS", "BOUGHT_WITH"]
    assert found[0][1] > found[1][1]
    assert told(store, scorer, "cup", limit=1) == found[:1]


def test_a_fact_in_two_terms_of_a_sum_is_one_reason(store, log):
    data = read_dataset(store, log([("u", "茶", 1)]))
    twice = Mixture(((1.0, Relations()), (0.5, Relations({"BOUGHT_WITH": 1.0, "VIEWED_WITH": 1.0})))).fit(data)
    found = told(store, twice, "cup")
    assert [triple[1] for triple, _ in found] == ["BOUGHT_WITH", "COMPLEMENTS"]
    assert sum(value for _, value in found) == pytest.approx(float(twice.scores(USER, ["cup"])[0]), abs=1e-6)


def counted(head, relation, tail, users=7.0, confidence=0.5):
    """As mining counts: the source is named after the relation, whatever was counted."""
    evidence = Evidence(f"behavior:{relation}", "behavior", confidence, at=5, counts={"users": users, "lift": 53.8})
    return Fact(f"product:{head}", relation, f"product:{tail}", (evidence,))


SAYING = "made for 茶"
TEXT = Document("doc:pot", "product:pot", "product", f"{SAYING}, and once more {SAYING}")


def quoted(relation, start=0):
    evidence = Evidence("doc:pot", "rules", 0.7, quote=SAYING, start=start, end=start + len(SAYING))
    return Fact("product:pot", relation, "product:茶", (evidence,))


def reasons(facts, product, log, limit=3):
    with MemoryStore() as store:
        store.put([Entity(f"product:{name}", "Product", name) for name in ("茶", "cup", "pot")], facts, [TEXT])
        scorer = Relations().fit(read_dataset(store, log([("u", "茶", 1)]), allow_undated=True))
        found = Explainer(store).reasons(scorer, USER, product, limit=limit)
        score = float(scorer.scores(USER, [product])[0])
        assert all(fact in store.facts(head=fact.head) for reason in found for fact in reason.facts)
    return found, score


def test_two_relations_that_were_counted_once_are_one_reason_with_both_facts(log):
    facts = [
        counted("cup", "BOUGHT_WITH", "茶"),
        counted("cup", "COMPLEMENTS", "茶"),
        counted("cup", "VIEWED_WITH", "茶", users=9.0, confidence=0.7),
    ]
    found, score = reasons(facts, "cup", log)
    assert [[fact.relation for fact in reason.facts] for reason in found] == [
        ["BOUGHT_WITH", "COMPLEMENTS"],  # together they add more than what adds most alone
        ["VIEWED_WITH"],
    ]
    assert len(found[0].path.facts) == 1
    assert sum(reason.contribution for reason in found) == pytest.approx(score, abs=1e-6)
    assert found[0].contribution == pytest.approx(score * (0.5 + 0.5) / (0.5 + 0.5 + 0.7))
    assert reasons(facts, "cup", log, limit=1)[0] == found[:1]


def test_what_says_the_same_as_two_others_makes_them_one(log):
    facts = [
        counted("cup", "BOUGHT_WITH", "茶"),
        counted("cup", "COMPLEMENTS", "茶", users=9.0),
        counted("cup", "VIEWED_WITH", "茶"),
        counted("茶", "VIEWED_WITH", "cup", users=9.0),
    ]
    (found,), score = reasons(facts, "cup", log)
    assert {fact.triple for fact in found.facts} == {fact.triple for fact in facts}
    assert found.contribution == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        counted("cup", "COMPLEMENTS", "茶", users=8.0),
        counted("cup", "COMPLEMENTS", "茶", confidence=0.4),
        counted("cup", "BOUGHT_AFTER", "茶"),  # by the same users, but in one order only
        counted("茶", "BOUGHT_AFTER", "cup"),
    ],
)
def test_what_was_counted_apart_is_told_apart(other, log):
    found, score = reasons([counted("cup", "BOUGHT_WITH", "茶"), other], "cup", log)
    assert [len(reason.facts) for reason in found] == [1, 1]
    assert sum(reason.contribution for reason in found) == pytest.approx(score, abs=1e-6)


def test_one_quote_under_two_relations_is_one_reason_and_two_places_are_two(log):
    found, score = reasons([quoted("COMPATIBLE_WITH"), quoted("ACCESSORY_OF")], "pot", log)
    assert [sorted(fact.relation for fact in reason.facts) for reason in found] == [["ACCESSORY_OF", "COMPATIBLE_WITH"]]
    assert found[0].contribution == pytest.approx(score)
    found, _ = reasons([quoted("COMPATIBLE_WITH"), quoted("ACCESSORY_OF", TEXT.text.rindex(SAYING))], "pot", log)
    assert [len(reason.facts) for reason in found] == [1, 1]


def test_what_a_catalogue_states_apart_is_two_reasons_though_its_word_is_the_only_evidence(log):
    bare = (Evidence("catalog", "catalog", 0.9),)
    facts = [Fact("product:cup", relation, "product:茶", bare) for relation in ("BOUGHT_WITH", "VIEWED_WITH")]
    found, _ = reasons(facts, "cup", log)
    assert [reason.facts[0].relation for reason in found] == ["BOUGHT_WITH", "VIEWED_WITH"]


def test_a_fact_from_both_ends_names_both(store, scorer):
    first = Explainer(store).reasons(scorer, USER, "cup")[0]
    assert {fact.triple for fact in first.facts} == {
        ("product:茶", "BOUGHT_WITH", "product:cup"),
        ("product:cup", "BOUGHT_WITH", "product:茶"),
    }


parts = st.lists(
    st.builds(
        Contribution,
        st.floats(0, 1),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["BOUGHT_WITH", "BOUGHT_AFTER", "USED_FOR"]),
        st.booleans(),
        st.sampled_from([None, "use:x"]),
    ),
    max_size=30,
)


@given(parts)
def test_no_contribution_is_lost_and_nothing_is_said_twice(given_parts):
    groups = statements(given_parts)
    total = math.fsum(part.value for group in groups for part in group)
    assert total == pytest.approx(math.fsum(part.value for part in given_parts))
    said = [_said(group[0]) for group in groups]
    assert len(said) == len(set(said))
    assert set(said) == set(map(_said, given_parts))


def _said(part):
    return part.item, part.relation, part.entity, part.relation == "BOUGHT_WITH" or part.forward


def test_the_largest_comes_first(store, scorer):
    values = [value for _, value in told(store, scorer, "cup")]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(sum(c.value for c in contributions(scorer, USER, "cup")))
