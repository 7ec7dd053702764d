"""spaCy, loaded without torch: our pipelines have no trained part.

thinc, beneath spaCy, loads torch wherever it is installed, to be ready for models of it: some 640 MB where torch was
built with CUDA, and seconds. While thinc is loaded here, half a second, torch is not to be had, by no other thread
either; whoever asks for it afterwards has it.
"""
# ruff: noqa: E402  # what follows must come after thinc

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TORCH, _ASKING = "torch", "thinc.compat"


@contextmanager
def _without_torch() -> Iterator[None]:
    if _TORCH in sys.modules:  # it is loaded: nothing is left to save
        yield
        return
    sys.modules[_TORCH] = None  # type: ignore[assignment]  # the documented way to say that there is none
    try:
        yield
    finally:
        del sys.modules[_TORCH]


with _without_torch():
    importlib.import_module(_ASKING)

import spacy
from spacy.attrs import IDX, LENGTH, SENT_START
from spacy.language import Language
from spacy.matcher import Matcher, PhraseMatcher
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc, Span
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex, filter_spans

__all__ = [
    "IDX",
    "LENGTH",
    "SENT_START",
    "Doc",
    "Language",
    "Matcher",
    "PhraseMatcher",
    "Span",
    "Tokenizer",
    "compile_infix_regex",
    "compile_prefix_regex",
    "compile_suffix_regex",
    "filter_spans",
    "spacy",
]
