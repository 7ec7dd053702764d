"""The ranker: learned from lists and what came after them, served by NumPy, and every law of a list kept."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact, load, save
from recommender.dataset import Dataset, Edges
from recommender.diversity import Diversity
from recommender.errors import ArtifactError
from recommender.evaluation import rank_cases
from recommender.filters import Filters
from recommender.histories import Histories, Ids
from recommender.metrics import metrics_at
from recommender.models.relations import Relations
from recommender.ranking.lessons import held_out, lessons, outcomes
from recommender.ranking.ranker import RANKER, TASKS, Reranked, arrangement, candidates
from recommender.ranking.traits import Traits, read_traits, words
from recommender.ranking.view import ALONE, BESIDE, View, tell
from recommender.recommender import Recommender
from recommender.rules import Rule
from recommender.scorers import PopularityScorer, WeightedSumScorer
from recommender.splits import Cases, time_cut
from recommender.thresholds import Thresholds

torch = pytest.importorskip("torch")

from recommender.ranking.learning import Settings, _Learner, learn, worth  # noqa: E402
from recommender.ranking.proving import prove  # noqa: E402
from recommender.training import Run  # noqa: E402

N, BRANDS, USERS, CUT = 40, 8, 180, 1000
NAMES = tuple(f"p{n:02d}" for n in range(N))
SMALL = Settings(pool=30, most=4, width=8, heads=2, experts=2, hidden=8, batch=16, epochs=8, learning_rate=0.01)


def table(rows):
    """Rows (user, product, action, at, value)."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    types = {
        "user": pa.string(),
        "product": pa.string(),
        "action": pa.string(),
        "at": pa.int64(),
        "value": pa.float64(),
    }
    found = {name: pa.array(column, kind) for (name, kind), column in zip(types.items(), columns, strict=True)}
    return pa.table({**found, "session": pa.nulls(len(rows), pa.string())})


def shop(*, planted=True, seed=0):
    """Who took a product of a brand last takes another of the same brand next, where it is planted."""
    random = np.random.default_rng(seed)
    early, later = [], []
    for user in range(USERS):
        past = random.choice(N, 4, replace=False)
        early += [(f"u{user:03d}", NAMES[i], "purchase", user * 5 + at, None) for at, i in enumerate(past)]
        fitting = [i for i in range(N) if i % BRANDS == past[-1] % BRANDS and i not in past]
        target = random.choice(fitting) if planted else random.integers(N)
        later += [(f"u{user:03d}", NAMES[target], action, CUT + user, None) for action in ("view", "purchase")]
    brands = Ids.sorted(f"brand:{b}" for b in range(BRANDS))
    made = {"MADE_BY": Edges.of(np.arange(N), np.arange(N) % BRANDS)}
    data = Dataset.build(
        table(early), items=Ids(NAMES), entities=brands, attributes=made, until=CUT, allow_undated=True
    )
    return data, table(later)


def views(data):
    return View.of(data, Traits.unknown(N), Relations().fit(data))


def base():
    """The same order for everyone, which knows nothing of brands."""
    return PopularityScorer(Ids(NAMES), np.random.default_rng(3).permutation(N).astype(np.float32) + 1)


@pytest.fixture(scope="module")
def proof():
    data, later = shop()
    cut = time_cut(data, later)
    return prove(base(), views(data), outcomes(data, cut.cases, later), SMALL)


def test_what_is_planted_is_found_and_served(proof):
    assert proof.failed is None
    assert proof.ranked > 2 * proof.plain
    assert proof.helps
    assert proof.difference.mean == pytest.approx(proof.ranked - proof.plain)
    told = proof.as_dict()
    assert told["served"]
    assert told["lists that taught"]["purchase"] == told["lists that taught"]["click"] > 0
    assert told["lists that taught"]["cart"] == 0


def test_where_there_is_nothing_to_learn_it_is_not_served():
    data, later = shop(planted=False)
    cut = time_cut(data, later)
    found = prove(base(), views(data), outcomes(data, cut.cases, later), SMALL)
    assert not found.helps
    assert found.as_dict()["served"] is False


