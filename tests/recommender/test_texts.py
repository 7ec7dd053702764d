"""Texts in any script become vectors, and products that no one has bought get scores from them."""

import subprocess
import sys

import numpy as np
import pytest

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity
from recommender.choosing import choose
from recommender.dataset import Dataset
from recommender.errors import DatasetError, ModelFitError
from recommender.histories import Histories, UserState
from recommender.models.itemknn import ItemKNN
from recommender.models.popularity import Popularity
from recommender.models.texts import Texts
from recommender.reading import read_dataset
from recommender.splits import leave_last_out
from recommender.texts import features, nearest, tf_idf

SHOP = {
    "polish": "Red nail polish",
    "lacquer": "Nail polish, glitter, red",  # nobody took it
    "wipes": "Acetone wipes",
    "shampoo": "Tea tree shampoo",
    "rinse": "Tea tree balm",
    "blank": "",
}
TAKEN = [("u", "polish"), ("u", "wipes"), ("v", "polish"), ("v", "wipes"), ("w", "shampoo"), ("w", "rinse")]


@pytest.fixture
def shop(log):
    def make(texts=SHOP, taken=TAKEN):
        rows = [(user, item, at) for at, (user, item) in enumerate(taken)]
        data = Dataset.build(log([*rows, *(("x", item, 99) for item in SHOP)]))  # x names the items, and is gone
        return data.with_histories(data.histories.keep(data.histories.at < 99)).with_texts(texts)

    return make


def scores(scorer, *history):
    """By item, for somebody who took these."""
    places = np.array([scorer.items.places[name] for name in history], np.int64)
    actions, at = np.full(len(places), 3, np.int8), np.arange(len(places))
    row = Histories.build(np.array([-1]), np.array([len(places)]), places, actions, at)
    return dict(zip(scorer.items.names, scorer.scores_batch(row)[0].tolist(), strict=True))


def test_an_item_without_events_is_scored_by_its_text(shop):
    found = scores(Texts().fit(shop()), "polish")
    assert found["lacquer"] > 0
    assert found["lacquer"] > found["shampoo"]


def test_it_inherits_what_goes_with_what_reads_like_it(shop):
    """The lacquer has no word in common with the wipes, but the polish goes with it."""
    assert scores(Texts().fit(shop()), "wipes")["lacquer"] > 0
    assert scores(Texts(behaviour=0.0).fit(shop()), "wipes")["lacquer"] == 0
    assert scores(Texts().fit(shop()), "shampoo")["lacquer"] == 0


def test_texts_alone_speak_where_nobody_did_anything(shop):
    assert scores(Texts().fit(shop(taken=[])), "polish")["lacquer"] > 0


def test_an_item_without_a_text_scores_nothing(shop):
    scorer = Texts().fit(shop())
    assert scores(scorer, "polish")["blank"] == 0
    assert not any(scores(scorer, "blank").values())


@pytest.mark.parametrize("texts", [{}, dict.fromkeys(SHOP, ""), dict.fromkeys(SHOP, "🎁 —!")])
def test_without_words_there_is_nothing_to_learn(shop, texts):
    with pytest.raises(ModelFitError, match="text"):
        Texts().fit(shop(texts))


def test_without_texts_the_others_serve(shop):
    cut = leave_last_out(shop({}))
    choice = choose([Popularity(), ItemKNN(), Texts()], cut)
    assert [t.failed for t in choice.tried if t.name == "texts"] == [
        "a model of texts needs texts of products; the training set holds none"
    ]
    assert "texts" not in choice.model.name


def test_vectors_of_an_encoder_speak_too(shop):
    vectors = np.zeros((len(SHOP), 2), np.float32)
    places = shop().items.places
    for name, vector in {"wipes": (1, 0), "shampoo": (0.9, 0.1), "rinse": (0, 1)}.items():
        vectors[places[name]] = vector
    scorer = Texts(behaviour=0.0).fit(shop({}).with_text_vectors(vectors))
    found = scores(scorer, "wipes")
    assert found["shampoo"] > 0
    assert found["polish"] == found["blank"] == 0
    both = scores(Texts(behaviour=0.0).fit(shop().with_text_vectors(vectors)), "wipes", "polish")
    assert both["lacquer"] > 0
    assert both["shampoo"] > 0


