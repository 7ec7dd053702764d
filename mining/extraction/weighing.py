"""How much the values of each label count in training: those of rare labels more, for few texts teach them."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

Weighing: TypeAlias = Literal["none", "root", "effective"]
OVERLAP = 0.99  # the β of effective numbers: of a label's samples, about 1 / (1 - β) at most say something new


def value_weights(counts: Mapping[str, int], kind: Weighing) -> dict[str, float]:
    """Label → weight of one of its values; the values counted weigh 1 on average, so that the balance between a value
    and none stays.

    ``counts``: values of each label in the training texts. ``root``: one over the root of the count. ``effective``:
    one over the effective number of samples, (1 - β^count) / (1 - β) (Cui et al., 2019).
    """
    if kind == "none":
        return dict.fromkeys(counts, 1.0)
    raw = {
        label: count**-0.5 if kind == "root" else (1 - OVERLAP) / (1 - OVERLAP**count)
        for label, count in counts.items()
        if count
    }
    mean = sum(counts[label] * weight for label, weight in raw.items()) / max(1, sum(counts.values()))
    return {label: raw[label] / mean if label in raw else 1.0 for label in counts}
