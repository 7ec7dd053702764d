"""What README, CLI help and OpenAPI say is so."""

import json
import re
import tomllib
from pathlib import Path

import typer.main
import yaml
from typer.core import TyperGroup
from typer.testing import CliRunner

from api.app import create_app
from api.cli import app
from api.deps import Services
from mining.schema.files import read_schema

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app)
DESCRIBED = create_app(Services.__new__(Services)).openapi()


def test_every_command_is_in_the_readme_and_has_help() -> None:
    assert isinstance(COMMANDS, TyperGroup)
    for name, command in COMMANDS.commands.items():
        assert f"shopgraph {name}" in README, name
        parts = command.commands if isinstance(command, TyperGroup) else {}
        assert all(f"`{part}`" in README for part in parts), name
        for told in (command, *parts.values()):
            assert told.help, f"{name} {told.name}"
            for option in told.params:
                assert getattr(option, "help", None), f"{name} {told.name} {option.name}"


def test_every_command_that_the_readme_shows_exists() -> None:
    assert isinstance(COMMANDS, TyperGroup)
    shown = set(re.findall(r"shopgraph ([a-z]+)", "\n".join(re.findall(r"```.*?```|`[^`]+`", README, re.S))))
    assert shown <= set(COMMANDS.commands), shown - set(COMMANDS.commands)


def test_the_readme_tree_is_the_tree_on_disk() -> None:
    tree = re.search(r"<!-- tree -->\n```\n(.*?)```", README, re.S)
    assert tree is not None
    listed = {line.split()[0] for line in tree.group(1).splitlines() if line.strip()}
    for name in listed:
        assert (ROOT / name).exists(), name
    for room in ("kg", "mining", "recommender", "api"):
        found = (p for p in (ROOT / room).iterdir() if p.suffix == ".py" or (p / "__init__.py").exists())
        on_disk = {p.name for p in found} - {"__init__.py"}
        missing = {n for n in on_disk if f"{room}/{n}" not in listed and f"{room}/{n}/" not in listed}
        assert not missing, (room, missing)


def test_the_compose_file_opens_nothing_and_has_no_password_of_its_own() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    services = yaml.safe_load(text)["services"]
    assert services["neo4j"]["image"].startswith("neo4j:5.26")
    assert (ROOT / services["api"]["build"]["dockerfile"]).is_file()
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["volumes"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
    passwords = re.findall(r"PASSWORD[^\n]*\$\{[^}]*\}|NEO4J_AUTH: [^\n]*", text)
    assert passwords
    assert all("${SHOPGRAPH_NEO4J_PASSWORD:?" in one for one in passwords)


def test_the_schema_that_the_readme_shows_can_be_read(tmp_path: Path) -> None:
    shown = re.search(r"```yaml\n(attributes:.*?)```", README, re.S)
    assert shown is not None
    (tmp_path / "shown.yaml").write_text(shown.group(1), encoding="utf-8")
    assert read_schema(tmp_path / "shown.yaml").names() == {"Coffee": ("Roast", "Net weight")}


def test_help_runs() -> None:
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


def test_pins_cover_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    unpinned = set(extras) - set(re.findall(r"[a-z-]+", extras["all"][0].partition("[")[2])) - {"all", "test"}
    assert unpinned == {"wandb"}, "60 MB and a dozen packages for a board that no check may send to"
    asked = [*project["dependencies"], *(r for name, extra in extras.items() if name not in unpinned for r in extra)]
    names = {re.split(r"[\[<>=,; ]", r)[0].lower() for r in asked} - {"shopgraph"}
    pinned = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "tests/requirements.txt").read_text(encoding="utf-8"), re.M))
    assert {n.replace("_", "-") for n in names} <= pinned


def test_no_commit_names_a_registry() -> None:
    text = (ROOT / "tests/requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?://|--index-url|--extra-index-url", text)


def test_the_readme_names_every_route() -> None:
    for path, operations in DESCRIBED["paths"].items():
        shown = re.sub(r"\{\w+\}", "{id}", path)
        for method in operations:
            assert f"`{method.upper()} {shown}`" in README


def test_openapi_golden() -> None:
    golden = json.loads((ROOT / "tests/house/openapi.json").read_text(encoding="utf-8"))
    assert golden == DESCRIBED, "if this is meant: python tests/house/regenerate.py"


def test_the_api_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert DESCRIBED["info"]["version"] == project["version"]
