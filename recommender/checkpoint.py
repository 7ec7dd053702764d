"""Where a training stands, in memory and on disk: epoch, parameters, the best of them, the optimiser.

One ``.npz`` file without pickles, written beside, synced and renamed: it is whole whenever the process dies. The first
of several processes writes it and sends it to the others when they go on from it. Leaf module: imports torch.
"""

import io
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from recommender import distributed

_log = logging.getLogger("shopgraph.recommender.checkpoint")


class Kept(Protocol):
    """What a state keeps of a learner."""

    @property
    def module(self) -> nn.Module: ...

    @property
    def optimiser(self) -> torch.optim.Optimizer: ...


class State:
    """``key`` names model, data, configuration and seed: a file with another one is not gone on from."""

    def __init__(self, learner: Kept, key: str, checkpoint: Path | None) -> None:
        self._learner, self._path, self._key = learner, checkpoint, key
        self.epoch, self.best, self.curve = 0, 0, dict[int, float]()
        self._best = copied(learner.module)
        if checkpoint is not None:
            there = distributed.rank() == 0 and checkpoint.exists()
            content = distributed.first_sends(checkpoint.read_bytes() if there else None)
            if content is not None:
                self._resume(content)

    def stale(self, patience: int) -> bool:
        """Whether so many validations have passed without a better one."""
        return len([epoch for epoch in self.curve if epoch > self.best]) >= patience

    def passed(self, number: int, ndcg: float | None) -> None:
        """An epoch is done; ``ndcg`` is its validation, where it had one. Written after every validated epoch, and
        after every epoch of a training without validation."""
        self.epoch = number
        if ndcg is not None:
            self.curve[number] = ndcg
            if self.best == 0 or ndcg > self.curve[self.best]:
                self.best, self._best = number, copied(self._learner.module)
        if self._path is not None and distributed.rank() == 0 and (ndcg is not None or not self.curve):
            self._save(self._path)

    def finish(self) -> None:
        """Put the best parameters back and remove the file: the training is done."""
        if self.curve:
            self._learner.module.load_state_dict(self._best)
        if self._path is not None and distributed.rank() == 0:
            self._path.unlink(missing_ok=True)

    def _save(self, path: Path) -> None:
        arrays = {f"now.{name}": value for name, value in copied(self._learner.module).items()}
        arrays |= {f"best.{name}": value for name, value in self._best.items()}
        for index, slot in self._learner.optimiser.state_dict()["state"].items():
            arrays |= {f"optimiser.{index}.{name}": torch.as_tensor(value) for name, value in slot.items()}
        about = {"key": self._key, "epoch": self.epoch, "best": self.best, "curve": list(self.curve.items())}
        plain = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **plain)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    def _resume(self, content: bytes) -> None:
        """Go on from the file, or from the start where it belongs to something else."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            about: dict[str, Any] = json.loads(str(stored["about"]))
            if about["key"] != self._key:
                _log.info("%s belongs to another training and is not resumed from", self._path)
                return
            parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "optimiser": {}}
            for name in stored.files:
                part, _, rest = name.partition(".")
                if part in parts:
                    parts[part][rest] = torch.from_numpy(stored[name])
        self._learner.module.load_state_dict(parts["now"])
        self._best = parts["best"]
        self._load_optimiser(parts["optimiser"])
        self.epoch, self.best = about["epoch"], about["best"]
        self.curve = dict(map(tuple, about["curve"]))
        _log.info("resumed after epoch %d", self.epoch)

    def _load_optimiser(self, stored: dict[str, Tensor]) -> None:
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in stored.items():
            index, _, name = key.partition(".")
            slots.setdefault(int(index), {})[name] = value
        whole = self._learner.optimiser.state_dict()
        self._learner.optimiser.load_state_dict({**whole, "state": slots})


def copied(module: nn.Module) -> dict[str, Tensor]:
    """The parameters as they are now, in main memory."""
    return {name: value.detach().clone().cpu() for name, value in module.state_dict().items()}
