"""What a training may do beside the usual: steps of several batches, weighed values, R-Drop, words shifted."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mining.extraction.adversarial import Adversary
from mining.extraction.examples import Example, labelled
from mining.extraction.tagger_batches import Item
from mining.extraction.tagger_training import Epoch, Options, _Run, train
from mining.extraction.weighing import Weighing, value_weights

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta", "Nordik")
CONTEXTS = {"Mugs": ("Brand", "Color"), "Shoes": ("Brand", "Color", "Size")}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "values": {"once": True},
    "last values": {"once": True, "last": True},
    "values of rivals": {"once": True, "last": True, "exclusive": True},
    "any number": {"once": False, "exclusive": False},
    "any number, rivals": {"once": False, "exclusive": True},
}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "accumulate": {"batch": 2, "accumulate": 3},
    "weigh": {"weigh": "root"},
    "agree": {"agree": 1.0},
    "adversarial": {"adversarial": 0.5},
    "all": {"batch": 2, "accumulate": 3, "weigh": "effective", "agree": 1.0, "adversarial": 0.5},
}


def catalogue() -> list[Example]:
    pairs = [(color, brand) for color in COLORS for brand in BRANDS]
    mugs = [labelled(f"{b} {c} mug", "Mugs", {"Color": [c], "Brand": [b]}) for c, b in pairs]
    return [*mugs, labelled("red shoes 40 by acme", "Shoes", {"Color": ["red"], "Brand": ["acme"], "Size": ["40"]})]


@pytest.fixture(scope="module")
def options(tiny_encoder: Path) -> Options:
    return Options(encoder=str(tiny_encoder), epochs=3, batch=6, rate=3e-3, head_rate=1e-2, smooth=0.9)


def still(options: Options) -> tuple[_Run, list[Item]]:
    """A run without dropout, and its texts."""
    run = _Run(catalogue(), catalogue()[:2], CONTEXTS, options)
    run.network.eval()
    return run, [run.reader.item(example, own=True) for example in catalogue()]


def slopes(run: _Run, parts: list[list[Item]]) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss of a step, and its gradients."""
    total = 0.0
    run.network.zero_grad()
    for loss in run._losses(parts):
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
    return total, {name: p.grad.clone() for name, p in run.network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", ["accumulate", "weigh", "agree"])
def test_batches_of_one_step_have_the_gradient_of_one_batch(options: Options, shape: str, way: str) -> None:
    run, items = still(replace(options, **{**SHAPES[shape], **WAYS[way]}))
    whole, expected = slopes(run, [items])
    total, got = slopes(run, [items[:3], items[3:8], items[8:]])  # of different sizes, and the last with more labels
    assert total == pytest.approx(whole, rel=1e-5)
    assert set(got) == set(expected)
    assert all(torch.allclose(got[name], expected[name], rtol=1e-3, atol=1e-6) for name in got)


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 5000)), st.sampled_from(["none", "root", "effective"]))
def test_values_weigh_one_on_average_and_rare_ones_more(counts: dict[str, int], kind: Weighing) -> None:
    weights = value_weights(counts, kind)
    values = sum(counts.values())
    assert set(weights) == set(counts)
    assert sum(counts[label] * weights[label] for label in counts) == pytest.approx(values)
    seen = sorted((label for label in counts if counts[label]), key=lambda label: counts[label])
    assert all(weights[one] >= weights[other] * (1 - 1e-9) for one, other in pairwise(seen))


def test_effective_numbers() -> None:
    weights = value_weights({"often": 1000, "rare": 1}, "effective")
    assert weights["rare"] / weights["often"] == pytest.approx(100, rel=1e-3)
    assert value_weights({"often": 900, "rare": 9}, "root")["rare"] == pytest.approx(10 * 909 / (900 + 90))


@pytest.mark.parametrize("shape", SHAPES)
def test_only_values_are_weighed(options: Options, shape: str) -> None:
    run, items = still(replace(options, **SHAPES[shape]))
    batch, target = run.reader.batch(items), run._targets(items)
    scores = run.network(batch)
    assert run.weights is None
    equal = torch.ones(len(run.reader.vocabulary.labels) + 1)
    plain = run.network.loss(scores, target, batch.known)
    assert torch.equal(run.network.loss(scores, target, batch.known, equal[batch.labels]), plain)
    unsaid = [replace(item, example=replace(item.example, spans=())) for item in items]
    nothing = run._targets(unsaid)
    plain = run.network.loss(scores, nothing, batch.known)
    assert torch.equal(run.network.loss(scores, nothing, batch.known, 9 * equal[batch.labels]), plain)


