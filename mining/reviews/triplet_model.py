"""The small model of reviews: texts in, opinions with their places and a confidence out.

Trained by ``triplet_training``; saved as a folder of safetensors and JSON.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mining.errors import SourceError
from mining.extraction.calibration import Calibration
from mining.extraction.encoders import Encoder, new_encoder
from mining.extraction.examples import Example
from mining.extraction.lexicon import Lexicon
from mining.extraction.tagger import device_of, plain_config
from mining.extraction.tagger_batches import Item, Reader, Vocabulary, bucketed
from mining.language import Language
from mining.reviews.triplet_network import Pairs, Targets, TripletNetwork, TripletShape
from mining.reviews.triplets import LabelledReview, Opinion, Place

FORMAT = 1
MODEL, MANIFEST, TOKENIZER = "model.safetensors", "manifest.json", "tokenizer.json"
READ_AT_ONCE = 32
WORTHLESS = 0.03  # confidence below which a candidate is not looked at
_IMPLIED, _PADDING = -1, -9

_Key: TypeAlias = tuple[Place | None, Place | None, int, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidates count. ``weight``: how much the spans' own probabilities weigh beside that of the pair;
    ``threshold``: the confidence from which an opinion counts."""

    weight: float = 0.0
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """An opinion that may be one: its probability as a pair, and the spans' own."""

    opinion: Opinion
    pair: float
    spans: float

    def worth(self, weight: float) -> float:
        return self.pair * float(self.spans**weight)


def new_reader(encoder: Encoder, max_tokens: int) -> Reader:
    """Words and tokens only: opinions have neither contexts nor a dictionary."""
    return Reader(encoder, Vocabulary.of({"": ()}), Lexicon(), max_tokens)


