"""Write anew what is made from the code: the OpenAPI golden file and the tree in the README.

``python tests/house/regenerate.py``
"""

import ast
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kg", "mining", "recommender", "api")
TREE = re.compile(r"(<!-- tree -->\n```\n)(.*?)(```)", re.S)


def openapi() -> str:
    from api.app import create_app
    from api.deps import Services

    described = create_app(Services.__new__(Services)).openapi()
    return json.dumps(described, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def purpose(module: Path) -> str:
    """The first line of a module's docstring, up to its first colon or full stop."""
    line = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return re.split(r"(?<=[^A-Z.])[.:;](?= |$)", line)[0]


def tree() -> str:
    """One line a file or folder of each room."""
    lines = []
    for room in ROOMS:
        folder = ROOT / room
        lines.append(f"{room + '/':<34}{purpose(folder / '__init__.py').upper()}")
        for path in sorted(folder.iterdir()):
            init = path / "__init__.py"
            if path.is_dir() and init.exists():
                lines.append(f"{f'{room}/{path.name}/':<34}{purpose(init)}")
            elif path.suffix == ".py" and path.name != "__init__.py":
                lines.append(f"{f'{room}/{path.name}':<34}{purpose(path)}")
    lines.append(f"{'tests/':<34}the same rooms, and contracts/ system/ house/ benchmarks/")
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "openapi.json").write_text(openapi(), encoding="utf-8")
    readme = ROOT / "README.md"
    text = TREE.sub(lambda m: m[1] + tree() + m[3], readme.read_text(encoding="utf-8"))
    readme.write_text(text, encoding="utf-8")
