"""Fixtures that every room shares."""

import os
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real data sets: ``SHOPGRAPH_TEST_DATA``, else ``../shared/data``. Tests that need it are skipped by name."""
    folder = Path(os.environ.get("SHOPGRAPH_TEST_DATA", DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: set SHOPGRAPH_TEST_DATA (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def neo4j_server() -> Iterator[Any]:
    """A real server for the whole session; its tests are skipped by name where there can be none."""
    server = runpy.run_path(str(Path(__file__).parent / "neo4j_server.py"))
    try:
        with server["running_server"]() as running:
            yield running
    except server["NoServerError"] as error:
        pytest.skip(str(error))
