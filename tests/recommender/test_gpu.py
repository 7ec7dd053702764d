"""Beauty and gowalla on a GPU: the metrics of a CPU within .002. Seconds an epoch and memory go to the JUnit report."""

import importlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recommender.evaluation import measure
from recommender.models.lightgcn import LightGCN
from recommender.models.relational import Relational
from recommender.training import Run

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
EPOCHS = 6
WIDE = LightGCN(temperature=0.1, start="spectral", final_rate=0.1, most_steps=60, epochs=EPOCHS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    ("shop", "model"),
    [
        ("beauty", LightGCN(most_steps=100, epochs=EPOCHS)),
        ("beauty", Relational(most_steps=25, epochs=EPOCHS)),
        ("gowalla", WIDE),
    ],
    ids=["beauty-lightgcn", "beauty-relational", "gowalla-lightgcn"],
)
def test_metrics_on_a_gpu_are_those_of_a_cpu(data_dir, monkeypatch, record_property, shop, model):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    protocols = importlib.import_module("protocols")
    folder = data_dir / shop
    if shop == "beauty":
        cut = protocols.beauty(folder, "loo", entities=True).chooses
    else:
        cut = protocols.lightgcn(protocols.Files(folder / "train.parquet", folder / "test.parquet", None, None)).chooses
    cases, found = cut.cases.first(5000), {}
    for where in ("cpu", "cuda"):
        heard, begun = [], time.perf_counter()
        scorer = replace(model, run=Run(device=where, on_epoch=heard.append)).fit(cut.train)
        seconds = (time.perf_counter() - begun) / EPOCHS
        found[where] = measure(scorer, cases, 20)
        record_property(f"{where}: seconds an epoch", seconds)
        record_property(f"{where}: bytes at most", heard[-1].memory)
    assert found["cpu"].ndcg > 0.01
    for metric in ("recall", "ndcg"):
        assert getattr(found["cpu"], metric) == pytest.approx(getattr(found["cuda"], metric), abs=0.002)
