"""Goes on, with a shop's own texts, at what encoders begin with: tokens are hidden, and guessed from the others.

No label is needed. An encoder of sentences has lost the head that guesses, so it gets a new one: a matrix that starts
as the identity, then the word embeddings. These stay as they are, and so does the vocabulary. The head is thrown away;
what is kept is a folder in Hugging Face's layout, which ``load_encoder`` takes by its path.
"""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from mining.errors import ConfigurationError
from mining.extraction.arithmetic import native_bfloat16
from mining.extraction.encoders import Encoder, load_encoder
from mining.extraction.examples import Example
from mining.extraction.fine_tuning import FineTuning, Pace
from mining.extraction.lexicon import Lexicon
from mining.extraction.tagger import device_of
from mining.extraction.tagger_batches import MASKS, Item, Reader, Vocabulary, bucketed
from mining.extraction.tagger_network import Batch

_log = logging.getLogger("shopgraph.mining.encoders")
HELD = 0.05  # share of the texts that only measure
MANIFEST, WEIGHTS, UNFINISHED = "masked.json", "model.safetensors", "unfinished"
HIDDEN, OTHER = 0.8, 0.1  # of the tokens to guess: hidden, exchanged for any other; the rest stands there as it is


@dataclass(frozen=True, slots=True)
class Masking:
    """How to teach. ``share``: of the tokens of a text that are to be guessed."""

    epochs: int = 5
    batch: int = 32
    rate: float = 1e-4
    head_rate: float = 1e-3
    share: float = 0.15
    max_tokens: int = 160
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Guesses:
    """What an epoch came to: mean training loss, and the share of right guesses in texts that were held back."""

    number: int
    loss: float
    right: float

    def told(self) -> str:
        """One line for a person."""
        return f"words of the shop, epoch {self.number}: loss {self.loss:.3f}, guessed right {self.right:.3f}"


def teach(
    encoder: str,
    texts: Sequence[Example],
    folder: Path,
    options: Masking,
    *,
    encoders: Path | None = None,
    on_epoch: Callable[[Guesses], None] = lambda epoch: None,
) -> Path:
    """The folder with the encoder that has learned from ``texts``; their labels are not looked at.

    A killed run goes on in the same folder, and what was finished there for the same encoder, texts and options is
    taken as it is. ``encoder`` and ``encoders`` as ``load_encoder`` takes them.
    """
    run = _Run(load_encoder(encoder, folder=encoders), texts, options)
    name, unfinished = run.fingerprint(), folder / UNFINISHED
    if _finished(folder, name):
        _log.info("the encoder in %s has learned these texts", folder)
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed when all but this was done
        return folder
    tuning = run.tuning
    tuning.resume(unfinished, name)
    while tuning.epoch < options.epochs:
        on_epoch(run.step())
        tuning.keep(unfinished, name)
    tuning.settle()
    _save(run.encoder, folder, {"run": name, "texts": len(run.texts), "best_epoch": tuning.best_epoch})
    shutil.rmtree(unfinished, ignore_errors=True)
    return folder


