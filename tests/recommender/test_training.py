"""The graph networks against PyTorch Geometric's own layers, and the loop that trains them."""

import os
import runpy
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.nn import LGConv
from torch_geometric.nn.models import LightGCN as Network
from torch_geometric.utils import from_scipy_sparse_matrix

from recommender import training
from recommender.dataset import Dataset, Edges
from recommender.errors import ConfigurationError, ModelFitError
from recommender.evaluation import measure
from recommender.hetero import to_hetero
from recommender.histories import Histories, Ids, UserState
from recommender.models import lightgcn, relational
from recommender.models.lightgcn import LightGCN
from recommender.models.relational import Relational
from recommender.propagation import Adjacency, Propagation, balanced, unit_rows
from recommender.scorers import WeightedSumScorer
from recommender.splits import leave_last_out
from recommender.training import Run, sampled_softmax

SMALL = Relational(dimensions=8, epochs=8, every=2, learning_rate=0.02)


def shop(log) -> Dataset:
    """Forty users of two tastes over twenty items in time order, relations within a taste, and a cold item each."""
    random = np.random.default_rng(5)
    rows = [(f"u{u:02d}", f"i{2 * random.integers(0, 9) + u % 2:02d}", time) for time in range(8) for u in range(40)]
    items = Ids(tuple(f"i{n:02d}" for n in range(20)))  # i18 and i19 are never taken
    links = {"BOUGHT_WITH": Edges.of(np.array([18, 18, 19, 19]), np.array([0, 2, 1, 3]))}
    tastes = {"USED_FOR": Edges.of(np.arange(20), np.arange(20) % 2)}
    return Dataset.build(log(rows), items=items, entities=Ids(("even", "odd")), links=links, attributes=tastes)


@pytest.fixture
def data(log):
    return shop(log)


def factors(scorer):
    """The learned vectors inside the sum that a model returns."""
    return scorer.parts[0][1] if isinstance(scorer, WeightedSumScorer) else scorer


def test_propagation_is_the_layer_of_pyg():
    matrix = sp.random_array((30, 30), density=0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(1))
    index, weights = from_scipy_sparse_matrix(matrix.T)  # rows are targets here, sources there
    x = torch.randn(30, 4, requires_grad=True)
    ours = Propagation()(x, Adjacency.of(matrix, "cpu"))
    theirs = LGConv(normalize=False)(x, index, weights)
    torch.testing.assert_close(ours, theirs)
    (ours_grad,) = torch.autograd.grad((ours**2).sum(), x)
    (theirs_grad,) = torch.autograd.grad((theirs**2).sum(), x)
    torch.testing.assert_close(ours_grad, theirs_grad)


def test_a_graph_may_lead_from_one_kind_to_another():
    matrix = sp.random_array((5, 9), density=0.4, format="csr", dtype=np.float32, rng=np.random.default_rng(1))
    x = torch.randn(9, 3)
    np.testing.assert_allclose(Propagation()(x, Adjacency.of(matrix, "cpu")).numpy(), matrix @ x.numpy(), atol=1e-5)


def test_lightgcn_is_the_network_of_pyg(data):
    learner = lightgcn.LightGCNLearner(LightGCN(dimensions=4, layers=3), data)
    x = data.matrix()
    pairs = np.array(x.nonzero())
    both = np.concatenate([pairs, pairs[::-1]], axis=1) + np.array(
        [[0] * x.nnz + [40] * x.nnz, [40] * x.nnz + [0] * x.nnz]
    )
    oracle = Network(60, 4, 3)
    oracle.embedding.weight = learner.module.network.embedding.weight
    torch.testing.assert_close(learner.module(learner._graph), oracle.get_embedding(torch.from_numpy(both)))


def test_balanced_and_unit_rows():
    matrix = sp.csr_array(np.array([[1, 1, 0], [0, 4, 0], [0, 0, 0]], np.float32))
    np.testing.assert_allclose(
        balanced(matrix).toarray(),
        [[1 / np.sqrt(2), 1 / np.sqrt(10), 0], [0, 4 / np.sqrt(20), 0], [0, 0, 0]],
        rtol=1e-6,
    )
    np.testing.assert_allclose(np.linalg.norm(unit_rows(matrix).toarray(), axis=1), [1, 1, 0], rtol=1e-6)


def test_sampled_softmax_over_all_items_is_the_softmax():
    query, items, bias = torch.randn(6, 3), torch.randn(10, 3), torch.randn(10)
    target = torch.tensor([0, 9, 3, 3, 5, 7])
    expected = torch.nn.functional.cross_entropy(query @ items.T + bias, target, reduction="sum")
    torch.testing.assert_close(sampled_softmax(query, items, bias, target, torch.arange(10)), expected)


