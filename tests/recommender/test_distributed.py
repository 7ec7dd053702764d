"""Two processes under torchrun learn what one learns, and survive kill -9."""

import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

PARTS = '''
"""Three models on a small shop, alone or as a member of several; the first writes what came of it."""
import json, os, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from recommender.dataset import Dataset, Edges
from recommender.distributed import Member, joined, rank
from recommender.evaluation import measure
from recommender.histories import Ids
from recommender.models.lightgcn import LightGCN
from recommender.models.relational import Relational
from recommender.models.sasrec import Sasrec
from recommender.splits import leave_last_out
from recommender.training import Run
import pyarrow as pa

MODELS = {
    "relational": Relational(dimensions=8, epochs=4, every=2, batch=16, learning_rate=0.02),
    "softmax": LightGCN(dimensions=8, epochs=4, every=2, batch=33, learning_rate=0.02),
    "bpr": LightGCN(dimensions=8, epochs=4, every=2, batch=33, learning_rate=0.02, loss="bpr"),
    "sasrec": Sasrec(dimensions=8, layers=1, heads=2, longest=5, batch=21, negatives=6, epochs=4, every=2),
}

def shop():
    random = np.random.default_rng(5)
    rows = [(f"u{u:02d}", f"i{2 * random.integers(0, 9) + u % 2:02d}", time) for time in range(8) for u in range(41)]
    users, items, times = zip(*rows)
    log = pa.table({"user": users, "session": pa.nulls(len(rows), pa.string()), "product": items,
                    "action": ["purchase"] * len(rows), "at": times})
    links = {"BOUGHT_WITH": Edges.of(np.array([18, 18, 19, 19]), np.array([0, 2, 1, 3]))}
    tastes = {"USED_FOR": Edges.of(np.arange(20), np.arange(20) % 2)}
    names = Ids(tuple(f"i{n:02d}" for n in range(20)))
    return Dataset.build(log, items=names, entities=Ids(("even", "odd")), links=links, attributes=tastes)

def learned(names):
    cut, told = leave_last_out(shop()), {}
    for name in names:
        heard = []
        model = replace(MODELS[name], run=Run(on_epoch=lambda epoch: heard.append([epoch.loss, epoch.ndcg])))
        scorer, _ = model.tune(cut)
        told[name] = {"epochs": heard, "recall": measure(scorer, cut.cases, 10).recall,
                      "scores": scorer.scores_batch(cut.cases.histories).tolist()}
    return told

if __name__ == "__main__":
    member = Member(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]),
                    os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
    with joined(member):
        told = learned(MODELS)
        if rank() == 0:
            Path(sys.argv[1]).write_text(json.dumps(told))
'''


def torchrun(script: Path, *arguments: str, restarts: int = 0) -> subprocess.CompletedProcess[str]:
    """Two processes of a script, meeting at a port that is free."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["--max-restarts", str(restarts), str(script), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tmp_path):
    script, out = tmp_path / "parts.py", tmp_path / "told.json"
    script.write_text(PARTS)
    done = torchrun(script, str(out))
    assert done.returncode == 0, done.stderr
    together = json.loads(out.read_text())
    module = runpy.run_path(str(script))
    alone = module["learned"](module["MODELS"])
    for name, one in alone.items():
        two = together[name]
        losses = [[epoch[0] for epoch in told["epochs"]] for told in (one, two)]
        assert len(losses[0]) == 4
        assert losses[0][-1] < losses[0][0], name  # something was learned
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(two["scores"], one["scores"], atol=2e-3, err_msg=name)
        assert two["recall"] == pytest.approx(one["recall"], abs=0.025), name  # one of 41 users


DYING = '''
"""A learner of three numbers. Process 0, which writes, dies of its fourth epoch in the first attempt."""
import os, signal, sys
from pathlib import Path
import numpy as np
import torch
from recommender.distributed import Member, joined, rank
from recommender.histories import Ids
from recommender.scorers import PopularityScorer
from recommender.training import Run, Schedule, train

class Learner:
    fingerprint = "three numbers"

    def __init__(self, dies=None):
        self.module = torch.nn.Linear(3, 1, bias=False)
        torch.nn.init.ones_(self.module.weight)
        self.optimiser = torch.optim.Adam(self.module.parameters(), lr=0.1)
        self.dies, self.epoch = dies, 0

    def batches(self, random):
        self.epoch += 1
        for number, batch in enumerate(random.standard_normal((4, 7, 3), dtype=np.float32)):
            if (self.epoch, number) == (self.dies, 2):
                os.kill(os.getpid(), signal.SIGKILL)
            yield batch

    def loss(self, batch, rows):
        return (self.module(torch.from_numpy(batch[rows])) - 2).pow(2).sum() / len(batch)

    def scorer(self):
        return PopularityScorer(Ids(("a", "b", "c")), self.module.weight.detach().numpy()[0].copy())

def learn(path=None, on_epoch=None, dies=None):
    return train(Learner(dies), Schedule(0, 9, 1, 1), Run(checkpoint=path, on_epoch=on_epoch)).scorer.popularity

if __name__ == "__main__":
    numbers = [int(os.environ[name]) for name in ("MASTER_PORT", "TORCHELASTIC_RESTART_COUNT")]
    member = Member(int(os.environ["RANK"]), 2, 0, os.environ["MASTER_ADDR"], *numbers)
    dies = 4 if (member.rank, member.attempt) == (0, 0) else None
    with joined(member):
        heard = []
        found = learn(Path(sys.argv[1]), heard.append, dies)
        if rank() == 0:
            np.savez(sys.argv[2], heard=[epoch.number for epoch in heard], found=found)
'''


@pytest.mark.slow
def test_kill_9_ends_in_the_same_numbers(tmp_path):
    script, state, out = tmp_path / "learner.py", tmp_path / "state.npz", tmp_path / "found.npz"
    script.write_text(DYING)
    done = torchrun(script, str(state), str(out), restarts=1)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"exitcode: {-signal.SIGKILL}") == 1, done.stderr
    with np.load(out) as told:
        assert told["heard"].tolist() == [4, 5, 6, 7, 8, 9]  # three were kept
        np.testing.assert_allclose(told["found"], runpy.run_path(str(script))["learn"](), rtol=1e-5)
    assert not state.exists()