class OpinionModel:
    """Networks of one shape, averaged. ``polarities`` and ``categories`` are those of the labels.

    ``languages``: those of the training texts; ``usual``: words of a long one of them.
    """

    def __init__(
        self,
        networks: Sequence[TripletNetwork],
        reader: Reader,
        polarities: Sequence[str],
        categories: Sequence[str],
        choice: Choice,
        languages: Sequence[Language] = (),
        usual: int = 0,
        calibration: Calibration | None = None,
    ) -> None:
        self.networks, self.reader, self.choice = tuple(networks), reader, choice
        self.calibration = calibration or Calibration()
        self.languages, self.usual = tuple(languages), usual
        self.polarities, self.categories = tuple(polarities), tuple(categories)

    @property
    def version(self) -> str:
        """Another for other weights or another choice."""
        told = json.dumps([asdict(self.choice), asdict(self.calibration)])
        state = blake2b(told.encode(), digest_size=8)
        for network in self.networks:
            for value in network.state_dict().values():
                state.update(value.detach().cpu().contiguous().numpy().tobytes())
        return state.hexdigest()

    @property
    def device(self) -> torch.device:
        return next(self.networks[0].parameters()).device

    def read(self, texts: Sequence[str]) -> list[list[Opinion]]:
        """The opinions of each text in reading order, with calibrated confidence. What does not fit into the encoder is
        not read."""
        return [
            [replace(one, confidence=self.calibration.confidence(odds(one.confidence), one.polarity)) for one in row]
            for row in (chosen(found, self.choice) for found in self.candidates(texts))
        ]

    def candidates(self, texts: Sequence[str]) -> list[list[Candidate]]:
        """Everything that may be an opinion, down to the hopeless."""
        items = [self.reader.item(Example(text), own=False) for text in texts]
        found: list[list[Candidate]] = [[] for _ in texts]
        for network in self.networks:
            network.eval()
        readable = [number for number, item in enumerate(items) if item.kept]
        with torch.inference_mode():
            for some in bucketed([len(items[number].tokens) for number in readable], READ_AT_ONCE, None):
                at = [readable[number] for number in some]
                batch = self.reader.batch([items[number] for number in at]).to(self.device)
                read = [_probable(network(batch)[1]) for network in self.networks]
                for row, number in enumerate(at):
                    found[number] = self._averaged([one[row] for one in read], items[number])
        return found

    def _averaged(self, read: Sequence["_Read"], item: Item) -> list[Candidate]:
        pair: dict[_Key, float] = defaultdict(float)
        spans: dict[_Key, float] = defaultdict(float)
        for one in read:
            for ends, polarity, category, probability, own in one:
                key = (_place(ends[0], ends[1], item), _place(ends[2], ends[3], item), polarity, category)
                pair[key] += probability / len(read)
                spans[key] += own / len(read)
        return [
            Candidate(
                Opinion(aspect, opinion, self.polarities[polarity], self._category(category)),
                probability,
                spans[aspect, opinion, polarity, category],
            )
            for (aspect, opinion, polarity, category), probability in pair.items()
        ]

    def _category(self, number: int) -> str:
        return self.categories[number] if self.categories else ""

    def save(self, folder: Path) -> None:
        """Weights, tokenizer and manifest; the manifest last, so that a folder without one is unfinished."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            f"{number}.{key}": value.detach().cpu().contiguous()
            for number, network in enumerate(self.networks)
            for key, value in network.state_dict().items()
        }
        save_file(state, folder / MODEL)
        encoder = self.reader.encoder
        (folder / TOKENIZER).write_text(encoder.tokenizer.to_str(), "utf-8")
        manifest = {
            "format": FORMAT,
            "encoder": encoder.name,
            "lowercase": encoder.lowercase,
            "config": plain_config(encoder),
            "shape": asdict(self.networks[0].shape),
            "members": len(self.networks),
            "polarities": self.polarities,
            "categories": self.categories,
            "max_tokens": self.reader.max_tokens,
            "choice": asdict(self.choice),
            "calibration": asdict(self.calibration),
            "languages": self.languages,
            "usual": self.usual,
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, sort_keys=True), "utf-8")

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu") -> "OpinionModel":
        """Raises SourceError where the folder holds no finished model of this format."""
        try:
            manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
            if manifest.get("format") != FORMAT:
                raise ValueError(f"format {manifest.get('format')}, expected {FORMAT}")
            networks, encoder = _networks(folder, manifest, device)
            reader = new_reader(encoder, manifest["max_tokens"])
            choice, told = Choice(**manifest["choice"]), (manifest["polarities"], manifest["categories"])
            calibration = Calibration(**manifest["calibration"])
            return cls(networks, reader, *told, choice, manifest["languages"], manifest["usual"], calibration)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise SourceError(f"{folder}: holds no finished model of reviews ({error}); train it again") from error


def _networks(folder: Path, manifest: Mapping[str, Any], device: str) -> tuple[list[TripletNetwork], Encoder]:
    tokenizer = (folder / TOKENIZER).read_text("utf-8")
    told = {"name": manifest["encoder"], "lowercase": manifest["lowercase"]}
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in manifest["shape"].items()
    }
    state = load_file(folder / MODEL)
    networks = []
    for number in range(manifest["members"]):
        encoder = new_encoder(manifest["config"], tokenizer, **told)
        network = TripletNetwork(encoder, TripletShape(**shape))
        own = {key: value for key, value in state.items() if key.startswith(f"{number}.")}
        network.load_state_dict({key.partition(".")[2]: value for key, value in own.items()})
        networks.append(network.to(device_of(device)))
    return networks, encoder


_Read: TypeAlias = list[tuple[tuple[int, int, int, int], int, int, float, float]]
"""(words of aspect and opinion, polarity from 0, category, probability of the pair, of the spans)."""


def _probable(pairs: Pairs) -> list[_Read]:
    """For each text what may be an opinion."""
    polarity = pairs.polarity.double().softmax(-1)[..., 1:].masked_fill(~pairs.real[..., None], 0.0)
    category = pairs.category.double().softmax(-1)
    both = (polarity[..., :, None] * category[..., None, :]).cpu().numpy()  # [B, A, O, P, C]
    own = (pairs.aspects.log[:, :, None] + pairs.opinions.log[:, None, :]).double().exp().cpu().numpy()
    ends = [held.cpu().numpy() for one in (pairs.aspects, pairs.opinions) for held in (one.first, one.last)]
    read: list[_Read] = [[] for _ in range(len(both))]
    for text, a, o, p, c in np.argwhere(both >= WORTHLESS / 2).tolist():
        at = (int(ends[0][text, a]), int(ends[1][text, a]), int(ends[2][text, o]), int(ends[3][text, o]))
        read[text].append((at, p, c, float(both[text, a, o, p, c]), float(own[text, a, o])))
    return read


def _place(first: int, last: int, item: Item) -> Place | None:
    return None if first < 0 else (item.kept[first][0], item.kept[last][1])


def odds(worth: float) -> float:
    """Log odds, as ``Calibration`` takes them."""
    return math.log(max(worth, 1e-6) / max(1 - worth, 1e-6))


def chosen(found: Iterable[Candidate], choice: Choice) -> list[Opinion]:
    """The surest opinions; of two that overlap in aspect and in opinion only the surer one."""
    ranked = sorted(((one.worth(choice.weight), one.opinion) for one in found), key=lambda pair: _rank(*pair))
    kept: list[Opinion] = []
    for worth, one in ranked:
        if worth < choice.threshold:
            break
        if not any(_meet(one.aspect, held.aspect) and _meet(one.opinion, held.opinion) for held in kept):
            kept.append(Opinion(one.aspect, one.opinion, one.polarity, one.category, min(1.0, worth)))
    return sorted(kept, key=lambda one: _order(one))


def _rank(worth: float, one: Opinion) -> tuple[Any, ...]:
    return -worth, *_order(one)


def _order(one: Opinion) -> tuple[Any, ...]:
    return one.opinion or one.aspect or (0, 0), one.aspect or (-1, -1), one.polarity, one.category


def _meet(one: Place | None, other: Place | None) -> bool:
    if one is None or other is None:
        return one is other
    return one[0] < other[1] and other[0] < one[1]


def targets_of(
    items: Sequence[Item], reviews: Sequence[LabelledReview], polarities: Sequence[str], categories: Sequence[str]
) -> Targets:
    """What the network should say of these texts; opinions that lie behind the last word read are left out."""
    wide = max(1, max(len(item.kept) for item in items))
    spans = np.zeros((len(items), 2, wide, wide), np.float32)
    rows = [list(_triplets(item, review, polarities, categories)) for item, review in zip(items, reviews, strict=True)]
    triplets = np.full((len(items), max(1, max(map(len, rows))), 6), _PADDING, np.int64)
    for text, row in enumerate(rows):
        for number, triplet in enumerate(row):
            triplets[text, number] = triplet
            for role, (first, last) in enumerate((triplet[:2], triplet[2:4])):
                if first >= 0:
                    spans[text, role, first, last] = 1
    return Targets(torch.from_numpy(spans), torch.from_numpy(triplets))


def _triplets(
    item: Item, review: LabelledReview, polarities: Sequence[str], categories: Sequence[str]
) -> Iterable[tuple[int, ...]]:
    for one in review.opinions:
        aspect, opinion = words_at(one.aspect, item), words_at(one.opinion, item)
        if aspect is not None and opinion is not None:
            category = categories.index(one.category) if categories else 0
            yield *aspect, *opinion, 1 + polarities.index(one.polarity), category


def words_at(place: Place | None, item: Item) -> tuple[int, int] | None:
    """First and last word of a place; (-1, -1) where it is implied, None where it was not read."""
    if place is None:
        return _IMPLIED, _IMPLIED
    inside = [at for at, (start, end) in enumerate(item.kept) if start < place[1] and place[0] < end]
    if not inside or item.kept[inside[-1]][1] < place[1]:
        return None
    return inside[0], inside[-1]
