"""The rooms import what they may, and the environment is read in one place."""

import ast
import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kg", "mining", "recommender", "api")
MODULES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))


def _reads_environment(tree: ast.AST) -> bool:
    names = {"environ", "getenv", "environb"}
    return any(isinstance(n, ast.Attribute) and n.attr in names for n in ast.walk(tree))


def test_only_settings_reads_the_environment() -> None:
    readers = {
        p.relative_to(ROOT).as_posix() for p in MODULES if _reads_environment(ast.parse(p.read_text(encoding="utf-8")))
    }
    assert readers <= {"api/settings.py"}


def test_every_module_says_what_it_is_for() -> None:
    silent = [p for p in MODULES if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert silent == []


def test_nothing_is_pickled() -> None:
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not names & {"pickle", "shelve", "joblib", "dill"}, path


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_distribution_owns_our_names(room: str) -> None:
    assert set(metadata.packages_distributions().get(room, [])) <= {"shopgraph"}
    assert Path(importlib.import_module(room).__file__ or "").is_relative_to(ROOT)


# What learns, reads texts, draws or speaks to one store: a service that answers needs none of it.
HEAVY = {
    "torch", "torch_geometric", "spacy", "transformers", "jieba", "pint", "ibis", "duckdb",
    "openai", "nicegui", "neo4j", "implicit", "numba",
}  # fmt: skip


@pytest.mark.parametrize("module", ["api.app", "recommender.recommender"])
def test_serving_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert not HEAVY & set(done.stdout.split())


def test_the_top_level_is_fixed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    top = {name.split("/")[0] for name in listed.stdout.splitlines() if not name.startswith(".")}
    assert top <= {*ROOMS, "pyproject.toml", "README.md", "tests", "docker-compose.yml"}
