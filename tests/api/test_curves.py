"""The curves of a small model's training are the epochs that were learned, and go nowhere that nobody asked for."""

import json
import runpy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from api import extras
from api.cli import app
from api.curves import curves
from api.errors import FrontDoorError, MissingExtra
from api.settings import WeightsAndBiases
from mining.evaluation import Score

pytest.importorskip("torch")
from mining.extraction.tagger_training import Epoch

NOWHERE = WeightsAndBiases.model_construct()
EPOCHS = [
    Epoch(1, 2.0, Score(1, 2, 4), 0, 0.25),
    Epoch(2, 1.0, Score(2, 2, 4), 0, 0.125),
    Epoch(1, 4.0, Score(3, 4, 4), 1, 0.25),
]


def scalars(folder: Path) -> dict[str, tuple[float, int]]:
    """The last value of each tag with its step, out of the files of a run."""
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, tuple[float, int]] = {}
    for path in folder.iterdir():
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            found.update({value.tag: (value.simple_value, event.step) for value in event.summary.value})
    return found


class Board(ModuleType):
    """Stands for the library: writes down what it is told."""

    class Error(Exception):
        pass

    def __init__(self) -> None:
        super().__init__("wandb")
        self.__spec__ = ModuleSpec("wandb", None)
        self.asked: dict[str, Any] = {}
        self.lines: list[dict[str, float]] = []
        self.axes: list[tuple[str, str]] = []
        self.ended = False
        self.errors = type("errors", (), {"Error": self.Error})

    def Settings(self, **quiet: Any) -> dict[str, Any]:  # noqa: N802
        return quiet

    @contextmanager
    def _run(self) -> Iterator["Board"]:
        yield self
        self.ended = True

    def init(self, **asked: Any) -> Any:
        if asked["mode"] == "refused":
            raise self.Error("no key")
        self.asked = asked
        return self._run()

    def define_metric(self, name: str, *, step_metric: str) -> None:
        self.axes.append((name, step_metric))

    def log(self, line: dict[str, float]) -> None:
        self.lines.append(line)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    made = Board()
    monkeypatch.setitem(sys.modules, "wandb", made)
    return made


def test_tensorboard_gets_a_run_a_network_and_a_step_an_epoch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra plots is not installed")
    with curves(tmp_path, NOWHERE, {}) as hear:
        for epoch in EPOCHS:
            hear(epoch)
    assert scalars(tmp_path / "network-2")["training/loss"] == (4.0, 1)
    assert scalars(tmp_path / "network-1") == {
        "training/loss": (1.0, 2),
        "training/rate": (0.125, 2),
        "held-back/precision": (1.0, 2),
        "held-back/recall": (0.5, 2),
        "held-back/f1": (pytest.approx(2 / 3), 2),
    }
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["network-1", "network-2"]


def test_without_a_project_no_board_hears_anything(board: Board, tmp_path: Path) -> None:
    for nobody in (None, NOWHERE, WeightsAndBiases.model_construct(project="", mode="offline")):
        with curves(None, nobody, {}) as hear:
            hear(EPOCHS[0])
    assert (board.asked, board.lines) == ({}, [])


def test_a_board_is_told_numbers_and_options_alone(board: Board) -> None:
    asked = WeightsAndBiases.model_construct(project="shop", entity="us", mode="offline", folder=Path("here"))
    with curves(None, asked, {"rank": 16}) as hear:
        for epoch in EPOCHS:
            hear(epoch)
    assert board.lines[2] == {
        "epoch": 1,
        "network 2 training/loss": 4.0,
        "network 2 training/rate": 0.25,
        "network 2 held back/precision": 0.75,
        "network 2 held back/recall": 0.75,
        "network 2 held back/f1": 0.75,
    }
    assert board.axes == [("*", "epoch")]
    assert board.ended
    quiet = board.asked.pop("settings")
    assert board.asked == {
        "project": "shop", "entity": "us", "mode": "offline", "dir": "here", "config": {"rank": 16},
    }  # fmt: skip
    assert (quiet["console"], quiet["disable_git"], quiet["x_disable_meta"]) == ("off", True, True)


