"""The fitted weights of the checker, which ``benchmarks/train_checker.py`` writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ABOUT = (
    "similarity", "similarity elsewhere", "words", "words of two", "words of all",
    "words elsewhere", "anchors", "row",
)  # fmt: skip
"""Whether a claim is about what it cites: likeness in meaning and in words, here and there."""
ANCHOR = (
    "flat", "near", "side", "tight", "swapped flat", "swapped near", "swapped side",
    "swapped tight", "meaning", "own flat", "own near", "own tight", "name", "row", "nowhere",
    "swapped", "misdated", "mislabelled", "implied", "replaced", "aligned", "moved",
)  # fmt: skip
"""Whether a number or name belongs where the claim has it: what a rival gains over it."""


@dataclass(frozen=True, slots=True)
class Model:
    """A logistic regression.

    Attributes:
        weights: One a feature.
        bias: Its constant.
        threshold: Probability from which on it objects.
    """

    weights: Floats
    bias: float
    threshold: float

    def chance(self, rows: Floats) -> Floats:
        """Probabilities of ``rows``, shape ``(n, features)``."""
        margin = np.clip(rows @ self.weights + self.bias, -50, 50)
        return np.asarray(1 / (1 + np.exp(-margin)), dtype=np.float64)

    def to_json(self, names: Sequence[str]) -> dict[str, object]:
        """By name, ready for a JSON file."""
        return {
            "weights": {n: round(float(w), 4) for n, w in zip(names, self.weights, strict=True)},
            "bias": round(self.bias, 4),
            "threshold": round(self.threshold, 4),
        }


@dataclass(frozen=True, slots=True)
class Weights:
    """Both models.

    Attributes:
        about: Objects to claims that are not about what they cite.
        anchor: Objects to numbers and names that belong to something else.
    """

    about: Model
    anchor: Model


@lru_cache(maxsize=1)
def load() -> Weights:
    """The weights that come with the package."""
    text = resources.files("cogagent.checking").joinpath("weights.json").read_text("utf-8")
    stored = json.loads(text)

    def model(name: str, features: Sequence[str]) -> Model:
        kept = stored[name]
        return Model(
            np.array([kept["weights"][feature] for feature in features]),
            kept["bias"],
            kept["threshold"],
        )

    return Weights(model("about", ABOUT), model("anchor", ANCHOR))
