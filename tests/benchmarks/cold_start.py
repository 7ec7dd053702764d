"""How long until the text of a new product stands in an answer, over HTTP, with a model that was trained before it.

    python tests/benchmarks/cold_start.py --data ../shared/data/beauty --workspace WORKSPACE [--products 50] [--k 20]

A copy of the trained workspace is served by the real command. The new products are rows of the shop's catalogue that
the workspace does not hold; where there are too few, rows that it holds come once more under a new id and title, as
next year's model would. Each one has a visitor of its own with a single event, on the row that it repeats, or else on
another product of its brand or category. The clock starts before the text is sent; then ``/v1/recommendations`` of that
visitor is polled until the product stands in its first k. The first product of all is told apart: it may wait for the
rules to be made. Beside the clock stands the processor time of the server, which other work on the machine moves less.
What is not shown is asked why not. At the end, existing users who touched the same row are asked once: where does the
newcomer stand for them?
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from kg import ids
from kg.events import EventLog
from kg.stores import open_store
from kg.types import Product
from mining.sources import read_products

PATIENCE = 60.0  # seconds that one answer may take
LONGEST = 10.0  # seconds after which a product counts as not shown
AGAIN = 0.02  # seconds from one look to the next
TICK = os.sysconf("SC_CLK_TCK")


class New(NamedTuple):
    """A product to send, the known product that its visitor touches, and an existing user who touched that one."""

    product: Product
    seed: str
    user: str | None


def chosen(data: Path, workspace: Path, count: int) -> tuple[list[New], str]:
    """What to send, and in words where it comes from."""
    rows = [r for r in read_products(data, on_reject=lambda reject: None) if r.title]
    with open_store(f"sqlite:///{workspace / 'graph.db'}") as store:
        held = {ids.product_id(e.id) for e in store.entities(type="Product")}
    known = [row for row in rows if row.id in held]
    users: dict[str, str] = {}
    with EventLog(workspace / "events.db") as log:
        for event in log.scan():
            if event.user_id is not None:
                users[event.product_id] = event.user_id
    back = [row for row in rows if row.id not in held]
    alike = {key: row.id for row in known for key in (row.category, row.brand) if key}
    pairs = [(row, seed) for row in back if (seed := alike.get(row.brand or "", alike.get(row.category)))]
    told = "rows that the workspace does not hold"
    if len(pairs) < count:
        told = "variants of rows that the workspace holds, under new ids and titles"
        pairs = [(variant(row, n), row.id) for n, row in enumerate(known[:: max(1, len(known) // count)])]
    return [New(row, seed, users.get(seed)) for row, seed in pairs[:count]], told


def variant(row: Product, number: int) -> Product:
    fields = {name: getattr(row, name) for name in Product.__dataclass_fields__}
    return Product(**{**fields, "id": f"new-{number}-{row.id}", "title": f"{row.title} (new edition {number})"})


class Timed(NamedTuple):
    """Of one product: seconds until its text was taken and until it stood in an answer, the server's processor seconds
    for taking it and for the first answer after it, and the rank at which it stood; None where it did not."""

    taken: float
    shown: float
    cpu_taken: float
    cpu_answer: float
    rank: int | None


class Service:
    """The served workspace, by its address and process."""

    def __init__(self, port: int, pid: int) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self._stat = Path(f"/proc/{pid}/stat")

    def cpu(self) -> float:
        """Processor seconds of the server so far, user and system, in steps of a hundredth."""
        user, system = self._stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICK

    def ask(self, path: str, **query: Any) -> Any:
        return self._answer(urllib.request.Request(f"{self.root}{path}?{urllib.parse.urlencode(query)}"))

    def send(self, method: str, path: str, body: Any) -> Any:
        sent = urllib.request.Request(
            f"{self.root}{path}", json.dumps(body).encode(), {"content-type": "application/json"}, method=method
        )
        return self._answer(sent)

    def put(self, product: Product) -> Any:
        names = ("title", "description", "brand", "price", "currency", "gtin", "mpn", "available")
        body = {name: getattr(product, name) for name in names}
        body |= {"category": list(product.category), "attributes": dict(product.attributes)}
        path = f"/v1/products/{urllib.parse.quote(product.id, safe='')}"
        return self.send("PUT", path, {name: value for name, value in body.items() if value is not None})

    def rank(self, user: str, product: str, k: int) -> int | None:
        items = self.ask("/v1/recommendations", user_id=user, k=k, reasons=1)["items"]
        return next((item["rank"] for item in items if item["id"] == product), None)

    def _answer(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)


@contextmanager
def served(workspace: Path) -> Iterator[Service]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import sys; from api.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "serve", "--workspace", str(workspace), "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])})
    try:
        service, begun = Service(port, process.pid), time.monotonic()
        while True:
            try:
                service.ask("/health/ready")
                break
            except (urllib.error.URLError, OSError):
                if process.poll() is not None or time.monotonic() - begun > 10 * PATIENCE:
                    raise
                time.sleep(0.2)
        yield service
    finally:
        process.terminate()
        process.wait()


def timed(service: Service, new: New, visitor: str, k: int) -> Timed:
    event = {"event_id": f"{visitor}-1", "product_id": new.seed, "action": "view", "user_id": visitor}
    service.send("POST", "/v1/events", {"events": [event]})
    service.ask("/v1/recommendations", user_id=visitor, k=k)
    cpu, begun = service.cpu(), time.perf_counter()
    service.put(new.product)
    taken, cpu_taken = time.perf_counter() - begun, service.cpu() - cpu
    rank = service.rank(visitor, new.product.id, k)
    shown, cpu_answer = time.perf_counter() - begun, service.cpu() - cpu - cpu_taken
    while rank is None and shown < LONGEST:
        time.sleep(AGAIN)
        rank, shown = service.rank(visitor, new.product.id, k), time.perf_counter() - begun
    return Timed(taken, LONGEST if rank is None else shown, cpu_taken, cpu_answer, rank)


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the shop's folder, or its catalogue")
    parser.add_argument("--workspace", type=Path, required=True, help="a trained workspace; it is copied, not changed")
    parser.add_argument("--products", type=int, default=50)
    parser.add_argument("--k", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        copy = Path(folder) / "workspace"
        shutil.copytree(asked.workspace, copy, ignore=shutil.ignore_patterns("cache", "rejects", "lock"))
        news, told = chosen(asked.data, copy, asked.products + 1)
        with served(copy) as service:
            print(f"model {service.ask('/health/ready')['model']}; new products: {told}")
            first, *rest = [timed(service, new, visitor(n), asked.k) for n, new in enumerate(news)]
            report(first, rest, asked.k)
            for n, row in enumerate((first, *rest)):
                if row.rank is None:
                    print(f"not shown: {news[n].product.title!r}: {why_not(service, visitor(n), news[n], asked.k)}")
            ranks = [service.rank(n.user, n.product.id, 100) for n in news if n.user is not None]
            print(
                f"existing users who touched the same row, asked once each: {len(ranks)}, of whom "
                f"{sum(r is not None and r <= 10 for r in ranks)} have it in their first 10 and "
                f"{sum(r is not None for r in ranks)} in their first 100"
            )


def visitor(number: int) -> str:
    return f"cold-start-{number}"


def why_not(service: Service, user: str, new: New, k: int) -> str:
    said = service.ask("/v1/recommendations:why-not", user_id=user, product_id=new.product.id, k=k)
    return "; ".join(f"{against['name']}: {against['detail']}" for against in said["against"])


def report(first: Timed, timed: list[Timed], k: int) -> None:
    shown = [row for row in timed if row.rank is not None]
    print(f"polled: GET /v1/recommendations?user_id=VISITOR&k={k}, a visitor of one event for each product")
    print(f"shown {len(shown)} of {len(timed)}; one that is not shown counts {LONGEST:.0f} s")
    measures = (
        ("text taken", [row.taken for row in timed]),
        ("text → in an answer", [row.shown for row in timed]),
        ("the server's processor time, taking the text", [row.cpu_taken for row in timed]),
        ("the server's processor time, the first answer after it", [row.cpu_answer for row in timed]),
    )
    for name, values in measures:
        middle, late = statistics.median(values), quantile(values, 0.95)
        print(f"{name}: p50 {middle:.3f} s, p95 {late:.3f} s, max {max(values):.3f} s")
    print(f"rank when it appeared: median {statistics.median([row.rank or 0 for row in shown] or [0]):.0f}")
    print(f"the very first product after the start: {first.shown:.3f} s")


if __name__ == "__main__":
    main()
