"""The judge of relations: what it may see, what it learns, and what it leaves to the rules."""

import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from kg.types import Document
from mining.errors import SourceError
from mining.evaluation import Label
from mining.extraction.candidates import LONGEST, Chunk, chunks, readings
from mining.extraction.judge import Judge, agreement, once, shipped, softmax
from mining.extraction.judge_features import Sight, chunk_features, hashed, kinds_of
from mining.extraction.judge_network import PLACES, Vectors, averaged, inputs_of
from mining.extraction.judge_network_training import NetworkOptions, train_network
from mining.extraction.judge_training import Options, examples, save, train
from mining.extraction.judged import REASON, JudgedExtractor, marks_of
from mining.extraction.kinds import Words
from mining.extraction.relation_texts import Text, read_labelled, stated
from mining.extraction.rule_pipeline import pipeline, read, words_of
from mining.extraction.rules import RuleExtractor
from mining.extraction.word_classes import word_classes, word_vectors

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def words(text: str) -> Words:
    return words_of(read(pipeline(), Document("d", "p", "product", text)))


def said(some: Words, start: int, end: int) -> str:
    return " ".join(some.text[start:end])


def test_a_text_is_cut_where_lists_and_clauses_are() -> None:
    some = words("Tape\nSeals cartons, boxes and mailers in the office; Moln & Aske holds 2” tubes of glue.")
    found = chunks(some)
    assert [said(some, chunk.first, chunk.last) for chunk in found] == [
        "Tape",
        "Seals cartons",
        "boxes",
        "mailers",
        "office",
        "Moln & Aske",
        "2 ” tubes of glue",
    ]
    assert [(chunk.head, chunk.position, chunk.separator) for chunk in found[1:5]] == [
        (1, 0, ""),
        (1, 1, ","),
        (1, 2, "and"),
        (4, 0, ""),
    ]


def test_a_chunk_may_be_cut_in_many_ways_and_none_keeps_an_article_or_the_verb_of_fitting() -> None:
    some = words("Case\nFits the tent. Suits small and large rooms. Made for printers using 1.75 mm filament.")
    found = chunks(some)
    ways = {said(some, *span) for at in range(1, len(found)) for span in readings(some, found, at)}
    assert {"tent", "large rooms", "printers using 1.75 mm filament", "rooms"} <= ways
    assert not any(way.lower().startswith(("fits", "suits", "the ")) for way in ways)


def test_a_long_piece_is_cut_so_that_reading_stays_linear() -> None:
    some = words("Cable\n" + "very long cable " * 400)
    assert max(chunk.end - chunk.start for chunk in chunks(some)) == LONGEST


def test_features_are_hashed_into_their_table_each_once() -> None:
    places = hashed(["a", "b", "a", "c\ud800"], bits=6)
    assert places == sorted(set(places))
    assert all(0 <= place < 64 for place in places)
    sight = Sight.of(words("Tape\nIdeal for sealing cartons."), {"cartons": (3, 70)}, [])
    at = next(n for n, chunk in enumerate(sight.chunks) if "sealing" in sight.words.lower[chunk.start : chunk.end])
    assert {"o=for", "o12=ideal for", "head=cartons", "ch=3", "o&Ch=for&70"} <= set(chunk_features(sight, at))
    assert "PLACES" in kinds_of("kitchen")


def test_what_rules_say_is_seen() -> None:
    doc = read(pipeline(), Document("d", "p", "product", "Tape\nIdeal for sealing cartons. Great for results."))
    marks = {(said(words_of(doc), mark.start, mark.end), mark.relation, mark.reason) for mark in marks_of(doc)}
    assert ("sealing cartons", "USED_FOR", "") in marks
    assert ("results", "USED_FOR", "names nothing") in marks


def test_agreement_tells_of_the_list_and_of_what_it_hangs_on() -> None:
    some = words("Glue\nWorks on materials like wood, glass and tin.")
    found = chunks(some)
    first = softmax(np.arange(len(found) * 4, dtype=np.float32).reshape(-1, 4) / 9)
    rows = agreement(found, some, first)
    glass = next(n for n, chunk in enumerate(found) if some.lower[chunk.first] == "glass")
    others = (first[glass - 1] + first[glass + 1]) / 2
    assert rows[glass, 6:11] == pytest.approx(others)
    assert rows[glass, 12:17] == pytest.approx(first[glass - 1])
    assert rows[glass, 21:26] == pytest.approx(first[glass - 2])  # "materials"
    assert np.isfinite(rows).all()
    assert agreement([Chunk(0, 1, 0, 1, 0, 0, "")], some, first[:1]).shape == (1, 39)


