"""Write the golden OpenAPI description anew: ``python tests/house/regenerate.py``."""

import json
from pathlib import Path

from api.app import create_app
from api.deps import Services

if __name__ == "__main__":
    described = create_app(Services.__new__(Services)).openapi()
    text = json.dumps(described, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (Path(__file__).parent / "openapi.json").write_text(text, encoding="utf-8")
