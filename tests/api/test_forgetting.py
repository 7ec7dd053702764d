"""``shopgraph forget`` erases a person wherever they are, and says what still knows them."""

import json
from pathlib import Path

from typer.testing import CliRunner

from api.cli import app
from api.workspace import Workspace, write_json
from kg.events import EventLog
from kg.types import Interaction
from recommender.impressions import Impression, ImpressionLog, Shown


def test_a_person_is_erased_from_both_logs_and_the_models_that_know_them_are_named(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.open()
    with EventLog(workspace.events) as log:
        log.append(
            [
                Interaction("e1", "a", "view", 1, user_id="用户 1"),
                Interaction("e2", "a", "purchase", 2, user_id="用户 1"),
                Interaction("e3", "a", "view", 3, user_id="other"),
            ]
        )
    impressions = ImpressionLog(workspace.impressions)
    for request, user in (("r1", "用户 1"), ("r2", "other")):
        impressions.record(Impression(request, 4, "m", (Shown("a", 1, 1.0),), user_id=user))
    for name, users in (("knows", ["other", "用户 1"]), ("does-not", ["other"])):
        write_json(workspace.models / name / "users.json", users)
    done = CliRunner().invoke(app, ["forget", "用户 1", "--workspace", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"user_id": "用户 1", "events": 2, "answers": 1, "models": ["knows"]}
    with EventLog(workspace.events) as log:
        assert [event.user_id for event in log.scan()] == ["other"]
    assert [impression.user_id for impression in impressions.scan()] == ["other"]
    again = CliRunner().invoke(app, ["forget", "用户 1", "--workspace", str(tmp_path)])
    assert again.exit_code == 0
    assert "0 events and 0 answers" in again.stdout
    assert "knows" in again.stdout
