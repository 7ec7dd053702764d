"""The writer's lock: one writer at a time; a command waits for a short one, a put for nobody."""

import threading
from pathlib import Path

import pytest

from api import bootstrap
from api.errors import WorkspaceLocked
from api.settings import Settings
from api.workspace import Workspace


def test_a_command_waits_for_a_writer_that_ends(tmp_path: Path) -> None:
    holding, over = threading.Event(), threading.Event()

    def hold() -> None:
        with Workspace(tmp_path).writing():
            holding.set()
            over.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    assert holding.wait(60)
    with pytest.raises(WorkspaceLocked, match="is being written by process"):
        Workspace(tmp_path).writing().__enter__()
    threading.Timer(0.2, over.set).start()
    with bootstrap.shop(Settings(workspace=tmp_path), write=True):
        assert over.is_set()
    other.join()


def test_a_command_gives_up_on_a_writer_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "PATIENCE", 0.1)
    with (
        Workspace(tmp_path).writing(),
        pytest.raises(WorkspaceLocked, match="wait for it, stop it"),
        bootstrap.shop(Settings(workspace=tmp_path), write=True),
    ):
        pass
