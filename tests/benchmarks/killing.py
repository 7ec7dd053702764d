"""``mine`` with a language model, killed with SIGKILL at random moments: the same graph, and what is paid twice.

    python tests/benchmarks/killing.py --kills 20

The endpoint is scripted (its answers are words of the text it is shown) and notes what it is asked and when its reply
was sent. A call under way when the process dies is lost and asked again: no client can help it. A call that comes again
counts as paid twice unless a kill fell between its coming and half a second after its reply. A second run of a finished
workspace asks nothing.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kg import snapshot
from kg.stores import open_store
from mining import samples

CODE = "import sys; from api.cli import main; sys.exit(main())"
DELAY = 0.05  # seconds that the endpoint thinks
SETTLED = 0.5  # seconds after which a reply that was sent should have been kept


@dataclass(slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint on loopback. ``asked``: how often each prompt was. ``handled``: when it last came
    and when its reply was sent; ``again``: for each prompt that came once more, when the call before was handled."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    handled: dict[str, tuple[float, float]] = field(default_factory=dict)
    again: list[tuple[float, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        return server


def _handler(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = hashlib.sha256(json.dumps(request["messages"]).encode()).hexdigest()
            came = time.monotonic()
            with endpoint.lock:
                endpoint.asked[prompt] += 1
                if prompt in endpoint.handled:
                    endpoint.again.append(endpoint.handled[prompt])
            time.sleep(DELAY)
            body = json.dumps(_reply(request)).encode()
            try:
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                with endpoint.lock:
                    endpoint.handled[prompt] = (came, time.monotonic())
            except OSError:
                self.close_connection = True  # the client is dead

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    words = request["messages"][-1]["content"].split()
    asked = request["response_format"]["json_schema"]["schema"]["properties"]
    answer = {
        name: words[3:12:3] if one["items"]["type"] == "string" else [{"name": "color", "value": words[5]}]
        for name, one in asked.items()
    }
    content = json.dumps(answer, ensure_ascii=False)
    message = {"role": "assistant", "content": content}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "scripted", "choices": [choice], "usage": usage
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """A workspace on the sample shop, mined by command."""

    root: Path
    environment: dict[str, str]

    def load(self) -> None:
        shop = samples.sample_shop()
        self.start("load", "--catalog", str(shop.catalog), "--reviews", str(shop.reviews)).wait()

    def mining(self) -> "subprocess.Popen[bytes]":
        return self.start("mine", "--llm-budget", "100000products", "--ask", "every")

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        whole = [sys.executable, "-c", CODE, *command, "--workspace", str(self.root)]
        return subprocess.Popen(whole, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mine(self) -> float:
        """Mine undisturbed; the seconds since the writer's lock was held."""
        process = self.mining()
        begun = self.locked(process)
        if process.wait() != 0:
            raise SystemExit(f"mine failed in {self.root}")
        return time.monotonic() - begun

    def locked(self, process: "subprocess.Popen[bytes]") -> float:
        """Wait until the process holds the lock; the time then."""
        lock = self.root / "lock"
        while process.poll() is None and not (lock.exists() and lock.read_text() == str(process.pid)):
            time.sleep(0.01)
        return time.monotonic()

    def digest(self) -> str:
        with open_store(f"sqlite:///{self.root / 'graph.db'}") as store:
            return snapshot.digest(store)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), options.kills, random.Random(options.seed))


def run(folder: Path, kills: int, chance: random.Random) -> None:
    """Kill until there were enough kills, and finish each workspace that was killed."""
    calm = Endpoint()
    servers = [calm.start()]
    reference = _shop(folder / "calm", calm)
    seconds = reference.mine()
    print(f"undisturbed: {seconds:.1f} s under the lock, {calm.asked.total()} calls, {len(calm.asked)} prompts")
    died, same, finished, paid_twice = 0, 0, 0, 0
    while died < kills or finished == 0:
        endpoint = Endpoint()
        servers.append(endpoint.start())
        shop = _shop(folder / f"disturbed{finished}", endpoint)
        moments: list[float] = []
        while died + len(moments) < kills and (moment := _killed(shop, chance.uniform(0.0, seconds))):
            moments.append(moment)
        shop.mine()
        twice = _paid_twice(endpoint, moments)
        calls = endpoint.asked.total()
        shop.mine()
        equal = shop.digest() == reference.digest()
        print(
            f"workspace {finished + 1}: {len(moments)} kills; {calls} calls for {len(endpoint.asked)} prompts, "
            f"{twice} paid twice; second run {endpoint.asked.total() - calls} calls; the same graph: {equal}",
            flush=True,
        )
        died, finished, same, paid_twice = died + len(moments), finished + 1, same + equal, paid_twice + twice
    print(f"{died} kills, {same} of {finished} workspaces equal to the undisturbed one, {paid_twice} calls paid twice")
    for server in servers:
        server.shutdown()
    if same < finished or paid_twice:
        raise SystemExit(1)


def _paid_twice(endpoint: Endpoint, kills: list[float]) -> int:
    """Calls that came again although nobody had died while they were under way or right after their reply was sent."""
    return sum(not any(came <= kill <= sent + SETTLED for kill in kills) for came, sent in endpoint.again)


def _shop(root: Path, endpoint: Endpoint) -> Shop:
    told = {"SHOPGRAPH_LLM_BASE_URL": endpoint.url, "SHOPGRAPH_LLM_MODEL": "scripted", "SHOPGRAPH_LLM_API_KEY": "none"}
    shop = Shop(root, {**os.environ, **told})
    shop.load()
    return shop


def _killed(shop: Shop, wait: float) -> float | None:
    """Kill a run so many seconds after it holds the lock; when, or None if it had ended by itself."""
    process = shop.mining()
    shop.locked(process)
    time.sleep(wait)
    alive = process.poll() is None
    moment = time.monotonic()
    process.send_signal(signal.SIGKILL)
    process.wait()
    return moment if alive else None


if __name__ == "__main__":
    main()
