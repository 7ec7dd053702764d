"""Opinions as triplets and quads: formats read and written, the model learns them, survives a kill, comes back."""

import json
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.extraction import readers
from kg.types import Document
from mining.errors import ConfigurationError, SourceError
from mining.reviews.triplet_files import read_quads, read_triplet_lines
from mining.reviews.triplet_model import Candidate, Choice, OpinionModel, chosen
from mining.reviews.triplet_training import TripletEpoch, TripletOptions, best_choice, cut, options_for, train_opinions
from mining.reviews.triplets import LabelledReview, Opinion, exact

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "extraction.py"
LISTED = "the large screen is not so bad .####[([2], [1], 'POS'), ([1, 2], [4, 5, 6], 'NEG')]"
RANGED = "I love it , the old mill works .####[([-1], [1], 'POS'), ([4, 6], [7], 'NEU')]####Home"
ASPECTS, GOOD, BAD = ("red", "blue", "mug"), ("acme", "zeta"), ("size", "large")


def reviews() -> list[LabelledReview]:
    """Words of the tiny vocabulary: what good and bad words stand behind is praised and criticised."""
    made = []
    for aspect in ASPECTS:
        for words, polarity in ((GOOD, "POS"), (BAD, "NEG")):
            for word in words:
                text = f"shoes {aspect} {word} green"
                place = text.index(word)
                one = Opinion((6, 6 + len(aspect)), (place, place + len(word)), polarity)
                made += [
                    LabelledReview(text, (one,)),
                    LabelledReview(f"{word} ", (Opinion(None, (0, len(word)), polarity),)),
                ]
    return made


@pytest.fixture(scope="module")
def options(tiny_encoder: Path) -> TripletOptions:
    return TripletOptions(
        encoder=str(tiny_encoder), epochs=12, batch=6, rate=3e-3, head_rate=1e-2, patience=12, smooth=0.9
    )


@pytest.fixture(scope="module")
def model(options: TripletOptions) -> OpinionModel:
    return train_opinions(reviews(), options, dev=reviews())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARK.parent))  # as where it is run by its path
    return runpy.run_path(str(BENCHMARK))["main"]


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


@pytest.mark.parametrize("line", [LISTED, RANGED, "nothing said####[]", "nothing said####[]####Home"])
def test_a_line_is_written_as_it_was_read(line: str, tmp_path: Path) -> None:
    (row,) = read_triplet_lines(written(tmp_path / "lines", line))
    assert row.told(row.review.opinions) == line


def test_places_are_code_points_of_words(tmp_path: Path) -> None:
    listed, ranged = read_triplet_lines(written(tmp_path / "lines", LISTED, RANGED))
    text = listed.review.text
    assert [(text[slice(*o.aspect or ())], text[slice(*o.opinion or ())]) for o in listed.review.opinions] == [
        ("screen", "large"),
        ("large screen", "not so bad"),
    ]
    assert ranged.review.opinions[0] == Opinion(None, (2, 6), "POS")
    assert ranged.key(ranged.review.opinions[1]) == ((4, 5, 6), (7,), "NEU")


def test_a_line_without_labels_is_a_text(tmp_path: Path) -> None:
    bare, empty, domain = read_triplet_lines(
        written(tmp_path / "lines", "so good .", "so good .####", "it is####[]####X")
    )
    assert (bare.review, empty.review) == (LabelledReview("so good ."), LabelledReview("so good ."))
    assert domain.domain == "X"


@pytest.mark.parametrize(
    "line",
    [
        "good####[([9], [0], 'POS')]",
        "good####[([0], [0])]",
        "good####[([0], [0], 1)]",
        "good####[([-2], [0], 'POS')]",
        "good####[oh]",
        "good####oh",
        "good####[([0], [0], __import__('os').getcwd())]",
    ],
)
def test_a_broken_line_is_refused_by_name(line: str, tmp_path: Path) -> None:
    path = written(tmp_path / "lines", "fine .####[]", line)
    with pytest.raises(SourceError, match="lines:2"):
        read_triplet_lines(path)


def quad(aspect: str, a: list[str], opinion: str, o: list[str]) -> dict[str, Any]:
    return {"aspect": aspect, "a": a, "opinion": opinion, "o": o, "category": "整体", "polarity": "正面"}


