"""The small model learns values by category, says how sure it is, survives a kill, and comes back from its folder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mining.errors import ConfigurationError, SourceError
from mining.extraction.augmentation import swap_values
from mining.extraction.examples import Example, Span, labelled
from mining.extraction.tagger import Tagger, device_of
from mining.extraction.tagger_training import Epoch, Options, score_of, train

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta", "Nordik")
CONTEXTS = {"Mugs": ("Brand", "Color"), "Shoes": ("Brand", "Color", "Size")}


def catalogue() -> list[Example]:
    made = []
    for number, (color, brand) in enumerate((c, b) for c in COLORS for b in BRANDS):
        made.append(labelled(f"{brand} {color} mug", "Mugs", {"Color": [color], "Brand": [brand]}))
        size = str(36 + number)
        made.append(
            labelled(f"{color} shoes {size} by {brand}", "Shoes", {"Color": [color], "Brand": [brand], "Size": [size]})
        )
    return made


@pytest.fixture(scope="module")
def options(tiny_encoder: Path) -> Options:
    return Options(encoder=str(tiny_encoder), epochs=20, batch=6, rate=3e-3, head_rate=1e-2, patience=20, smooth=0.9)


@pytest.fixture(scope="module")
def trained(options: Options) -> Tagger:
    return train(catalogue(), catalogue()[:6], CONTEXTS, options)


def told(tagger: Tagger, text: str, category: str) -> dict[str, str]:
    (row,) = tagger.find([Example(text, category)])
    return {one.label: text[one.start : one.end] for one in row if one.confidence >= 0.5}


def test_it_learns_values_of_new_texts(trained: Tagger) -> None:
    assert score_of(trained, catalogue()).f1 > 0.9
    assert told(trained, "zeta green mug", "Mugs") == {"Brand": "zeta", "Color": "green"}
    assert told(trained, "blue shoes 52 by acme", "Shoes")["Size"] == "52"


def test_of_several_values_it_says_the_last_where_labels_do(options: Options, tmp_path: Path) -> None:
    pairs = [(one, two) for one in (*COLORS, "black") for two in (*COLORS, "black") if one != two]
    texts = [f"{brand} mug {one} or {two}" for one, two in pairs for brand in BRANDS]
    last = [labelled(text, "Mugs", {"Color": [text.split()[-1]]}) for text in texts]
    tagger = train(last, last[:6], CONTEXTS, replace(options, epochs=10))
    assert tagger.shape.last
    assert told(tagger, "acme mug green or red", "Mugs") == {"Color": "red"}
    tagger.save(tmp_path)
    assert Tagger.load(tmp_path).shape == tagger.shape


def test_a_category_never_gets_an_attribute_that_it_does_not_have(trained: Tagger) -> None:
    (row,) = trained.find([Example("acme red mug 40", "Mugs")])
    assert {one.label for one in row} <= {"Brand", "Color"}


def test_it_reads_no_labels(trained: Tagger) -> None:
    bare = trained.find([Example("acme red mug", "Mugs")])
    labels = trained.find([Example("acme red mug", "Mugs", (Span(9, 12, "Color"),))])
    assert bare == labels


def test_batches_do_not_change_what_is_found(trained: Tagger) -> None:
    texts = [Example("acme red mug", "Mugs"), Example("a very long text about green shoes 41 by zeta", "Shoes")]
    together, alone = trained.find(texts), [trained.find([text])[0] for text in texts]
    for row, one in zip(together, alone, strict=True):
        assert [(f.label, f.start, f.end) for f in row] == [(f.label, f.start, f.end) for f in one]
        assert [f.odds for f in row] == pytest.approx([f.odds for f in one], abs=1e-3)


@pytest.mark.parametrize("text", ["", "   ", "🧦", "红 鞋 红色", "mug " * 400])
def test_any_text_is_read(trained: Tagger, text: str) -> None:
    (row,) = trained.find([Example(text, "Mugs")])
    assert all(0 <= one.start < one.end <= len(text) and 0 <= one.confidence <= 1 for one in row)


def test_an_unknown_category_is_offered_every_label(trained: Tagger) -> None:
    assert {one.label for one in trained.find([Example("acme red hat 40", "Hats")])[0]} <= {"Brand", "Color", "Size"}


def test_a_saved_model_says_the_same(trained: Tagger, tmp_path: Path) -> None:
    trained.save(tmp_path)
    texts = [Example("Nordik blue mug", "Mugs"), Example("red shoes 40 by acme", "Shoes")]
    assert Tagger.load(tmp_path).find(texts) == trained.find(texts)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}


def test_an_unfinished_folder_is_refused(trained: Tagger, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no finished small model"):
        Tagger.load(tmp_path)
    trained.save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"format": 99}), "utf-8")
    with pytest.raises(SourceError, match="format 99"):
        Tagger.load(tmp_path)
    trained.save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"cut short")
    with pytest.raises(SourceError, match="no finished small model"):
        Tagger.load(tmp_path)


def test_the_same_seed_gives_the_same_model(options: Options) -> None:
    short = replace(options, epochs=2)
    one, two, other = (
        train(catalogue(), catalogue()[:4], CONTEXTS, replace(short, seed=seed)).networks[0].state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_killed_training_goes_on_to_the_same_model(options: Options, tmp_path: Path) -> None:
    short = replace(options, epochs=4)
    whole = train(catalogue(), catalogue()[:4], CONTEXTS, short)

    class Killed(Exception):
        pass

    def dies(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise Killed

    with pytest.raises(Killed):
        train(catalogue(), catalogue()[:4], CONTEXTS, short, checkpoint=tmp_path, on_epoch=dies)
    done: list[int] = []
    resumed = train(
        catalogue(), catalogue()[:4], CONTEXTS, short, checkpoint=tmp_path, on_epoch=lambda e: done.append(e.number)
    )
    assert done == [3, 4]
    expected, got = whole.networks[0].state_dict(), resumed.networks[0].state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_a_checkpoint_of_another_run_is_not_used(options: Options, tmp_path: Path) -> None:
    short = replace(options, epochs=1)
    train(catalogue(), catalogue()[:4], CONTEXTS, short, checkpoint=tmp_path)
    done: list[int] = []
    train(
        catalogue()[1:], catalogue()[:4], CONTEXTS, short, checkpoint=tmp_path, on_epoch=lambda e: done.append(e.number)
    )
    assert done == [1]


def test_a_checkpoint_over_an_encoder_that_has_learned_since_is_not_used(options: Options, tmp_path: Path) -> None:
    """The folder keeps its name, as with ``extract --masked``."""
    folder, kept = tmp_path / "encoder", tmp_path / "kept"
    shutil.copytree(options.encoder, folder)
    short, done = replace(options, encoder=str(folder), epochs=1), list[int]()
    for _ in range(2):
        train(catalogue(), catalogue()[:4], CONTEXTS, short, checkpoint=kept, on_epoch=lambda e: done.append(e.number))
    assert done == [1], "the second goes on from the first, which was done"
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "word_embeddings" in name)
    save_file({**weights, name: weights[name] * 1.01}, folder / "model.safetensors", metadata={"format": "pt"})
    train(catalogue(), catalogue()[:4], CONTEXTS, short, checkpoint=kept, on_epoch=lambda e: done.append(e.number))
    assert done == [1, 1]


def test_values_are_swapped_with_their_labels() -> None:
    import numpy as np

    example = labelled("acme red mug", "Mugs", {"Color": ["red"], "Brand": ["acme"]})
    values = {("Mugs", "Color"): ["deep blue"], ("Mugs", "Brand"): ["Nordik & Co"]}
    seen = {swap_values(example, values, np.random.default_rng(seed)) for seed in range(20)}
    assert {"acme red mug", "Nordik & Co deep blue mug", "acme deep blue mug"} <= {made.text for made in seen}
    for made in seen:
        said = {span.label: made.text[span.start : span.end] for span in made.spans}
        assert said["Color"] in ("red", "deep blue")
        assert said["Brand"] in ("acme", "Nordik & Co")


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_a_missing_device_is_named() -> None:
    with pytest.raises(ConfigurationError, match="--device cpu"):
        device_of("cuda")


def test_members_are_averaged(options: Options, tmp_path: Path) -> None:
    two = train(
        catalogue(),
        catalogue()[:4],
        CONTEXTS,
        replace(options, epochs=3, members=2, soup=False),
        checkpoint=tmp_path / "c",
    )
    assert len(two.networks) == 2
    first, second = (network.state_dict() for network in two.networks)
    assert not all(torch.equal(first[name], second[name]) for name in first)
    two.save(tmp_path / "m")
    texts = [Example("Nordik blue mug", "Mugs")]
    assert Tagger.load(tmp_path / "m").find(texts) == two.find(texts)
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["member0", "member1"]


def test_a_soup_is_one_network_with_the_mean_of_the_weights(options: Options) -> None:
    asked = replace(options, epochs=2, members=2)
    two = train(catalogue(), catalogue()[:4], CONTEXTS, replace(asked, soup=False))
    (one,) = train(catalogue(), catalogue()[:4], CONTEXTS, asked).networks
    first, second = (network.state_dict() for network in two.networks)
    mean = {name: (first[name] + second[name]) / 2 for name in first}
    assert all(torch.allclose(value, mean[name], atol=1e-6) for name, value in one.state_dict().items())
    assert not torch.equal(first["weights"], second["weights"])


def test_words_may_be_read_in_both_directions(options: Options) -> None:
    tagger = train(catalogue(), catalogue()[:4], CONTEXTS, replace(options, epochs=1, hidden=8))
    (row,) = tagger.find([Example("Nordik blue mug", "Mugs")])
    assert {one.label for one in row} <= {"Brand", "Color"}


def test_hidden_tokens_are_those_of_the_text(trained: Tagger) -> None:
    import numpy as np

    (item,) = trained.read([Example("zeta green mug", "Mugs")])
    whole = trained.reader.masked(item, 1.0, np.random.default_rng(0))
    none = trained.reader.masked(item, 0.0, np.random.default_rng(0))
    changed = [at for at, (one, two) in enumerate(zip(item.tokens, whole.tokens, strict=True)) if one != two]
    assert none == item
    assert changed == list(range(item.first[0], item.last[-1] + 1))