def test_the_network_sees_the_vectors_of_a_chunk_and_of_what_stands_around_it() -> None:
    vectors = Vectors.of(["glass", "ideal"], np.array([[1, 2], [3, 4]], np.float32))
    sight = Sight.of(words("Glue\nIdeal for glass."), {}, [])
    seen = inputs_of(sight, vectors)
    assert seen.shape == (len(sight.chunks), vectors.inputs)
    head, first, inner, opener, before = (seen[-1, at : at + 2].tolist() for at in range(0, 10, 2))
    assert head == first == inner == [1, 2]
    assert (opener, before) == ([0, 0], [3, 4])
    assert set(seen[:, PLACES * 2 :].ravel()) == {0, 1}


def test_the_network_judges_a_new_word_by_words_of_like_vectors() -> None:
    draw = np.random.default_rng(1)
    wanted = np.arange(400) % 2 * 3
    seen = draw.normal(0, 0.5, (400, 6)).astype(np.float32) + (wanted > 0)[:, None]
    network = train_network(seen, wanted, np.ones(400, np.float32), NetworkOptions(epochs=100))
    near, far = network.opinion(np.array([[1.2] * 6, [-0.2] * 6], np.float32))
    assert near[3] > 0.9 > 0.5 > far[3]
    assert near.sum() == pytest.approx(1)
    both = averaged(near[None], far[None])
    assert both.sum() == pytest.approx(1)
    assert far[3] < both[0, 3] < near[3]


def test_modifiers_that_share_a_head_are_carried_by_the_piece_that_can_be_cut_so() -> None:
    text = "Lock\nFor indoor, garden, boat and car doors."
    start = text.index("indoor")
    vectors = Vectors.of(["doors"], np.ones((1, 2), np.float32))
    (one,) = examples([text], [[Label("USED_FOR", start, len(text) - 1)]], {}, vectors)
    carrying = [at for at, target in enumerate(one.targets) if target and target.relation]
    assert [said(one.words, one.chunks[at].first, one.chunks[at].last) for at in carrying] == ["indoor"]


@pytest.fixture(scope="module")
def taught() -> Judge:
    """A judge of made-up texts, in which a product is only ever good for what comes after "zum"."""
    tails = ["paper", "glass", "wood", "old tin", "wet clay", "new cloth", "dry sand", "blue wax"]
    texts = [
        f"Thing {n}\nA nice red thing, zum {tail}. It is made by us with {tail[::-1]}." for n, tail in enumerate(tails)
    ]
    labels = [[Label("USED_FOR", text.index("zum ") + 4, text.index(". It"))] for text in texts]
    vectors = word_vectors(texts)
    classes = word_classes(vectors)
    return train(examples(texts, labels, classes, vectors), classes, vectors, Options(threshold=0.5))


def test_it_learns_from_labels_and_is_the_same_after_it_was_kept(taught: Judge, tmp_path: Path) -> None:
    some = words("Thing 77\nA nice red thing, zum green lead. It is made by us with dael neerg.")
    (found,) = taught.verdicts(some, [])
    assert (found.relation, said(some, found.start, found.end)) == ("USED_FOR", "green lead")
    assert 0.5 <= found.confidence <= 1
    save(taught, tmp_path / "judge.npz")
    kept = Judge.load(tmp_path / "judge.npz")
    (again,) = kept.verdicts(some, [])
    assert (again.start, again.end, again.relation) == (found.start, found.end, found.relation)
    assert again.confidence == pytest.approx(found.confidence, abs=0.05)
    assert kept.classes == taught.classes
    assert kept.vectors.rows == {word: row for row, word in enumerate(sorted(taught.classes))}
    assert replace(taught, threshold=1.1).verdicts(some, []) == []