def test_a_board_that_refuses_says_what_to_do(board: Board) -> None:
    asked = WeightsAndBiases.model_construct(project="shop", mode="refused")
    with pytest.raises(FrontDoorError, match=r"no key.*WANDB_MODE=offline"), curves(None, asked, {}):
        pass


def test_the_environment_names_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PROJECT": "shop", "ENTITY": "us", "MODE": "offline", "DIR": "/tmp/here"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    assert WeightsAndBiases() == WeightsAndBiases.model_construct(
        project="shop", entity="us", mode="offline", folder=Path("/tmp/here")
    )


@pytest.mark.parametrize(
    ("folder", "project", "extra"), [(Path("curves"), None, "plots"), (None, "shop", "wandb")], ids=["plots", "wandb"]
)
def test_a_missing_extra_is_named(
    folder: Path | None, project: str | None, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "has", lambda module: False)
    asked = WeightsAndBiases.model_construct(project=project)
    with pytest.raises(MissingExtra, match=extra), curves(folder, asked, {}):
        pass


def test_a_real_board_keeps_an_offline_run_here(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    asked = WeightsAndBiases.model_construct(project="shop", mode="offline", folder=tmp_path)
    with curves(None, asked, {"adapters": "adalora"}) as hear:
        for epoch in EPOCHS:
            hear(epoch)
    (run,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    said, waited = (b"network 2 held back/f1", b"adapters", b"adalora"), 0
    while not all(one in run.read_bytes() for one in said):  # another process writes it, soon after the run has ended
        time.sleep(0.05)
        assert (waited := waited + 1) < 400


def test_extract_draws_what_it_learned(board: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra plots is not installed")
    tiny = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"](tmp_path / "tiny")
    rows = [
        {"input": f"acme red mug {n}", "category": "Mugs", "target_scores": {"Color": {"red": 1}}} for n in range(9)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    monkeypatch.setenv("WANDB_PROJECT", "shop")
    flags = {"train": "rows.jsonl", "test": "rows.jsonl", "out": "out.jsonl", "model": "model", "tensorboard": "drawn"}
    named = [part for flag, name in flags.items() for part in (f"--{flag}", str(tmp_path / name))]
    done = CliRunner().invoke(app, ["extract", *named, "--encoder", str(tiny), "--epochs", "2"])
    assert done.exit_code == 0, done.output
    curve = json.loads((tmp_path / "model" / "curve.json").read_text("utf-8"))
    drawn = scalars(tmp_path / "drawn" / "network-1")
    assert drawn["training/loss"] == (pytest.approx(curve[1]["loss"]), 2)
    assert drawn["held-back/f1"] == (pytest.approx(curve[1]["f1"]), 2)
    assert drawn["training/rate"][0] > 0
    losses = [line["network 1 training/loss"] for line in board.lines if "network 1 training/loss" in line]
    assert losses == [point["loss"] for point in curve]
    assert board.asked["config"]["epochs"] == 2
    assert board.asked["config"]["encoder"] == "tiny"
    assert not [value for value in board.asked["config"].values() if "/" in str(value)], "no path of the machine"


def test_a_missing_extra_is_told_before_anything_learns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if find_spec("wandb"):
        pytest.skip("the extra wandb is installed")
    tiny = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"](tmp_path / "tiny")
    row = {"input": "acme red mug", "category": "Mugs", "target_scores": {"Color": {"red": 1}}}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    monkeypatch.setenv("WANDB_PROJECT", "shop")
    flags = {"train": "rows.jsonl", "test": "rows.jsonl", "masked": "rows.jsonl", "out": "out.jsonl", "model": "model"}
    named = [part for flag, name in flags.items() for part in (f"--{flag}", str(tmp_path / name))]
    done = CliRunner().invoke(app, ["extract", *named, "--encoder", str(tiny)])
    assert done.exit_code == 1
    assert "wandb" in done.output
    assert not (tmp_path / "model").exists()
