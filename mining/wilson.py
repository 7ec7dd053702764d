"""Wilson's score interval of a share: for numbers, and for columns of a table (Wilson, JASA 22, 1927)."""

import math
from collections.abc import Callable
from typing import Any


def bound(share: Any, trials: Any, z: float, root: Callable[[Any], Any]) -> Any:
    """One end of it, inside [0, 1] but for rounding: the lower one where ``z`` is negative. ``root`` takes a square
    root of what the others are: numbers, or columns."""
    spread = root(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (share + z * z / (2 * trials) + z * spread) / (1 + z * z / trials)


def interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Both ends, 95 % unless told; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    low, high = (bound(successes / trials, trials, side, math.sqrt) for side in (-z, z))
    return max(0.0, low), min(1.0, high)
