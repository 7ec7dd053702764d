"""Where a killed training goes on from: tensors of the last whole epoch and a small file that names them.

The small file is replaced last, so that what it names is always whole.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

PROGRESS = "progress.json"


def write_checkpoint(folder: Path, state: Mapping[str, torch.Tensor], progress: Mapping[str, Any]) -> None:
    """Keeps ``state`` and ``progress`` (with its ``epoch`` and ``run``), and forgets what was kept before."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"epoch{progress['epoch']}.safetensors"
    save_file({key: value.cpu().contiguous() for key, value in state.items()}, folder / name)
    waiting = folder / f"{PROGRESS}.new"
    waiting.write_text(json.dumps({**progress, "weights": name}), "utf-8")
    waiting.replace(folder / PROGRESS)
    for old in folder.glob("epoch*.safetensors"):
        if old.name != name:
            old.unlink()


def read_checkpoint(folder: Path, run: str, device: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """(progress, state) of the same ``run``, or None where there is none."""
    if not (folder / PROGRESS).is_file():
        return None
    progress: dict[str, Any] = json.loads((folder / PROGRESS).read_text("utf-8"))
    if progress["run"] != run:
        return None
    return progress, load_file(folder / progress["weights"], device=device)
