"""Fixtures that every room shares."""

import os
from pathlib import Path

import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The real data sets: ``SHOPGRAPH_TEST_DATA``, else ``../shared/data``. Tests that need it are skipped by name."""
    folder = Path(os.environ.get("SHOPGRAPH_TEST_DATA", DEFAULT_DATA))
    if not folder.is_dir():
        pytest.skip(f"real data is not here: set SHOPGRAPH_TEST_DATA (looked in {folder})")
    return folder
