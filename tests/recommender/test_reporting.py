"""The whole report on a shop with two tastes: what it says is what the parts say one by one."""

import math

import numpy as np
import pytest

from recommender.comparing import SHUFFLED, WITH, WITHOUT, fits, paired_bootstrap
from recommender.dataset import Dataset, Edges
from recommender.errors import ModelFitError
from recommender.evaluation import measure, rank_cases
from recommender.histories import Ids
from recommender.metrics import user_metrics
from recommender.models.ease import Ease
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.models.relations import Relations
from recommender.models.spectral import Spectral
from recommender.reporting import SERVED, WHOLE, evaluate
from recommender.splits import Cut, leave_last_out


@pytest.fixture
def cut(log):
    random = np.random.default_rng(0)
    rows = []
    for user in range(60):
        taste = [f"{'茶' if user % 2 else 'c'}{place:02d}" for place in range(10)]
        rows += [(f"u{user}", name, 10 * user + at) for at, name in enumerate(random.permutation(taste)[:6])]
    items = Ids.sorted([*(row[1] for row in rows), "new"])
    brands = Edges.of(np.arange(len(items)), np.array([int(name.startswith("茶")) for name in items.names]))
    data = Dataset.build(log(rows), items=items, entities=Ids(("brand:c", "brand:茶")), attributes={"MADE_BY": brands})
    return leave_last_out(data)


MODELS = (Popularity(), ItemKNN(), Ease(10.0), Spectral(4), Relations())


@pytest.fixture
def report(cut):
    return evaluate(MODELS, cut, served=Mixture(((1.0, ItemKNN()), (0.1, Relations()))), k=5, seeds=(3, 4))


def test_rows_are_fits_in_their_order(report):
    told = [(row.model, row.relations, row.seed, row.failed is None) for row in report.rows]
    assert told[:5] == [
        ("popularity", WITHOUT, None, True),
        ("itemknn", WITHOUT, None, True),
        ("ease", WITHOUT, None, True),
        ("spectral", WITHOUT, 3, True),
        ("spectral", WITHOUT, 4, True),
    ]
    assert told[5:] == [
        ("relations", WITH, None, True),
        ("relations", WITHOUT, None, False),
        ("relations", SHUFFLED, None, True),
        (SERVED, WITH, None, True),
    ]


def test_metrics_are_those_of_the_model_alone(report, cut):
    for row in report.rows[:3]:
        model = {m.name: m for m in MODELS}[row.model]
        assert row.metrics == measure(model.fit(cut.train), cut.cases, 5)


def test_slices_part_the_targets(report):
    assert report.targets[WHOLE] == report.targets["warm"] + report.targets["cold item"] == 60
    row = report.rows[1]
    assert row.slices["warm"].users <= row.slices[WHOLE].users == 60
    assert 0 < report.targets["long tail"] < 60


def test_the_best_baseline_is_what_all_are_compared_with(report, cut):
    means = {row.model: row.metrics.ndcg for row in report.rows[:3]}
    assert report.baseline == max(means, key=means.__getitem__)
    by_name = {(s.model, s.relations): s for s in report.summaries}
    assert by_name[report.baseline, WITHOUT].against == {}
    ease, base = (
        user_metrics(rank_cases(m.fit(cut.train), cut.cases), cut.cases.owners, len(cut.cases), 5)
        for m in (Popularity(), {m.name: m for m in MODELS}[report.baseline])
    )
    expected = paired_bootstrap({"ndcg": ease["ndcg"]}, {"ndcg": base["ndcg"]})["ndcg"]
    found = by_name["popularity", WITHOUT].against[WHOLE]["ndcg"]
    assert (found.mean, found.users) == (pytest.approx(expected.mean), 60)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high < 0  # two tastes: what sells to all is worse, beyond chance


def test_a_summary_is_the_mean_over_its_seeds(report):
    spectral = next(s for s in report.summaries if s.model == "spectral")
    values = [row.metrics.ndcg for row in report.rows if row.model == "spectral"]
    assert spectral.seeds == 2
    assert spectral.mean["ndcg"] == pytest.approx(np.mean(values))
    assert spectral.spread["ndcg"] == pytest.approx(np.std(values, ddof=1))


def test_what_is_served_is_personal_and_shows_more_than_what_sells(report):
    first = {row.model: row for row in report.rows if row.metrics}
    assert first[SERVED].lists["coverage"] > first["popularity"].lists["coverage"]
    assert first[SERVED].lists["gini"] < first["popularity"].lists["gini"]
    assert first[SERVED].providers.unfairness_purchases < 0.05
    assert first["popularity"].providers.providers == 2


def test_the_report_is_json_without_nan(report):
    import json

    text = json.dumps(report.as_dict(), allow_nan=False)
    assert json.loads(text)["summaries"][0]["mean"]["ndcg"] == report.summaries[0].mean["ndcg"]
    assert not any(math.isnan(v) for s in report.summaries for v in s.mean.values())


def test_a_shop_without_relations_measures_what_needs_none(cut):
    bare = Cut(cut.train.without_relations(), cut.cases)
    report = evaluate([Popularity(), Relations()], bare, served=ItemKNN(), k=5)
    assert [(row.model, row.relations) for row in report.rows if row.metrics] == [
        ("popularity", WITHOUT),
        (SERVED, WITHOUT),
    ]
    assert report.rows[0].providers is None
    assert "diversity" not in report.summaries[0].mean


def test_nothing_that_learns_is_an_error(cut):
    with pytest.raises(ModelFitError, match="no model learned anything: the relation term"):
        evaluate([Relations()], Cut(cut.train.without_relations(), cut.cases))


def test_a_model_that_has_seeds_is_fitted_once_for_each(cut):
    found = list(fits([Spectral(2), ItemKNN()], cut.train, seeds=(0, 1, 2)))
    assert [(f.model, f.seed) for f in found] == [("spectral", 0), ("spectral", 1), ("spectral", 2), ("itemknn", None)]