def test_weights_are_those_of_the_training_texts(options: Options) -> None:
    run, _ = still(replace(options, weigh="root"))
    counts = Counter({"Brand": 10, "Color": 10, "Size": 1})
    expected = value_weights(counts, "root")
    assert run.weights is not None
    for label, number in run.reader.vocabulary.labels.items():
        assert float(run.weights[number]) == pytest.approx(expected[label])


@pytest.mark.parametrize("shape", SHAPES)
def test_passes_that_agree_cost_what_one_costs(options: Options, shape: str) -> None:
    asked = replace(options, **SHAPES[shape])
    run, items = still(asked)
    double, _ = still(replace(asked, agree=5.0))
    assert slopes(double, [items])[0] == pytest.approx(slopes(run, [items])[0], rel=1e-6)
    batch = run.reader.batch(items)
    scores = run.network(batch)
    assert run.network.disagreement(scores, scores, batch).item() == 0.0
    run.network.train()
    assert run.network.disagreement(scores, run.network(batch), batch).item() > 0.0


@pytest.mark.parametrize("shape", ["values", "last values"])
def test_disagreement_is_the_mean_of_both_divergences(options: Options, shape: str) -> None:
    run, items = still(replace(options, **SHAPES[shape]))
    batch = run.reader.batch(items[:1])
    one = run.network(batch)
    other = one + torch.randn(one.shape, generator=torch.Generator().manual_seed(0))
    told = run.network.disagreement(one, other, batch).item()
    assert told == pytest.approx(run.network.disagreement(other, one, batch).item(), rel=1e-5)
    expected = sum(divergence(*pair) + divergence(*reversed(pair)) for pair in distributions(run, one, other)) / 2
    assert told == pytest.approx(expected / 2, rel=1e-3)  # labels


def distributions(run: _Run, *scores: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Pairs of what two scores of one text say of each label."""
    log = [run.network.log_probabilities(one)[0].transpose(0, 1).flatten(1) for one in scores]  # [L, W M]
    wholes = [torch.cat([one, torch.log1p(-one.exp().sum(1, keepdim=True))], 1) for one in log]
    return list(zip(*wholes, strict=True))


def divergence(one: torch.Tensor, other: torch.Tensor) -> float:
    return nn.functional.kl_div(other, one, log_target=True, reduction="sum").item()


def test_the_adversary_shifts_words_so_far_and_against_the_loss() -> None:
    torch.manual_seed(0)
    embeddings, tokens = nn.Embedding(9, 4), torch.tensor([[1, 2, 3], [4, 5, 0]])
    wanted = nn.Parameter(torch.randn(2, 3, 4))
    seen: list[torch.Tensor] = []

    def loss() -> torch.Tensor:
        seen.append(embeddings(tokens))
        return ((seen[-1] - wanted) ** 2).sum()

    embeddings.requires_grad_(False)  # as where the embeddings of an encoder do not learn
    adversary, losses = Adversary(embeddings, 0.5), []
    for one in adversary.losses(loss):
        one.backward()  # type: ignore[no-untyped-call]
        losses.append(float(one.detach()))
    plain, shifted = seen
    assert torch.equal(plain, embeddings.weight[tokens])
    assert (shifted - plain).flatten(1).norm(dim=1).tolist() == pytest.approx([0.5, 0.5], rel=1e-5)
    assert losses[1] > losses[0]
    embeddings.eval()
    assert torch.equal(embeddings(tokens), plain)
    adversary.leave()
    embeddings.train()
    assert torch.equal(embeddings(tokens), plain)
    assert not embeddings(tokens).requires_grad


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_training_goes_on_to_the_same_model(options: Options, way: str, tmp_path: Path) -> None:
    asked = replace(options, **WAYS[way])
    texts, dev = catalogue(), catalogue()[:4]
    whole = train(texts, dev, CONTEXTS, asked).networks[0].state_dict()

    class Killed(Exception):
        pass

    def dies(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Killed

    with pytest.raises(Killed):
        train(texts, dev, CONTEXTS, asked, checkpoint=tmp_path, on_epoch=dies)
    done: list[int] = []
    resumed = train(texts, dev, CONTEXTS, asked, checkpoint=tmp_path, on_epoch=lambda e: done.append(e.number))
    assert done == [2, 3]
    assert all(torch.equal(whole[name], value) for name, value in resumed.networks[0].state_dict().items())
    usual = train(texts, dev, CONTEXTS, options, checkpoint=tmp_path, on_epoch=lambda e: done.append(e.number))
    assert done == [2, 3, 1, 2, 3], "other options do not go on from it"
    assert any(not torch.equal(whole[name], value) for name, value in usual.networks[0].state_dict().items())
