"""Laws that every model keeps. A new file in ``recommender/models`` fails here until it stands in ``MODELS``."""

import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass

import numpy as np
import pyarrow as pa
import pytest

import recommender.models
from kg.types import Interaction
from recommender.artifact import Artifact, load, save
from recommender.comparing import has_seed
from recommender.dataset import Dataset, Edges
from recommender.errors import LeakageError, ModelFitError, UnknownProduct
from recommender.histories import Histories, Ids, UserState
from recommender.models.als import Als
from recommender.models.chebyshev import Chebyshev
from recommender.models.coupling import Coupling
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.lae import Lae
from recommender.models.lightgcn import LightGCN
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.randomwalk import RandomWalk
from recommender.models.relational import Relational
from recommender.models.relations import Relations
from recommender.models.sasrec import Sasrec
from recommender.models.slist import Slist
from recommender.models.spectral import Spectral
from recommender.models.texts import Texts
from recommender.newcomers import Arrived
from recommender.retrieval import top_k
from recommender.widening import widen

MODELS = [
    Slist(1.0),
    Chebyshev(order=4),
    Coupling(),
    Popularity(),
    Popularity(half_life_days=30.0),
    ItemKNN(),
    ItemKNN(neighbours=3, shrink=1.0, decay=0.8),
    RandomWalk(),
    RandomWalk(alpha=1.0, beta=0.5, neighbours=3),
    Ease(1.0),
    Ease(1.0, facts=0.5),
    Spectral(dimensions=2),
    Lae(dimensions=2),
    Lae(dimensions=2, facts=0.5),
    Lae(dimensions=4, regularisation=1.0, low_pass=0.0, decay=0.8),
    Als(dimensions=4, regularisation=0.1, alpha=1.0),
    Relations(),
    Texts(),
    Mixture(((1.0, Ease(1.0)), (0.3, Relations()))),
    LightGCN(dimensions=8, epochs=25, learning_rate=0.02),
    LightGCN(dimensions=8, epochs=25, learning_rate=0.02, start="spectral"),
    LightGCN(dimensions=8, epochs=40, learning_rate=0.05, loss="bpr"),
    Sasrec(dimensions=8, epochs=25, learning_rate=0.02),
    Relational(dimensions=8, epochs=25, learning_rate=0.02),
    Relational(dimensions=8, epochs=25, learning_rate=0.02, layers=1, together=True),
]
PERSONAL = [model for model in MODELS if not isinstance(model, Popularity)]

# who learns order fills no hole behind
UNORDERED = [model for model in PERSONAL if not isinstance(model, Slist | Sasrec)]

each = pytest.mark.parametrize("model", MODELS, ids=repr)
each_personal = pytest.mark.parametrize("model", PERSONAL, ids=repr)

SIDE = 12  # users and items of the board: user u takes item i where u + i is even, but for the diagonal of its colour

TEXTS = {f"i{i:02d}": f"{('black', 'white')[i % 2]} piece" for i in range(SIDE)}


def checkerboard(until: int | None = None) -> Dataset:
    """Every user takes all items of one colour but one. The missing one is the only right answer."""
    rows = [(u, i) for u in range(SIDE) for i in range(SIDE) if (u + i) % 2 == 0 and i != u]
    same = [(i, j) for i in range(SIDE) for j in range(SIDE) if i != j and (i + j) % 2 == 0]
    links = {"BOUGHT_WITH": Edges.of(*np.array(same).T)}
    colours = {"IN_COLOUR": Edges.of(np.arange(SIDE), np.arange(SIDE) % 2)}
    table = events([(f"u{u:02d}", f"i{i:02d}", t) for t, (u, i) in enumerate(rows)])
    return Dataset.build(
        table,
        entities=Ids(("black", "white")),
        texts=TEXTS,
        links=links,
        attributes=colours,
        until=until,
        allow_undated=True,
    )


