"""The encoder that has learned relations: what it learns, what is kept of it, and what it says beside the judge."""

import runpy
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.types import Document
from mining.errors import SourceError
from mining.evaluation import RELATIONS, Label
from mining.extraction.encoders import Encoder, as_plain, load_encoder
from mining.extraction.judge_context import ContextJudge, Weights
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Network
from mining.extraction.judge_training import Example, examples
from mining.extraction.judge_tuned import Tuned, TunedReader, load, pressed, save
from mining.extraction.judge_tuned_training import TunedOptions, tune
from mining.extraction.judge_windows import glance, windows
from mining.extraction.rule_pipeline import pipeline, read, words_of
from mining.extraction.word_classes import word_classes, word_vectors

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
USED_FOR = 1 + RELATIONS.index("USED_FOR")
QUICK = TunedOptions(epochs=80, batch=4, rate=1e-2, head_rate=5e-2, hidden=0.0, rank=16)


@pytest.fixture(scope="module")
def given() -> list[Example]:
    """Texts in which a product is only ever good for what comes after "zum"."""
    tails = ["paper", "glass", "wood", "old tin", "wet clay", "new cloth", "dry sand", "blue wax"]
    texts = [f"Thing {n}\nA nice red thing, zum {tail}. It is made with {tail[::-1]}." for n, tail in enumerate(tails)]
    labels = [[Label("USED_FOR", text.index("zum ") + 4, text.index(". It"))] for text in texts]
    vectors = word_vectors(texts)
    return examples(texts, labels, word_classes(vectors), vectors)


@pytest.fixture
def encoder(tiny_encoder: Path) -> Encoder:
    return load_encoder(str(tiny_encoder))


@pytest.fixture(scope="module")
def taught(given: list[Example], tiny_encoder: Path) -> Tuned:
    told: list[str] = []
    made = tune(given, load_encoder(str(tiny_encoder)), QUICK, tell=told.append)
    assert told[-1].startswith("epoch 80: loss 0.")
    return made


def opinions(reader: TunedReader, encoder: Encoder, text: str) -> dict[str, Any]:
    """By the last word of a chunk."""
    words = words_of(read(pipeline(), Document("d", "p", "product", text)))
    sight = Sight.of(words, {}, [])
    (window,) = windows(words, encoder)
    seen = glance(sight, window, range(len(sight.chunks)), ())
    assert seen is not None
    said = reader.opinion(sight, window, seen)
    assert np.allclose(said.sum(1), 1, atol=1e-5)
    return {words.lower[sight.chunks[at].last - 1]: row for at, row in zip(seen.chunks, said, strict=True)}


def test_it_learns_which_words_are_tails_and_is_the_same_after_it_was_kept(
    taught: Tuned, encoder: Encoder, tmp_path: Path
) -> None:
    text = "Thing 3\nA nice red thing, zum wood. It is made with doow."
    said = opinions(TunedReader(encoder, taught), encoder, text)
    assert said["wood"][USED_FOR] > 0.8
    assert max(row[USED_FOR] for word, row in said.items() if word != "wood") < 0.3
    save(taught, tmp_path / "t.npz")
    kept = load(tmp_path / "t.npz")
    assert (kept.encoder, kept.layers) == (taught.encoder, 1)
    assert kept.share == pytest.approx(0.45)
    again = opinions(TunedReader(encoder, kept), encoder, text)
    assert all(again[word] == pytest.approx(row, abs=0.02) for word, row in said.items())


def test_training_twice_and_after_a_break_gives_the_same_weights(
    given: list[Example], tiny_encoder: Path, tmp_path: Path
) -> None:
    def trained(epochs: int, folder: Path | None) -> Tuned:
        def killed(line: str) -> None:
            if line.startswith(f"epoch {epochs}:") and epochs < 3:
                raise KeyboardInterrupt

        return tune(given, load_encoder(str(tiny_encoder)), replace(QUICK, epochs=3, hidden=0.2), folder, killed)

    whole = trained(3, None)
    with pytest.raises(KeyboardInterrupt):
        trained(2, tmp_path)
    for other in (trained(3, None), trained(3, tmp_path)):
        assert np.array_equal(whole.head, other.head)
        assert all(np.array_equal(row, other.rows[name]) for name, row in whole.rows.items())


def test_of_full_rank_the_products_are_the_whole_difference() -> None:
    random = np.random.default_rng(0)
    name = "encoder.layer.0.output.dense.weight"
    before: dict[str, Any] = {name: random.random((4, 6)), "embeddings.word_embeddings.weight": random.random((3, 4))}
    after = {key: value + random.random(value.shape) for key, value in before.items()}
    head: Any = np.zeros((4, 5)), np.zeros(5)
    for rank, near in ((4, True), (1, False)):
        made = pressed("e", before, after, head, rank, 0.3)
        assert list(made.products) == [name]
        left, right = made.products[name]
        assert left.shape == (4, rank)
        assert np.allclose(before[name] + left @ right, after[name]) == near


