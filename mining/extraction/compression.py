"""A trained small model made small: weights in 8 bits, fewer of its networks, a vocabulary cut to what it is to read.

Works on the folder that ``Tagger.save`` writes, whatever network lies in it; the result is a folder that
``Tagger.load`` reads as it reads the other. The model that was given stays as it is.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mining.errors import ConfigurationError, SourceError
from mining.extraction.int8_weights import packed
from mining.extraction.plain_bert import can_read
from mining.extraction.tagger import FORMAT, INT8, MANIFEST, MODEL, TOKENIZER, WEIGHTS
from mining.extraction.vocabulary_pruning import Keep, Pruned, prune, texts_with

NETWORKS = 2  # what a further one adds to F1 is small, and reading costs as much again
_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


@dataclass(frozen=True, slots=True)
class Compressed:
    """What compressing came to: bytes of the whole folders, pieces of the vocabulary, networks that are averaged."""

    folder: Path
    bytes_before: int
    bytes_after: int
    pieces_before: int
    pieces_after: int
    networks_before: int
    networks_after: int


def compress(
    folder: Path, out: Path, *, texts: Sequence[str] = (), keep: Keep = "texts", networks: int = NETWORKS
) -> Compressed:
    """Write the compressed model of ``folder`` to ``out``, with at most so many of its networks: the first.

    ``texts``: what the model is to read; its vocabulary is cut down to them as ``keep`` says, and stays whole where
    there are none. Raises SourceError where ``folder`` holds no finished model, ConfigurationError where it is
    compressed already, ``out`` is the same folder, no network is to be kept, or the vocabulary is of a kind that cannot
    be cut.
    """
    if networks < 1:
        raise ConfigurationError(f"{networks} networks are to be kept; expected 1 or more")
    if out.resolve() == folder.resolve():
        raise ConfigurationError(f"{out}: is the model itself, which is kept; name another folder")
    manifest, tokenizer, state = _read(folder)
    if can_read(manifest["config"]):
        state = {name: value for name, value in state.items() if ".encoder.pooler." not in name}  # nobody reads it
    members = int(manifest["members"])
    kept = min(networks, members)
    state = {name: value for name, value in state.items() if int(name.partition(".")[0]) < kept}
    before = int(manifest["config"]["vocab_size"])
    if texts:
        shown = texts_with(manifest["contexts"], texts, lowercase=manifest["lowercase"])
        pruned = prune(tokenizer, shown, keep)
        state, tokenizer = _fewer_rows(state, pruned, before), pruned.tokenizer
        manifest["config"] = _config(manifest["config"], pruned)
    _write(folder, out, {**manifest, WEIGHTS: INT8, "members": kept}, tokenizer, packed(state))
    after = int(manifest["config"]["vocab_size"])
    return Compressed(out, bytes_of(folder), bytes_of(out), before, after, members, kept)


def bytes_of(folder: Path) -> int:
    """The size of the files of a model."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _read(folder: Path) -> tuple[dict[str, Any], str, dict[str, torch.Tensor]]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
        tokenizer, state = (folder / TOKENIZER).read_text("utf-8"), load_file(folder / MODEL)
    except (OSError, ValueError, SafetensorError) as error:
        raise SourceError(f"{folder}: holds no finished small model ({error}); train it first") from error
    if manifest.get("format") != FORMAT:
        raise SourceError(f"{folder}: a model of format {manifest.get('format')}, expected {FORMAT}; train anew")
    if manifest.get(WEIGHTS) == INT8:
        raise ConfigurationError(f"{folder}: is compressed already; name the model that was trained")
    return manifest, tokenizer, state


def _fewer_rows(state: Mapping[str, torch.Tensor], pruned: Pruned, before: int) -> dict[str, torch.Tensor]:
    """The state with the kept rows of each member's embedding: the encoder's tensor that has a row a piece."""
    rows = torch.tensor(pruned.kept)
    if int(rows.max()) >= before:
        raise ConfigurationError("the tokenizer has pieces that the encoder has no row for; leave the texts out")
    return {
        name: value[rows].contiguous() if ".encoder." in f".{name}" and _is_embedding(name, value, before) else value
        for name, value in state.items()
    }


def _is_embedding(name: str, value: torch.Tensor, rows: int) -> bool:
    return name.endswith("embeddings.weight") and value.dim() == 2 and len(value) == rows


def _config(config: Mapping[str, Any], pruned: Pruned) -> dict[str, Any]:
    new = {old: number for number, old in enumerate(pruned.kept)}
    moved = {name: new.get(config[name]) for name in _IDS if isinstance(config.get(name), int)}
    return {**config, **moved, "vocab_size": len(pruned.kept)}


def _write(
    folder: Path, out: Path, manifest: Mapping[str, Any], tokenizer: str, state: Mapping[str, torch.Tensor]
) -> None:
    """Everything else is copied; the manifest last, so that a folder without one is unfinished."""
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    save_file({name: value.contiguous() for name, value in state.items()}, out / MODEL)
    (out / TOKENIZER).write_text(tokenizer, "utf-8")
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in (MODEL, TOKENIZER, MANIFEST):
            shutil.copyfile(path, out / path.name)
    (out / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, sort_keys=True), "utf-8")