@pytest.mark.parametrize(
    "model", [SMALL, LightGCN(dimensions=8, epochs=8, every=2, learning_rate=0.02)], ids=["r", "l"]
)
def test_a_killed_training_goes_on_where_it_was(model, data, tmp_path):
    cut = leave_last_out(data)
    undisturbed, length = model.tune(cut)
    path = tmp_path / "state.npz"

    def kill(epoch):
        if epoch.number == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(model, run=Run(checkpoint=path, on_epoch=kill)).tune(cut)
    assert path.exists()
    heard = []
    resumed, again = replace(model, run=Run(checkpoint=path, on_epoch=heard.append)).tune(cut)
    assert heard[0].number == 5
    assert again == length
    assert not path.exists()
    assert factors(resumed).item_factors.tobytes() == factors(undisturbed).item_factors.tobytes()
    assert factors(resumed).user_factors.tobytes() == factors(undisturbed).user_factors.tobytes()


def test_a_rate_that_falls_ends_at_its_share_and_survives_a_kill(data, tmp_path):
    schedule = training.Schedule(0, 5, 5, 1, final_rate=0.2)
    np.testing.assert_allclose([schedule.rate(number) for number in range(1, 6)], [1, 0.8, 0.6, 0.4, 0.2])
    assert training.Schedule(0, 1, 1, 1, final_rate=0.2).rate(1) == 1
    model = LightGCN(dimensions=8, epochs=6, every=2, learning_rate=0.02, final_rate=0.1)
    path, heard = tmp_path / "state.npz", []

    def kill(epoch):
        if epoch.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(model, run=Run(checkpoint=path, on_epoch=kill)).fit(data)
    again = replace(model, run=Run(checkpoint=path, on_epoch=heard.append)).fit(data)
    assert [epoch.number for epoch in heard] == [5, 6]
    undisturbed = model.fit(data)
    assert factors(again).item_factors.tobytes() == factors(undisturbed).item_factors.tobytes()
    assert (
        factors(undisturbed).item_factors.tobytes()
        != factors(replace(model, final_rate=1).fit(data)).item_factors.tobytes()
    )


def test_a_rate_that_falls_is_validated_at_its_end_alone_and_keeps_its_length(data):
    heard = []
    model = LightGCN(dimensions=8, epochs=6, every=2, final_rate=0.1, run=Run(on_epoch=heard.append))
    _, tuned = model.tune(leave_last_out(data))
    assert tuned == model
    assert [epoch.number for epoch in heard if epoch.ndcg is not None] == [6]


