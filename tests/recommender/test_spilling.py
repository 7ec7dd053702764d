"""Matrices that lie on disk are the same matrices."""

import gc
from pathlib import Path

import numpy as np
import pytest

from recommender import spilling
from recommender.artifact import Artifact, load, save
from recommender.dataset import Dataset
from recommender.models.ease import Ease
from recommender.models.mixture import Mixture
from recommender.models.slist import Slist
from recommender.spilling import gathered, set_down

MATRIX = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


@pytest.fixture
def all_is_large(monkeypatch):
    monkeypatch.setattr(spilling, "LARGE", 0)


def _no_room(*asked: int) -> None:
    raise OSError(28, "No space left on device")


def _blocks():
    return iter([MATRIX[:3], MATRIX[3:4], MATRIX[4:].astype(np.float64)])


def test_rows_come_back_as_they_were_given(all_is_large):
    found = gathered(_blocks(), MATRIX.shape)
    assert isinstance(found.base, np.memmap)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, MATRIX)


def test_what_is_small_stays_in_memory():
    found = gathered(_blocks(), MATRIX.shape)
    assert not isinstance(found.base, np.memmap)
    np.testing.assert_array_equal(found, MATRIX)
    assert set_down(MATRIX) is MATRIX


def test_the_file_has_no_name_and_is_gone_with_the_matrix(all_is_large, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    down = set_down(MATRIX)
    np.testing.assert_array_equal(down, MATRIX)
    assert set_down(down) is down
    assert not list(tmp_path.iterdir())
    assert str(tmp_path) in Path("/proc/self/maps").read_text()
    del down
    gc.collect()
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_a_full_disk_costs_memory_but_no_model(all_is_large, monkeypatch):
    monkeypatch.setattr("os.posix_fallocate", _no_room)
    assert set_down(MATRIX) is MATRIX
    np.testing.assert_array_equal(gathered(_blocks(), MATRIX.shape), MATRIX)


def test_a_sum_of_large_parts_scores_and_is_saved_alike(log, tmp_path, monkeypatch):
    random = np.random.default_rng(3)
    rows = [
        (f"u{user:02d}", f"i{item:02d}", time) for time in range(150) for user, item in [random.integers(0, [30, 14])]
    ]
    data = Dataset.build(log(rows))
    model = Mixture(((1.0, Ease(5.0)), (0.5, Slist())))
    expected = model.fit(data).scores_batch(data.histories)
    monkeypatch.setattr(spilling, "LARGE", 0)
    on_disk = model.fit(data)
    assert all(isinstance(part.matrix.base, np.memmap) for _, part in on_disk.parts)
    np.testing.assert_array_equal(on_disk.scores_batch(data.histories), expected)
    back = load(save(Artifact((("sum", on_disk),)), tmp_path)).chain[0][1]
    np.testing.assert_array_equal(back.scores_batch(data.histories), expected)