def test_nothing_to_learn_from_is_an_error(given: list[Example], encoder: Encoder) -> None:
    bare = [replace(one, targets=[None] * len(one.targets)) for one in given[:1]]
    with pytest.raises(ValueError, match="the texts hold nothing to learn from"):
        tune(bare, encoder, QUICK)


def test_weights_of_another_encoder_are_refused(taught: Tuned, encoder: Encoder) -> None:
    wider = {name: np.zeros(17, np.float32) for name in taught.rows}
    with pytest.raises(SourceError, match=r"has learned relations, .* is another"):
        TunedReader(encoder, replace(taught, rows=wider))
    deeper = {name.replace("layer.0", "layer.1"): row for name, row in taught.rows.items()}
    with pytest.raises(SourceError, match=r"weights do not fit, such as encoder\.layer\.1"):
        TunedReader(encoder, replace(taught, rows=deeper))


def test_the_contextual_judge_weighs_it_by_its_share(taught: Tuned, encoder: Encoder) -> None:
    width = 2 * encoder.width
    network = Network(np.zeros((6 * width + 39, 1), np.float32), *(np.zeros(n, np.float32) for n in (1, (1, 5), 5)))
    zeros, ones = np.zeros(39, np.float32), np.ones(39, np.float32)
    weights = Weights(encoder.name, [network], np.zeros((2, width), np.float32), zeros, ones, 0.0, 0.5)
    words = words_of(read(pipeline(), Document("d", "p", "product", "Thing 3\nA nice red thing, zum wood.")))
    sight = Sight.of(words, {}, [])
    said = np.full((len(sight.chunks), 5), 0.2, np.float32)
    at = next(n for n, chunk in enumerate(sight.chunks) if words.lower[chunk.last - 1] == "wood")
    alone, half, whole = (
        ContextJudge(encoder, weights, tuned).weigh(sight, said, said)[0][at, USED_FOR]
        for tuned in (None, replace(taught, share=0.5), replace(taught, share=1.0))
    )
    assert alone == pytest.approx(0.2, abs=1e-3)
    assert alone < half < whole
    assert whole > 0.8


def test_the_encoder_itself_stays_as_it_was(taught: Tuned, encoder: Encoder) -> None:
    plain = as_plain(encoder)
    before = plain.model.states([2, 9, 3])[-1].copy()
    TunedReader(plain, taught)
    assert np.array_equal(plain.model.states([2, 9, 3])[-1], before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", np.array(2)),
        ("layers", np.array(0)),
        ("share", np.float32(2)),
        ("head", np.zeros((16, 4), np.float32)),
        ("head", np.full((16, 5), np.nan, np.float32)),
        ("encoder.layer.0.output.dense.weight/left", np.zeros((15, 16), np.int8)),
        ("encoder.layer.0.output.dense.weight/left", np.zeros((16, 16), np.float32)),
        ("encoder.layer.0.output.dense.weight/right_scale", np.full(16, np.inf, np.float32)),
        ("encoder.layer.0.output.LayerNorm.bias", np.zeros(9, np.float16)),
    ],
)
def test_weights_that_do_not_fit_are_named(taught: Tuned, tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "judge_tuned.npz"
    save(taught, path)
    with np.load(path) as kept:
        arrays = dict(kept)
    assert name in arrays
    np.savez(path, **{**arrays, name: value})
    with pytest.raises(SourceError, match=r"not the weights of an encoder that has learned .*; train one again"):
        load(path)


def test_the_shipped_ones_are_small() -> None:
    path = Path(str(files("mining.extraction") / "judge_tuned.npz"))
    assert path.stat().st_size < 5_000_000
    assert (load(path).encoder, load(path).layers) == ("all-MiniLM-L6-v2", 6)


def test_the_command_trains_what_can_be_loaded(
    tmp_path: Path,
    tiny_encoder: Path,
    trainer: Callable[[str], Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    score, given = trainer("relation_context.py")
    out = ["--encoder", str(tiny_encoder), "--out", str(tmp_path / "t.npz")]
    main = runpy.run_path(str(BENCHMARKS / "relation_tuned.py"), run_name="benchmark")["main"]
    assert main([*given, *out, "--epochs", "1", "--rank", "4"]) == 0
    assert load(tmp_path / "t.npz").encoder == str(tiny_encoder)
    beside = ["--encoder", str(tiny_encoder), "--score", given[1], "--tuned", str(tmp_path / "t.npz")]
    assert score([*given, *beside]) == 0
    assert "share of the judge 0.3" in capsys.readouterr().out
