"""BERT as an OpenVINO graph, put together from a checkpoint's arrays.

Building it takes a fifth of a second, so there is no converted copy to keep, to
version or to mend, and neither torch nor transformers is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPSILON = 1e-12
_FAR = 1e4


def sentence_encoder(weights: Mapping[str, NDArray[np.float32]], layers: int, heads: int) -> Any:
    """The graph of a mean-pooled sentence encoder (Devlin et al. 2019; Reimers et al. 2019).

    Args:
        weights: A Hugging Face ``BertModel`` checkpoint; must outlive the graph's compilation.
        layers: Transformer layers.
        heads: Attention heads.

    Returns:
        An ``openvino.Model``. Inputs: token ids, int32 ``(batch, tokens)``; mask, float32
        of that shape, 1 for a token and 0 for padding. Outputs: sentence vectors of
        length one ``(batch, width)``; last hidden states ``(batch, tokens, width)``.

    Raises:
        KeyError: If the checkpoint lacks an array.
    """
    import openvino as ov

    graph = _Graph(weights, heads)
    op = graph.op
    # Token type 0 throughout: a sentence encoder never sees a pair.
    kind = op.constant(weights["embeddings.token_type_embeddings.weight"][0])
    x = graph.encoded(kind, layers)
    # The mean differs from this sum by a factor that the normalisation takes out.
    total = op.reduce_sum(op.multiply(x, op.unsqueeze(graph.mask, graph.whole(2))), graph.whole(1))
    vectors = op.normalize_l2(total, graph.whole(1), _EPSILON, "max")
    return ov.Model([op.result(vectors), op.result(x)], [graph.ids, graph.mask], "encoder")


def span_reader(weights: Mapping[str, NDArray[np.float32]], layers: int, heads: int) -> Any:
    """The graph of a reader of question and text: where an answer starts and ends (Devlin 2019).

    Args:
        weights: A ``BertModel`` checkpoint with a linear ``head`` of two outputs; must outlive
            the graph's compilation.
        layers: Transformer layers.
        heads: Attention heads.

    Returns:
        An ``openvino.Model``. Inputs: token ids and mask as :func:`sentence_encoder` takes
        them; token types, int32 of that shape, 0 for the question and 1 for the text.
        Output: logits of start and end ``(batch, tokens, 2)``.

    Raises:
        KeyError: If the checkpoint lacks an array.
    """
    import openvino as ov

    graph = _Graph(weights, heads)
    op = graph.op
    kinds = op.parameter([-1, -1], np.int32, name="kinds")
    table = graph.array("embeddings.token_type_embeddings.weight")
    x = graph.encoded(op.gather(table, kinds, op.constant(np.int64(0))), layers)
    inputs = [graph.ids, graph.mask, kinds]
    return ov.Model([op.result(graph.linear(x, "head"))], inputs, "span_reader")


class _Graph:
    """The layers that both have."""

    def __init__(self, weights: Mapping[str, NDArray[np.float32]], heads: int) -> None:
        from openvino import opset13

        self.op = op = opset13
        self._weights = weights
        self._heads = heads
        self._width = weights["embeddings.LayerNorm.weight"].shape[0]
        self.ids = op.parameter([-1, -1], np.int32, name="ids")
        self.mask = op.parameter([-1, -1], np.float32, name="mask")

    def encoded(self, kind: Any, layers: int) -> Any:
        """The last hidden states; ``kind`` is what the token types add."""
        op = self.op
        first = op.constant(np.int64(0))
        length = op.gather(op.shape_of(self.ids), op.constant(np.int64(1)), first)
        places = op.range(first, length, op.constant(np.int64(1)), "i64")
        x = op.add(
            op.gather(self.array("embeddings.word_embeddings.weight"), self.ids, first),
            op.add(
                op.gather(self.array("embeddings.position_embeddings.weight"), places, first), kind
            ),
        )
        x = self._norm(x, "embeddings.LayerNorm")
        shown = op.unsqueeze(self.mask, self.whole(1, 2))
        bias = op.multiply(
            op.subtract(shown, op.constant(np.float32(1))), op.constant(np.float32(_FAR))
        )
        for index in range(layers):
            layer = f"encoder.layer.{index}"
            mixed = op.add(self._attended(x, f"{layer}.attention", bias), x)
            x = self._norm(mixed, f"{layer}.attention.output.LayerNorm")
            inner = op.gelu(self.linear(x, f"{layer}.intermediate.dense"), "erf")
            outer = op.add(self.linear(inner, f"{layer}.output.dense"), x)
            x = self._norm(outer, f"{layer}.output.LayerNorm")
        return x

    def array(self, name: str) -> Any:
        """One of the checkpoint's arrays."""
        op = self.op
        return op.constant(self._weights[name], shared_memory=True)

    def linear(self, x: Any, name: str) -> Any:
        """A linear layer of the checkpoint."""
        op = self.op
        weight = self.array(f"{name}.weight")
        product = op.matmul(x, weight, transpose_a=False, transpose_b=True)
        return op.add(product, self.array(f"{name}.bias"))

    def _norm(self, x: Any, name: str) -> Any:
        op = self.op
        scaled = op.mvn(x, self.whole(-1), True, _EPSILON, "inside_sqrt")
        return op.add(
            op.multiply(scaled, self.array(f"{name}.weight")), self.array(f"{name}.bias")
        )

    def _attended(self, x: Any, name: str, bias: Any) -> Any:
        op = self.op
        query, key, value = (
            self._split(self.linear(x, f"{name}.self.{part}"))
            for part in ("query", "key", "value")
        )
        mixed = op.transpose(
            op.scaled_dot_product_attention(query, key, value, bias), self.whole(0, 2, 1, 3)
        )
        joined = op.reshape(mixed, self.whole(0, 0, self._width), special_zero=True)
        return self.linear(joined, f"{name}.output.dense")

    def _split(self, x: Any) -> Any:
        op = self.op
        shape = self.whole(0, 0, self._heads, self._width // self._heads)
        return op.transpose(op.reshape(x, shape, special_zero=True), self.whole(0, 2, 1, 3))

    def whole(self, *values: int) -> Any:
        """A constant of whole numbers."""
        return self.op.constant(np.array(values, np.int64))
