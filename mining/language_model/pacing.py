"""How fast and how stubbornly an endpoint is asked: one limiter for all threads, waits between attempts outside it."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is tried, and how long to wait in between, in seconds.

    The wait doubles from ``first_wait`` up to ``longest_wait`` and is shortened by up to half at random, so that
    threads do not come back together. A ``Retry-After`` is honoured; one beyond ``longest_wait`` ends the attempts.
    """

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def wait(self, failed: int, asked: float | None) -> float | None:
        """Seconds to wait after ``failed`` failed attempts, or None if the endpoint asks for too much."""
        if asked is not None and asked > self.longest_wait:
            return None
        backoff = min(self.longest_wait, self.first_wait * 2.0 ** (failed - 1)) * random.uniform(0.5, 1.0)
        return max(backoff, asked or 0.0)


class RateLimiter:
    """At most ``concurrency`` requests at once and ``per_minute`` starts a minute; a 429 holds everyone back."""

    def __init__(self, *, concurrency: int = 1, per_minute: float | None = None) -> None:
        self._places = threading.BoundedSemaphore(concurrency)
        self._interval = 0.0 if per_minute is None else 60.0 / per_minute
        self._next_start = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Held while one request is under way; entering waits for a free place and for the pace."""
        with self._places:
            with self._lock:
                start = max(self._next_start, time.monotonic())
                self._next_start = start + self._interval
            time.sleep(max(0.0, start - time.monotonic()))
            yield

    def pause(self, seconds: float) -> None:
        """No request starts within the next ``seconds``."""
        with self._lock:
            self._next_start = max(self._next_start, time.monotonic() + seconds)