def events(rows: list[tuple[str, str, int]]) -> pa.Table:
    return pa.table(
        {
            "user": pa.array([row[0] for row in rows], pa.string()),
            "session": pa.nulls(len(rows), pa.string()),
            "product": pa.array([row[1] for row in rows], pa.string()),
            "action": pa.array(["purchase"] * len(rows), pa.string()),
            "at": pa.array([row[2] for row in rows], pa.int64()),
        }
    )


@pytest.fixture(scope="module")
def board() -> Dataset:
    return checkerboard()


@pytest.fixture(scope="module")
def fitted(board):
    """One fit of each model, shared by the laws that only read."""
    return {repr(model): model.fit(board) for model in MODELS}


def state(data: Dataset, user: int) -> UserState:
    row = data.histories.rows(user, user + 1)
    history = (
        Interaction(f"e{n}", data.items[int(i)], "purchase", int(at))
        for n, (i, at) in enumerate(zip(row.items, row.at, strict=True))
    )
    return UserState(data.users[user], tuple(history))


@pytest.mark.parametrize("model", UNORDERED, ids=repr)
def test_the_missing_square_is_found(model, board, fitted):
    scores = fitted[repr(model)].scores_batch(board.histories)
    seen = board.matrix().toarray() > 0
    best = [int(top_k(scores[user], 1, ~seen[user])[0]) for user in range(SIDE)]
    assert best == list(range(SIDE))


@each
def test_scores_have_their_shape_and_are_numbers(model, board, fitted):
    scores = fitted[repr(model)].scores_batch(board.histories)
    assert scores.shape == (SIDE, SIDE)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert scores.any()


@each
def test_the_same_seed_learns_the_same(model, board, fitted):
    again = model.fit(checkerboard()).scores_batch(board.histories)
    assert again.tobytes() == fitted[repr(model)].scores_batch(board.histories).tobytes()


