"""One demo workspace, made once by the command that a reader of the README types, and one service on it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_shopgraph(*args: str, cwd: Path, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """The console script's entry point in a fresh process, away from the checkout."""
    code = "import sys; from api.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=cwd, env={**os.environ, **env}, check=check, capture_output=True, text=True, encoding="utf-8", timeout=900,
    )  # fmt: skip


@pytest.fixture(scope="session")
def shopgraph() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run_shopgraph


@dataclass(frozen=True, slots=True)
class Demo:
    folder: Path
    workspace: Path
    output: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    done = run_shopgraph("demo", "--no-serve", "--workspace", "shop", cwd=folder)
    return Demo(folder, folder / "shop", done.stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the service died while starting"
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=5) as answer:
                assert json.load(answer)["status"] == "ready"
                return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the service was not ready in time")


@pytest.fixture(scope="session")
def service(demo: Demo) -> Iterator[str]:
    port = free_port()
    code = "import sys; from api.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", "--workspace", str(demo.workspace), "--port", str(port)]
    process = subprocess.Popen(command, cwd=demo.folder)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
