"""One list of what competes: what is in it depends on the data alone, and whoever asks gets the same."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from api import evaluating, training
from recommender import competing
from recommender.competing import CHEAP, LARGEST_DENSE, NETWORKS, candidates, one_each
from recommender.dataset import Dataset, Edges
from recommender.errors import ConfigurationError
from recommender.histories import Ids
from recommender.models.ease import Ease
from recommender.models.slist import Slist

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def shop(log, items=4, users=4, links=True) -> Dataset:
    names = Ids(tuple(f"i{n:05d}" for n in range(items)))
    rows = [(f"u{n:05d}", names[n % items], n) for n in range(users)]
    edges = {"BOUGHT_WITH": Edges.of(np.array([0]), np.array([1]))} if links else {}
    return Dataset.build(log(rows), items=names, links=edges)


def names(models):
    return [model.name for model in models]


def test_train_evaluate_and_the_benchmark_ask_the_same_function(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    benchmark = runpy.run_path(str(BENCHMARKS / "ranking.py"), run_name="ranking")
    assert training.candidates is evaluating.candidates is benchmark["candidates"] is competing.candidates


def test_what_learns_from_facts_competes_where_there_are_any(log):
    with_facts, without = (candidates(shop(log, links=links), networks=()) for links in (True, False))
    assert {*names(with_facts)} - {*names(without)} == {"coupling", "collective lae", "collective ease"}
    assert {"lae", "ease", "slist", "itemknn", "randomwalk"} < {*names(without)}
    assert names(with_facts)[0] == "popularity"
    assert {"slist"} == {*names(without)} - {*names(candidates(shop(log, links=False), ordered=False, networks=()))}


def test_large_catalogues_get_fewer_dense_matrices_and_the_largest_none(log):
    def dense(items, users):
        return [m.regularisation for m in candidates(shop(log, items, users), networks=()) if m.name == "ease"]

    assert len(dense(4, 4)) == len(dense(LARGEST_DENSE + 1, 4)) == 3  # made from users, where those are few
    assert dense(CHEAP + 1, CHEAP) == [100.0]
    assert "collective ease" not in names(candidates(shop(log, CHEAP + 1), networks=()))
    found = names(candidates(shop(log, LARGEST_DENSE + 1, LARGEST_DENSE), networks=()))
    assert not {"ease", "collective ease", "slist"} & {*found}
    assert {"lae", "collective lae", "coupling"} < {*found}


def test_lightgcn_starts_from_the_spectrum_where_no_dense_matrix_fits(log):
    few, many = (shop(log, LARGEST_DENSE + 1, users) for users in (4, LARGEST_DENSE))
    assert (competing.dense(few), competing.dense(many)) == (True, False)
    starts = [model.start for data in (few, many) for model in candidates(data, networks=("lightgcn",))[-1:]]
    assert starts == ["chance", "spectral"]


def test_thorough_tries_every_setting_in_large_shops_too_but_no_matrix_that_does_not_fit(log):
    few, every = (candidates(shop(log, CHEAP + 1, CHEAP), networks=(), thorough=asked) for asked in (False, True))
    assert {*map(repr, few)} - {*map(repr, every)} == {repr(Ease(100.0))}, (
        "it stands between those that are tried instead"
    )
    assert {"collective ease"} == {*names(every)} - {*names(few)}
    assert [model.regularisation for model in every if model.name == "slist"] == [Slist().regularisation, 100.0]
    small = [names(candidates(shop(log), networks=(), thorough=asked)) for asked in (False, True)]
    assert (small[0].count("slist"), small[1].count("slist")) == (1, 1)
    assert small[1].count("lae") == small[0].count("lae") + 1  # larger settings are for shops of any size
    huge = names(candidates(shop(log, LARGEST_DENSE + 1, LARGEST_DENSE), networks=(), thorough=True))
    assert not {"ease", "collective ease", "slist"} & {*huge}


def test_texts_compete_where_they_are_asked_for_and_there_are_any(log):
    data = shop(log)
    told = data.with_texts({"i00000": "blue mug", "i00001": "blue cup"})
    assert names(candidates(told, networks=(), texts=True))[-1:] == ["texts"]
    assert "texts" not in names(candidates(told, networks=()))
    assert "texts" not in names(candidates(data, networks=(), texts=True))


def test_settings_of_a_name_are_one_when_each_is_measured(log):
    models = candidates(shop(log), networks=())
    assert names(one_each(models)) == list(dict.fromkeys(names(models)))
    assert all(model in models for model in one_each(models))


def test_one_seed_is_everyone_s(log):
    models = candidates(shop(log), seed=7)
    assert {model.seed for model in models if hasattr(model, "seed")} == {7}
    assert {"lightgcn", "relational"} < {*names(models)}


def test_networks_run_where_they_are_told_and_an_unknown_one_is_refused(log):
    from recommender.training import Run

    models = candidates(shop(log), networks=NETWORKS, run=lambda name: Run(checkpoint=Path(name)))
    told = {model.name: model.run.checkpoint for model in models if hasattr(model, "run")}
    assert told == {name: Path(name) for name in NETWORKS}
    with pytest.raises(ConfigurationError, match="no network 'transformer'; known are lightgcn, relational, sasrec"):
        candidates(shop(log), networks=("transformer",))


def test_without_the_library_als_does_not_compete(log, monkeypatch):
    pytest.importorskip("implicit", reason="the extra als is not installed")
    assert "als" in names(candidates(shop(log), networks=()))
    monkeypatch.setattr(competing, "find_spec", lambda _: None)
    assert "als" not in names(candidates(shop(log), networks=()))
