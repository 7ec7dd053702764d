"""The composition root: settings and flags become open stores, extractors and models."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.settings import Settings
from api.workspace import Workspace
from kg.events import EventLog
from kg.store import GraphReader, GraphStore
from kg.stores import open_store
from recommender.recommender import Recommender


@dataclass(frozen=True, slots=True)
class Shop:
    """One open workspace: its graph and its event log."""

    settings: Settings
    workspace: Workspace
    store: GraphStore
    log: EventLog


@contextmanager
def shop(settings: Settings, *, write: bool = False) -> Iterator[Shop]:
    """Open the workspace's stores, with the writer's lock where asked; close them at the end."""
    workspace = Workspace(settings.workspace)
    workspace.open()
    if write:
        with workspace.writing(), _opened(settings, workspace) as opened:
            yield opened
    else:
        with _opened(settings, workspace) as opened:
            yield opened


@contextmanager
def _opened(settings: Settings, workspace: Workspace) -> Iterator[Shop]:
    auth = settings.store_auth()
    with open_store(settings.store or workspace.store_url, auth=auth) as store, EventLog(workspace.events) as log:
        yield Shop(settings, workspace, store, log)


def load_recommender(folder: Path, reader: GraphReader, log: EventLog) -> Recommender:
    """The recommender that a trained artifact and the live log make together."""
    raise NotImplementedError