def test_quads_are_read_by_place_else_by_words(tmp_path: Path) -> None:
    row = {
        "id": "7",
        "text": "好,味道好",
        "quads": [quad("味道", ["2", "4"], "好", ["4", "5"]), quad("_", ["", ""], "好", [])],
    }
    bare = {"id": "8", "text": "好"}
    first, second = read_quads(written(tmp_path / "q", *(json.dumps(one, ensure_ascii=False) for one in (row, bare))))
    assert first.review.opinions == (
        Opinion((2, 4), (4, 5), "正面", "整体"),
        Opinion(None, (0, 1), "正面", "整体"),
    )
    assert json.loads(first.told(first.review.opinions)) == {
        "id": "7",
        "quads": [["味道", "好", "整体", "正面"], ["_", "好", "整体", "正面"]],
    }
    assert second.review.opinions == ()


@pytest.mark.parametrize(
    "line", ["[]", "{", '{"id": "1"}', json.dumps({"id": "1", "text": "好", "quads": [quad("味道", [], "好", [])]})]
)
def test_a_broken_quad_is_refused_by_name(line: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="q:1"):
        read_quads(written(tmp_path / "q", line))


def test_equal_or_wrong_and_doubles_once() -> None:
    score = exact([(["a", "b", "a"], ["b", "b", "c"]), ([], ["d"])])
    assert (score.correct, score.predicted, score.gold) == (1, 3, 2)


def test_of_two_that_overlap_in_both_the_surer_is_kept() -> None:
    def found(aspect: tuple[int, int] | None, opinion: tuple[int, int], pair: float, spans: float = 1.0) -> Candidate:
        return Candidate(Opinion(aspect, opinion, "POS"), pair, spans)

    rows = [
        found((0, 3), (5, 9), 0.6),
        found((0, 2), (5, 8), 0.7),
        found(None, (5, 8), 0.6),
        found((0, 3), (9, 12), 0.4),
    ]
    assert chosen(rows, Choice(threshold=0.5)) == [Opinion(None, (5, 8), "POS"), Opinion((0, 2), (5, 8), "POS")]
    assert chosen([found((0, 3), (5, 9), 0.9, 0.01)], Choice(weight=0.5, threshold=0.5)) == []


def test_the_choice_is_a_peak_with_company() -> None:
    """At .3 one wrong opinion is kept; at .8 a right one is lost. Of the thresholds between any is as good."""
    right, wrong = Opinion((0, 3), (4, 8), "POS"), Opinion((9, 12), (13, 17), "NEG")
    read = [(LabelledReview("a" * 20, (right,)), [Candidate(right, 0.75, 1.0), Candidate(wrong, 0.35, 1.0)])]
    choice, score = best_choice(read)
    assert 0.35 < choice.threshold <= 0.75
    assert (score.correct, score.predicted, score.gold) == (1, 1, 1)
    assert chosen(read[0][1], choice) == [right]


def test_it_learns_aspects_opinions_and_what_is_implied(model: OpinionModel) -> None:
    (both,) = model.read(["shoes blue zeta green"])
    assert both == [Opinion((6, 10), (11, 15), "POS")]
    assert 0.5 < both[0].confidence < 1
    assert model.read(["large "]) == [[Opinion(None, (0, 5), "NEG")]]


@pytest.mark.parametrize("text", ["", "   ", "🧦", "红 鞋 红色", "mug " * 600])
def test_any_text_is_read(model: OpinionModel, text: str) -> None:
    (row,) = model.read([text])
    for one in row:
        assert all(place is None or 0 <= place[0] < place[1] <= len(text) for place in (one.aspect, one.opinion))


def test_company_changes_nothing(model: OpinionModel) -> None:
    texts = ["shoes blue zeta green", "red size " * 9, "acme"]
    assert model.read(texts) == [model.read([text])[0] for text in texts]


