"""An encoder learns a shop's words without labels, survives a kill, and comes back from its folder as an encoder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mining.errors import ConfigurationError
from mining.extraction.encoders import Encoder, load_encoder
from mining.extraction.examples import Example, Span
from mining.extraction.masked_words import Guesses, Masking, teach

SHORT = Masking(epochs=3, batch=8, rate=3e-3, head_rate=1e-2, share=0.3)


def texts() -> list[Example]:
    pairs = [(color, thing) for color in ("red", "blue", "green") for thing in ("mug", "shirt", "shoes")]
    return [Example(f"acme {color} {thing} zeta {thing} {n}", "Mugs") for color, thing in pairs for n in range(9)]


def weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    """Without the pooler, which is in no file and is made by chance."""
    return {name: value for name, value in encoder.model.state_dict().items() if not name.startswith("pooler.")}


def test_it_guesses_better_and_better_and_keeps_the_vocabulary(tiny_encoder: Path, tmp_path: Path) -> None:
    told: list[Guesses] = []
    teach(str(tiny_encoder), texts(), tmp_path / "shop", replace(SHORT, epochs=15), on_epoch=told.append)
    assert told[-1].right > 0.4 > told[0].right
    assert told[-1].loss < told[0].loss
    assert "epoch 15" in told[-1].told()
    before, after = load_encoder(str(tiny_encoder)), load_encoder(str(tmp_path / "shop"))
    assert after.tokenizer.get_vocab() == before.tokenizer.get_vocab()
    was, now = weights(before), weights(after)
    assert was.keys() == now.keys()
    assert {name for name in was if torch.equal(was[name], now[name])} == {"embeddings.word_embeddings.weight"}
    assert {path.name for path in (tmp_path / "shop").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "masked.json",
    }  # fmt: skip


def test_labels_are_not_looked_at(tiny_encoder: Path, tmp_path: Path) -> None:
    labelled = [replace(one, spans=(Span(0, 4, "Brand"),)) for one in texts()]
    bare = teach(str(tiny_encoder), texts(), tmp_path / "bare", SHORT)
    told = teach(str(tiny_encoder), labelled, tmp_path / "labelled", SHORT)
    assert (bare / "model.safetensors").read_bytes() == (told / "model.safetensors").read_bytes()


def test_a_killed_run_goes_on_to_the_same_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    whole = teach(str(tiny_encoder), texts(), tmp_path / "whole", SHORT)

    class Killed(Exception):
        pass

    def dies(epoch: Guesses) -> None:
        if epoch.number == 2:
            raise Killed

    with pytest.raises(Killed):
        teach(str(tiny_encoder), texts(), tmp_path / "killed", SHORT, on_epoch=dies)
    done: list[int] = []
    teach(str(tiny_encoder), texts(), tmp_path / "killed", SHORT, on_epoch=lambda epoch: done.append(epoch.number))
    assert done == [2, 3]
    expected, got = weights(load_encoder(str(whole))), weights(load_encoder(str(tmp_path / "killed")))
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_what_is_finished_is_taken_and_anything_else_is_learned(tiny_encoder: Path, tmp_path: Path) -> None:
    done: list[int] = []

    def learn(given: list[Example], options: Masking) -> int:
        done.clear()
        teach(str(tiny_encoder), given, tmp_path, options, on_epoch=lambda epoch: done.append(epoch.number))
        return len(done)

    assert learn(texts(), SHORT) == 3
    assert learn(texts()[::-1], SHORT) == 0, "the same texts in another order"
    assert learn(texts()[1:], SHORT) == 3
    assert learn(texts()[1:], replace(SHORT, seed=1)) == 3
    (tmp_path / "masked.json").write_text("{}", "utf-8")
    assert learn(texts()[1:], replace(SHORT, seed=1)) == 3
    (tmp_path / "unfinished").mkdir()  # what a run leaves that is killed when all is done but this
    assert learn(texts()[1:], replace(SHORT, seed=1)) == 0
    assert not (tmp_path / "unfinished").exists()
    (tmp_path / "model.safetensors").unlink()
    assert learn(texts()[1:], replace(SHORT, seed=1)) == 3


def test_capitals_that_were_folded_by_name_are_folded_by_the_folder(tiny_encoder: Path, tmp_path: Path) -> None:
    """As of an encoder whose vocabulary has no capitals and whose tokenizer leaves them."""
    named = tmp_path / "bge-small-zh-v1.5"
    named.mkdir()
    for path in tiny_encoder.iterdir():
        (named / path.name).write_bytes(path.read_bytes())
    told = json.loads((named / "tokenizer.json").read_text("utf-8"))
    told["normalizer"]["lowercase"] = False
    (named / "tokenizer.json").write_text(json.dumps(told), "utf-8")
    encoder = load_encoder("bge-small-zh-v1.5", folder=tmp_path)
    assert encoder.lowercase
    assert encoder.tokenizer.encode("RED").ids != encoder.tokenizer.encode("red").ids
    teach("bge-small-zh-v1.5", texts(), tmp_path / "shop", replace(SHORT, epochs=1), encoders=tmp_path)
    made = load_encoder(str(tmp_path / "shop"))
    assert made.tokenizer.encode("RED").ids == encoder.tokenizer.encode("red").ids


def test_nothing_to_learn_from_or_to_hide_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no texts to learn words from"):
        teach(
            str(tiny_encoder), [Example("acme red mug"), Example("acme red mug"), Example(" ")], tmp_path / "x", SHORT
        )
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in tiny_encoder.iterdir():
        (bare / path.name).write_bytes(path.read_bytes().replace(b"[MASK]", b"[HIDE]"))
    with pytest.raises(ConfigurationError, match="no token for hidden words"):
        teach(str(bare), texts(), tmp_path / "x", SHORT)