def test_what_is_said_twice_is_one_relation(taught: Judge) -> None:
    some = words("Thing 9\nA nice red thing, zum paper. A nice red thing, zum papers. A nice red thing, zum old tin.")
    found = taught.verdicts(some, [])
    assert [said(some, one.start, one.end) for one in found] == ["paper", "papers", "old tin"]
    assert [said(some, one.start, one.end) for one in once(found, some)] == ["paper", "old tin"]


def test_what_rules_read_twice_is_no_unlikely_thing_the_second_time() -> None:
    text = "Phone case\nCompatible with iPhone 12. Soft and thin. Compatible with iPhone 12."
    (extraction,) = JudgedExtractor().extract([Document("d", "p", "product", text)])
    assert [fact.relation for fact in extraction.facts].count("COMPATIBLE_WITH") == 1
    assert [row.reason for row in extraction.set_aside] == []


def test_training_twice_gives_the_same_weights(taught: Judge) -> None:
    texts = [f"Pen {n}\nFor zum paper only." for n in range(9)]
    vectors = Vectors.of(["paper"], np.ones((1, 3), np.float32))
    given = examples(texts, [[Label("USED_FOR", 14, 19)]] * 9, {}, vectors)
    one, other = (train(given, {}, vectors) for _ in range(2))
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.network.hidden, other.network.hidden)
    assert np.array_equal(one.second, other.second)
    with pytest.raises(ValueError, match="1 texts are too few"):
        train(given[:1], {}, vectors)


@pytest.mark.parametrize("broken", [b"", b"no weights", None])
def test_a_broken_file_of_weights_is_named(tmp_path: Path, broken: bytes | None) -> None:
    path = tmp_path / "judge.npz"
    if broken is None:
        np.savez(path, first=np.zeros(3))
    else:
        path.write_bytes(broken)
    with pytest.raises(SourceError, match=r"judge\.npz: not the weights of a judge .*; train one again"):
        Judge.load(path)


@pytest.mark.parametrize("content", [b"letters", b"\x93NUMPY\x01\x00\x10\x00{'descr': ((('<"])
def test_what_is_no_array_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "judge.npz"
    with np.load(str(files("mining.extraction") / "judge.npz")) as shipped_ones, ZipFile(path, "w") as archive:
        for name in shipped_ones.files:
            archive.writestr(f"{name}.npy", content)
    with pytest.raises(SourceError, match=r"not the weights of a judge .*; train one again"):
        Judge.load(path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("first", np.zeros((3, 4), np.float32), "first is float32, expected whole numbers with a sign"),
        ("first", np.zeros((9, 3), np.int8), r"first has the shape \[9, 3\], expected \[9, 4\]"),
        ("first_steps", np.zeros(7, np.uint32), r"first_steps has the shape \[7\]"),
        ("first_bias", np.array(["a"] * 4), "first_bias is <U1, expected fractions"),
        ("first_scale", np.full(4, 3e38, np.float32), "first holds what is no number"),
        ("second", np.zeros((38, 4), np.float32), r"second has the shape \[38, 4\], expected \[39, 4\]"),
        ("second_bias", np.full(4, np.nan, np.float32), "second_bias holds what is no number"),
        ("reading", np.zeros(5, np.int8), r"reading has the shape \[5\]"),
        ("words", np.frombuffer(b"one\ntwo", np.uint8), "it has 2 words"),
        ("words", np.frombuffer(b"\xff\xfe", np.uint8), "utf-8"),
        ("hidden_scale", np.float32(1), r"hidden_scale has the shape \[\]"),
        ("out", np.zeros((64, 4), np.float32), "out has the shape"),
        ("out_bias", np.zeros(5, complex), "out_bias is complex128"),
        ("threshold", np.float32(0), r"threshold is 0\.0"),
        ("threshold", None, "it holds no threshold"),
    ],
)
def test_arrays_that_do_not_fit_are_named(taught: Judge, tmp_path: Path, name: str, value: Any, said: str) -> None:
    path = tmp_path / "judge.npz"
    save(taught, path)
    with np.load(path) as kept:
        arrays = dict(kept)
    assert name in arrays
    del arrays[name]
    np.savez(path, **arrays, **({} if value is None else {name: value}))
    with pytest.raises(SourceError, match=rf"judge\.npz: not the weights of a judge \(.*{said}.*; train one again"):
        Judge.load(path)