class _Guesser(nn.Module):
    """Scores of all tokens of the vocabulary at the places that are asked about."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.halved = encoder.model, False
        self.words: torch.Tensor = encoder.model.get_input_embeddings().weight  # type: ignore[operator]
        self.words.requires_grad_(False)
        self.turn = nn.Linear(encoder.width, encoder.width)
        nn.init.eye_(self.turn.weight)
        nn.init.zeros_(self.turn.bias)
        self.often = nn.Parameter(torch.zeros(len(self.words)))

    def forward(self, batch: Batch, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        given = {"input_ids": batch.tokens, "attention_mask": batch.mask}
        if int(getattr(self.encoder.config, "type_vocab_size", 1) or 1) > 1:
            given["token_type_ids"] = batch.segments
        with torch.autocast(batch.tokens.device.type, torch.bfloat16, enabled=self.halved and self.training):
            states = self.encoder(**given).last_hidden_state[rows, places]
            scores = self.turn(states) @ self.words.T
        guessed: torch.Tensor = scores.float() + self.often
        return guessed


class _Run:
    """The state of a run."""

    def __init__(self, encoder: Encoder, texts: Sequence[Example], options: Masking) -> None:
        torch.manual_seed(options.seed)
        self.encoder, self.options = encoder, options
        self.mask = next((n for m in MASKS if (n := encoder.tokenizer.token_to_id(m)) is not None), None)
        if self.mask is None:
            raise ConfigurationError(f"the encoder {encoder.name!r} has no token for hidden words; take another one")
        self.origin = encoder.digest()
        self.reader = Reader(encoder, Vocabulary.of({}), Lexicon.of([]), options.max_tokens)
        different = {(one.context, one.text): Example(one.text, one.context) for one in texts}
        read = [self.reader.item(one, own=False) for _, one in sorted(different.items())]
        self.texts = [item for item in read if item.kept]
        if len(self.texts) < 2:
            raise ConfigurationError("there are no texts to learn words from: give products with different texts")
        order = np.random.default_rng(options.seed).permutation(len(self.texts))
        held = max(1, round(HELD * len(order)))
        self.held, self.learned = ([self.texts[i] for i in part] for part in (order[:held], order[held:]))
        self.network = _Guesser(encoder).to(device_of(options.device))
        self.network.halved = native_bfloat16(options.device)
        steps = -(-len(self.learned) // options.batch) * options.epochs
        self.tuning = FineTuning(self.network, encoder.model, Pace(steps, options.rate, options.head_rate))

    def step(self) -> Guesses:
        """One epoch; all chance in it comes from (seed, epoch)."""
        number = self.tuning.epoch
        random = np.random.default_rng([self.options.seed, number])
        torch.manual_seed(self.options.seed * 100_003 + number)
        self.network.train()
        losses = []
        for at in bucketed([len(item.tokens) for item in self.learned], self.options.batch, random):
            scores, truth = self._guess([self.learned[i] for i in at], random)
            losses.append(self.tuning.step([nn.functional.cross_entropy(scores, truth)]))
        with self.tuning.averaged():
            right = self._right()
        self.tuning.measured(right)
        done = Guesses(self.tuning.epoch, sum(losses) / len(losses), right)
        _log.info(done.told())
        return done

    def _right(self) -> float:
        """The share of right guesses in the held-back texts, the same tokens of which are hidden each time."""
        random = np.random.default_rng(self.options.seed)
        self.network.eval()
        right = asked = 0
        with torch.inference_mode():
            for at in bucketed([len(item.tokens) for item in self.held], self.options.batch, None):
                scores, truth = self._guess([self.held[i] for i in at], random)
                right += int((scores.argmax(-1) == truth).sum())
                asked += len(truth)
        return right / asked

    def _guess(self, items: Sequence[Item], random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores at the places to guess, and the tokens that stood there."""
        hidden = [self._hidden(item, random) for item in items]
        device = device_of(self.options.device)
        batch = self.reader.batch([item for item, _ in hidden]).to(device)
        rows = torch.tensor([row for row, (_, places) in enumerate(hidden) for _ in places], device=device)
        places = torch.tensor([place for _, places in hidden for place in places], device=device)
        truth = [item.tokens[place] for item, (_, places) in zip(items, hidden, strict=True) for place in places]
        return self.network(batch, rows, places), torch.tensor(truth, device=device)

    def _hidden(self, item: Item, random: np.random.Generator) -> tuple[Item, list[int]]:
        """The text with tokens hidden, and where: one at least, and none of the category before it."""
        whole = np.arange(item.first[0], item.last[-1] + 1)
        drawn = whole[random.random(len(whole)) < self.options.share]
        places: list[int] = (drawn if len(drawn) else random.choice(whole, 1)).tolist()
        tokens = list(item.tokens)
        for place, chance in zip(places, random.random(len(places)), strict=True):
            if chance < HIDDEN:
                tokens[place] = self.mask or 0
            elif chance < HIDDEN + OTHER:
                tokens[place] = int(random.integers(len(self.network.words)))
        return replace(item, tokens=tuple(tokens)), places

    def fingerprint(self) -> str:
        """The same for the same encoder, texts and options."""
        told = {key: value for key, value in asdict(self.options).items() if key != "device"}
        texts = [(item.example.context, item.example.text) for item in self.texts]
        return blake2b(json.dumps([self.origin, told, texts]).encode(), digest_size=16).hexdigest()


def _finished(folder: Path, name: str) -> bool:
    if not (folder / WEIGHTS).exists():
        return False
    try:
        return bool(json.loads((folder / MANIFEST).read_text("utf-8"))["run"] == name)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _save(encoder: Encoder, folder: Path, manifest: dict[str, object]) -> None:
    """The manifest goes first and comes last: a folder without one is unfinished."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    state = {name: value.detach().cpu().contiguous() for name, value in encoder.weights()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    encoder.config.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(_tokenizer(encoder), "utf-8")
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def _tokenizer(encoder: Encoder) -> str:
    """As it was; but where capitals were folded for it because its name was known, it folds them itself from now on,
    since a folder has no such name."""
    from tokenizers import Tokenizer, normalizers

    made = Tokenizer.from_str(encoder.tokenizer.to_str())
    if encoder.lowercase:
        before = [made.normalizer] if made.normalizer else []
        made.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
    told: str = made.to_str()
    return told
