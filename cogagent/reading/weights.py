"""The fitted weights of the reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

from cogagent.reading.features import DECISION, FIRST_SIGHT, SENTENCE
from cogagent.reading.narrowing import EMBEDDED, SPAN
from cogagent.reading.passage import FloatArray
from cogagent.reading.table_features import ROW, TABLE_DECISION


@dataclass(frozen=True, slots=True)
class Weights:
    """The linear weights that ``benchmarks/train_reader.py`` fitted.

    Attributes:
        first: Weights of the features at first sight; they choose what is looked at closer.
        sentence: Weights of all sentence features.
        decision: Weights of the decision features.
        decision_bias: Constant of the decision.
        neutral_standout: What stands for "standout" where there is nothing to stand out from.
        threshold: Least confidence at which the reader answers.
        span: Weights that choose the phrases to embed.
        span_embedded: Weights of the span features and the embedded ones together.
        row: Weights of the features of table rows; their sum is comparable with that of the
            sentence features.
        table_decision: Weights of the decision features where the best candidate is a row.
        table_decision_bias: Constant of that decision.
    """

    first: FloatArray
    sentence: FloatArray
    decision: FloatArray
    decision_bias: float
    neutral_standout: float
    threshold: float
    span: FloatArray
    span_embedded: FloatArray
    row: FloatArray
    table_decision: FloatArray
    table_decision_bias: float

    def to_json(self) -> dict[str, object]:
        """Return the weights by name, ready for a JSON file."""

        def named(names: Sequence[str], values: FloatArray) -> dict[str, float]:
            return {
                name: round(float(value), 5) for name, value in zip(names, values, strict=True)
            }

        return {
            "first": named(FIRST_SIGHT, self.first),
            "sentence": named(SENTENCE, self.sentence),
            "decision": named(DECISION, self.decision),
            "decision_bias": round(self.decision_bias, 5),
            "neutral_standout": round(self.neutral_standout, 5),
            "threshold": round(self.threshold, 4),
            "span": named(SPAN, self.span),
            "span_embedded": named(SPAN + EMBEDDED, self.span_embedded),
            "row": named(ROW, self.row),
            "table_decision": named(TABLE_DECISION, self.table_decision),
            "table_decision_bias": round(self.table_decision_bias, 5),
        }

    @classmethod
    def packaged(cls) -> Weights:
        """Read the weights that come with the package."""
        stored = json.loads(
            resources.files(__package__).joinpath("weights.json").read_text(encoding="utf-8")
        )

        def vector(key: str, names: Sequence[str]) -> FloatArray:
            return np.array([stored[key][name] for name in names], dtype=np.float32)

        return cls(
            first=vector("first", FIRST_SIGHT),
            sentence=vector("sentence", SENTENCE),
            decision=vector("decision", DECISION),
            decision_bias=float(stored["decision_bias"]),
            neutral_standout=float(stored["neutral_standout"]),
            threshold=float(stored["threshold"]),
            span=vector("span", SPAN),
            span_embedded=vector("span_embedded", SPAN + EMBEDDED),
            row=vector("row", ROW),
            table_decision=vector("table_decision", TABLE_DECISION),
            table_decision_bias=float(stored["table_decision_bias"]),
        )