def test_steps_that_lead_beyond_their_table_are_named(taught: Judge, tmp_path: Path) -> None:
    path = tmp_path / "judge.npz"
    save(taught, path)
    with np.load(path) as kept:
        arrays = dict(kept)
    np.savez(path, **{**arrays, "first_steps": arrays["first_steps"] + np.uint32(2**20)})
    with pytest.raises(SourceError, match="first_steps leads to row"):
        Judge.load(path)


def test_the_shipped_weights_are_small_and_hold_single_words_only() -> None:
    path = Path(str(files("mining.extraction") / "judge.npz"))
    assert path.stat().st_size < 1_000_000
    assert all(" " not in word for word in shipped().classes)


def labels_of(extractor: RuleExtractor, texts: list[Text]) -> Iterator[set[tuple[str, str]]]:
    for text, found in zip(texts, stated(extractor, texts), strict=True):
        yield {(label.relation, text.text[label.start : label.end]) for label in found}


def test_it_finds_what_no_cue_announces_and_drops_what_rules_read_too_freely() -> None:
    text = "Desk Tray\nStores letters, files and folders. Great for classrooms, offices and homes."
    (judged,) = labels_of(JudgedExtractor(), [Text(0, text)])
    assert {("SUITS", "classrooms"), ("SUITS", "offices"), ("SUITS", "homes"), ("USED_FOR", "files")} <= judged
    never = replace(shipped(), second_bias=shipped().second_bias - 50)
    (found,) = JudgedExtractor(judge=never).extract([Document("d", "p", "product", text)])
    assert [fact for fact in found.facts if fact.relation in ("SUITS", "USED_FOR")] == []
    assert {aside.quote for aside in found.set_aside if aside.reason == REASON} >= {"classrooms", "offices", "homes"}


def test_a_judge_that_does_not_overrule_speaks_where_rules_are_silent() -> None:
    text = "Marker, Black\nWrites on glass and painted metal. Ideal for kids."
    texts = [Text(0, text)]
    (ruled,), (judged,) = labels_of(RuleExtractor(), texts), labels_of(JudgedExtractor(), texts)
    (both,) = labels_of(JudgedExtractor(overrules=False), texts)
    assert ruled < both <= ruled | judged
    never = replace(shipped(), second_bias=shipped().second_bias - 50)
    document = Document("d", "p", "product", text)
    (plain,) = RuleExtractor().extract([document])
    (found,) = JudgedExtractor(judge=never, overrules=False).extract([document])
    assert found.facts == plain.facts
    (labels,) = stated(JudgedExtractor(overrules=False), texts)
    assert all(one.end <= other.start for one, other in pairwise(sorted(labels, key=lambda label: label.start)))


def test_where_rules_read_a_name_they_are_trusted_unless_it_is_very_unlikely() -> None:
    text = "Case, Black\nFits the Zephra V7. Works with Alexa."
    doubting = replace(shipped(), threshold=1.1)
    (judged,) = labels_of(JudgedExtractor(judge=doubting), [Text(0, text)])
    assert judged == {("COMPATIBLE_WITH", "Zephra V7"), ("COMPATIBLE_WITH", "Alexa")}


def test_chinese_sentences_are_left_to_the_rules() -> None:
    path = BENCHMARKS / "relations" / "sample_zh_choose.jsonl"
    texts: list[Text] = runpy.run_path(str(BENCHMARKS / "stated_relations.py"))["texts_of"](read_labelled(path), None)
    assert list(labels_of(JudgedExtractor(), texts)) == list(labels_of(RuleExtractor(), texts))
    assert next(labels_of(JudgedExtractor(), [Text(0, "杯子\n适用于 HP LaserJet 1012。适合孕妇。")]))


def test_the_command_trains_a_judge_that_can_be_loaded(
    tmp_path: Path, trainer: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    main, given = trainer("relation_judge.py")
    assert main([*given, "--out", str(tmp_path / "judge.npz")]) == 0
    assert Judge.load(tmp_path / "judge.npz").threshold == pytest.approx(Options().threshold)
    assert main([*given, "--folds", "3"]) == 0
    assert "40 texts, 40 labels" in capsys.readouterr().out
