import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import ScoreError
from recommender.metrics import NEVER, metrics_at, target_ranks


@st.composite
def populations(draw):
    """Scores with many ties, masks, and targets: small enough for the definition written out."""
    users, items = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    cells = st.lists(st.integers(-1, 2), min_size=items, max_size=items)
    scores = np.array(draw(st.lists(cells, min_size=users, max_size=users)), np.float32)
    flags = st.lists(st.booleans(), min_size=items, max_size=items)
    masked = np.array(draw(st.lists(flags, min_size=users, max_size=users)))
    targets = [draw(st.sets(st.integers(0, items - 1), max_size=items)) for _ in range(users)]
    return scores, masked, targets, draw(st.integers(1, 10))


def worst_list(scores, masked, targets):
    """All candidates of one user, best first; among equals the targets come last."""
    candidates = [item for item in range(len(scores)) if not masked[item]]
    return sorted(candidates, key=lambda item: (-scores[item], item in targets, item))


def definition(scores, masked, targets, k):
    """Section 2 of the benchmark page, word by word, for one user with targets."""
    top = worst_list(scores, masked, targets)[:k]
    hits = [rank for rank, item in enumerate(top, start=1) if item in targets]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(targets), k) + 1))
    return {
        "recall": len(hits) / len(targets),
        "ndcg": sum(1 / math.log2(rank + 1) for rank in hits) / ideal,
        "hit_rate": 1.0 if hits else 0.0,
        "precision": len(hits) / k,
        "mrr": 1 / hits[0] if hits else 0.0,
    }


@given(populations())
def test_every_metric_equals_its_definition(population):
    scores, masked, targets, k = population
    pairs = [(row, item) for row, items in enumerate(targets) for item in sorted(items)]
    rows, items = np.array(pairs, np.int64).reshape(-1, 2).T
    found = metrics_at(target_ranks(scores, rows, items, masked), rows, len(scores), k)

    expected = [definition(*user, k) for user in zip(scores, masked, targets, strict=True) if user[2]]
    assert found.users == len(expected)
    for name in ("recall", "ndcg", "hit_rate", "precision", "mrr"):
        mean = sum(user[name] for user in expected) / len(expected) if expected else 0.0
        assert getattr(found, name) == pytest.approx(mean, abs=1e-12)


@given(populations(), st.randoms(use_true_random=False))
def test_ranks_do_not_depend_on_the_order_of_the_targets(population, random):
    scores, masked, targets, _ = population
    pairs = [(row, item) for row, items in enumerate(targets) for item in sorted(items)]
    shuffled = random.sample(pairs, len(pairs))
    ranks = []
    for some in (pairs, shuffled):
        rows, items = np.array(some, np.int64).reshape(-1, 2).T
        ranks.append(sorted(zip(rows, target_ranks(scores, rows, items, masked), strict=True)))
    assert ranks[0] == ranks[1]


def test_ties_count_against_the_model():
    scores = np.zeros((1, 100), np.float32)
    assert target_ranks(scores, np.array([0]), np.array([3])).tolist() == [100]


def test_a_masked_target_is_never_shown():
    scores = np.array([[3.0, 2.0, 1.0]], np.float32)
    masked = np.array([[True, False, False]])
    ranks = target_ranks(scores, np.array([0, 0]), np.array([0, 1]), masked)
    assert ranks.tolist() == [NEVER, 1]
    assert metrics_at(ranks, np.array([0, 0]), 1, 2).recall == 0.5


def test_many_targets_are_ranked_in_pieces(monkeypatch):
    random = np.random.default_rng(0)
    scores = random.integers(0, 50, (20, 60)).astype(np.float32)
    rows, items = np.nonzero(random.random((20, 60)) < 0.2)
    whole = target_ranks(scores, rows, items)
    monkeypatch.setattr("recommender.metrics._CELLS", 61)
    assert target_ranks(scores, rows, items).tolist() == whole.tolist()


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(ScoreError, match="1 scores are NaN"):
        target_ranks(np.array([[1.0, np.nan]], np.float32), np.array([0]), np.array([0]))
