"""Erasing a person: what they did, what they were shown, and which models have learned from them."""

import json
from pathlib import Path
from typing import Any

from api.bootstrap import Shop
from recommender.impressions import ImpressionLog


def forget(opened: Shop, user_id: str) -> dict[str, Any]:
    """Delete a person's events and answers; returns counts, and the models on disk that still hold the id.

    Statistics of the graph that counted them lose them with the next ``mine``; a model does with the next ``train``,
    and its older folders stay until someone removes them. Safe to repeat.
    """
    answers = ImpressionLog(opened.workspace.impressions).forget(user_id)
    events = opened.log.forget(user_id)
    models = [folder.parent.name for folder in sorted(opened.workspace.models.glob("*/users.json"))]
    holding = [name for name in models if _names(opened.workspace.models / name / "users.json", user_id)]
    return {"user_id": user_id, "events": events, "answers": answers, "models": holding}


def told(report: dict[str, Any]) -> str:
    """As a person reads it."""
    text = f"{report['events']:,} events and {report['answers']:,} answers of {report['user_id']} are erased."
    if report["events"]:
        text += " `shopgraph mine` and `train` take them out of the statistics and the model."
    if report["models"]:
        text += f" These models still know them; train anew, then delete their folders: {', '.join(report['models'])}."
    return text


def _names(path: Path, user_id: str) -> bool:
    return user_id in json.loads(path.read_text(encoding="utf-8"))
