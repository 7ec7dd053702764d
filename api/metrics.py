"""What the service counts about itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram


class Metrics:
    """Requests by route and status, and how long they took. One registry an app, so that tests do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("shopgraph_requests", "requests answered", ["route", "status"], registry=self.registry)
        self._seconds = Histogram("shopgraph_request_seconds", "time to answer", ["route"], registry=self.registry)

    def observe(self, route: str, status: int, seconds: float) -> None:
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