def test_too_few_answers_are_told_and_no_error():
    data, later = shop()
    few = later.slice(0, 20)
    found = prove(base(), views(data), outcomes(data, time_cut(data, few).cases, few), SMALL)
    assert (found.helps, found.ranker) == (False, None)
    assert "needs 30 to learn from" in found.as_dict()["failed"]
    nobody = later.slice(0, 0)
    assert prove(base(), views(data), outcomes(data, time_cut(data, nobody).cases, nobody), SMALL).failed


def test_the_measured_scorer_ranks_as_the_proof_does(proof):
    """Users whom the ranker did not learn from: another draw of the same shop."""
    data, later = shop(seed=7)
    cut = time_cut(data, later)
    ranker = replace(proof.ranker, view=views(data))
    cases = cut.cases
    ranked, plain = (
        metrics_at(rank_cases(scorer, cases), cases.owners, len(cases), 10).ndcg
        for scorer in (Reranked(base(), ranker, cases.taking), base())
    )
    assert ranked > 2 * plain


def test_numpy_serves_what_torch_learned():
    data, later = shop()
    found = some_lessons(data, later)
    learner = _Learner(base(), views(data), found, np.arange(len(found)), SMALL)
    for parameter in learner.module.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(1))
    rows = np.arange(20)
    told = found.part(rows)
    network = learner.scorer().ranker.network
    near, alone = network.scaled(told)
    with torch.no_grad():
        log = learner.module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in (near, told.past, alone, told.shown)))
    np.testing.assert_allclose(network.chances(told), np.exp(log.numpy()), atol=2e-5)
    np.testing.assert_allclose(network.chances(told).sum(axis=1), 1, atol=1e-9)


def some_lessons(data, later):
    view = views(data)
    asked = outcomes(data, time_cut(data, later).cases, later)
    return lessons(base(), view, (view.links, view.attributes), asked, pool=SMALL.pool, most=SMALL.most)


def test_untrained_it_leaves_every_order_as_it_is():
    data, later = shop()
    found = some_lessons(data, later)
    ranker = _Learner(base(), views(data), found, np.arange(len(found)), SMALL).scorer().ranker
    worth = ranker.network.chances(found.part(np.arange(10))) @ np.asarray(ranker.values)
    assert (np.argsort(-worth, axis=1, kind="stable") == np.arange(SMALL.pool)).all()


def test_a_training_that_is_killed_ends_in_the_same_numbers(tmp_path):
    data, later = shop()
    found = some_lessons(data, later)
    whole = learn(base(), views(data), found, np.arange(len(found)), SMALL)

    def stop(epoch):
        if epoch.number == 5:
            raise KeyboardInterrupt

    for on_epoch in (stop, None):
        settings = replace(SMALL, run=Run(checkpoint=tmp_path / "c.npz", on_epoch=on_epoch))
        try:
            again = learn(base(), views(data), found, np.arange(len(found)), settings)
        except KeyboardInterrupt:
            assert (tmp_path / "c.npz").exists()
    assert again.network.towers.tobytes() == whole.network.towers.tobytes()
    assert not (tmp_path / "c.npz").exists()


def test_what_is_saved_ranks_as_before(proof, tmp_path):
    data, _ = shop()
    folder = save(Artifact((("model", base()),), about={}, ranker=proof.ranker), tmp_path)
    back = load(folder).ranker
    pools, scores = candidates(base().scores_batch(data.histories), data.histories, ("purchase",), 30)
    told = [r.relevance(data.histories, pools, scores) for r in (proof.ranker, back)]
    np.testing.assert_array_equal(*told)
    assert load(save(Artifact((("model", base()),)), tmp_path)).ranker is None
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"touched"', '"felt"'), encoding="utf-8")
    with pytest.raises(ArtifactError, match="other features"):
        load(folder)


EVERY = ("view", "click", "cart", "purchase", "rating")