def test_a_saved_model_says_the_same(model: OpinionModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    texts = [review.text for review in reviews()]
    again = OpinionModel.load(tmp_path / "model")
    assert again.candidates(texts) == model.candidates(texts)
    told = [[(one, one.confidence) for one in row] for row in model.read(texts)]
    assert [[(one, one.confidence) for one in row] for row in again.read(texts)] == told
    assert again.version == model.version


def test_an_unfinished_folder_is_refused(model: OpinionModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    (tmp_path / "model" / "manifest.json").unlink()
    with pytest.raises(SourceError, match="no finished model"):
        OpinionModel.load(tmp_path / "model")


def test_the_product_reads_with_a_saved_model(model: OpinionModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    text = "shoes blue zeta green"
    document = Document("review:1", "product:p", "review", text)
    lexicon, trained = readers(reviews_model=tmp_path / "model")[1:]
    (extraction,) = trained.extract([document])
    assert [(fact.relation, fact.tail) for fact in extraction.facts] == [("PRAISED_FOR", "aspect:blue")]
    assert extraction.facts[0].evidence[0].quote == "blue zeta"
    (left,) = lexicon.extract([Document("review:2", "product:p", "review", "Great sound. 物流太慢了。")])
    assert {fact.tail for fact in left.facts} == {"aspect:delivery"}  # the model was trained on English
    assert [one.method for one in readers()][1:] == [lexicon.method]
    with pytest.raises(SourceError, match="no finished model"):
        readers(reviews_model=tmp_path)


class Killed(Exception):
    pass


def test_a_killed_training_goes_on_to_the_same_weights(options: TripletOptions, tmp_path: Path) -> None:
    short = replace(options, epochs=3, members=2)

    def die(epoch: TripletEpoch) -> None:
        if (epoch.member, epoch.number) == (1, 2):
            raise Killed

    with pytest.raises(Killed):
        train_opinions(reviews(), short, checkpoint=tmp_path / "run", on_epoch=die)
    seen: list[tuple[int, int]] = []
    again = train_opinions(
        reviews(), short, checkpoint=tmp_path / "run", on_epoch=lambda e: seen.append((e.member, e.number))
    )
    assert seen == [(1, 2), (1, 3)]
    whole = train_opinions(reviews(), short)
    texts = [review.text for review in reviews()]
    assert again.choice == whole.choice
    assert again.candidates(texts) == whole.candidates(texts)


def test_members_hold_back_different_texts(options: TripletOptions) -> None:
    held = [{review.text for review in cut(reviews(), options, member)[1]} for member in range(3)]
    assert all(held)
    assert not held[0] & held[1] | held[1] & held[2]
    learned, back = cut(reviews(), options, 0)
    assert not {review.text for review in learned} & {review.text for review in back}


def test_nothing_to_learn_is_refused(options: TripletOptions) -> None:
    with pytest.raises(ConfigurationError, match="nothing to train on"):
        train_opinions([LabelledReview("a text")], options)


def test_what_is_given_goes_before_what_measured_well() -> None:
    few, many = reviews(), [LabelledReview("word " * 1000)] * 100
    assert options_for("zh", few).encoder == "bge-small-zh-v1.5"
    assert options_for("zh", few, epochs=3, encoder=None).epochs == 3
    assert options_for("en", few).members > options_for("en", many).members == 1


def test_the_command_prints_the_score_and_writes_lines(
    command: Any, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [f"red {good} .####[([0], [1], 'POS')]####Home" for good in GOOD] * 6
    train = written(tmp_path / "train.txt", *labels)
    argv = [
        "--set",
        "en_reviews_dmaste",
        "--train",
        str(train),
        "--test",
        str(train),
        "--epochs",
        "2",
        "--members",
        "1",
    ]
    out, kept = tmp_path / "out.txt", tmp_path / "model"
    assert command([*argv, "--encoder", str(tiny_encoder), "--out", str(out), "--model", str(kept)]) == 0
    said = capsys.readouterr().out
    assert "triplets" in said
    assert "sentences/s" in said
    assert [row.review.text for row in read_triplet_lines(out)] == [line.partition("####")[0] for line in labels]
    assert OpinionModel.load(kept).polarities == ("POS",)


def test_the_command_writes_quads(command: Any, tiny_encoder: Path, tmp_path: Path) -> None:
    row = {"id": "1", "text": "鞋好", "quads": [quad("鞋", ["0", "1"], "好", ["1", "2"])]}
    other = {**row, "id": "2", "text": "鞋 好", "quads": [quad("鞋", ["0", "1"], "好", ["2", "3"])]}
    train = written(tmp_path / "train.jsonl", *(json.dumps(one, ensure_ascii=False) for one in (row, other)))
    argv = [
        "--set",
        "zh_reviews_zhijiang",
        "--train",
        str(train),
        "--test",
        str(train),
        "--epochs",
        "1",
        "--members",
        "1",
    ]
    assert command([*argv, "--encoder", str(tiny_encoder), "--out", str(tmp_path / "out")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "out").read_text("utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["1", "2"]
    assert all(set(line) == {"id", "quads"} for line in lines)
