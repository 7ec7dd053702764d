"""A trained model as a folder: plain arrays and a manifest, written whole or not at all.

::

    models/<id>/manifest.json   format, origin, configuration, seed, data, metrics, schema, and the tree of scorers
    models/<id>/items.json      product ids in the order of places; users.json, entities.json likewise
    models/<id>/<n>.<field>.npy one array a file, so that serving maps it instead of reading it
    models/current              the id that is served, replaced atomically

The id is made of the model's name and a hash of the content: training the same thing twice gives the same folder.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from kg.types import ACTIONS, Action, Timestamp
from recommender.attention import Blocks, SequenceScorer
from recommender.coupled import CoupledScorer
from recommender.errors import ArtifactError
from recommender.histories import NO_IDS, HistoryWeights, Ids
from recommender.model import Scorer
from recommender.ranking import storing
from recommender.ranking.ranker import Ranker
from recommender.scorers import (
    FactorScorer,
    GraphFilterScorer,
    ItemItemScorer,
    LeastSquaresScorer,
    PopularityScorer,
    RelationScorer,
    WeightedSumScorer,
)

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Artifact:
    """What serving needs: scorers by name, asked in this order, and what is true about them.

    The first of ``chain`` is the model, the others its fallbacks. ``taking`` are the actions after which an item is
    not shown again. ``about`` is written into the manifest as it is: configuration, seed, data range, metrics.
    ``ranker`` orders the best of the model anew, where one is served.
    """

    chain: tuple[tuple[str, Scorer], ...]
    taking: tuple[Action, ...] = ACTIONS
    about: Mapping[str, Any] = field(default_factory=dict)
    ranker: Ranker | None = None

    @property
    def origin(self) -> str:
        return self.chain[0][0]

    @property
    def items(self) -> Ids:
        return self.chain[0][1].items

    @property
    def newest_event(self) -> Timestamp | None:
        """The last moment that the model has learned from, where it says."""
        newest: Timestamp | None = self.about.get("data", {}).get("newest_event")
        return newest


def save(artifact: Artifact, models: Path) -> Path:
    """Write the artifact below ``models`` and return its folder. What is there already is the same thing, and stays."""
    models.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=models, prefix=".partial-"))
    try:
        _write(artifact, partial)
        folder = models / f"{_slug(artifact.origin)}-{_digest(partial)[:12]}"
        if not folder.exists():
            _sync(partial)
            os.replace(partial, folder)
        return folder
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def promote(folder: Path) -> None:
    """Make this the model that is served: ``models/current`` names it from one moment to the next."""
    handle, name = tempfile.mkstemp(dir=folder.parent, prefix=".current-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(folder.name + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, folder.parent / "current")


def load(folder: Path) -> Artifact:
    """Raises ArtifactError for what is no model, is torn, or has another format version."""
    manifest = read_manifest(folder)
    try:
        ids = {name: Ids(tuple(json.loads((folder / f"{name}.json").read_text("utf-8")))) for name in _ID_FILES}
        reader = _Reader(folder, ids)
        chain = tuple((part["origin"], reader.scorer(part["scorer"])) for part in manifest["chain"])
        told = manifest.get("ranker")
        ranker = None if told is None else storing.read(told, ids["items"], reader.array, reader.scorer)
        return Artifact(chain, tuple(manifest["taking"]), manifest["about"], ranker)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{folder} is torn ({error}); train again, or promote another model") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest alone. Raises ArtifactError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"{folder} has no {MANIFEST}: it is no model folder") from error
    except ValueError as error:
        raise ArtifactError(f"{folder / MANIFEST} is not JSON ({error}); train again") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ArtifactError(f"{folder} has the format {found}, this version reads {FORMAT}; train again")
    return dict(manifest)


_ID_FILES = ("items", "users", "entities")
_SEQUENCE = ("item_vectors", "positions", "strength")
_BLOCKS = tuple(part.name for part in fields(Blocks) if part.name != "heads")


def _write(artifact: Artifact, folder: Path) -> None:
    writer = _Writer(folder)
    chain = [{"origin": origin, "scorer": writer.scorer(scorer)} for origin, scorer in artifact.chain]
    ranker = None if artifact.ranker is None else storing.written(artifact.ranker, writer.array, writer.scorer)
    every = [part for _, scorer in artifact.chain for part in _leaves(scorer)]
    every += [] if artifact.ranker is None or artifact.ranker.view.term is None else [artifact.ranker.view.term]
    users = max((part.users for part in every), key=len)
    entities = max((part.entities for part in every if isinstance(part, RelationScorer)), key=len, default=NO_IDS)
    for name, ids in zip(_ID_FILES, (artifact.items, users, entities), strict=True):
        _write_json(folder / f"{name}.json", list(ids.names))
    manifest = {"format": FORMAT, "chain": chain, "taking": list(artifact.taking), "about": dict(artifact.about)}
    manifest |= {} if ranker is None else {"ranker": ranker}
    _write_json(folder / MANIFEST, manifest)


def _leaves(scorer: Scorer) -> list[Scorer]:
    if isinstance(scorer, WeightedSumScorer):
        return [leaf for _, part in scorer.parts for leaf in _leaves(part)]
    return [scorer]


class _Writer:
    """Turns scorers into JSON that names files, and writes the files; one that is used twice is written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: list[tuple[Scorer, dict[str, Any]]] = []

    def scorer(self, scorer: Scorer) -> dict[str, Any]:
        for known, told in self._known:
            if known is scorer:
                return told
        told = self._tell(scorer, str(len(self._known)))
        self._known.append((scorer, told))
        return told

    def _tell(self, scorer: Scorer, key: str) -> dict[str, Any]:
        if isinstance(scorer, PopularityScorer):
            return {"kind": "popularity", "popularity": self.array(f"{key}.popularity", scorer.popularity)}
        if isinstance(scorer, ItemItemScorer):
            told = {"kind": "item-item", "matrix": self.array(f"{key}.matrix", scorer.matrix)}
            return told | {"weights": _tell_weights(scorer.weights)}
        if isinstance(scorer, GraphFilterScorer):
            return {
                "kind": "graph filter",
                "graph": self.array(f"{key}.graph", scorer.graph),
                "coefficients": list(scorer.coefficients),
                "before": self.array(f"{key}.before", scorer.before),
                "after": self.array(f"{key}.after", scorer.after),
                "weights": _tell_weights(scorer.weights),
            }
        if isinstance(scorer, FactorScorer):
            fields = ("item_factors", "fold_in", "user_factors", "last_at", "bias")
            arrays = {name: getattr(scorer, name) for name in fields if getattr(scorer, name) is not None}
            told = {name: self.array(f"{key}.{name}", array) for name, array in arrays.items()}
            return {"kind": "factors", "normalise": scorer.normalise, "weights": _tell_weights(scorer.weights), **told}
        if isinstance(scorer, LeastSquaresScorer):
            return {
                "kind": "least squares",
                "alpha": scorer.alpha,
                "regularisation": scorer.regularisation,
                "item_factors": self.array(f"{key}.item_factors", scorer.item_factors),
                "weights": _tell_weights(scorer.weights),
            }
        if isinstance(scorer, SequenceScorer):
            arrays = {name: getattr(scorer, name) for name in _SEQUENCE}
            arrays |= {name: getattr(scorer.blocks, name) for name in _BLOCKS}
            told = {name: self.array(f"{key}.{name}", array) for name, array in arrays.items()}
            return {"kind": "sequence", "heads": scorer.blocks.heads, "weights": _tell_weights(scorer.weights), **told}
        if isinstance(scorer, CoupledScorer):
            links = enumerate(scorer.links.items())
            return {
                "kind": "coupling",
                "links": {name: self.array(f"{key}.links.{i}", matrix) for i, (name, matrix) in links},
                "related": self.array(f"{key}.related", scorer.related),
                "scale": self.array(f"{key}.scale", scorer.scale),
                "weights": _tell_weights(scorer.weights),
            }
        if isinstance(scorer, RelationScorer):
            return self._tell_relations(scorer, key)
        if isinstance(scorer, WeightedSumScorer):
            return {"kind": "sum", "parts": [[weight, self.scorer(part)] for weight, part in scorer.parts]}
        raise ArtifactError(f"a {type(scorer).__name__} has no form on disk")

    def _tell_relations(self, scorer: RelationScorer, key: str) -> dict[str, Any]:
        told: dict[str, Any] = {"kind": "relations", "strengths": dict(scorer.strengths)}
        told |= {"weights": _tell_weights(scorer.weights), "scale": self.array(f"{key}.scale", scorer.scale)}
        for group in ("links", "attributes", "rarity"):
            named = enumerate(getattr(scorer, group).items())
            told[group] = {name: self.array(f"{key}.{group}.{i}", array) for i, (name, array) in named}
        return told

    def array(self, key: str, array: Any) -> dict[str, Any]:
        if isinstance(array, np.ndarray):
            np.save(self._folder / f"{key}.npy", np.ascontiguousarray(array), allow_pickle=False)
            return {"file": key}
        for part in ("data", "indices", "indptr"):
            np.save(self._folder / f"{key}.{part}.npy", getattr(array, part), allow_pickle=False)
        return {"file": key, "shape": list(array.shape)}


