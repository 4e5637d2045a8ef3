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
    from openvino import opset13 as op

    def array(name: str) -> Any:
        return op.constant(weights[name], shared_memory=True)

    def number(value: float) -> Any:
        return op.constant(np.float32(value))

    def whole(*values: int) -> Any:
        return op.constant(np.array(values, np.int64))

    def linear(x: Any, name: str) -> Any:
        product = op.matmul(x, array(f"{name}.weight"), transpose_a=False, transpose_b=True)
        return op.add(product, array(f"{name}.bias"))

    def norm(x: Any, name: str) -> Any:
        scaled = op.mvn(x, whole(-1), True, _EPSILON, "inside_sqrt")
        return op.add(op.multiply(scaled, array(f"{name}.weight")), array(f"{name}.bias"))

    def split(x: Any) -> Any:
        parts = op.reshape(x, whole(0, 0, heads, width // heads), special_zero=True)
        return op.transpose(parts, whole(0, 2, 1, 3))

    def attend(x: Any, name: str) -> Any:
        query, key, value = (
            split(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value")
        )
        mixed = op.transpose(
            op.scaled_dot_product_attention(query, key, value, bias), whole(0, 2, 1, 3)
        )
        return linear(
            op.reshape(mixed, whole(0, 0, width), special_zero=True), f"{name}.output.dense"
        )

    width = weights["embeddings.LayerNorm.weight"].shape[0]
    ids = op.parameter([-1, -1], np.int32, name="ids")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    first = op.constant(np.int64(0))
    length = op.gather(op.shape_of(ids), op.constant(np.int64(1)), first)
    places = op.range(first, length, op.constant(np.int64(1)), "i64")
    # Token type 0 throughout: a sentence encoder never sees a pair.
    kind = op.constant(weights["embeddings.token_type_embeddings.weight"][0])
    x = op.add(
        op.gather(array("embeddings.word_embeddings.weight"), ids, first),
        op.add(op.gather(array("embeddings.position_embeddings.weight"), places, first), kind),
    )
    x = norm(x, "embeddings.LayerNorm")
    shown = op.unsqueeze(mask, whole(1, 2))
    bias = op.multiply(op.subtract(shown, number(1)), number(_FAR))
    for index in range(layers):
        layer = f"encoder.layer.{index}"
        x = norm(op.add(attend(x, f"{layer}.attention"), x), f"{layer}.attention.output.LayerNorm")
        inner = op.gelu(linear(x, f"{layer}.intermediate.dense"), "erf")
        x = norm(op.add(linear(inner, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm")
    # The mean differs from this sum by a factor that the normalisation takes out.
    total = op.reduce_sum(op.multiply(x, op.unsqueeze(mask, whole(2))), whole(1))
    vectors = op.normalize_l2(total, whole(1), _EPSILON, "max")
    return ov.Model([op.result(vectors), op.result(x)], [ids, mask], "sentence_encoder")