@pytest.mark.parametrize(
    ("taking", "taught", "expected"),
    [
        (("purchase", "rating"), (1, 1, 1, 1), (0, 0, 1, 1)),
        (("purchase", "rating"), (1, 1, 1, 0), (0, 0, 1, 0)),
        (("purchase", "rating"), (1, 1, 0, 0), (0.2, 0.5, 0, 0)),
        (EVERY, (1, 1, 1, 1), (0.2, 0.5, 1, 1)),
    ],
)
def test_an_order_is_worth_what_takes_a_product_and_was_taught(taking, taught, expected):
    assert worth(SMALL.values, taking, np.array(taught, bool)) == expected


def test_labels_are_what_came_after():
    data, _ = shop()
    rows = [
        ("u001", "p05", "view", 1000, None),
        ("u001", "p05", "rating", 1001, 2.0),
        ("u001", "p06", "rating", 1002, 5.0),
        ("u001", "p07", "cart", 1003, None),
        ("nobody", "p05", "purchase", 1004, None),
        ("u002", "unknown", "purchase", 1005, None),
    ]
    later = table(rows)
    asked = outcomes(data, time_cut(data, later).cases, later)
    assert [data.users[u] for u in asked.histories.users] == ["u001"]
    found = {(int(i), TASKS[t]) for i, t in zip(asked.items, asked.tasks, strict=True)}
    assert found == {(5, "click"), (6, "rating"), (7, "cart")}  # two stars are nothing to bring about
    taken = {(int(o), int(i)) for o, i in zip(*asked.wanted, strict=True)}
    assert taken == {(0, i) for i in (5, 6) if f"p{i:02d}" not in theirs(data, "u001")}


def theirs(data, user):
    row = data.histories.rows(data.users.get(user), data.users.get(user) + 1)
    return {data.items[int(i)] for i in row.items}


def test_held_out_items_know_what_else_was_done_to_them():
    whole = Histories.build(
        *map(np.array, ([0, 1], [3, 1], [4, 5, 5, 4])), np.array([0, 1, 3], np.int8).repeat([1, 1, 2]), np.arange(4)
    )
    kept = whole.keep(np.array([True, False, False, True]))
    asked = held_out(Cases(kept, np.array([0]), np.array([5])), whole)
    found = {(int(o), int(i), TASKS[t]) for o, i, t in zip(asked.owners, asked.items, asked.tasks, strict=True)}
    assert {(0, 5, "purchase"), (0, 5, "click")} <= found
    assert {f[:2] for f in found} == {(0, 5)}


def test_features_are_what_they_say():
    data, _ = shop()
    traits = replace(Traits.unknown(N), prices=np.where(np.arange(N) < 2, np.e ** np.arange(N), np.nan))
    view = View.of(data, traits, Relations().fit(data))
    history = Histories.build(
        *map(
            np.array,
            (
                [-1],
                [2],
                [9, 1],
            ),
        ),
        np.array([4, 0], np.int8),
        np.array([1, 2]),
    )
    pools = np.array([[1, 17, 0, -1]])
    told = tell(view, ((), view.attributes), history, pools, np.array([[3.0, 2.0, 1.0, 0.0]], np.float32), 3)
    beside = dict(zip((*BESIDE, "MADE_BY"), np.moveaxis(told.beside[0], 2, 0), strict=True))
    assert told.past.tolist() == [[True, True, False]]
    assert told.shown.tolist() == [[True, True, True, False]]
    assert beside["the same"][:3].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert beside["MADE_BY"][1, 0] == pytest.approx(beside["MADE_BY"][1, 1]) == pytest.approx((BRANDS / N) ** 0.5)
    assert beside["MADE_BY"][2, 0] == 0
    assert beside["price apart"][2].tolist() == [1, 0, 0]
    assert beside["age"][0].tolist() == [1, 0.5, 0]
    assert beside["behaviour"][0, 0] == pytest.approx(1, abs=1e-5)
    assert told.alone.shape[2] == 6 + len(ALONE) + 3 * told.beside.shape[3]