class _Reader:
    """The other way: from JSON that names files back to scorers over memory-mapped arrays."""

    def __init__(self, folder: Path, ids: Mapping[str, Ids]) -> None:
        self._folder = folder
        self._ids = ids

    def scorer(self, told: Mapping[str, Any]) -> Scorer:
        kind, items = told["kind"], self._ids["items"]
        if kind == "popularity":
            return PopularityScorer(items, self.array(told["popularity"]))
        if kind == "item-item":
            return ItemItemScorer(items, self.array(told["matrix"]), _read_weights(told["weights"]))
        if kind == "factors":
            learned = self.array(told["user_factors"]) if "user_factors" in told else None
            return FactorScorer(
                items,
                self.array(told["item_factors"]),
                self.array(told["fold_in"]),
                self._ids["users"] if learned is not None else NO_IDS,
                learned,
                self.array(told["last_at"]),
                _read_weights(told["weights"]),
                told["normalise"],
                self.array(told["bias"]) if "bias" in told else None,
            )
        if kind == "graph filter":
            return GraphFilterScorer(
                items,
                self.array(told["graph"]),
                tuple(told["coefficients"]),
                self.array(told["before"]),
                self.array(told["after"]),
                _read_weights(told["weights"]),
            )
        if kind == "least squares":
            factors, weights = self.array(told["item_factors"]), _read_weights(told["weights"])
            return LeastSquaresScorer(items, factors, told["alpha"], told["regularisation"], weights)
        if kind == "sequence":
            blocks = Blocks(told["heads"], **{name: self.array(told[name]) for name in _BLOCKS})
            arrays = {name: self.array(told[name]) for name in _SEQUENCE}
            return SequenceScorer(items, blocks=blocks, weights=_read_weights(told["weights"]), **arrays)
        if kind == "coupling":
            links = {name: self.array(array) for name, array in told["links"].items()}
            scale, weights = self.array(told["scale"]), _read_weights(told["weights"])
            return CoupledScorer(items, links, self.array(told["related"]), scale, weights)
        if kind == "relations":
            return self._relations(told)
        if kind == "sum":
            return WeightedSumScorer(tuple((weight, self.scorer(part)) for weight, part in told["parts"]))
        raise ArtifactError(f"{self._folder} holds a scorer of the unknown kind {kind!r}; a newer version wrote it")

    def _relations(self, told: Mapping[str, Any]) -> RelationScorer:
        def group(name: str) -> dict[str, Any]:
            return {relation: self.array(array) for relation, array in told[name].items()}

        return RelationScorer(
            self._ids["items"],
            group("links"),
            group("attributes"),
            group("rarity"),
            self.array(told["scale"]),
            told["strengths"],
            self._ids["entities"],
            _read_weights(told["weights"]),
        )

    def array(self, told: Mapping[str, Any]) -> Any:
        if "shape" not in told:
            return self._map(told["file"])
        parts = tuple(self._map(f"{told['file']}.{part}") for part in ("data", "indices", "indptr"))
        return sp.csr_array(parts, shape=tuple(told["shape"]), copy=False)

    def _map(self, key: str) -> np.ndarray[Any, Any]:
        path = self._folder / f"{key}.npy"
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(whole) if whole.size else np.load(path, allow_pickle=False)


def _tell_weights(weights: HistoryWeights) -> dict[str, Any]:
    return {"decay": weights.decay, "actions": dict(weights.actions)}


def _read_weights(told: Mapping[str, Any]) -> HistoryWeights:
    return HistoryWeights(told["decay"], told["actions"])


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _slug(origin: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in origin.casefold()).strip("-")[:40] or "model"


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def _sync(folder: Path) -> None:
    """Everything on disk before the folder gets its name, so that a cut of power leaves no torn model."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
