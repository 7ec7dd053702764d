"""``shopgraph extract --plan`` and ``--route-below``, ``shopgraph compress``: what they print, write and refuse."""

import json
import runpy
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app

COLORS = ("red", "blue", "green")
ROWS = [
    {
        "input": f"{brand} {color} mug {n}",
        "category": "Mugs",
        "target_scores": {"Maker": {brand: 1}, "Color": {color: 1}},
    }
    for n, (brand, color) in enumerate((b, c) for b in ("acme", "zeta") for c in COLORS)
]
REPLY = {"attributes": [{"name": "Color", "value": "mug"}]}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model that knows the maker and the colour of mugs."""
    pytest.importorskip("torch")
    from mining.extraction.attribute_model import fit
    from mining.extraction.attribute_rows import Row
    from mining.extraction.tagger_training import Options

    folder = tmp_path_factory.mktemp("small")
    made = runpy.run_path(str(Path(__file__).parents[1] / "tiny_encoder.py"))["tiny_encoder_in"]
    rows = [
        Row(
            "Mugs", {"input": str(row["input"])}, {name: tuple(values) for name, values in row["target_scores"].items()}
        )
        for row in ROWS
    ]
    encoder = str(made(folder / "encoder"))
    options = Options(encoder=encoder, epochs=15, batch=4, rate=3e-3, head_rate=1e-2, patience=15)
    fit(rows * 2, options, dev=rows).save(folder / "model")
    return folder / "model"


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The requests of a language model on loopback that always gives the same reply."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            choice = {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": json.dumps(REPLY)},
            }
            usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
            body = {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "m",
                "choices": [choice],
                "usage": usage,
            }
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SHOPGRAPH_LLM_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    monkeypatch.setenv("SHOPGRAPH_LLM_MODEL", "scripted")
    yield seen
    server.shutdown()
    server.server_close()


def run(*flags: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, [*map(str, flags)])
    assert done.exit_code == code, done.output
    return done.output


def plan(*flags: object) -> str:
    return run("extract", "--plan", *flags)


def test_a_plan_is_a_table_a_file_and_pictures(model: Path, sample: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out, plots = tmp_path / "plan.json", tmp_path / "plots"
    flags = ("--model", model, "--test", sample, "--out", out, "--plots", plots)
    text = plan(*flags, "--llm-f1", 0.9, "--llm-price", "1,2", "--core-hour", 0.1)
    assert "route below" in text
    assert "assumed by --llm-f1 on 6 of 6 products" in text
    told = json.loads(out.read_text("utf-8"))
    first, last = told["points"][0], told["points"][-1]
    assert (first["share"], last["share"], last["strict_f1"]) == (0, 1, pytest.approx(0.9))
    assert 0 < first["usd"] < last["usd"]
    assert told["assumptions"]["usd_per_million_tokens"] == {"input": 1, "output": 2, "of": "as given"}
    assert set(told["reliability"]) == {"Color", "Maker"}
    for name in ("reliability.png", "cost_f1.png"):
        assert (plots / name).read_bytes().startswith(b"\x89PNG")
    assert not (model / "route.json").exists()
    text = plan("--model", model, "--test", sample, "--out", out)
    assert "assumed to be 0.8, since nobody was asked" in text
    assert "gpt-4o, list price" in text


def test_a_plan_measures_a_language_model_within_a_budget(
    model: Path, sample: Path, tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    out = tmp_path / "plan.json"
    shutil.rmtree(model / "asked", ignore_errors=True)
    text = plan("--model", model, "--test", sample, "--out", out, "--llm-budget", "4products")
    assert "measured on 4 of 6 products, taken to be alike on the other 2" in text
    assert len(calls) == 4
    told = json.loads(out.read_text("utf-8"))
    assert (told["llm"]["answered"], told["llm"]["f1"]) == (4, {"lenient": 0.0, "strict": 0.0})
    assert told["points"][-1]["strict_f1"] == 0
    text = plan("--model", model, "--test", sample, "--out", out, "--llm-f1", 0.9)
    assert "measured on 4 of 6 products, assumed by --llm-f1 on 2 of 6 products" in text
    assert len(calls) == 4


def test_the_picked_threshold_is_obeyed_and_no_call_is_made_twice(
    model: Path, sample: Path, tmp_path: Path, calls: list[dict[str, Any]]
) -> None:
    first, again, alone = (tmp_path / name for name in ("first.jsonl", "again.jsonl", "alone.jsonl"))
    run("extract", "--model", model, "--test", sample, "--out", alone)
    given = ("extract", "--model", model, "--test", sample, "--llm-budget", "9products")
    assert "--route-below T" in run(*given, "--out", first, code=1)
    plan("--model", model, "--test", sample, "--out", tmp_path / "plan.json", "--route-below", 1)
    try:
        before = len(calls)
        assert "6 products less sure than 1, a language model answered 6" in run(*given, "--out", first)
        made = len(calls)
        assert made <= before + 6
        run(*given, "--out", again)
        assert len(calls) == made
        assert again.read_bytes() == first.read_bytes()
        line = json.loads(first.read_text("utf-8").splitlines()[0])
        assert line["attributes"] == {"Color": "mug", "Maker": None}
        nobody = run(*given, "--out", again, "--route-below", 0)
        assert "of 0 products" in nobody
        assert again.read_bytes() == alone.read_bytes()
    finally:
        (model / "route.json").unlink()


def test_mining_asks_about_what_the_picked_threshold_leaves(model: Path) -> None:
    from mining.extraction.attribute_extractor import AttributeExtractor
    from mining.extraction.attribute_routing import document_of_row, keep_route
    from mining.extraction.attribute_rows import Row
    from mining.extraction.cascade import doubtful

    document = document_of_row(1, Row("Mugs", {"input": "acme red mug 7"}))
    try:
        for below, asked in ((1.0, True), (0.0, False)):
            keep_route(model, below)
            (found,) = AttributeExtractor.load(model).extract([document])
            assert len(found.facts) == 2
            assert doubtful(document, found) is asked
    finally:
        (model / "route.json").unlink()


def test_what_a_plan_cannot_be_made_of_is_said(model: Path, sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "plan.json"
    assert "give --model FOLDER" in run("extract", "--plan", "--test", sample, "--out", out, code=1)
    given = ("extract", "--plan", "--model", model, "--test", sample, "--out", out)
    assert "give --model, --test and --out alone" in run(*given, "--train", sample, code=1)
    assert "a share from 0 to 1" in run(*given, "--llm-f1", 80, code=1)
    assert "a price is two numbers" in run(*given, "--llm-price", "cheap", code=1)
    assert "from 0 (nobody is asked) to 1" in run(*given, "--route-below", 3, code=1)
    (tmp_path / "none.jsonl").touch()
    empty = run("extract", "--plan", "--model", model, "--test", tmp_path / "none.jsonl", "--out", out, code=1)
    assert "has no rows" in empty


def test_compress_tells_size_loss_and_speed(model: Path, sample: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    text = run("compress", model, "--out", small, "--texts", sample, "--check", sample)
    assert "0 of 12 values changed, in 0 of 6 products" in text
    assert "(loss 0.00)" in text
    told = json.loads(run("compress", model, "--out", tmp_path / "other", "--json"))
    assert told["pieces"] == told["pieces_full"]
    assert told["bytes"] < told["bytes_full"]
    out = tmp_path / "out.jsonl"
    run("extract", "--model", small, "--test", sample, "--out", out)
    first = json.loads(out.read_text("utf-8").splitlines()[0])
    assert first["attributes"] == {"Color": "red", "Maker": "acme"}
    assert "compressed already" in run("compress", small, "--out", tmp_path / "smaller", code=1)
