"""The model of order: what it learns is known, what is served is what was trained, and training can be killed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kg.types import Interaction
from recommender.attention import Sequences, by_length, padded
from recommender.dataset import Dataset
from recommender.errors import ConfigurationError, ModelFitError
from recommender.evaluation import measure
from recommender.histories import DEFAULT_WEIGHTS, Histories, Ids, UserState
from recommender.models import sasrec
from recommender.models.sasrec import Sasrec
from recommender.splits import leave_last_out
from recommender.training import Run, sampled_softmax

ITEMS = 12
SMALL = Sasrec(dimensions=16, heads=2, longest=6, dropout=0.1, learning_rate=0.01, batch=64, epochs=20)


@pytest.fixture
def ring(log) -> Dataset:
    """Forty users walk a ring of ten items from a start of their own; the last two items are never taken."""
    rows = [(f"u{u:02d}", f"i{(u + step) % 10:02d}", step) for step in range(8) for u in range(40)]
    return Dataset.build(log(rows), items=Ids(tuple(f"i{n:02d}" for n in range(ITEMS))))


def state(*items: int, action: str = "purchase") -> UserState:
    return UserState(None, tuple(Interaction(f"e{n}", f"i{item:02d}", action, n) for n, item in enumerate(items)))


def test_it_learns_what_comes_next(ring):
    scorer = SMALL.fit(ring)
    for newest in range(10):
        scores = scorer.scores(state((newest + 9) % 10, newest))
        assert int(scores.argmax()) == (newest + 1) % 10


def test_what_is_served_is_what_was_trained(ring):
    """The NumPy forward pass against the module, on histories of every length and beyond the longest."""
    learner = sasrec._Learner(SMALL, ring)
    scorer = learner.scorer()
    still = sasrec._Dropout(0.0, torch.Generator())
    for length in range(1, 9):
        items = (np.arange(length) * 3 + 1) % 10
        kept = torch.from_numpy(items[-SMALL.longest :])[None]
        with torch.no_grad():
            expected = learner.module(kept, torch.ones(kept.shape), still)[0, -1].numpy()
        states, told = scorer.states(Histories.of([state(*items)], ring.items, scorer.users))
        assert told.all()
        np.testing.assert_allclose(states[0], expected, rtol=1e-4, atol=1e-5)


def test_products_that_training_never_saw_score_nothing_and_say_nothing(ring):
    scorer = replace(SMALL, epochs=2).fit(ring)
    scores = scorer.scores(state(3, 4))
    assert (scores[10:] == 0).all()
    assert scores[:10].min() == 0
    np.testing.assert_array_equal(scorer.scores(state(3, 11, 4)), scores)
    silent = Histories.of([state(10), state(10, 2)], scorer.items, scorer.users)
    assert scorer.speaks(silent).tolist() == [False, True]
    assert not scorer.scores_batch(silent)[0].any()


def test_sequences_are_distinct_items_in_the_order_of_their_newest_event(ring):
    told = UserState(
        None,
        (
            Interaction("a", "i01", "purchase", 0),
            Interaction("b", "i02", "view", 1),
            Interaction("c", "i01", "view", 2),
            Interaction("d", "i05", "view", 3),
        ),
    )
    histories = Histories.of([UserState(), told, state(7)], ring.items, ring.users)
    found = Sequences.of(histories, DEFAULT_WEIGHTS, np.arange(ITEMS) != 5)
    assert found.indptr.tolist() == [0, 0, 2, 3]
    assert found.items.tolist() == [2, 1, 7]
    np.testing.assert_allclose(found.strengths, [0.2, 1.0, 1.0])


def test_every_step_is_predicted_once_and_windows_end_with_the_history(ring):
    sequences = Sequences.of(ring.histories, DEFAULT_WEIGHTS, np.ones(ITEMS, bool))
    windows = sasrec._Windows.of(sequences, 3)
    places, real = padded(windows.starts, windows.lengths)
    predicted = np.sort((places + 1)[real])
    firsts = sequences.indptr[:-1]
    assert predicted.tolist() == [p for p in range(len(sequences.items)) if p not in firsts]
    assert windows.lengths.tolist() == [3, 3, 1] * 40
    assert windows.starts[:3].tolist() == [4, 1, 0]


def test_groups_hold_every_row_once_and_rows_of_like_length():
    lengths = np.array([5, 1, 9, 1, 2, 7, 3])
    groups = by_length(np.arange(7), lengths, 8)
    assert sorted(np.concatenate(groups).tolist()) == list(range(7))
    assert [lengths[group].tolist() for group in groups] == [[9], [7], [5], [2, 3], [1, 1]]
    assert by_length(np.zeros(0, np.int64), lengths, 8) == []


def test_the_corrected_loss_estimates_the_softmax_over_all_items():
    """Mean over many draws of the sampled partition sum, against the whole one."""
    random = np.random.default_rng(3)
    dice = torch.Generator().manual_seed(0)
    query, items = torch.randn(1, 4, generator=dice), torch.randn(20, 4, generator=dice)
    chances = np.arange(1, 21) / 210
    target = torch.tensor([7])
    ratios = []
    for _ in range(4000):
        drawn = random.choice(20, 8, p=chances)
        lowered = -torch.from_numpy(np.log(8 * chances[drawn]).astype(np.float32))
        more = (torch.zeros(()), lowered)
        loss = sampled_softmax(query, items, torch.zeros(20), target, torch.from_numpy(drawn), more)
        ratios.append(float(torch.exp(loss)))
    whole = float(torch.exp(torch.nn.functional.cross_entropy(query @ items.T, target)))
    assert np.mean(ratios) == pytest.approx(whole, rel=0.05)


def test_a_weighted_loss_counts_by_weight():
    query, items = torch.randn(3, 4), torch.randn(9, 4)
    target, everything = torch.tensor([0, 4, 8]), torch.arange(9)
    each = torch.nn.functional.cross_entropy(query @ items.T, target, reduction="none")
    weights = torch.tensor([1.0, 0.0, 3.0])
    loss = sampled_softmax(query, items, torch.zeros(9), target, everything, weights=weights)
    torch.testing.assert_close(loss, each[0] + 3 * each[2])


def test_a_killed_training_goes_on_where_it_was(ring, tmp_path):
    cut = leave_last_out(ring)
    model = replace(SMALL, epochs=8, every=2)
    undisturbed, length = model.tune(cut)
    path = tmp_path / "state.npz"

    def kill(epoch):
        if epoch.number == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(model, run=Run(checkpoint=path, on_epoch=kill)).tune(cut)
    heard = []
    resumed, again = replace(model, run=Run(checkpoint=path, on_epoch=heard.append)).tune(cut)
    assert heard[0].number == 5
    assert again == length
    assert not path.exists()
    assert resumed.item_vectors.tobytes() == undisturbed.item_vectors.tobytes()
    assert resumed.blocks.mix.tobytes() == undisturbed.blocks.mix.tobytes()


def test_training_stops_where_validation_was_best(ring):
    cut = leave_last_out(ring)
    heard = []
    model = replace(SMALL, epochs=40, every=1, patience=3, run=Run(on_epoch=heard.append))
    scorer, fixed = model.tune(cut)
    curve = {epoch.number: epoch.ndcg for epoch in heard}
    best = max(curve, key=lambda number: (curve[number], -number))
    assert len(curve) < 40
    assert fixed == replace(model, epochs=best)
    assert measure(scorer, cut.cases, 10).ndcg == curve[best]


def test_chance_elsewhere_changes_nothing(ring):
    torch.manual_seed(1)
    one = replace(SMALL, epochs=2).fit(ring)
    torch.manual_seed(2)
    assert replace(SMALL, epochs=2).fit(ring).item_vectors.tobytes() == one.item_vectors.tobytes()


def test_heads_that_share_unevenly_are_an_error(ring):
    with pytest.raises(ConfigurationError, match="16 dimensions cannot be shared by 3 heads"):
        replace(SMALL, heads=3).fit(ring)


def test_histories_of_one_item_teach_no_order(log):
    with pytest.raises(ModelFitError, match="two different items"):
        SMALL.fit(Dataset.build(log([("a", "i1", 0), ("a", "i1", 1), ("b", "i2", 2)])))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_learns_nearly_the_same(ring):
    still = replace(SMALL, dropout=0.0)  # each device has dice of its own
    here, there = (replace(still, run=Run(device=device)).fit(ring) for device in ("cpu", "cuda"))
    one, two = (scorer.scores_batch(ring.histories) for scorer in (here, there))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99
