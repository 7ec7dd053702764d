"""The evaluation as TensorBoard scalars: a run a model, a step a seed. Imports tensorboardX, which needs no TensorBoard
to write what TensorBoard reads."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender import reporting


def write(report: Mapping[str, Any], folder: Path) -> None:
    """``<folder>/<model> <relations>/``: the metrics under their names, slices and figures of lists in groups."""
    from tensorboardX import SummaryWriter

    for row in report["rows"]:
        if row["metrics"] is None:
            continue
        run = re.sub(r"[^\w+-]+", "-", f"{row['model']} {row['relations']}")
        with SummaryWriter(str(folder / run)) as writer:
            for tag, value in _tagged(row, report["k"]).items():
                writer.add_scalar(tag, value, row["seed"] or 0)


def _tagged(row: Mapping[str, Any], k: int) -> dict[str, float]:
    tags = {f"accuracy/{name}@{k}": row["metrics"][name] for name in reporting.METRICS}
    tags |= {f"slices/{name} ndcg@{k}": of["ndcg"] for name, of in row["slices"].items() if of["users"]}
    tags |= {f"lists/{name}": row[name] for name in reporting.LISTS if row.get(name) is not None}
    return tags | {f"fairness/{name}": row["providers"][name] for name in reporting.FAIRNESS if row["providers"]}
