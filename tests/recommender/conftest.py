"""Small shops with known answers."""

from collections.abc import Callable, Iterable

import pyarrow as pa
import pytest


@pytest.fixture
def log() -> Callable[..., pa.Table]:
    """Make an event table from rows (user, product, at[, action[, session]]), in the order given."""

    def make(rows: Iterable[tuple]) -> pa.Table:
        full = [(*row, *(None, None, None, "purchase", None)[len(row) :]) for row in rows]
        return pa.table(
            {
                "event_id": pa.array([f"e{i}" for i in range(len(full))], pa.string()),
                "user": pa.array([row[0] for row in full], pa.string()),
                "session": pa.array([row[4] for row in full], pa.string()),
                "product": pa.array([row[1] for row in full], pa.string()),
                "action": pa.array([row[3] for row in full], pa.string()),
                "at": pa.array([row[2] for row in full], pa.int64()),
                "value": pa.nulls(len(full), pa.float64()),
            }
        )

    return make
