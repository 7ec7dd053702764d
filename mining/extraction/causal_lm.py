"""Causal language models as encoders: made to look both ways, told how a pair is written, read from a GGUF.

A word of a causal model knows only what stands before it. Trained to label tokens, such a model does better when it may
look at what comes after as well: Li et al., 2023 (Label Supervised LLaMA), BehnamGhader et al., 2024 (LLM2Vec).
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mining.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

GGUF = ".gguf"


def is_causal_lm(model: "torch.nn.Module") -> bool:
    """Whether it was trained so that tokens see only those before them."""
    config: Any = model.config
    layers = (getattr(layer, "is_causal", False) is True for layer in model.modules())
    return not getattr(config, "is_encoder_decoder", False) and any(layers)


def look_both_ways(config: Any) -> None:
    """Every token of its model sees the whole text from now on, padding left out; so does one built from the same
    configuration. One that says ``is_causal`` is left as it is."""
    if getattr(config, "is_causal", None) is None:
        config.is_causal = False  # transformers masks and attends accordingly
    config.use_cache = False  # keys and values are kept for tokens to come, and none come


def mark_pairs(tokenizer: "Tokenizer", config: Any) -> None:
    """Texts begin and end, and two are parted, by special tokens, where the tokenizer closes no text by itself.

    The beginning is the model's: the first token draws attention that means nothing (Xiao et al., 2024), so that it
    should be no word. Raises SourceError where the configuration names no token that ends a text.
    """
    from tokenizers.processors import TemplateProcessing

    if tokenizer.encode("a", "b").sequence_ids[-1] is None:
        return
    end = _first(config.eos_token_id)
    begin = _first(config.bos_token_id)
    begin = end if begin is None else begin
    names = {number: tokenizer.id_to_token(number) for number in (begin, end) if number is not None}
    if end is None or begin is None or None in names.values():
        raise SourceError("the model's config.json names no eos_token_id that its tokenizer knows; add it there")
    first, last = names[begin], names[end]
    tokenizer.post_processor = TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first}:0 $A:0 {last}:0 $B:1 {last}:1",
        special_tokens=[(name, number) for number, name in names.items()],
    )


def _first(ids: int | list[int] | None) -> int | None:
    """Some models have several tokens for one purpose."""
    return ids[0] if isinstance(ids, list) and ids else ids if isinstance(ids, int) else None


def read_gguf(path: Path) -> "tuple[dict[str, Any], str, dict[str, torch.Tensor]]":
    """Configuration, ``tokenizer.json`` and 32-bit weights of a GGUF file, whatever it packs them in.

    Raises ConfigurationError that says what to install, SourceError where the file is none or of a model unknown here.
    """
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"a GGUF as an encoder needs {', '.join(missing)}: install the extra with pip install 'shopgraph[adapters]'"
        )
    from transformers import AutoModel, PreTrainedTokenizerFast

    try:
        model: Any = AutoModel.from_pretrained(str(path.parent), gguf_file=path.name, dtype="float32")
        tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(str(path.parent), gguf_file=path.name)
        return model.config.to_dict(), tokenizer.backend_tokenizer.to_str(), model.state_dict()
    except Exception as error:  # bytes that are cut off or of another kind fail in many ways
        raise SourceError(f"{path}: not a GGUF that can be read ({error}); give another file") from error