@pytest.mark.parametrize("scores", [[5.0, 5.0, 5.0, 0.0], [3.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
def test_short_lists_and_equal_scores_are_told_in_numbers_that_half_precision_holds(scores):
    data, _ = shop()
    view = views(data)
    history = data.histories.rows(0, 1)
    pools = np.where(np.array([scores]) > 0, np.arange(4), -1)
    told = tell(view, ((), view.attributes), history, pools, np.array([scores], np.float32), 3)
    assert np.abs(told.alone).max() < 100
    assert told.alone[0, :, 0].tolist() == [0, 0, 0, 0]


def test_titles_are_compared_by_words_that_tell_apart():
    found = words(["Red Kettle 1L", "red kettle 2l", "Blue Lamp", "blue lamp!", "手冲咖啡壶", "咖啡壶 大", "", "x"])
    likeness = (found @ found.T).toarray()
    assert likeness[0, 1] == pytest.approx(1) == pytest.approx(likeness[2, 3])
    assert likeness[0, 2] == 0 < likeness[4, 5]
    assert not likeness[6].any()
    assert words([]).shape[0] == 0


def test_traits_are_read_from_graph_and_log():
    items = Ids(("a", "b"))
    said = [Evidence(f"review:{n}", "reviews", 0.9, at=n) for n in range(3)]
    things = [Entity("product:a", "Product", "A", properties={"price": 9.5}), Entity("aspect:x", "Aspect", "x")]
    things.append(Entity("product:b", "Product", "B", properties={"price": -1.0}))
    with MemoryStore() as store:
        store.put(things, [Fact("product:a", "PRAISED_FOR", "aspect:x", tuple(said))])
        store.put([], [Fact("product:b", "CRITICISED_FOR", "aspect:x", (said[2],))])
        log = table([("u", "a", "rating", 1, 4.0), ("v", "a", "rating", 1, 5.0), ("v", "b", "rating", 1, None)])
        found = read_traits(store, log, items, until=2)
    assert found.praised.tolist() == [2, 0]
    assert found.criticised.tolist() == [0, 0]
    assert found.stars[0] == 4.5
    assert np.isnan(found.stars[1])
    assert found.prices[0] == 9.5
    assert np.isnan(found.prices[1])
    assert found.titles == ("A", "B")


@pytest.fixture(scope="module")
def served(proof, tmp_path_factory):
    """The planted shop over a graph and a log, with the ranker and without."""
    things = [Entity(f"product:{n}", "Product", n, properties={"price": float(i + 1)}) for i, n in enumerate(NAMES)]
    things += [Entity(f"brand:{b}", "Brand", str(b)) for b in range(BRANDS)] + [Entity("product:new", "Product", "New")]
    facts = [
        Fact(f"product:{n}", "MADE_BY", f"brand:{i % BRANDS}", (Evidence("c", "catalog", 0.9),))
        for i, n in enumerate(NAMES)
    ]
    facts.append(Fact("product:new", "MADE_BY", "brand:1", (Evidence("c", "catalog", 0.9),)))
    data, _ = shop()
    term = Relations().fit(data)
    folder = tmp_path_factory.mktemp("log")
    with MemoryStore() as store, EventLog(folder / "events.db") as log:
        store.put(things, facts)
        log.append([Interaction("e", "p01", "purchase", 1, "ann"), Interaction("f", "p09", "purchase", 2, "ann")])
        chain = (("model", base()), ("relations", term))
        yield tuple(Recommender(Artifact(chain, ranker=ranker), store, log) for ranker in (proof.ranker, None))


def told(found):
    return {r.product_id: (r.score, r.origin, r.reasons) for r in found}


WISHES = [
    {},
    {"filters": Filters(min_price=5, max_price=30)},
    {"diversity": Diversity("high-diversity")},
    {"thresholds": Thresholds(min_score=8.0)},
    {"rules": [Rule("b", "boost", Filters(only=("p17",), available=False), by=0.001)]},
    {"rules": [Rule("p", "pin", Filters(only=("p30", "p31"), available=False), position=2)]},
    {"rules": [Rule("h", "hide", Filters(only=("p25", "p33"), available=False))]},
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: next(iter(wish), "plain"))
def test_only_ranks_change_and_a_short_list_heads_a_long_one(served, wish):
    ranked, plain = (one.recommend("ann", k=60, **wish) for one in served)
    assert told(ranked) == told(plain)
    assert [r.product_id for r in ranked] != [r.product_id for r in plain]
    for k in (1, 2, 9, 35):
        assert served[0].recommend("ann", k=k, **wish) == ranked[:k]


def test_who_is_moved_says_so_and_the_planted_brand_leads(served):
    ranked, plain = (served[n].recommend("ann", k=60) for n in (0, 1))
    before = {r.product_id: r.rank for r in plain}
    for r in ranked:
        assert r.moved_by == ((RANKER,) if r.rank != before[r.product_id] else ())
    first = [NAMES.index(r.product_id) % BRANDS for r in ranked[:3]]
    assert first.count(1) >= 2  # ann took p09 last, which is of the brand of p01, p17, p25, p33
    place = {r.product_id: r.rank for r in ranked}
    assert place["new"] == before["new"]


def test_boosts_and_pins_hold(served):
    ranked = served[0]
    best = ranked.recommend("ann", k=1)[0].product_id
    lowered = ranked.recommend(
        "ann", k=60, rules=[Rule("b", "boost", Filters(only=(best,), available=False), by=0.001)]
    )
    assert lowered[0].product_id != best
    pinned = ranked.recommend("ann", k=5, rules=[Rule("p", "pin", Filters(only=("p30",), available=False), position=2)])
    assert (pinned[1].product_id, pinned[1].moved_by) == ("p30", ("rule: p",))


@pytest.mark.parametrize("wish", WISHES[:4], ids=lambda wish: next(iter(wish), "plain"))
def test_why_not_agrees_with_the_answer(served, wish):
    shown = {r.product_id: r.rank for r in served[0].recommend("ann", k=5, **wish)}
    for name in (*NAMES, "new"):
        standing = served[0].why_not(name, "ann", k=5, **wish)
        assert standing.shown_at == shown.get(name, 0)
        assert bool(standing.against) == (name not in shown)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.booleans()), max_size=12))
