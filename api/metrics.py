"""What the service counts about itself, for Prometheus."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """Requests by route and status, how long they took, events by verdict, recommendations by who spoke,
    products taken in by what became of them, and of feedback: answers logged or lost, events joined with an answer or
    not, rivals that failed, and answers that the model in service gave alone though there was a rival.

    One registry an app, so that tests do not share counts.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("shopgraph_requests", "requests answered", ["route", "status"], registry=registry)
        self._seconds = Histogram("shopgraph_request_seconds", "time to answer", ["route"], registry=registry)
        self._events = Counter("shopgraph_events", "events received", ["verdict"], registry=registry)
        self._shown = Counter("shopgraph_recommendations", "products recommended", ["origin"], registry=registry)
        self._taken = Counter("shopgraph_products", "products taken in", ["status"], registry=registry)
        self._feedback = Counter("shopgraph_feedback", "answers and outcomes logged", ["verdict"], registry=registry)

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def events(self, verdicts: Mapping[str, int]) -> None:
        for verdict, count in verdicts.items():
            self._events.labels(verdict).inc(count)

    def shown(self, origins: Iterable[str]) -> None:
        for origin in origins:
            self._shown.labels(origin).inc()

    def feedback(self, verdict: str, count: int = 1) -> None:
        self._feedback.labels(verdict).inc(count)

    def taken(self, status: str) -> None:
        self._taken.labels(status).inc()
