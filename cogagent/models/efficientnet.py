"""EfficientNet-Lite2 as an OpenVINO graph, put together from its published weights.

Tan and Le (2019), https://arxiv.org/abs/1905.11946; the Lite variants drop the
squeeze-and-excite blocks and use ReLU6. Neither torch nor a converted copy is needed.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

SIDE = 260
"""Height and width of the network's input, in pixels."""
_STAGES = ((1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1))
"""Blocks of each stage, and the stride of its first."""
_EPSILON = 1e-3
_MAGIC = 0x1950A86A20F9469CFC6C
_KINDS: Mapping[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "LongStorage": np.dtype("<i8"),
}

Weights = Mapping[str, NDArray[Any]]


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file that ``torch.save`` wrote before torch 1.6.

    The pickle inside may name nothing but tensors and ordered dictionaries, so
    that reading the file runs no code of its choosing.

    Raises:
        OSError: If the file cannot be read.
        pickle.UnpicklingError: If it is not such a file, or names something else.
    """
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC:
            raise pickle.UnpicklingError(f"{path.name} is not a torch checkpoint")
        for _header in ("protocol", "machine"):
            _Unpickler(file).load()
        tensors = _Unpickler(file).load()
        kinds = {entry[0][2]: entry[0][1] for entry in tensors.values()}
        storages = {}
        for key in _Unpickler(file).load():
            count = int.from_bytes(file.read(8), "little")
            kind = _KINDS[kinds[key]]
            data = file.read(count * kind.itemsize)
            storages[key] = np.frombuffer(data, kind, count)
    return {
        name: np.lib.stride_tricks.as_strided(
            storages[storage[2]][offset:],
            shape,
            [step * storages[storage[2]].itemsize for step in strides],
            writeable=False,
        )
        for name, (storage, offset, shape, strides, *_) in tensors.items()
    }


def classifier(weights: Weights) -> Any:
    """The graph that gives class probabilities.

    Args:
        weights: The checkpoint of EfficientNet-Lite2.

    Returns:
        An ``openvino.Model``: input float32 ``(batch, 3, 260, 260)``, RGB scaled as the
        network was trained; output float32 ``(batch, 1000)``, probabilities.

    Raises:
        KeyError: If the checkpoint lacks an array.
    """
    import openvino as ov
    from openvino import opset13 as op

    picture, seen = _body(weights)
    return ov.Model([op.result(_chances(weights, seen))], [picture], "efficientnet_lite2")


def with_maps(weights: Weights) -> Any:
    """The graph that says besides the classes where in the picture what is seen.

    Args:
        weights: The checkpoint of EfficientNet-Lite2.

    Returns:
        As :func:`classifier`, and as a second output what the last convolution sees,
        float32 ``(batch, 1280, 9, 9)``: its mean over the picture, times :func:`head`,
        gives the classes, so what each place adds to a class is known exactly (class
        activation maps, Zhou et al. 2016, arXiv:1512.04150).

    Raises:
        KeyError: If the checkpoint lacks an array.
    """
    import openvino as ov
    from openvino import opset13 as op

    picture, seen = _body(weights)
    outputs = [op.result(_chances(weights, seen)), op.result(seen)]
    return ov.Model(outputs, [picture], "efficientnet_lite2_maps")


def head(weights: Weights) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The last layer: weights ``(1000, 1280)`` and biases ``(1000,)`` of the classes."""
    return _dense(weights["_fc.weight"]), _dense(weights["_fc.bias"])


def _body(weights: Weights) -> tuple[Any, Any]:
    """The graph's input, and what its last convolution sees."""
    from openvino import opset13 as op

    def convolve(x: Any, kernel: str, norm: str, stride: int = 1) -> Any:
        weight, bias = _folded(weights, kernel, norm)
        same = ([stride] * 2, [0, 0], [0, 0], [1, 1], "same_upper")
        if "depthwise" in kernel:
            # (channels, 1, k, k) as (groups, out, in, k, k)
            y = op.group_convolution(x, op.constant(weight[:, None]), *same)
        else:
            y = op.convolution(x, op.constant(weight), *same)
        return op.add(y, op.constant(bias.reshape(1, -1, 1, 1)))

    def clip(x: Any) -> Any:
        return op.clamp(x, 0.0, 6.0)

    picture = op.parameter([-1, 3, SIDE, SIDE], np.float32, name="picture")
    x = clip(convolve(picture, "_conv_stem", "_bn0", 2))
    strides = [first if i == 0 else 1 for count, first in _STAGES for i in range(count)]
    for number, stride in enumerate(strides):
        x = _block(op, convolve, clip, weights, f"_blocks.{number}.", stride, x)
    return picture, clip(convolve(x, "_conv_head", "_bn1"))


def _chances(weights: Weights, seen: Any) -> Any:
    """The probability of each class, from what the last convolution sees."""
    from openvino import opset13 as op

    matrix, bias = head(weights)
    pooled = op.reduce_mean(seen, op.constant(np.array([2, 3], np.int64)))
    score = op.add(op.matmul(pooled, op.constant(matrix), False, True), op.constant(bias))
    return op.softmax(score, 1)


def _block(
    op: Any,
    convolve: Callable[..., Any],
    clip: Callable[[Any], Any],
    weights: Weights,
    name: str,
    stride: int,
    x: Any,
) -> Any:
    """An inverted residual block (Sandler et al. 2018): widen, filter, narrow, add."""
    y = x
    if f"{name}_expand_conv.weight" in weights:
        y = clip(convolve(y, f"{name}_expand_conv", f"{name}_bn0"))
    y = clip(convolve(y, f"{name}_depthwise_conv", f"{name}_bn1", stride))
    y = convolve(y, f"{name}_project_conv", f"{name}_bn2")
    same_width = x.get_output_partial_shape(0)[1] == y.get_output_partial_shape(0)[1]
    return op.add(y, x) if stride == 1 and same_width else y


def _folded(
    weights: Weights, kernel: str, norm: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A convolution's kernel and bias with the batch normalisation behind it taken in."""
    scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + _EPSILON)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return _dense(weights[f"{kernel}.weight"] * scale.reshape(-1, 1, 1, 1)), _dense(bias)


def _dense(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)


class _Unpickler(pickle.Unpickler):
    """Understands tensors and nothing else."""

    _NAMES: Mapping[tuple[str, str], Any] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: parts,
        **{("torch", kind): kind for kind in _KINDS},
    }

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._NAMES:
            raise pickle.UnpicklingError(f"a checkpoint may not name {module}.{name}")
        return self._NAMES[module, name]

    def persistent_load(self, identity: Any) -> Any:
        return identity
