"""A stage that is killed with SIGKILL and typed again leaves the graph of an undisturbed run, byte for byte."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.workspace import Workspace
from kg import snapshot
from kg.stores import open_store
from mining import samples
from mining.samples.simulator import simulate, write_events
from mining.samples.truth import load_truth

CODE = "import sys; from api.cli import main; sys.exit(main())"


def digest(workspace: Path) -> str:
    with open_store(f"sqlite:///{workspace / 'graph.db'}") as store:
        return snapshot.digest(store)


def killed(
    args: list[str], folder: Path, workspace: Path, wait: float, ready: Callable[[], object] = lambda: True
) -> bool:
    """Kill the command ``wait`` seconds after it holds the writer's lock and is ``ready``; whether it was still running
    then."""
    command = [sys.executable, "-c", CODE, *args]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lock = workspace / "lock"
    while process.poll() is None and not (lock.exists() and lock.read_text() == str(process.pid)):
        time.sleep(0.02)
    while process.poll() is None and not ready():
        time.sleep(0.005)
    time.sleep(wait)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kill") / "events.csv"
    write_events(path, simulate(samples.sample_products(), load_truth()))
    return path


def test_kill_in_each_stage(
    demo: Any, events: Path, tmp_path: Path, shopgraph: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    shop = samples.sample_shop()
    workspace = tmp_path / "shop"
    where = ["--workspace", str(workspace)]
    stages = {
        "load": [
            "load",
            "--catalog",
            str(shop.catalog),
            "--events",
            str(events),
            "--reviews",
            str(shop.reviews),
            *where,
        ],
        "mine": ["mine", *where],
        "train": ["train", *where],
    }

    def trained_some() -> bool:
        return any(Workspace(workspace).checkpoints.glob("lightgcn*.npz"))

    chance = random.Random(7)
    interrupted = {}
    for stage, args in stages.items():
        interrupted[stage] = sum(killed(args, tmp_path, workspace, chance.uniform(0.05, 1.6)) for _ in range(3))
        if stage == "train":
            assert killed(args, tmp_path, workspace, 0.0, trained_some)
            assert trained_some(), "what it goes on from"
        shopgraph(*args, cwd=tmp_path)
    assert all(interrupted.values()), interrupted
    assert digest(workspace) == digest(demo.workspace)
    assert (workspace / "models" / "current").read_text() == (demo.workspace / "models" / "current").read_text()
