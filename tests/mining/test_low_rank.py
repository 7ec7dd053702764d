"""Low-rank adapters learn, change the encoder's matrices by so much and nothing else of it, and are gone afterwards."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from mining.errors import ConfigurationError
from mining.extraction import low_rank
from mining.extraction.encoders import load_encoder
from mining.extraction.examples import Example, labelled
from mining.extraction.low_rank import LowRank
from mining.extraction.tagger import Tagger
from mining.extraction.tagger_training import Epoch, Options, score_of, train

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta", "Nordik")
CONTEXTS = {"Mugs": ("Brand", "Color")}
RANK = 2

needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="the extra adapters is not installed")


def catalogue() -> list[Example]:
    pairs = [(color, brand) for color in COLORS for brand in BRANDS]
    return [labelled(f"{b} {c} mug", "Mugs", {"Color": [c], "Brand": [b]}) for c, b in pairs]


@pytest.fixture(scope="module")
def options(tiny_encoder: Path) -> Options:
    return Options(
        encoder=str(tiny_encoder), epochs=12, batch=3, rate=1e-3, head_rate=1e-2, smooth=0.9, rank=RANK, adapters="lora"
    )


def changed(tagger: Tagger, encoder: Path) -> dict[str, int]:
    """Weight of the encoder → the rank of what was added to it, of those that are not as they came. The pooler has no
    weights in a file and is never read."""
    came, now = (
        {name: value for name, value in network.state_dict().items() if not name.startswith("pooler.")}
        for network in (load_encoder(str(encoder)).model, tagger.networks[0].encoder)
    )
    assert set(now) == set(came), "nothing of the adapters is left"
    added = {name: now[name] - came[name] for name in came}
    ranks = {
        name: int(torch.linalg.matrix_rank(value, tol=1e-5)) if value.ndim > 1 else 1 for name, value in added.items()
    }
    return {name: rank for name, rank in ranks.items() if not torch.equal(now[name], came[name])}


@needs_peft
def test_lora_adds_so_much_to_each_matrix_and_nothing_else(
    options: Options, tiny_encoder: Path, tmp_path: Path
) -> None:
    tagger = train(catalogue(), catalogue(), CONTEXTS, options)
    whole = train(catalogue(), catalogue(), CONTEXTS, replace(options, adapters="none", epochs=1))
    ranks = changed(tagger, tiny_encoder)
    assert len(ranks) == 6, "query, key, value, output and two of the feed-forward part"
    assert set(ranks.values()) == {RANK}
    assert max(changed(whole, tiny_encoder).values()) > RANK
    assert score_of(tagger, catalogue()).f1 > 0.9
    tagger.save(tmp_path)
    assert Tagger.load(tmp_path).find(catalogue()) == tagger.find(catalogue())


@needs_peft
def test_adalora_gives_the_matrices_different_ranks_of_one_budget(options: Options, tiny_encoder: Path) -> None:
    tagger = train(catalogue(), catalogue(), CONTEXTS, replace(options, adapters="adalora"))
    ranks = changed(tagger, tiny_encoder)
    assert 0 < sum(ranks.values()) <= 6 * RANK, ranks
    assert max(ranks.values()) <= RANK + 1
    assert len({ranks.get(name, 0) for name in ranks}) > 1


@needs_peft
@pytest.mark.parametrize("kind", ["lora", "adalora"])
def test_a_merged_encoder_reads_as_with_its_adapters(kind: str, tiny_encoder: Path) -> None:
    encoder = load_encoder(str(tiny_encoder)).model.eval()
    tokens = torch.tensor([[2, 5, 8, 3]])
    before = encoder(input_ids=tokens).last_hidden_state
    adapters = LowRank(encoder, kind, RANK, steps=10)  # type: ignore[arg-type]
    for name, weight in encoder.named_parameters():
        if "lora_" in name:
            nn.init.normal_(weight)
    adapted = encoder(input_ids=tokens).last_hidden_state
    adapters.merge()
    assert torch.allclose(adapted, encoder(input_ids=tokens).last_hidden_state, atol=1e-5)
    assert not torch.allclose(before, adapted, atol=1e-2)


@needs_peft
@pytest.mark.parametrize("dies_in", [2, 4], ids=["directions still go", "directions have gone"])
def test_a_killed_adalora_goes_on_to_the_same_model(options: Options, tmp_path: Path, dies_in: int) -> None:
    short = replace(options, adapters="adalora", epochs=5)
    whole = train(catalogue(), catalogue(), CONTEXTS, short).networks[0].state_dict()

    class Killed(Exception):
        pass

    def dies(epoch: Epoch) -> None:
        if epoch.number == dies_in:
            raise Killed

    with pytest.raises(Killed):
        train(catalogue(), catalogue(), CONTEXTS, short, checkpoint=tmp_path, on_epoch=dies)
    done: list[int] = []
    resumed = train(
        catalogue(), catalogue(), CONTEXTS, short, checkpoint=tmp_path, on_epoch=lambda e: done.append(e.number)
    )
    assert done == list(range(dies_in, 6))
    assert all(torch.equal(whole[name], value) for name, value in resumed.networks[0].state_dict().items())


def test_without_peft_it_is_said_what_to_install(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_rank.importlib.util, "find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(ConfigurationError, match=r"shopgraph\[adapters\]"):
        train(catalogue(), catalogue(), CONTEXTS, options)