def test_the_ranker_takes_no_reason_out_of_a_list(rows):
    worth, free = np.array([w for w, _ in rows]), np.array([f for _, f in rows], bool)
    order = arrangement(worth, free)
    assert sorted(order) == list(range(len(rows)))
    for n in range(len(rows) + 1):
        assert free[order[:n]].sum() >= free[:n].sum()
    assert all(free[old] or new >= old for new, old in enumerate(order)) or not free.any()
    best_first = np.argsort(-worth, kind="stable").tolist()
    for anyone in (np.ones(len(rows), bool), np.zeros(len(rows), bool)):
        assert arrangement(worth, anyone) == best_first
    moved_up = [worth[old] for old in order if free[old]]
    assert moved_up == sorted(moved_up, reverse=True)


def test_there_are_as_many_reasons_as_without_it(served, proof):
    """The model of the fixture with a part that explains: only what shares a brand with the history has a reason."""
    plain = served[1]
    term = plain.artifact.chain[1][1]
    chain = (("model", WeightedSumScorer(((1.0, base()), (0.01, term)))), *plain.artifact.chain[1:])
    found = []
    for ranker in (proof.ranker, None):
        one = Recommender(Artifact(chain, ranker=ranker), plain._reader, plain._events)
        found.append([bool(r.reasons) for r in one.recommend("ann", k=40)])
    assert found[0] != found[1]
    assert (np.cumsum(found[0]) >= np.cumsum(found[1])).all()


def test_a_stranger_is_answered_by_fallbacks_as_before(served):
    assert served[0].recommend("ghost", k=9)
    assert {r.product_id for r in served[0].recommend("ghost", k=60)} == {
        r.product_id for r in served[1].recommend("ghost", k=60)
    }
