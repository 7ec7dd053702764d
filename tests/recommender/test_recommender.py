"""The whole way from facts and events to explained recommendations, on a shop small enough to know by heart."""

import json
from itertools import pairwise

import numpy as np
import pytest

from kg.stores.memory import MemoryStore
from kg.types import ACTIONS, Document, Entity, Evidence, Fact, Interaction
from recommender.artifact import load, promote, read_manifest, save
from recommender.choosing import build, choose
from recommender.errors import ArtifactError, LeakageError, UnknownProduct
from recommender.evaluation import measure
from recommender.explanation import contributions, relation_terms
from recommender.filters import Filters
from recommender.histories import UserState
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.models.slist import Slist
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.splits import leave_last_out

TEXT = "VB-20 Battery\nMade for the Velkin K5. 适用于 K5。"


def product(shop_id, name, **properties):
    return Entity(f"product:{shop_id}", "Product", name, properties=properties)


def fact(head, relation, tail, **evidence):
    return Fact(
        head, relation, tail, (Evidence(**{"source": "log", "method": "catalog", "confidence": 0.5} | evidence),)
    )


@pytest.fixture
def store():
    start = TEXT.index("Velkin K5")
    quoted = {"source": "doc:vb", "method": "rules", "quote": "Velkin K5", "start": start, "end": start + 9}
    with MemoryStore() as store:
        store.put(
            [
                product("k5", "Velkin K5 Mirrorless Camera", price=900.0),
                product("vb", "VB-20 Battery", price=50.0),
                product("bag", "Shoulder Bag", price=40.0),
                product("mug", "Enamel Mug", price=9.0),
                product("tent", "Two-Person Tent", available=False),
                product("dust", "Never Sold, Never Mentioned"),
                Entity("thing:velkin k5", "Thing", "Velkin K5"),
                Entity("use:travel", "Use", "travel"),
                Entity("category:photo", "Category", "Photo"),
                Entity("category:photo > power", "Category", "Power"),
                Entity("brand:velkin", "Brand", "Velkin"),
            ],
            [
                fact("product:vb", "COMPATIBLE_WITH", "thing:velkin k5", **quoted),
                fact("product:k5", "USED_FOR", "use:travel", source="doc:k5"),
                fact("product:bag", "USED_FOR", "use:travel", source="doc:bag"),
                fact("product:bag", "BOUGHT_WITH", "product:k5", counts={"support": 7.0}, at=5),
                fact("product:k5", "IN_CATEGORY", "category:photo"),
                fact("product:vb", "IN_CATEGORY", "category:photo > power"),
                fact("category:photo > power", "SUBCATEGORY_OF", "category:photo"),
                fact("product:k5", "MADE_BY", "brand:velkin"),
            ],
            [Document("doc:vb", "product:vb", "product", TEXT)],
        )
        yield store


class Log:
    """Histories by user or session."""

    def __init__(self, **histories):
        self.histories = histories

    def history(self, user_id, *, session_id=None, limit=None, until=None):
        mine = self.histories.get(user_id or session_id, ())
        return tuple(e for e in mine if until is None or e.at < until)[-(limit or 0) :]

    def products(self, user_id, *, session_id=None, actions=ACTIONS, until=None):
        mine = self.histories.get(user_id or session_id, ())
        return frozenset(e.product_id for e in mine if e.action in actions and (until is None or e.at < until))


def bought(*names, start=0):
    return tuple(Interaction(f"{name}{start}", name, "purchase", start + at, "u") for at, name in enumerate(names))


@pytest.fixture
def data(store, log):
    rows = [
        ("u1", "mug", 1),
        ("u1", "tent", 2),
        ("u2", "mug", 3),
        ("u2", "bag", 4),
        ("u3", "tent", 5),
        ("u3", "mug", 6),
    ]
    return read_dataset(store, log(rows))


@pytest.fixture
def artifact(data):
    return build(Mixture(((1.0, ItemKNN()), (0.5, Relations()))), data, {"seed": 7})


@pytest.fixture
def recommender(artifact, store):
    log = Log(photographer=bought("k5"), guest=bought("vb"), camper=bought("tent"))
    return Recommender(artifact, store, log)


def shown(recommendations):
    return [(r.product_id, r.origin) for r in recommendations]


def test_facts_carry_a_recommendation_and_say_so(recommender, store):
    first, second = recommender.recommend("photographer", k=2)
    assert {first.product_id, second.product_id} == {"vb", "bag"}
    battery = first if first.product_id == "vb" else second
    (reason,) = battery.reasons
    assert reason.events == bought("k5")
    assert [f.triple for f in reason.path.facts] == [("product:vb", "COMPATIBLE_WITH", "thing:velkin k5")]
    evidence = reason.path.facts[0].evidence[0]
    assert store.document(evidence.source).text[evidence.start : evidence.end] == evidence.quote == "Velkin K5"


