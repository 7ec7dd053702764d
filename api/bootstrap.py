"""The composition root: settings and flags become open stores and services, for serving too."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from api.deps import Services
from api.errors import FrontDoorError
from api.feedback import Feedback
from api.intake import Intake
from api.metrics import Metrics
from api.rulebook import Rulebook
from api.serving import ModelHolder, Served, folder_of
from api.settings import Settings
from api.workspace import PATIENCE, Workspace
from kg.events import EventLog
from kg.schema import SHOP
from kg.store import GraphStore
from kg.stores import open_store
from mining.schema.files import read_schema
from recommender.exploring import Exploration
from recommender.impressions import ImpressionLog
from recommender.recommender import Recommender


@dataclass(frozen=True, slots=True)
class Shop:
    """One open workspace: its graph and its event log."""

    settings: Settings
    workspace: Workspace
    store: GraphStore
    log: EventLog


@contextmanager
def shop(settings: Settings, *, write: bool = False, existing: bool = False) -> Iterator[Shop]:
    """Open the workspace's stores, with the writer's lock where asked; close them at the end.

    Where it must be ``existing``, none is made. Raises WorkspaceError; WorkspaceLocked where another process has held
    the lock for ``workspace.PATIENCE`` seconds.
    """
    workspace = Workspace(settings.workspace)
    with ExitStack() as stack:
        if existing:
            workspace.existing()
        if write:
            stack.enter_context(workspace.writing(patience=PATIENCE))
        else:
            workspace.open()
        store = stack.enter_context(open_store(settings.store or workspace.store_url, auth=settings.store_auth()))
        log = stack.enter_context(EventLog(workspace.events))
        yield Shop(settings, workspace, store, log)


def services(opened: Shop) -> Services:
    """What commands, the HTTP service and the page answer from. Raises RuleError, SchemaError, ConfigurationError."""

    def load(folder: Path) -> Recommender:
        return Recommender.load(folder, opened.store, opened.log)

    models = ModelHolder(opened.workspace.models, load)
    rules = Rulebook(opened.settings.rules or opened.workspace.rules)
    said = opened.settings
    feedback = Feedback(
        ImpressionLog(opened.workspace.impressions) if said.log_answers else None,
        None if said.explore_from is None else Exploration(first=said.explore_from, sharpness=said.explore_sharpness),
    )
    schema = read_schema(said.mining_schema) if said.mining_schema else SHOP
    intake = Intake(opened.store, opened.workspace, schema)
    return Services(opened.store, opened.log, models, opened.workspace, Metrics(), rules, feedback, intake)


def serving(opened: Shop) -> Services:
    """The same, with the rival that shares lists where the settings name one.

    Raises FrontDoorError or ArtifactError for one that there cannot be.
    """
    said = opened.settings
    if "explore_sharpness" in said.model_fields_set and said.explore_from is None:
        raise FrontDoorError("--explore-sharpness says how chance draws: give --explore-from too, or neither")
    found = services(opened)
    return found if said.interleave is None else replace(found, rival=_rival(opened, said.interleave, found.served()))


def _rival(opened: Shop, model: str, served: Served) -> Served:
    if not opened.settings.log_answers:
        raise FrontDoorError("--interleave without --log-answers would compare two models and keep nothing of it")
    if opened.settings.explore_from is not None:
        raise FrontDoorError("--interleave and --explore-from answer two questions: ask one after the other")
    folder = folder_of(opened.workspace.models, model)
    if folder.name == served.name:
        raise FrontDoorError(f"--interleave {model}: {served.name} is in service, and no rival of itself; name another")
    rival = Served(folder.name, Recommender.load(folder, opened.store, opened.log))
    if not served.drafts_with(rival):
        raise FrontDoorError(
            f"--interleave {model}: it takes other events for having had a product than {served.name}, which is in "
            "service, so that they cannot share a list; name another"
        )
    return rival
