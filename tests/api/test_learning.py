"""The gate before service and the evaluation as files, on a shop of two tastes with models that take no time."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api import evaluating, training
from api.bootstrap import Shop, shop
from api.cli import app
from api.errors import FrontDoorError
from api.progress import Bars
from api.promoting import Promotion, promote
from api.serving import current_model
from api.settings import Settings
from api.workspace import Workspace
from recommender.artifact import load
from recommender.choosing import Choice, Tried
from recommender.competing import OFFERED, candidates
from recommender.dataset import Dataset
from recommender.errors import ArtifactError
from recommender.model import Model
from recommender.models.itemknn import ItemKNN
from recommender.models.lightgcn import LightGCN
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity
from recommender.ranking.proving import Proof
from recommender.training import Run

DAY, START = 86_400, 1_767_225_600


@pytest.fixture
def workspace(filled: Path, tmp_path: Path) -> Workspace:
    """A copy without any model."""
    shutil.copytree(filled, tmp_path / "shop")
    return Workspace(tmp_path / "shop")


@contextmanager
def opened(workspace: Workspace) -> Iterator[Shop]:
    with shop(Settings(workspace=workspace.root), write=True) as one:
        yield one


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[Model], None]:
    """Let the next training choose this model, good or bad."""

    def this(model: Model) -> None:
        step = Tried(model.name, 1.0, (1.0,), 0.5, model)
        monkeypatch.setattr(training, "_choice", lambda *_, **__: Choice(model, (step,), 1, (step,)))

    return this


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What competes in the next evaluation."""

    def only(*models: Model) -> None:
        monkeypatch.setattr(evaluating, "candidates", lambda *_, **__: list(models))

    return only


def run(workspace: Workspace, *args: str) -> Result:
    return CliRunner().invoke(app, [*args, "--workspace", str(workspace.root)])


def test_a_model_made_worse_is_refused_and_can_be_put_into_service_by_hand(
    workspace: Workspace, choose: Callable[[Model], None]
) -> None:
    choose(ItemKNN())
    first = run(workspace, "train", "--gate", "--json")
    assert first.exit_code == 0, first.output
    good = json.loads(first.stdout)
    assert good["gate"] == {"passed": True, "in_service": None}
    assert (good["chose"], good["serves"]) == ("itemknn", good["model"])
    choose(Popularity())  # two tastes: what sells to both is worse for everyone
    second = run(workspace, "train", "--gate")
    assert second.exit_code == 3, second.output
    report = json.loads(workspace.report("train").read_text(encoding="utf-8"))
    gate, bad = report["gate"], report["model"]
    assert not gate["passed"]
    assert (report["chose"], report["serves"]) == ("popularity", good["model"])
    assert gate["in_service"] == good["model"] == current_model(workspace.models)
    assert gate["difference"]["high"] < 0
    assert gate["difference"]["mean"] == pytest.approx(gate["ndcg@10"] - gate["ndcg@10 in service"])
    assert f"refused: {good['model']} stays in service, {bad} is on disk" in second.stdout
    assert "serves:" not in second.stdout
    third = run(workspace, "promote", bad)
    assert third.exit_code == 0, third.output
    assert third.stdout == f"serves {bad} instead of {good['model']}\n"
    assert current_model(workspace.models) == bad


def test_without_the_gate_the_newest_is_served_whatever_it_is(
    workspace: Workspace, choose: Callable[[Model], None]
) -> None:
    for model in (ItemKNN(), Popularity()):
        choose(model)
        done = run(workspace, "train", "--json")
        assert done.exit_code == 0, done.output
        report = json.loads(done.stdout)
        assert "gate" not in report
        assert current_model(workspace.models) == report["model"]


