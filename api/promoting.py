"""The gate before service: a newly chosen model is measured beside the one in service, on the same validation users.

Neither may have learned from the answers. The new configuration is fitted on what lies before the validation cut; the
model in service speaks as it stands where all it has learned lies before the cut, else its configuration is fitted
before the cut too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.errors import FrontDoorError
from api.progress import Bars
from api.serving import current_model
from api.workspace import PATIENCE, Workspace
from recommender import artifact, gate
from recommender.configuration import read_model
from recommender.errors import DatasetError
from recommender.model import Model, Scorer
from recommender.models.mixture import Mixture
from recommender.splits import Cut

if TYPE_CHECKING:
    from recommender.training import Device  # brings torch along, and putting a model into service needs none


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether a model may go into service: ``tolerance`` is the share of the NDCG@k in service that may be lost, at the
    lower end of the interval."""

    tolerance: float = gate.TOLERANCE
    k: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise FrontDoorError(f"--tolerance {self.tolerance}: expected a share, from 0 up to but not 1")

    def verdict(
        self, cut: Cut, model: Model, workspace: Workspace, bars: Bars, *, device: "Device" = "cpu"
    ) -> Mapping[str, Any]:
        """``passed``, both figures, the difference with its interval, and how the model in service was asked.
        What has to be fitted again runs on ``device`` and goes on from its checkpoint where it was killed.

        A workspace that serves nothing yet has nothing to lose: the new model passes. Raises DatasetError where nobody
        can be asked, ArtifactError for a torn model in service, ConfigurationError for one that cannot be fitted again.
        """
        current = current_model(workspace.models)
        if current is None:
            return {"passed": True, "in_service": None}
        if not len(cut.cases.targets):
            raise DatasetError("nobody bought anything new after the validation cut: no gate can judge; train plainly")
        bars.start("gate: the model in service", 2)
        old, how = _incumbent(workspace, current, cut, device)
        theirs = gate.ndcgs(gate.Renumbered(old, cut.train.items, cut.train.users), cut.cases, self.k)
        del old  # one model in memory at a time
        bars.advance()
        ours = gate.ndcgs(model.fit(cut.train), cut.cases, self.k)
        bars.finish()
        found = gate.judge(ours, theirs, k=self.k, tolerance=self.tolerance)
        return {**found.as_dict(), "in_service": current, "asked": how}


def _incumbent(workspace: Workspace, current: str, cut: Cut, device: "Device") -> tuple[Scorer, str]:
    about = artifact.read_manifest(workspace.models / current)["about"]
    newest = about.get("data", {}).get("newest_event")
    if newest is not None and cut.train.until is not None and newest < cut.train.until:
        return artifact.load(workspace.models / current).chain[0][1], "as it stands"
    workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    model = running(read_model(str(about.get("configuration"))), device, workspace.checkpoints)
    return model.fit(cut.train), "fitted before the cut"


def running(model: Model, device: "Device", checkpoints: Path) -> Model:
    """The same model, each part that is trained on ``device`` and with a checkpoint of its own: a configuration says
    what is learned, not where."""
    if isinstance(model, Mixture):
        return Mixture(tuple((weight, running(part, device, checkpoints)) for weight, part in model.parts))
    if not (is_dataclass(model) and any(f.name == "run" for f in fields(model))):
        return model
    from recommender.training import Run

    run = Run(device=device, checkpoint=checkpoints / f"gate-{model.name}.npz")
    return replace(model, run=run)


def promote(workspace: Workspace, model: str) -> str:
    """Put a model that is on disk into service and say which one it replaces. Raises ArtifactError for what is no whole
    model."""
    with workspace.writing(patience=PATIENCE):
        folder = workspace.models / model
        if folder.parent != workspace.models or not folder.is_dir():
            known = sorted(p.parent.name for p in workspace.models.glob(f"*/{artifact.MANIFEST}"))
            raise FrontDoorError(f"{workspace.models} holds no model {model!r}; it holds {', '.join(known) or 'none'}")
        artifact.load(folder)
        before = current_model(workspace.models)
        artifact.promote(folder)
        return f"serves {model} instead of {before or 'nothing'}"
