"""Makes a score mean what it says: of the findings with confidence 0.8, eight in ten are right."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

ITERATIONS = 50
SCALE_PRIOR, SHIFT_PRIOR, LABEL_PRIOR = 1.0, 0.1, 2.0  # findings' worth of doubt about leaving the scores as they are


@dataclass(frozen=True, slots=True)
class Calibration:
    """confidence = 1 / (1 + exp(-(scale x log odds + shift + shift of the label))); ``scale`` is 1 / temperature."""

    scale: float = 1.0
    shift: float = 0.0
    labels: Mapping[str, float] = field(default_factory=dict)

    def confidence(self, odds: float, label: str) -> float:
        value = self.scale * odds + self.shift + self.labels.get(label, 0.0)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, value))))


@dataclass(frozen=True, slots=True)
class Bin:
    """Findings whose confidence lies in one tenth: how many, what they promise, how many of them are right."""

    low: float
    count: int
    promised: float
    right: float


def calibrate(found: Sequence[tuple[float, str, bool]]) -> Calibration:
    """The calibration that explains (log odds, label, right) of held-back findings best: penalised likelihood, Newton.

    A label of few findings hardly moves away from the others.
    """
    if len({right for _, _, right in found}) < 2:
        return Calibration()
    names = sorted({label for _, label, _ in found})
    column = {name: 2 + number for number, name in enumerate(names)}
    rows = np.zeros((len(found), 2 + len(names)))
    rows[:, 0], rows[:, 1] = [odds for odds, _, _ in found], 1
    for row, (_, label, _) in enumerate(found):
        rows[row, column[label]] = 1
    rights = np.array([float(right) for _, _, right in found])
    prior = np.array([SCALE_PRIOR, SHIFT_PRIOR, *[LABEL_PRIOR] * len(names)])
    at_rest = np.array([1.0, 0.0, *[0.0] * len(names)])
    weights = at_rest.copy()
    for _ in range(ITERATIONS):
        expected = 1 / (1 + np.exp(-np.clip(rows @ weights, -50, 50)))
        gradient = rows.T @ (expected - rights) + prior * (weights - at_rest)
        curvature = (rows * (expected * (1 - expected))[:, None]).T @ rows + np.diag(prior)
        step = np.linalg.solve(curvature, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-6:
            break
    shifts = {name: float(weights[column[name]]) for name in names}
    return Calibration(max(0.05, float(weights[0])), float(weights[1]), shifts)


def reliability(found: Sequence[tuple[float, bool]], bins: int = 10) -> list[Bin]:
    """What (confidence, right) pairs promise and keep, by equal parts of 0..1; empty parts are left out."""
    parts: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in found:
        parts[min(bins - 1, int(confidence * bins))].append((confidence, right))
    return [
        Bin(at / bins, len(part), sum(c for c, _ in part) / len(part), sum(r for _, r in part) / len(part))
        for at, part in enumerate(parts)
        if part
    ]


def calibration_error(found: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """The expected calibration error: the mean gap between promised and kept, weighted by findings."""
    return sum(b.count * abs(b.promised - b.right) for b in reliability(found, bins)) / max(1, len(found))
