import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recommender.errors import ConfigurationError, ScoreError
from recommender.inner_product import InnerProductIndex, exact_scores
from recommender.quantised import BLOCK, Codes
from recommender.scanning import Scanner, installed

SCANS = [False, pytest.param(True, marks=pytest.mark.skipif(not installed(), reason="needs the extra retrieval"))]
WIDTH = 8  # one for all: each width is compiled on its own

coarse = st.integers(-2, 2).map(float)  # ties everywhere
fine = st.floats(-1, 1, width=32)
extreme = st.sampled_from([0.0, -0.0, 1e-45, -1e-38, 1e-20, 1.0, -1.0, 3e38, -3e38])


@st.composite
def questions(draw, numbers):
    n, m = draw(st.integers(0, 40)), draw(st.integers(0, 4))
    vectors = draw(arrays.arrays(np.float32, (n, WIDTH), elements=numbers))
    queries = draw(arrays.arrays(np.float32, (m, WIDTH), elements=numbers))
    allowed = draw(st.none() | arrays.arrays(bool, n))
    return vectors, queries, draw(st.integers(0, 50)), allowed


def brute_force(vectors, query, k, allowed=None):
    """Every allowed place scored by plain Python doubles, sorted by score and place, cut at k."""
    scores = [sum((float(q) * float(x) for q, x in zip(query, row, strict=True)), 0.0) for row in vectors]
    places = range(len(vectors)) if allowed is None else np.flatnonzero(allowed).tolist()
    return sorted(places, key=lambda place: (-scores[place], place))[:k]


@pytest.mark.parametrize("compiled", SCANS)
@pytest.mark.parametrize("numbers", [coarse, coarse | fine | extreme])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_answer_is_brute_force_in_float64(compiled, numbers, data):
    vectors, queries, k, allowed = data.draw(questions(numbers))
    found = InnerProductIndex(vectors, compiled=compiled).search(queries, k, allowed)
    assert [f.places.tolist() for f in found] == [brute_force(vectors, q, k, allowed) for q in queries]


def made(kind, n=6_000, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, WIDTH))
    if kind == "norms of all sizes":
        vectors *= rng.lognormal(0, 2, (n, 1))
    if kind == "duplicates":
        vectors = vectors[rng.integers(0, 40, n)]
    if kind == "near duplicates":
        vectors = vectors[rng.integers(0, 40, n)] + 1e-6 * vectors
    if kind == "mostly zero":
        vectors[rng.random(n) < 0.99] = 0
    if kind == "subnormal":
        vectors *= 1e-40
    if kind == "huge":
        vectors *= 5e37
    return vectors.astype(np.float32)


KINDS = ["gaussian", "norms of all sizes", "duplicates", "near duplicates", "mostly zero", "subnormal", "huge"]


@pytest.mark.parametrize("compiled", SCANS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_blocks_threads_and_filters_agree_with_brute_force(kind, compiled, monkeypatch):
    monkeypatch.setattr("recommender.scanning._WORTH", BLOCK)  # so few rows would be one thread's
    vectors, rng = made(kind), np.random.default_rng(1)
    assert len(vectors) > 8 * BLOCK
    index = InnerProductIndex(vectors, threads=2, compiled=compiled)
    queries = np.concatenate((vectors[rng.integers(0, len(vectors), 4)], np.zeros((1, WIDTH), np.float32)))
    for share in (1.0, 0.3, 0.01, 0.0):
        allowed = rng.random(len(vectors)) < share
        batch = index.search(queries, 50, allowed)
        for query, found in zip(queries, batch, strict=True):
            scores = exact_scores(vectors, query, np.arange(len(vectors)))
            ranked = np.lexsort((np.arange(len(vectors)), -scores))
            expected = ranked[allowed[ranked]][:50]
            assert found.places.tolist() == expected.tolist()
            assert found.scores.tolist() == scores[expected].tolist()
            (alone,) = index.search(query[None], 50, allowed)
            assert alone.places.tolist() == found.places.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_the_codes_holds(kind):
    vectors = made(kind, n=1_200)
    queries = np.concatenate((vectors[:20], made("norms of all sizes", n=20, seed=2)))
    codes = Codes.of(vectors)
    whole, steps, norms = codes.query(queries)
    rough = (whole.astype(np.int64) @ codes.codes.astype(np.int64).T) * steps[:, None] * codes.scales
    for row, query in enumerate(queries):
        true = exact_scores(vectors, query, codes.places)
        assert (np.abs(true - rough[row]) <= norms[row] * codes.margins.astype(np.float64)).all()
        assert (np.abs(true) <= norms[row] * np.repeat(codes.reach, BLOCK)[: len(true)]).all()


@pytest.mark.skipif(not installed(), reason="needs the extra retrieval")
def test_the_compiled_scan_reads_little_and_gives_up_only_on_ties():
    vectors = made("gaussian")
    (some,) = Scanner(vectors, 2).candidates(vectors[:1], 50, None)
    assert some is not None
    assert 50 <= len(some) < 200
    (none,) = Scanner(np.ones((9_000, WIDTH), np.float32)).candidates(vectors[:1], 1, None)
    assert none is None


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=8), st.data())
def test_scores_are_the_sum_in_float64(numbers, data):
    query = np.array(numbers, np.float32)
    row = np.array(data.draw(st.permutations(numbers)), np.float32)
    (score,) = exact_scores(row[None], query, np.zeros(1, np.int64))
    products = [float(a) * float(b) for a, b in zip(query, row, strict=True)]
    assert abs(score - math.fsum(products)) <= 8 * 2.0**-53 * math.fsum(map(abs, products))


@pytest.mark.parametrize("compiled", SCANS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(bad, compiled):
    vectors = np.ones((3, WIDTH), np.float32)
    index = InnerProductIndex(vectors, compiled=compiled)
    broken = vectors.copy()
    broken[1, 2] = bad
    with pytest.raises(ScoreError, match="1 numbers of the vectors"):
        InnerProductIndex(broken, compiled=compiled)
    with pytest.raises(ScoreError, match="1 numbers of the queries"):
        index.search(broken, 1)


def test_other_shapes_and_types_are_refused():
    index = InnerProductIndex(np.ones((3, 2), np.float32), compiled=False)
    for vectors in (np.ones(3, np.float32), np.ones((3, 0), np.float32), np.ones((3, 2))):
        with pytest.raises(ScoreError, match="vectors are"):
            InnerProductIndex(vectors)
    for queries in (np.ones(2, np.float32), np.ones((1, 3), np.float32), np.ones((1, 2))):
        with pytest.raises(ScoreError, match="queries are"):
            index.search(queries, 1)
    for allowed in (np.ones(2, bool), np.ones(3)):
        with pytest.raises(ScoreError, match="the mask is"):
            index.search(np.ones((1, 2), np.float32), 1, allowed)


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    vectors = np.ones((3, 2), np.float32)
    with pytest.raises(ConfigurationError, match=r"shopgraph\[retrieval\]"):
        InnerProductIndex(vectors, compiled=True)
    assert InnerProductIndex(vectors).search(vectors[:1], 2)[0].places.tolist() == [0, 1]