def test_reasons_stand_in_the_order_of_their_contribution(recommender):
    bag = next(r for r in recommender.recommend("photographer", k=6) if r.product_id == "bag")
    ways = [[f.relation for f in reason.path.facts] for reason in bag.reasons]
    assert ways == [["BOUGHT_WITH"], ["USED_FOR", "USED_FOR"]]
    assert bag.reasons[0].path.facts[0].counts == {"support": 7.0}
    assert bag.reasons[0].contribution > bag.reasons[1].contribution > 0
    assert len(recommender.recommend("photographer", k=6, max_reasons=1)[0].reasons) == 1


def test_contributions_add_up_to_the_relation_terms_part(artifact):
    user = UserState(None, (*bought("k5", "mug"), Interaction("e", "vb", "view", 9)))
    scorer = artifact.chain[0][1]
    terms = list(relation_terms(scorer))
    assert [weight for weight, _ in terms] == [0.5]
    for name in artifact.items.names:
        expected = sum(weight * float(term.scores(user, [name])[0]) for weight, term in terms)
        assert sum(c.value for c in contributions(scorer, user, name)) == pytest.approx(expected, abs=1e-6)
    assert contributions(scorer, user, "bag")


def test_what_no_fact_carries_has_no_reason(recommender):
    mug = next(r for r in recommender.recommend("camper", k=5) if r.product_id == "mug")
    assert mug.origin == "itemknn + relations"
    assert mug.reasons == ()


def test_a_fact_that_was_retracted_is_no_reason(recommender, store):
    store.retract("log")
    bag = next(r for r in recommender.recommend("photographer", k=6) if r.product_id == "bag")
    assert [[f.relation for f in reason.path.facts] for reason in bag.reasons] == [["USED_FOR", "USED_FOR"]]


def test_strangers_get_what_sells_and_are_told(recommender):
    assert shown(recommender.recommend("nobody", k=2)) == [("mug", "popularity"), ("bag", "popularity")]
    assert shown(recommender.recommend(k=1)) == [("mug", "popularity")]
    assert recommender.recommend("nobody")[0].reasons == ()


def test_fallbacks_fill_what_the_model_leaves_open(recommender):
    found = recommender.recommend("guest", k=10)
    assert shown(found) == [
        ("k5", "itemknn + relations"),
        ("mug", "popularity"),
        ("bag", "popularity"),
        ("dust", "catalogue"),
    ]
    assert [r.rank for r in found] == [1, 2, 3, 4]
    assert (found[-1].score, found[-1].reasons) == (0.0, ())


def test_a_session_and_a_history_speak_for_themselves(recommender):
    by_session = recommender.recommend(session_id="guest", k=1)
    assert (
        shown(by_session) == shown(recommender.recommend(history=bought("vb"), k=1)) == [("k5", "itemknn + relations")]
    )


def test_seen_means_taken(recommender):
    looked = (Interaction("e", "bag", "view", 1), Interaction("f", "k5", "purchase", 2))
    names = [r.product_id for r in recommender.recommend(history=looked, k=10)]
    assert "bag" in names
    assert "k5" not in names
    again = [r.product_id for r in recommender.recommend(history=looked, k=10, exclude_seen=False)]
    assert "k5" in again


def test_a_short_list_is_the_head_of_a_long_one(recommender):
    for user in ("photographer", "guest", "camper", "nobody"):
        long = recommender.recommend(user, k=10)
        for k in range(len(long)):
            assert recommender.recommend(user, k=k) == long[:k]
        for one, two in pairwise(long):
            assert one.origin != two.origin or one.score >= two.score


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(only=["vb", "mug"]), {"vb", "mug"}),
        (Filters(exclude=["vb"]), {"bag", "mug", "dust"}),
        (Filters(max_price=45.0), {"bag", "mug"}),
        (Filters(min_price=45.0), {"vb"}),
        (Filters(category="category:photo"), {"vb"}),
        (Filters(brand="brand:velkin"), set()),
        (Filters(available=False), {"vb", "bag", "mug", "tent", "dust"}),
    ],
)
def test_filters_leave_only_what_passes(recommender, filters, expected):
    found = recommender.recommend("photographer", k=10, filters=filters)
    assert {r.product_id for r in found} == expected
    assert [r.rank for r in found] == list(range(1, len(found) + 1))


def test_what_becomes_unavailable_is_no_longer_shown(recommender, store):
    assert "bag" in {r.product_id for r in recommender.recommend("photographer")}
    store.put([product("bag", "Shoulder Bag", price=40.0, available=False)])
    assert "bag" not in {r.product_id for r in recommender.recommend("photographer")}


