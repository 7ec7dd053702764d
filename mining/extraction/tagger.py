"""The small model of the extraction cascade: an encoder fine-tuned to mark the values of a category's attributes.

texts → ``Reader`` → ``TaggerNetwork`` → candidate spans → calibrated confidence. Trained by ``tagger_training``; saved
as a folder of safetensors and JSON.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mining.errors import ConfigurationError, SourceError
from mining.extraction.arithmetic import Arithmetic, adapt, fastest
from mining.extraction.bert import encoder_to_read
from mining.extraction.calibration import Calibration
from mining.extraction.encoders import Encoder, new_encoder
from mining.extraction.examples import Example
from mining.extraction.int8_weights import unpacked
from mining.extraction.lexicon import Lexicon
from mining.extraction.reading_ahead import in_parts
from mining.extraction.span_decoding import Candidate, chosen, likely, place_of, surest
from mining.extraction.tagger_batches import Item, Reader, Vocabulary, bucketed
from mining.extraction.tagger_network import Shape, TaggerNetwork

FORMAT = 4
MODEL, MANIFEST, LEXICON, TOKENIZER = "model.safetensors", "manifest.json", "lexicon.json", "tokenizer.json"
WEIGHTS, INT8 = "weights", "int8"  # in the manifest of a compressed model
READ_AT_ONCE = 64
_JSON = (int, float, str, bool, list, dict, type(None))
_NO_SHAPE = ("transformers_version", "_name_or_path", "dtype", "architectures", "id2label", "label2id")
CELLS = 20_000  # texts × words × labels of a batch whose every span is scored: 40 MB a thread


@dataclass(frozen=True, slots=True)
class Found:
    """A value of ``label`` at code points ``[start, end)``. ``odds``: log odds before calibration."""

    label: str
    start: int
    end: int
    odds: float
    confidence: float


class Tagger:
    """A trained small model: networks of one shape whose probabilities are averaged, most often a single one."""

    def __init__(self, networks: Sequence[TaggerNetwork], reader: Reader, calibration: Calibration) -> None:
        self.networks, self.reader, self.calibration = tuple(networks), reader, calibration

    @property
    def device(self) -> torch.device:
        return next(self.networks[0].parameters()).device

    @property
    def shape(self) -> Shape:
        return self.networks[0].shape

    def read(self, examples: Sequence[Example], *, own: bool = False) -> list[Item]:
        return [self.reader.item(example, own=own) for example in examples]

    def find(self, examples: Sequence[Example]) -> list[list[Found]]:
        """The spans of each text, best first, down to hopeless ones: a threshold on the confidence is the caller's.

        Only text and context of an example are read.
        """
        bare = [Example(example.text, example.context) for example in examples]
        return in_parts(lambda part: self.find_in(self.read(part)), bare, alone=self.device.type != "cpu")

    def find_in(self, items: Sequence[Item]) -> list[list[Found]]:
        found: list[list[Found]] = [[] for _ in items]
        for network in self.networks:
            network.eval()
        with torch.inference_mode():
            for at in bucketed([len(item.tokens) for item in items], self._at_once(items), None):
                batch = self.reader.batch([items[i] for i in at]).to(self.device)
                # A sum over all readings is large, and what is left beside a sure span is small.
                each = [network.log_probabilities(network(batch).double()) for network in self.networks]
                log = (torch.stack(each).logsumexp(0) - math.log(len(each))).cpu().numpy()
                for row, i in enumerate(at):
                    found[i] = self._found(items[i], log[row])
        return found

    def _at_once(self, items: Sequence[Item]) -> int:
        """Texts of a batch: fewer where they are long and have many labels, for whole spans fill memory."""
        if not items:
            return READ_AT_ONCE
        words = max(len(item.kept) for item in items)
        labels = max(len(self.reader.vocabulary.of_context(item.example.context)) for item in items)
        return max(1, min(READ_AT_ONCE, CELLS // max(1, words * labels)))

    def _found(self, item: Item, log: Any) -> list[Found]:
        names = self.reader.vocabulary.of_context(item.example.context)
        usable = log[: len(item.kept), : len(names)]
        kept = surest(usable) if self.shape.once else chosen(likely(usable), exclusive=self.shape.exclusive)
        return [self._one(candidate, item, names) for candidate in kept]

    def _one(self, candidate: Candidate, item: Item, names: Sequence[str]) -> Found:
        label = names[candidate.label]
        confidence = self.calibration.confidence(candidate.odds, label)
        return Found(label, *place_of(candidate, item.kept), candidate.odds, confidence)

    def save(self, folder: Path) -> None:
        """Weights, tokenizer, lexicon and manifest; the manifest last, so that a folder without one is unfinished."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            f"{number}.{key}": value.detach().cpu().contiguous()
            for number, network in enumerate(self.networks)
            for key, value in network.state_dict().items()
        }
        save_file(state, folder / MODEL)
        reader = self.reader
        (folder / TOKENIZER).write_text(reader.encoder.tokenizer.to_str(), "utf-8")
        (folder / LEXICON).write_text(_json(reader.lexicon.to_json()), "utf-8")
        manifest = {
            "format": FORMAT,
            "encoder": reader.encoder.name,
            "lowercase": reader.encoder.lowercase,
            "config": plain_config(reader.encoder),
            "shape": asdict(self.shape),
            "members": len(self.networks),
            "contexts": {context: list(labels) for context, labels in reader.vocabulary.contexts.items()},
            "max_tokens": reader.max_tokens,
            "calibration": asdict(self.calibration),
        }
        (folder / MANIFEST).write_text(_json(manifest), "utf-8")

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", arithmetic: Arithmetic | None = None) -> "Tagger":
        """``arithmetic``: of a compressed model on a CPU, by default the fastest here; a full model keeps its 32 bits.

        Raises SourceError where the folder holds no finished model of this format.
        """
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            if manifest.get("format") != FORMAT:
                seen = manifest.get("format")
                raise SourceError(f"{folder}: a model of format {seen}, expected {FORMAT}; train anew")
            tokenizer = (folder / TOKENIZER).read_text("utf-8")
            lexicon = Lexicon.from_json(json.loads((folder / LEXICON).read_text("utf-8")))
            told = {"name": manifest["encoder"], "lowercase": manifest["lowercase"]}
            state = load_file(folder / MODEL)
            networks, compressed = [], manifest.get(WEIGHTS) == INT8
            for number in range(manifest["members"]):
                made = encoder_to_read if compressed else new_encoder
                encoder = made(manifest["config"], tokenizer, **told)
                network = TaggerNetwork(encoder, Shape(**manifest["shape"]))
                # one network after the other: in 32 bits they are four times what they are read in
                own = unpacked({key: value for key, value in state.items() if key.startswith(f"{number}.")})
                network.load_state_dict({key.partition(".")[2]: v for key, v in own.items()}, assign=compressed)
                if compressed and device == "cpu":
                    adapt(network.encoder, arithmetic or fastest())
                networks.append(network.to(device_of(device)))
            reader = Reader(encoder, Vocabulary.of(manifest["contexts"]), lexicon, manifest["max_tokens"])
            calibration = Calibration(**manifest["calibration"])
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"{folder}: holds no finished small model ({error}); train it again") from error
        return cls(networks, reader, calibration)


def device_of(name: str) -> torch.device:
    """``cpu`` or ``cuda``. Raises ConfigurationError where there is no such device."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError("--device cuda: PyTorch sees no CUDA device here; use --device cpu")
    return torch.device(name)


def surfaces(examples: Iterable[Example]) -> dict[tuple[str, str, str], str]:
    """(context, label, text of a span) → the value that labels wrote for it, where that was mostly another text."""
    written: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for example in examples:
        for span in example.spans:
            text = example.text[span.start : span.end]
            written[example.context, span.label, text][span.value or text] += 1
    best = {key: max(sorted(counts), key=lambda v, c=counts: c[v]) for key, counts in written.items()}  # type: ignore[misc]
    return {key: value for key, value in best.items() if value != key[2]}


def plain_config(encoder: Encoder) -> Mapping[str, Any]:
    """The shape of a transformer as ``new_encoder`` takes it, without what speaks of files, versions and heads.

    Lists and dictionaries belong to it: how fast rotary positions turn, which layers see how far.
    """
    config: dict[str, Any] = encoder.config.to_diff_dict()
    kept = {key: value for key, value in config.items() if isinstance(value, _JSON) and key not in _NO_SHAPE}
    return {**kept, "model_type": encoder.config.model_type}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
