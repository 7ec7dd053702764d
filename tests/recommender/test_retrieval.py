import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.retrieval import top_k

scores_with_ties = st.lists(st.integers(-3, 3), max_size=30).map(lambda values: np.array(values, np.float32))


@given(scores_with_ties, st.integers(0, 12), st.data())
def test_top_k_is_the_sorted_list_cut_at_k(scores, k, data):
    flags = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    allowed = np.array(flags, bool)
    expected = sorted(np.flatnonzero(allowed), key=lambda place: (-scores[place], place))[:k]
    assert top_k(scores, k, allowed).tolist() == expected
    everything = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:k]
    assert top_k(scores, k).tolist() == everything


@given(
    st.integers(0, 2**32 - 1), st.integers(256, 3000), st.sampled_from([1, 2, 5, 40]), st.sampled_from([2, 50, 10**6])
)
def test_top_k_of_many_is_the_sorted_list_cut_at_k(seed, n, k, different):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-different, different, n).astype(np.float32)
    scores[rng.random(n) < 0.1] = -np.inf
    allowed = rng.random(n) < rng.choice([0.05, 0.5, 1.0])
    places = np.flatnonzero(allowed)
    expected = places[np.lexsort((places, -scores[places]))][:k]
    assert top_k(scores, k, allowed).tolist() == expected.tolist()