def test_the_past_is_answered_only_by_models_that_do_not_know_better(recommender):
    with pytest.raises(LeakageError, match="up to 6"):
        recommender.recommend("photographer", as_of=6)
    late = (*bought("mug", start=5), *bought("k5", start=100))
    assert ("vb", "catalogue") in shown(recommender.recommend(history=late, as_of=50))
    assert ("vb", "itemknn + relations") in shown(recommender.recommend(history=late, as_of=101))


def test_explain_places_one_product(recommender):
    whole = {r.product_id: r for r in recommender.recommend("photographer", k=10)}
    assert recommender.explain("bag", "photographer") == whole["bag"]
    assert recommender.explain("dust", "photographer") == whole["dust"]
    assert recommender.explain("tent", "photographer").rank == 0
    with pytest.raises(UnknownProduct, match="'gone'"):
        recommender.explain("gone", "photographer")


def test_related_reads_facts_in_both_directions(recommender):
    (only,) = recommender.related("k5", "BOUGHT_WITH")
    assert (only.product_id, only.score, only.origin) == ("bag", 0.5, "BOUGHT_WITH")
    assert only.reasons[0].path.facts[0].head == "product:bag"
    assert recommender.related("bag", "BOUGHT_WITH")[0].product_id == "k5"
    with pytest.raises(UnknownProduct):
        recommender.related("gone", "BOUGHT_WITH")


def test_an_artifact_comes_back_as_it_was(artifact, store, tmp_path):
    folder = save(artifact, tmp_path / "models")
    back = load(folder)
    assert (back.taking, back.about) == (artifact.taking, artifact.about)
    log = Log(photographer=bought("k5"))
    before, after = (Recommender(a, store, log).recommend("photographer", k=9) for a in (artifact, back))
    assert before == after
    assert read_manifest(folder)["about"]["seed"] == 7


def test_the_same_model_gets_the_same_folder(artifact, data, tmp_path):
    one = save(artifact, tmp_path)
    two = save(build(Mixture(((1.0, ItemKNN()), (0.5, Relations()))), data, {"seed": 7}), tmp_path)
    other = save(build(Ease(), data, {"seed": 7}), tmp_path)
    assert one == two != other
    assert one.name.startswith("itemknn---relations-")
    promote(one)
    promote(other)
    assert (tmp_path / "current").read_text() == other.name + "\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([one.name, other.name, "current"])


def test_a_torn_or_foreign_folder_is_refused(artifact, tmp_path):
    with pytest.raises(ArtifactError, match="no model folder"):
        load(tmp_path)
    folder = save(artifact, tmp_path)
    (folder / "users.json").write_text("[")
    with pytest.raises(ArtifactError, match="torn"):
        load(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(ArtifactError, match="format 99, this version reads 1"):
        load(folder)


def test_the_choice_is_what_ranks_best_and_always_has_a_relation_term(store, log):
    random = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{(u % 2) * 5 + int(i)}", t) for t in range(5) for u in range(40) for i in random.integers(0, 5, 1)
    ]
    cut = leave_last_out(read_dataset(store, log(rows), relations=["USED_FOR", "COMPATIBLE_WITH"]))
    choice = choose([ItemKNN(), Ease(1.0)], cut)
    assert choice.steps[0].ndcg == max(t.ndcg for t in choice.tried if len(t.weights) == 1)
    assert {"relations", "shared entities"} < {part.name for _, part in choice.model.parts}
    assert all(weight > 0 for weight, _ in choice.model.parts)
    assert choice.steps[-1].model == choice.model


def test_a_shop_without_a_log_is_served_by_its_facts(store, log):
    artifact = build(Mixture(((1.0, Ease()), (1.0, Relations()))).parts[1][1], read_dataset(store, log([])))
    recommender = Recommender(artifact, store, Log())
    assert shown(recommender.recommend(history=bought("vb"), k=1)) == [("k5", "relations")]
    assert shown(recommender.recommend(k=1)) == [("k5", "most connected")]


def test_a_decay_that_was_learned_with_is_kept_while_choosing(store, log):
    rows = [(f"u{u}", f"i{item:02d}", 10 * u + t) for u in range(12) for t, item in enumerate((0, 1, 2, 3, 4))]
    cut = leave_last_out(read_dataset(store, log(sorted(rows, key=lambda row: row[2])), relations=[]))
    model = Slist(1.0, decay=0.6)
    choice = choose([model], cut)
    assert (choice.model, choice.tried[0].decay) == (model, 0.6)
    assert choice.tried[0].ndcg == measure(model.fit(cut.train), cut.cases).ndcg