def test_what_does_not_fit_the_items_is_refused(shop):
    data = shop()
    with pytest.raises(DatasetError, match="1 products with a text are no items, such as 'nothing'"):
        data.with_texts({"nothing": "text"})
    with pytest.raises(DatasetError, match=r"\(2, 3\)"):
        data.with_text_vectors(np.ones((2, 3), np.float32))
    bad = np.ones((len(SHOP), 2), np.float32)
    bad[data.items.places["lacquer"]] = np.nan
    with pytest.raises(DatasetError, match="1 text vectors are not finite, such as that of 'lacquer'"):
        data.with_text_vectors(bad)


def test_features_of_any_script():
    assert "=cafe" in set(features("CAFE"))
    assert set(features("Ｃａｆｅ")) == set(features("cafe"))  # full width
    assert {"口", "口红", "口红色"} <= set(features("口红色"))
    assert "=k5" in set(features("適用K5"))
    assert "適用" in set(features("適用K5"))
    assert list(features(" ... 🎁 ")) == []
    assert list(features("")) == []
    assert set(features("a\ud800b")) >= {"=a", "=b"}  # half a surrogate pair is no letter
    assert tf_idf(["a\ud800b", "b"], 10).nnz > 0


def test_chinese_and_english_texts_find_their_like():
    texts = ["红色指甲油", "指甲油 红", "茶树洗发水", "red polish", "polish, red"]
    similar = nearest(tf_idf(texts, 10), None, 1).toarray()
    assert similar.argmax(axis=0)[[0, 1, 3, 4]].tolist() == [1, 0, 4, 3]


@pytest.mark.parametrize("with_dense", [False, True])
def test_the_nearest_are_those_of_brute_force(with_dense):
    random = np.random.default_rng(0)
    words = np.array(["tea", "tree", "nail", "polish", "oil", "argan", "mint", "rose"])
    texts = [" ".join(random.choice(words, 3)) for _ in range(60)]
    vectors = tf_idf(texts, 1000)
    dense = random.standard_normal((60, 4)).astype(np.float32) if with_dense else None
    whole = (vectors @ vectors.T).toarray() + (0 if dense is None else dense @ dense.T)
    np.fill_diagonal(whole, 0)
    found = nearest(vectors, dense, 7).toarray()
    for column in range(60):
        best = np.sort(whole[:, column])[::-1][:7]
        np.testing.assert_allclose(np.sort(found[:, column])[::-1][:7], np.maximum(best, 0), atol=1e-6)
        assert np.count_nonzero(found[:, column]) <= 7
    every = nearest(vectors, dense, 1000).toarray()
    np.testing.assert_allclose(every, np.maximum(whole, 0), atol=1e-6)


def test_of_equals_the_first_is_kept():
    found = nearest(tf_idf(["red", "red", "red", "red"], 10), None, 2).toarray()
    assert [np.flatnonzero(found[:, column]).tolist() for column in range(4)] == [[1, 2], [0, 2], [0, 1], [0, 1]]


def test_texts_come_from_the_products_own_documents(log):
    with MemoryStore() as store:
        store.put(
            [Entity("product:茶", "Product", "茶"), Entity("product:bag", "Product", "Bag")],
            documents=[
                Document("doc:茶", "product:茶", "product", "茶\n绿茶", 5),
                Document("doc:bag", "product:bag", "product", "Bag"),
                Document("review:1", "product:bag", "review", "awful"),
            ],
        )
        events = log([("u", "茶", 1)])
        assert read_dataset(store, events).texts == ("Bag", "茶\n绿茶")
        assert read_dataset(store, events, until=5).texts == ("", "")
        assert read_dataset(store, events, until=6).texts == ("", "茶\n绿茶")
        undated = read_dataset(store, events, until=6, allow_undated=True)
        assert undated.texts == ("Bag", "茶\n绿茶")
        assert undated.before(6, allow_undated=True).texts == undated.texts
        assert undated.before(6).texts == ()


def test_it_needs_no_torch():
    code = "import sys, recommender.models.texts; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_same_texts_give_the_same_scores(shop):
    one, other = (Texts().fit(shop()).matrix for _ in range(2))
    assert one.data.tobytes() == other.data.tobytes()
    state = UserState("new")
    assert not Texts().fit(shop()).scores(state).any()
