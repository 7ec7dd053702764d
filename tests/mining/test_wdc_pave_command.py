"""The benchmark that holds back clusters of WDC-PAVE."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "wdc_pave.py"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twenty clusters of two offers; what is said is wanted in capitals."""
    for folder, change in (("wdc_with_all_attributes", str), ("wdc_normalized", str.upper)):
        path = tmp_path / "pave" / folder / "train_large.jsonl"
        path.parent.mkdir(parents=True)
        rows = [
            {
                "id": number,
                "cluster_id": float(number // 2),
                "category": "Cables",
                "input_title": f"cable ab{number}",
                "target_scores": {"Part": {change(f"ab{number}"): {"pid": [0], "score": 1}}, "Color": {"n/a": 1}},
            }
            for number in range(40)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return tmp_path / "pave"


def run(*flags: object) -> None:
    sys.argv = [str(BENCHMARK), *map(str, flags)]
    main: Any = runpy.run_path(str(BENCHMARK))["main"]
    main()


def test_forms_are_learned_from_other_clusters(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    run("--data", data)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "all: 40 cells, as said 0.0%, a dictionary 0.0%, learned forms 100.0%"
    )


def test_a_part_is_written_apart_and_as_it_was(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    run("--data", data, "--out", tmp_path / "cut", "--part", 1)
    for folder in ("wdc_with_all_attributes", "wdc_normalized"):
        whole = (data / folder / "train_large.jsonl").read_text("utf-8").splitlines()
        learned, held = (
            (tmp_path / "cut" / side / folder / "train_large.jsonl").read_text("utf-8").splitlines()
            for side in ("train", "held")
        )
        assert learned
        assert held
        assert sorted(learned + held) == sorted(whole)
        clusters = [{json.loads(line)["cluster_id"] for line in side} for side in (learned, held)]
        assert not clusters[0] & clusters[1]