def test_a_state_of_another_training_is_not_resumed(data, tmp_path):
    path = tmp_path / "state.npz"

    def stop(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(SMALL, run=Run(checkpoint=path, on_epoch=stop)).fit(data)
    heard = []
    replace(SMALL, seed=1, run=Run(checkpoint=path, on_epoch=heard.append)).fit(data)
    assert [epoch.number for epoch in heard] == list(range(1, 9))


SMALLEST = '''
"""A learner of three numbers, in a file of its own so that another process can train it without loading networks."""
import os, signal, sys
from pathlib import Path
import numpy as np
import torch
from recommender.histories import Ids
from recommender.scorers import PopularityScorer
from recommender.training import Run, Schedule, train

class Learner:
    fingerprint = "three numbers"

    def __init__(self):
        self.module = torch.nn.Linear(3, 1, bias=False)
        torch.nn.init.ones_(self.module.weight)
        self.optimiser = torch.optim.Adam(self.module.parameters(), lr=0.1)

    def batches(self, random):
        yield from random.standard_normal((4, 8, 3), dtype=np.float32)

    def loss(self, batch, rows):
        return (self.module(torch.from_numpy(batch[rows])) - 2).pow(2).sum() / len(batch)

    def scorer(self):
        return PopularityScorer(Ids(("a", "b", "c")), self.module.weight.detach().numpy()[0].copy())

def learn(path, on_epoch):
    return train(Learner(), Schedule(0, 9, 1, 1), Run(checkpoint=path, on_epoch=on_epoch)).scorer.popularity

def die(epoch):
    if epoch.number == 4:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    learn(Path(sys.argv[1]), die)
'''


@pytest.mark.slow
def test_kill_9_leaves_a_state_that_is_whole(tmp_path):
    script, path = tmp_path / "learner.py", tmp_path / "state.npz"
    script.write_text(SMALLEST)
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", str(script), str(path)]
    died = subprocess.run(command, env=env, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    learn, heard = runpy.run_path(str(script))["learn"], []
    resumed = learn(path, heard.append)
    assert heard[0].number == 5  # the state of the fourth was written before its callback
    assert resumed.tobytes() == learn(None, None).tobytes()


def test_training_stops_where_validation_was_best(data):
    cut = leave_last_out(data)
    heard = []
    model = replace(SMALL, epochs=60, every=1, patience=3, run=Run(on_epoch=heard.append))
    scorer, fixed = model.tune(cut)
    curve = {epoch.number: epoch.ndcg for epoch in heard}
    best = max(curve, key=lambda number: (curve[number], -number))
    assert len(curve) < 60
    assert fixed == replace(model, epochs=best)
    assert measure(scorer, cut.cases, 10).ndcg == curve[best]
    assert factors(fixed.fit(cut.train)).item_factors.tobytes() == factors(scorer).item_factors.tobytes()


def test_cold_items_get_their_vectors_from_their_relations(data):
    scorer = factors(replace(SMALL, epochs=30).fit(data))  # without the linear term, which would say it too
    scores = scorer.scores_batch(data.histories)
    even = np.array([name.startswith("u") and int(name[1:]) % 2 == 0 for name in data.users.names])
    assert (scores[even, 18] > scores[even, 19]).all()
    assert (scores[~even, 19] > scores[~even, 18]).all()


def test_the_linear_term_is_trained_as_it_is_served(data):
    """What the loss adds for targets and negatives is what the scorer adds for the same products."""
    learner = relational._Learner(SMALL, data)
    targets, negatives = np.arange(40) % 20, np.array([0, 5, 19])
    with torch.no_grad():
        right, wrong = (part.numpy() for part in learner._said(data.histories, targets, negatives))
    served = learner.scorer().parts[1][1].scores_batch(data.histories)
    np.testing.assert_allclose(right, served[np.arange(40), targets], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(wrong, served[:, negatives], rtol=1e-5, atol=1e-6)
    assert served.any()


def test_without_a_correction_a_new_user_is_a_known_one(data):
    scorer = replace(SMALL, epochs=1, learning_rate=1e-9).fit(data)
    strangers = replace(data.histories, users=np.full(40, -1))
    np.testing.assert_allclose(
        scorer.scores_batch(strangers), scorer.scores_batch(data.histories), rtol=1e-4, atol=1e-5
    )


def test_lightgcn_folds_in_what_propagation_would_send(data):
    """One layer: the vector of a user without an own vector is exactly what the items send."""
    learner = lightgcn.LightGCNLearner(LightGCN(dimensions=4, layers=2, loss="bpr"), data)
    with torch.no_grad():
        learner.module.network.embedding.weight[:40] = 0
        sent = learner.module(learner._graph)[:40].numpy()
    folded = learner.scorer().user_vectors(replace(data.histories, users=np.full(40, -1)))
    degrees = np.asarray(data.matrix().sum(axis=1))
    np.testing.assert_allclose(folded / np.sqrt(degrees)[:, None], sent, rtol=1e-3, atol=1e-6)


def test_training_leaves_the_threads_as_they_were(data):
    before = torch.get_num_threads()
    seen = []
    model = replace(SMALL, epochs=1, run=Run(threads=3, on_epoch=lambda _: seen.append(torch.get_num_threads())))
    model.fit(data)
    assert (seen, torch.get_num_threads()) == ([3], before)


def test_a_loss_that_is_no_number_is_an_error(data):
    with pytest.raises(ModelFitError, match="smaller learning rate"):
        replace(SMALL, learning_rate=1e38).fit(data)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_an_error(data):
    with pytest.raises(ConfigurationError, match="device cpu"):
        replace(SMALL, run=Run(device="cuda")).fit(data)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("mixed", [False, True], ids=["full", "mixed"])
@pytest.mark.parametrize("model", [SMALL, LightGCN(dimensions=8, epochs=8)], ids=["r", "l"])
def test_a_gpu_learns_nearly_the_same(model, data, mixed):
    heard = []
    here = model.fit(data)
    there = replace(model, run=Run(device="cuda", mixed=mixed, on_epoch=heard.append)).fit(data)
    one, two = (scorer.scores_batch(data.histories) for scorer in (here, there))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99
    assert heard[-1].memory == torch.cuda.max_memory_allocated()


@pytest.mark.parametrize("model", [SMALL, LightGCN(dimensions=8, epochs=8)], ids=["r", "l"])
def test_mixed_precision_learns_nearly_the_same(model, data):
    full, mixed = (replace(model, run=Run(mixed=mixed)).fit(data) for mixed in (False, True))
    one, two = (scorer.scores_batch(data.histories) for scorer in (full, mixed))
    assert factors(mixed).item_factors.dtype == np.float32
    assert not np.array_equal(one, two)
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("model", [SMALL, LightGCN(dimensions=8, epochs=3)], ids=["r", "l"])
def test_a_loss_in_tiles_is_the_loss(model, data, monkeypatch):
    whole, losses = model.fit(data), {}
    for tile in (training.TILE, 7):
        monkeypatch.setattr(training, "TILE", tile)
        heard = losses.setdefault(tile, [])
        tiled = replace(model, run=Run(on_epoch=lambda epoch, heard=heard: heard.append(epoch.loss))).fit(data)
    np.testing.assert_allclose(losses[7], losses[4096], rtol=1e-5)
    np.testing.assert_allclose(
        tiled.scores_batch(data.histories), whole.scores_batch(data.histories), rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("model", [SMALL, LightGCN(dimensions=8)], ids=["r", "l"])
def test_an_epoch_has_no_more_steps_than_told(model, data):
    learner = {"relational": relational._Learner, "lightgcn": lightgcn.LightGCNLearner}[model.name]

    def steps(model):
        return [len(batch) for batch in learner(model, data).batches(np.random.default_rng(0))]

    many, few = steps(replace(model, batch=7)), steps(replace(model, batch=7, most_steps=3))
    assert len(many) > 3
    assert len(few) == 3
    assert sum(few) == sum(many)
    assert steps(replace(model, batch=10_000, most_steps=3)) == [sum(many)]


def test_a_training_says_how_much_memory_it_took(data):
    heard = []
    replace(SMALL, epochs=2, run=Run(on_epoch=heard.append)).fit(data)
    assert 50e6 < heard[0].memory <= heard[1].memory == training.peak_memory("cpu")


def test_an_unknown_loss_is_an_error(data):
    with pytest.raises(ConfigurationError, match="softmax or bpr"):
        LightGCN(loss="hinge").fit(data)
    with pytest.raises(ConfigurationError, match="chance or spectral"):
        LightGCN(start="warm").fit(data)
    for share in (0.0, -0.1, 1.5):
        with pytest.raises(ConfigurationError, match="no share of the learning rate"):
            LightGCN(final_rate=share).fit(data)


def test_a_spectral_start_is_the_singular_vectors_as_wide_as_chance_and_chance_beyond_the_rank(data):
    wide = 32  # of 20 items
    by_chance, spectral = (
        lightgcn.LightGCNLearner(LightGCN(dimensions=wide, start=start), data).module.network.embedding.weight.detach()
        for start in ("chance", "spectral")
    )
    graph = balanced(data.matrix()).toarray()
    left, values, right = np.linalg.svd(graph, full_matrices=False)
    rank = int((values > 1e-3).sum())
    own = spectral[:, :rank].numpy()
    response = np.sqrt(values[:rank] ** 2 / (values[:rank] ** 2 + 0.2))
    expected = np.concatenate([left[:, :rank], right[:rank].T]) * response
    np.testing.assert_allclose(own @ own.T / own.var(), expected @ expected.T / expected.var(), atol=2e-2, rtol=1e-2)
    assert own.std() == pytest.approx(0.1)
    torch.testing.assert_close(spectral[:, rank:], by_chance[:, rank:])


def test_hetero_data_holds_every_edge_and_its_reverse(data):
    graph = to_hetero(data)
    graph.validate()
    assert graph["product"].names == list(data.items.names)
    took = graph["user", "took", "product"]
    x = data.matrix()
    assert took.edge_index.shape == (2, x.nnz)
    user, item = took.edge_index[:, 7].tolist()
    assert took.edge_weight[7] == x[user, item]
    row = data.histories.rows(user, user + 1)
    assert took.edge_time[7] == row.at[row.items == item].max()
    assert graph["entity", "rev_USED_FOR", "product"].edge_index.tolist() == [
        (np.arange(20) % 2).tolist(),
        list(range(20)),
    ]
    assert graph["product", "BOUGHT_WITH", "product"].edge_index.tolist() == [[18, 18, 19, 19], [0, 2, 1, 3]]


def test_an_empty_history_of_a_known_user_is_silent(data):
    scorer = factors(replace(SMALL, epochs=1).fit(data))
    forgotten = Histories.of([UserState("u00")], scorer.items, scorer.users)
    assert not scorer.speaks(forgotten)[0]
    assert not factors(scorer).user_vectors(forgotten).any()