@each
def test_one_user_alone_is_scored_as_among_others(model, board, fitted):
    scorer = fitted[repr(model)]
    together = scorer.scores_batch(board.histories)
    for user in (0, 5):
        np.testing.assert_allclose(scorer.scores(state(board, user)), together[user], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", UNORDERED, ids=repr)
def test_a_new_user_is_answered_by_history(model, board, fitted):
    """Who does what a known user did is shown the same, though no vector was learned for them."""
    scorer = fitted[repr(model)]
    for user in (1, 8):
        new = UserState("never seen", state(board, user).history)
        seen = board.matrix().toarray()[user] > 0
        assert int(top_k(scorer.scores(new), 1, ~seen)[0]) == user


@each_personal
def test_a_moved_history_is_answered_anew(model, board, fitted):
    """Someone known who now does what the other colour does is shown the other colour."""
    scorer = fitted[repr(model)]
    later = tuple(Interaction(f"n{i}", f"i{i:02d}", "purchase", 1000 + i) for i in (1, 3, 5))
    scores = scorer.scores(UserState(board.users[0], later))
    assert int(top_k(scores, 1, ~np.isin(np.arange(SIDE), (1, 3, 5)))[0]) % 2 == 1


@each
def test_an_empty_history_is_no_error(model, board, fitted):
    scorer = fitted[repr(model)]
    nobody = Histories.of([UserState()], scorer.items, scorer.users)
    assert np.isfinite(scorer.scores(UserState())).all()
    assert scorer.speaks(nobody).tolist() == [isinstance(model, Popularity)]
    assert scorer.speaks(board.histories).all()


@each
def test_unknown_products_are_passed_over_in_histories_and_refused_as_candidates(model, board, fitted):
    scorer = fitted[repr(model)]
    known = state(board, 3)
    strange = Interaction("x", "gone", "purchase", 0)
    with_stranger = UserState("new", (strange, *known.history))
    np.testing.assert_array_equal(scorer.scores(with_stranger), scorer.scores(UserState("new", known.history)))
    with pytest.raises(UnknownProduct, match="'gone'"):
        scorer.scores(known, ["i00", "gone"])


@each
def test_candidates_are_scored_in_their_order(model, board, fitted):
    scorer = fitted[repr(model)]
    whole = scorer.scores(state(board, 2))
    assert scorer.scores(state(board, 2), ["i07", "i00", "i07"]).tolist() == [whole[7], whole[0], whole[7]]


@each
def test_what_is_saved_scores_as_before(model, board, fitted, tmp_path):
    scorer = fitted[repr(model)]
    back = load(save(Artifact(((model.name, scorer),)), tmp_path)).chain[0][1]
    assert back.items == scorer.items
    strangers = Histories.of([UserState("new", state(board, 4).history)], back.items, back.users)
    for histories in (board.histories, strangers):
        assert back.scores_batch(histories).tobytes() == scorer.scores_batch(histories).tobytes()


@each
def test_who_was_forgotten_is_a_stranger(model, board, fitted):
    """What was learned beside them says nothing of someone whose events are gone."""
    scorer = fitted[repr(model)]
    np.testing.assert_array_equal(scorer.scores(UserState(board.users[3], ())), scorer.scores(UserState()))


@each
def test_a_newcomer_changes_nothing_that_is_known(model, board, fitted):
    """Laid over one more product and asked by a history that holds it too, a scorer says what it said, and of the
    newcomer nothing: its facts and its title speak for it, and here nothing is told of them."""
    scorer = fitted[repr(model)]
    items = Ids((*scorer.items.names, "new"))
    wide = widen(((model.name, scorer),), Arrived(items)).chain[0][1]
    known = state(board, 4)
    later = Interaction("later", "new", "view", known.history[0].at)
    asked = Histories.of([UserState("new user", (later, *known.history))], items, wide.users)
    scores = wide.scores_batch(asked)[0]
    assert wide.items == items
    assert scores[-1] == 0
    np.testing.assert_array_equal(scores[:-1], scorer.scores(UserState("new user", known.history)))
    assert wide.speaks(asked).all()


@each
def test_the_future_never_reaches_training(model):
    """A planted pair bought at ``until`` is refused, and the same log cut before it teaches nothing about it."""
    rows = [(u, i) for u in range(SIDE) for i in range(SIDE) if (u + i) % 2 == 0 and i != u]
    past = [(f"u{u:02d}", f"i{i:02d}", t) for t, (u, i) in enumerate(rows)]
    planted = [*past, *((f"u{u:02d}", "i01", 500 + u) for u in range(0, SIDE, 2))]
    with pytest.raises(LeakageError, match="6 events"):
        Dataset.build(events(planted), until=500)
    cut = events(planted).filter(np.array([row[2] < 500 for row in planted]))
    same = checkerboard(until=500)
    told = {"entities": same.entities, "links": same.links, "attributes": same.attributes, "texts": TEXTS}
    data = Dataset.build(cut, **told, until=500, allow_undated=True)
    scores, expected = (model.fit(d).scores_batch(same.histories) for d in (data, same))
    np.testing.assert_array_equal(scores, expected)


@each
def test_nothing_to_learn_from_is_an_error(model):
    with pytest.raises(ModelFitError):
        model.fit(Dataset.build(events([]), items=Ids(("a", "b"))))


@each
def test_a_model_is_its_configuration(model):
    assert is_dataclass(model)
    assert model == eval(repr(model), {type(m).__name__: type(m) for m in MODELS})
    assert model.name


def test_every_model_of_the_room_is_under_these_laws():
    here = {type(model).__module__ for model in MODELS}
    files = {f"recommender.models.{module.name}" for module in pkgutil.iter_modules(recommender.models.__path__)}
    assert files == here, "put the new model into MODELS, or move what is no model elsewhere"
    for name in here:
        module = importlib.import_module(name)
        own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == name and hasattr(c, "fit")]
        assert own, f"{name} has no class with fit"
        assert {type(model) for model in MODELS} >= set(own)


def test_models_with_chance_have_a_seed():
    assert {type(model) for model in MODELS if has_seed(model)} == {Als, Spectral, Lae, LightGCN, Sasrec, Relational}
