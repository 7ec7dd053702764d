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
