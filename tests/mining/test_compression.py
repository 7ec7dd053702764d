"""A compressed model reads as the full one: weights in 8 bits, fewer pieces, other arithmetic, the same values."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel

from mining.errors import ConfigurationError, SourceError
from mining.extraction.arithmetic import Int8Linear, adapt, fastest
from mining.extraction.attribute_model import AttributeModel, fit
from mining.extraction.attribute_rows import Row
from mining.extraction.bert import Bert
from mining.extraction.compression import NETWORKS, compress
from mining.extraction.compression_loss import compare
from mining.extraction.int8_weights import packed, size, unpacked
from mining.extraction.plain_bert import can_read
from mining.extraction.reading_ahead import PART, in_parts
from mining.extraction.tagger_training import Options
from mining.extraction.vocabulary_pruning import prune, script_of

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta")
ROWS = [
    Row("Mugs", {"input": f"{brand} {color} mug {number}"}, {"Brand": (brand,), "Color": (color,)})
    for number, (color, brand) in enumerate((c, b) for c in COLORS for b in BRANDS)
]
TEXTS = [text for row in ROWS for text in row.texts.values()]


@pytest.fixture(scope="module")
def full(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = Options(encoder=str(tiny_encoder), epochs=12, batch=4, rate=3e-3, head_rate=1e-2, patience=12, smooth=0.9)
    folder = tmp_path_factory.mktemp("models") / "full"
    fit(ROWS, options, dev=ROWS[:4]).save(folder)
    return folder


def test_weights_come_back_to_half_a_step() -> None:
    torch.manual_seed(0)
    state = {"m.weight": torch.randn(64, 128) * torch.logspace(-3, 3, 64)[:, None], "m.bias": torch.randn(64)}
    narrow = packed(state)
    assert narrow["m.weight"].dtype == torch.int8
    assert size(narrow.values()) < size(state.values()) / 3.5
    wide = unpacked(narrow)
    assert set(wide) == set(state)
    assert torch.equal(wide["m.bias"], state["m.bias"])
    step = state["m.weight"].abs().amax(1, keepdim=True) / 127
    assert bool(((wide["m.weight"] - state["m.weight"]).abs() <= 0.501 * step).all())
    assert unpacked(state) == state


def test_the_processor_chooses_the_arithmetic() -> None:
    assert fastest({"amx_bf16": True, "avx512_vnni": True}) == "bfloat16"
    assert fastest({"amx_bf16": False, "avx512_vnni": True}) == "int8"
    assert fastest({"avx2": True}) == "float32"
    with pytest.raises(ConfigurationError, match="bfloat16, int8, float32"):
        adapt(torch.nn.Linear(2, 2), "int4")  # type: ignore[arg-type]


def test_a_multiplication_in_8_bits_is_nearly_the_same() -> None:
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(64, 32), torch.randn(3, 5, 64)
    with torch.inference_mode():
        wanted, got = linear(x), Int8Linear(linear)(x)
    assert got.shape == wanted.shape
    assert float((got - wanted).abs().max()) < 0.05 * float(wanted.abs().max())


def test_bert_reads_as_the_library_that_trains_it() -> None:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32)
    trained = BertModel(config, add_pooling_layer=False).eval()
    ours = Bert(config.to_dict()).eval()
    ours.load_state_dict(trained.state_dict(), assign=True)
    ids, mask = torch.randint(0, 50, (3, 7)), torch.ones(3, 7, dtype=torch.long)
    mask[1, 4:] = 0
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": (ids > 25).long()}
    with torch.inference_mode():
        wanted, got = trained(**given).last_hidden_state, ours(**given).last_hidden_state
    assert torch.allclose(got[mask > 0], wanted[mask > 0], atol=1e-5)
    assert not can_read({**config.to_dict(), "hidden_act": "relu"})
    assert not can_read({"model_type": "roberta"})


def pieces(tokenizer: str, text: str) -> list[str]:
    return list(Tokenizer.from_str(tokenizer).encode(text).tokens)


def test_a_pruned_vocabulary_cuts_its_texts_as_before(tiny_encoder: Path) -> None:
    told = (tiny_encoder / "tokenizer.json").read_text("utf-8")
    made = prune(told, TEXTS)
    old, new = Tokenizer.from_str(told), Tokenizer.from_str(made.tokenizer)
    assert new.get_vocab_size() == len(made.kept) < old.get_vocab_size()
    for text in (*TEXTS, "mug of an unseen maker"):
        assert pieces(made.tokenizer, text) == pieces(told, text)
        assert [made.kept[number] for number in new.encode("Mugs", text).ids] == old.encode("Mugs", text).ids
    # A word that was dropped is cut finer, not lost; a script that no text is in is unknown.
    assert pieces(told, "shirt")[1:-1] == ["shirt"]
    assert pieces(made.tokenizer, "shirt")[1:-1] == ["s", "##h", "##i", "##r", "##t"]
    assert pieces(made.tokenizer, "红")[1:-1] == ["[UNK]"]
    scripts = prune(told, TEXTS, "scripts")
    assert pieces(scripts.tokenizer, "shirt")[1:-1] == ["shirt"]
    assert len(made.kept) < len(scripts.kept) < old.get_vocab_size()


def test_a_unigram_vocabulary_is_pruned_too_and_a_built_one_is_refused() -> None:
    vocabulary = [("<unk>", 0.0), ("▁mug", -2.0), ("▁", -3.0), *((letter, -5.0) for letter in "mugcp"), ("杯", -4.0)]
    unigram = Tokenizer(models.Unigram([*vocabulary, ("▁cup", -2.0)], unk_id=0))
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    made = prune(unigram.to_str(), ["mug"])
    assert pieces(made.tokenizer, "mug") == ["▁mug"]
    assert pieces(made.tokenizer, "cup") == ["▁", "c", "u", "p"]
    assert 8 not in made.kept
    with pytest.raises(ConfigurationError, match="BPE tokenizer cannot be pruned"):
        prune(Tokenizer(models.BPE({"a": 0}, [])).to_str(), ["a"])


def test_writing_systems() -> None:
    assert [script_of(char) for char in "aé杯я1,"] == ["LATIN", "LATIN", "CJK", "CYRILLIC", "", ""]


@pytest.mark.parametrize("arithmetic", ["bfloat16", "int8", "float32"])
def test_a_compressed_model_says_the_same(full: Path, tmp_path: Path, arithmetic: Any) -> None:
    made = compress(full, tmp_path / "small", texts=TEXTS)
    assert made.bytes_after < made.bytes_before
    assert made.pieces_after < made.pieces_before
    model = AttributeModel.load(full)
    small = AttributeModel.load(tmp_path / "small")
    small.tagger = type(small.tagger).load(tmp_path / "small", arithmetic=arithmetic)
    found = compare(model, small, ROWS, runs=1)
    assert found.rows == len(ROWS)
    assert (found.changed, found.values_changed) == (0, 0)
    assert found.small.strict.f1 == found.full.strict.f1 > 0.9
    assert [a.plain() for a in small.extract(ROWS)] == [a.plain() for a in model.extract(ROWS)]


def test_the_first_of_several_networks_stay(full: Path, tmp_path: Path) -> None:
    model = AttributeModel.load(full)
    tagger = model.tagger
    model.tagger = type(tagger)([deepcopy(one) for one in tagger.networks * 3], tagger.reader, tagger.calibration)
    with torch.no_grad():
        model.tagger.networks[2].bias.fill_(9.0)  # it would name everything
    model.save(tmp_path / "three")
    made = compress(tmp_path / "three", tmp_path / "small")
    assert (made.networks_before, made.networks_after) == (3, NETWORKS)
    one = compress(tmp_path / "three", tmp_path / "one", networks=1)
    assert one.networks_after == len(AttributeModel.load(tmp_path / "one").tagger.networks) == 1
    assert one.bytes_after < made.bytes_after
    small = AttributeModel.load(tmp_path / "small")
    assert len(small.tagger.networks) == NETWORKS
    first = AttributeModel.load(full)
    assert [answer.plain() for answer in small.extract(ROWS)] == [answer.plain() for answer in first.extract(ROWS)]


def test_what_cannot_be_compressed_is_said(full: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name another folder"):
        compress(full, full)
    with pytest.raises(SourceError, match="train it first"):
        compress(tmp_path, tmp_path / "small")
    with pytest.raises(ConfigurationError, match="0 networks are to be kept; expected 1 or more"):
        compress(full, tmp_path / "small", networks=0)
    compress(full, tmp_path / "small")
    assert json.loads((full / "manifest.json").read_text("utf-8")).get("weights") is None
    with pytest.raises(ConfigurationError, match="compressed already"):
        compress(tmp_path / "small", tmp_path / "smaller")


def test_parts_are_read_in_order_on_any_number_of_threads() -> None:
    given, threads = list(range(3 * PART + 7)), torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert in_parts(lambda part: [2 * one for one in part], given) == [2 * one for one in given]
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
