"""The gate: equal passes, worse is refused, and a model of another catalogue is asked in its own numbers."""

import numpy as np
import pytest

from recommender.configuration import MODULES, read_model
from recommender.dataset import Dataset
from recommender.errors import ConfigurationError
from recommender.gate import Renumbered, judge, ndcgs
from recommender.histories import Ids
from recommender.models.als import Als
from recommender.models.chebyshev import Chebyshev
from recommender.models.coupling import Coupling
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.lae import Lae
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.randomwalk import RandomWalk
from recommender.models.relations import Relations
from recommender.models.slist import Slist
from recommender.models.spectral import Spectral
from recommender.splits import leave_last_out


def test_equals_pass_even_where_nothing_may_be_lost():
    values = np.random.default_rng(0).random(50)
    assert judge(values, values, k=10, tolerance=0.0).passed
    assert judge(np.zeros(50), np.zeros(50), k=10).passed


def test_better_passes_and_worse_beyond_the_tolerance_does_not():
    random = np.random.default_rng(1)
    old = random.random(400)
    assert judge(np.minimum(old + 0.05, 1), old, k=10, tolerance=0.0).passed
    verdict = judge(old * 0.8, old, k=10, tolerance=0.05)
    assert not verdict.passed
    assert verdict.difference.high < 0
    assert judge(old * 0.8, old, k=10, tolerance=0.3).passed


def test_what_chance_may_have_made_is_not_let_through():
    """Ten users cannot show that nothing is lost, however equal the means look."""
    random = np.random.default_rng(2)
    old = random.random(10)
    new = random.permutation(old)
    verdict = judge(new, old, k=10, tolerance=0.05)
    assert verdict.difference.mean == pytest.approx(0.0)
    assert not verdict.passed


@pytest.mark.parametrize("tolerance", [-0.1, 1.0, float("nan")])
def test_a_tolerance_is_a_share(tolerance):
    with pytest.raises(ValueError, match="expected a share"):
        judge(np.ones(3), np.ones(3), k=10, tolerance=tolerance)


@pytest.fixture
def cut(log):
    rows = [(f"u{user}", f"i{(user + step) % 9}", user * 10 + step) for user in range(30) for step in range(4)]
    return leave_last_out(Dataset.build(log(rows)))


def test_a_scorer_of_the_same_catalogue_in_another_order_answers_alike(cut, log):
    scorer = ItemKNN().fit(cut.train)
    h, names = cut.train.histories, cut.train.items.names[::-1]
    turned = type(h)(h.users, h.indptr, len(names) - 1 - h.items, h.actions, h.at)
    other = ItemKNN().fit(Dataset(Ids(names), cut.train.users, turned))
    renumbered = Renumbered(other, cut.train.items, cut.train.users)
    np.testing.assert_allclose(
        renumbered.scores_batch(cut.cases.histories), scorer.scores_batch(cut.cases.histories), rtol=1e-6
    )
    np.testing.assert_allclose(ndcgs(renumbered, cut.cases, 5), ndcgs(scorer, cut.cases, 5))


def test_what_the_older_model_does_not_know_comes_last(cut, log):
    older = ItemKNN().fit(Dataset.build(log([("u1", "i1", 1), ("u1", "i2", 2), ("u2", "gone", 3), ("u2", "i1", 4)])))
    renumbered = Renumbered(older, cut.train.items, cut.train.users)
    scores = renumbered.scores_batch(cut.cases.histories)
    known = np.isin(cut.train.items.names, ["i1", "i2"])
    assert np.isfinite(scores).all()
    assert (scores[:, ~known] < scores[:, known].min(axis=1, keepdims=True)).all()
    assert renumbered.speaks(cut.cases.histories).any()


MODELS = [
    Popularity(half_life_days=30.0),
    ItemKNN(),
    Ease(decay=0.8),
    Slist(),
    RandomWalk(beta=0.1),
    Spectral(8),
    Als(4),
    Chebyshev(),
    Coupling(),
    Lae(64, low_pass=0.0),
    Relations({"USED_FOR": 0.5, "打": 1.0}, through="entities", name="shared entities"),
    Mixture(((1.0, Ease()), (0.25, Mixture(((1.0, ItemKNN()), (0.5, Relations())))))),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_configuration_comes_back_from_its_line(model):
    assert read_model(repr(model)) == model


def test_networks_come_back_too():
    pytest.importorskip("torch")
    from recommender.models.lightgcn import LightGCN
    from recommender.models.relational import Relational
    from recommender.models.sasrec import Sasrec

    for model in (LightGCN(seed=3, epochs=7), Relational(seed=1), Sasrec()):
        assert read_model(repr(model)) == model


def test_every_model_can_come_back():
    from pathlib import Path

    import recommender.models

    folder = Path(recommender.models.__file__).parent
    assert set(MODULES.values()) == {p.stem for p in folder.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('x')",
        "ItemKNN().fit",
        "(1, 2)",
        "HistoryWeights()",
        "dict(a=1)",
        "ItemKNN(no_such=1)",
        "Popularity(",
        "[x for x in ()]",
        "None",
        "",
    ],
)
def test_nothing_else_comes_out(text):
    with pytest.raises(ConfigurationError, match="train again"):
        read_model(text)