@pytest.mark.slow
def test_processes_of_torchrun_train_one_model_and_one_of_them_writes(workspace: Workspace) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    shopgraph = [sys.executable, "-c", "from api.cli import main; main()"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [*torchrun, *shopgraph, "train", "--json", "--workspace", str(workspace.root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)  # one report, not two
    assert report["memory"]["processes"] == 2
    assert report["memory"]["peak_bytes"] > 50e6
    assert current_model(workspace.models) == report["model"]
    assert {"lightgcn", "relational"} <= {tried["model"] for tried in report["validation"]["tried"]}
    assert not any(tried["failed"] for tried in report["validation"]["tried"])
    assert not list(workspace.checkpoints.iterdir())


def test_what_has_seen_nothing_of_the_cut_is_asked_as_it_stands(
    workspace: Workspace, choose: Callable[[Model], None]
) -> None:
    """A model of four weeks ago is what is served, so it is what the new one is measured by."""
    choose(ItemKNN())
    early = str(START + 28 * DAY)
    assert run(workspace, "train", "--until", early).exit_code == 0
    old = current_model(workspace.models)
    done = run(workspace, "train", "--gate", "--tolerance", "0.5", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["gate"]["asked"], report["gate"]["in_service"]) == ("as it stands", old)
    assert current_model(workspace.models) == report["model"] != old


def test_what_is_fitted_again_runs_where_the_new_model_runs(
    workspace: Workspace, choose: Callable[[Model], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration does not say where it ran."""
    ran: list[tuple[str, Path | None]] = []
    fitted = ItemKNN().fit

    def fit(self: LightGCN, data: Dataset) -> Any:
        ran.append((self.run.device, self.run.checkpoint))
        return fitted(data)

    monkeypatch.setattr(LightGCN, "fit", fit)
    here = Run(device="cuda")
    choose(Mixture(((0.5, ItemKNN()), (0.5, LightGCN(run=here)))))
    for flags in ((), ("--gate",)):
        done = run(workspace, "train", "--device", "cuda", *flags)
        assert done.exit_code == 0, done.output
    own = workspace.checkpoints / "gate-lightgcn.npz"
    assert ran == [("cuda", None), ("cuda", own), ("cuda", None), ("cuda", None)]  # own: the one in service


def test_the_same_again_passes_where_nothing_may_be_lost(workspace: Workspace, choose: Callable[[Model], None]) -> None:
    choose(ItemKNN())
    assert run(workspace, "train").exit_code == 0
    done = run(workspace, "train", "--gate", "--tolerance", "0", "--json")
    assert done.exit_code == 0, done.output
    gate = json.loads(done.stdout)["gate"]
    assert gate["asked"] == "fitted before the cut"
    assert (gate["difference"]["low"], gate["difference"]["high"]) == (0.0, 0.0)


def test_a_ranker_is_tried_told_and_served_only_where_it_helps(
    workspace: Workspace, choose: Callable[[Model], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tastes and purchases by chance: after the taste, which the model knows, there is nothing to learn."""
    choose(ItemKNN())
    done = run(workspace, "train", "--ranker")
    assert done.exit_code == 0, done.output
    report = json.loads(workspace.report("train").read_text(encoding="utf-8"))
    found = report["ranker"]
    assert found["served"] is (found["difference"]["low"] > 0)
    assert found["lists that taught"]["purchase"] == found["users"]
    assert "ranker: " in done.stdout
    assert (load(workspace.models / report["model"]).ranker is not None) is found["served"]
    plain = run(workspace, "train", "--json")
    assert "ranker" not in json.loads(plain.stdout)
    monkeypatch.setattr(Proof, "helps", property(lambda proof: proof.ranker is not None))
    forced = run(workspace, "train", "--ranker", "--json")
    assert forced.exit_code == 0, forced.output
    served = load(workspace.models / json.loads(forced.stdout)["model"]).ranker
    assert served is not None
    assert len(served.items) == 24
    assert served.attributes == ("MADE_BY",)
    shown = run(workspace, "recommend", "--user", "u3", "--k", "8", "--json")
    items = json.loads(shown.stdout)["items"]
    assert {label for item in items for label in item["moved_by"]} <= {"ranker"}
    assert sorted(item["score"] for item in items)[-1] > 0


@pytest.mark.parametrize("tolerance", ["-0.1", "1", "nan"])
def test_a_tolerance_that_is_no_share_is_refused_before_anything_is_done(workspace: Workspace, tolerance: str) -> None:
    done = run(workspace, "train", "--gate", "--tolerance", tolerance)
    assert done.exit_code == 1
    assert "expected a share" in done.stderr
    assert not workspace.models.exists()


def test_only_whole_models_of_this_workspace_are_promoted(workspace: Workspace) -> None:
    for name in ("none", "../models", "", "current"):
        with pytest.raises(FrontDoorError, match="holds no model"):
            promote(workspace, name)
    (workspace.models / "torn").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="no manifest"):
        promote(workspace, "torn")
    assert current_model(workspace.models) is None


def test_a_torn_model_in_service_is_told_before_anything_is_replaced(
    workspace: Workspace, choose: Callable[[Model], None]
) -> None:
    choose(ItemKNN())
    (workspace.models / "torn").mkdir(parents=True)
    (workspace.models / "current").write_text("torn\n")
    done = run(workspace, "train", "--gate")
    assert done.exit_code == 1
    assert "torn has no manifest.json" in done.stderr
    assert current_model(workspace.models) == "torn"


def test_a_gate_is_for_a_share() -> None:
    with pytest.raises(FrontDoorError, match="expected a share"):
        Promotion(1.5)


def test_an_evaluation_is_files_that_agree(workspace: Workspace, offer: Callable[..., None], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    board = pytest.importorskip("tensorboardX", reason="the extra plots is not installed")
    assert board
    offer(Popularity(), ItemKNN())
    scalars = tmp_path / "scalars"
    done = run(workspace, "evaluate", "--seeds", "2", "--plots", "--tensorboard", str(scalars))
    assert done.exit_code == 0, done.output
    report = json.loads((workspace.evaluation / "report.json").read_text(encoding="utf-8"))
    assert report["seeds"] == [0, 1]
    assert report["baseline"] == "itemknn"
    assert {(row["model"], row["relations"]) for row in report["rows"]} == {
        ("popularity", "without"),
        ("itemknn", "without"),
        ("served", "with"),
    }
    with (workspace.evaluation / "metrics.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    whole = {(line["model"], line["relations"]): line for line in lines if line["slice"] == "all"}
    for row in report["rows"]:
        line = whole[row["model"], row["relations"]]
        assert float(line["ndcg"]) == row["metrics"]["ndcg"]
        assert float(line["unfairness_purchases"]) == row["providers"]["unfairness_purchases"]
    assert {line["slice"] for line in lines} == {"all", "warm", "cold item", "long tail"}
    for name in ("accuracy", "tradeoff", "exposure", "providers"):
        assert (workspace.evaluation / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(folder.name for folder in scalars.iterdir()) == [
        "itemknn-without",
        "popularity-without",
        "served-with",
    ]
    assert "best baseline: itemknn" in done.stdout
    kept = json.loads(workspace.report("evaluate").read_text(encoding="utf-8"))
    assert kept == report


@pytest.mark.slow
def test_all_that_compete_are_measured_from_the_log_to_the_files(evaluated: Workspace) -> None:
    """The list of candidates as it is, networks and all."""
    report = json.loads(evaluated.report("evaluate").read_text(encoding="utf-8"))
    assert json.loads((evaluated.evaluation / "report.json").read_text(encoding="utf-8")) == report
    with opened(evaluated) as one:
        cut = training.newest_cut(one.store, training.human(one.log.table()))
    compete = {model.name: model for model in candidates(cut.train)}
    assert {"popularity", "itemknn", "ease", "lightgcn", "relational"} <= set(compete)
    rows = {(row["model"], row["relations"]): row for row in report["rows"]}
    kinds = {
        name: ("with", "without", "shuffled")[: 3 if model.uses_relations else 0] or ("without",)
        for name, model in compete.items()
    }
    assert set(rows) == {(name, kind) for name, each in kinds.items() for kind in each} | {("served", "with")}
    failed = {who: row["failed"] for who, row in rows.items() if row["failed"]}
    assert {kind for _, kind in failed} == {"without"}  # those that learn from nothing but relations
    assert all("needs a relation" in why for why in failed.values())
    assert report["unserved"] is None
    base, served = rows[report["baseline"], "without"], rows["served", "with"]
    chance = sum(1 / rank for rank in range(1, 25)) / 24  # MRR of 24 products in any order
    assert served["metrics"]["mrr"] > chance
    (told,) = (one["against"]["all"]["ndcg"] for one in report["summaries"] if one["model"] == "served")
    assert told["mean"] == pytest.approx(served["metrics"]["ndcg"] - base["metrics"]["ndcg"])
    assert told["low"] <= told["mean"] <= told["high"]


def test_scalars_are_what_the_report_says(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra plots is not installed")
    from tensorboardX.proto.event_pb2 import Event

    from api.scalars import write

    metrics = {"users": 3, "recall": 0.5, "ndcg": 0.25, "mrr": 0.125, "hit_rate": 1.0, "precision": 0.0625}
    row = {
        "model": "a + b", "relations": "with", "seed": 7, "metrics": metrics, "slices": {"warm": metrics},
        "coverage": 0.75, "diversity": None, "providers": {"unfairness_catalogue": 0.5, "unfairness_purchases": 0.0},
    }  # fmt: skip
    failed = {"model": "c", "relations": "with", "seed": None, "metrics": None}
    write({"k": 10, "rows": [row, failed]}, tmp_path)
    (run_folder,) = tmp_path.iterdir()
    assert run_folder.name == "a-+-b-with"
    (file,) = run_folder.iterdir()
    found, data = {}, file.read_bytes()
    while data:
        length = int.from_bytes(data[:8], "little")
        event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
        found.update({value.tag: (value.simple_value, event.step) for value in event.summary.value})
    assert found["accuracy/ndcg_10"] == (0.25, 7)
    assert found["slices/warm_ndcg_10"] == (0.25, 7)
    assert found["lists/coverage"] == (0.75, 7)
    assert found["fairness/unfairness_catalogue"] == (0.5, 7)
    assert "lists/diversity" not in found


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), (OFFERED, False, False)),
        (("--thorough",), (OFFERED, False, True)),
        (("--network", "sasrec", "--network", "lightgcn", "--texts"), (["sasrec", "lightgcn"], True, False)),
        (("--network", "sasrec", "--network", "sasrec"), (["sasrec"], False, False)),
        (("--network", "none"), ([], False, False)),
    ],
)
@pytest.mark.parametrize(("command", "times"), [("train", 1), ("evaluate", 2)])
def test_what_competes_is_what_is_asked_for(
    workspace: Workspace,
    command: str,
    times: int,
    flags: tuple[str, ...],
    expected: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[Any, ...]] = []

    def candidates(*_: Any, networks: Any, texts: bool, thorough: bool, **__: Any) -> list[Model]:
        asked.append((networks, texts, thorough))
        return [ItemKNN()]

    for module in (training, evaluating):
        monkeypatch.setattr(module, "candidates", candidates)
    done = run(workspace, command, *flags)
    assert done.exit_code == 0, done.output
    assert asked == [expected] * times  # evaluate chooses what would be served among them, and measures each


def test_a_network_that_is_none_is_refused_before_anything_is_read(workspace: Workspace) -> None:
    done = run(workspace, "train", "--network", "transformer")
    assert done.exit_code == 1
    assert "no network 'transformer'; known are lightgcn, relational, sasrec" in done.output
    done = run(workspace, "train", "--network", "none", "--network", "sasrec")
    assert done.exit_code == 1
    assert "--network none leaves all networks out" in done.output


def test_a_log_too_short_to_be_cut_twice_is_measured_all_the_same(
    workspace: Workspace, offer: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recommender import choosing
    from recommender.errors import ModelFitError

    def nothing(*_: Any, **__: Any) -> None:
        raise ModelFitError("no candidate learned anything")

    monkeypatch.setattr(choosing, "choose", nothing)
    offer(Popularity())
    with opened(workspace) as one, Bars() as bars:
        report = evaluating.evaluate(one, bars, seeds=[0])
    assert (report["serves"], report["unserved"]) == (None, "no candidate learned anything")
    assert [row["model"] for row in report["rows"]] == ["popularity"]
