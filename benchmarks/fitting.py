"""Linear weights by L-BFGS, for the scripts that fit the reader."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from cogagent.reading.passage import FloatArray

Doubles = NDArray[np.float64]
Loss = Callable[[Doubles], tuple[float, Doubles]]


def fit_weights(loss: Loss, scale: FloatArray) -> FloatArray:
    """Minimise a loss over weights of scaled features; return weights of the unscaled."""
    found = minimize(loss, np.zeros(len(scale)), jac=True, method="L-BFGS-B").x
    return np.asarray(found / scale, dtype=np.float32)


def fit_decision(
    rows: FloatArray, answerable: FloatArray, penalty: float = 1.5
) -> tuple[FloatArray, float]:
    """Fit a logistic regression of whether the question can be answered."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scale = np.append(deviation, 1.0)
    scaled = np.hstack([(rows - mean) / deviation, np.ones((len(rows), 1))])

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = scaled @ w
        chance = 1 / (1 + np.exp(-margin))
        shrunk = np.append(w[:-1], 0.0)
        value = (
            np.logaddexp(0, margin).sum() - (answerable * margin).sum() + penalty * shrunk @ shrunk
        )
        slope = scaled.T @ (chance - answerable) + 2 * penalty * shrunk
        return float(value), np.asarray(slope, dtype=np.float64)

    weights = fit_weights(loss, scale)
    return weights[:-1], float(weights[-1] - weights[:-1] @ mean)


def softmax(scores: FloatArray) -> FloatArray:
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())
