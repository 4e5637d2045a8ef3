"""GGUF files made of little: metadata, and the picture half of a model with random weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_STEP = 32
"""Tensors begin at multiples of so many bytes."""


def write_gguf(
    path: Path,
    values: Mapping[str, object],
    tensors: Mapping[str, NDArray[np.float32]] | None = None,
) -> Path:
    tensors = tensors or {}
    data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    for name, value in values.items():
        data += _text(name) + _value(value)
    offset = 0
    for name, tensor in tensors.items():
        sides = reversed(tensor.shape)
        data += _text(name) + struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *sides)
        data += struct.pack("<IQ", 0, offset)
        offset += len(_padded(tensor.tobytes()))
    data = _padded(data) + b"".join(_padded(tensor.tobytes()) for tensor in tensors.values())
    path.write_bytes(data)
    return path


def write_projector(path: Path, numbers: int) -> Path:
    """A mmproj of LLaVA's kind, which sees nothing in particular: 16 tokens a picture."""
    random, width, inner, patch = np.random.default_rng(0), 32, 64, 16

    def some(*shape: int) -> NDArray[np.float32]:
        return (random.standard_normal(shape) * 0.05).astype(np.float32)

    tensors = {
        "v.patch_embd.weight": some(width, 3, patch, patch),
        "v.patch_embd.bias": some(width),
        "v.position_embd.weight": some(16, width),
        "v.post_ln.weight": np.ones(width, np.float32),
        "v.post_ln.bias": some(width),
        "mm.0.weight": some(numbers, width),
        "mm.0.bias": some(numbers),
        "mm.2.weight": some(numbers, numbers),
        "mm.2.bias": some(numbers),
    }
    for name in ("ln1", "ln2"):
        tensors[f"v.blk.0.{name}.weight"] = np.ones(width, np.float32)
        tensors[f"v.blk.0.{name}.bias"] = some(width)
    for name, shape in (
        *((f"attn_{part}", (width, width)) for part in ("q", "k", "v", "out")),
        ("ffn_up", (inner, width)),
        ("ffn_down", (width, inner)),
    ):
        tensors[f"v.blk.0.{name}.weight"] = some(*shape)
        tensors[f"v.blk.0.{name}.bias"] = some(shape[0])
    values = {
        "general.architecture": "clip",
        "clip.has_vision_encoder": True,
        "clip.projector_type": "mlp",
        "clip.use_gelu": True,
        "clip.vision.image_size": 4 * patch,
        "clip.vision.patch_size": patch,
        "clip.vision.embedding_length": width,
        "clip.vision.feed_forward_length": inner,
        "clip.vision.block_count": 1,
        "clip.vision.projection_dim": numbers,
        "clip.vision.attention.head_count": 2,
        "clip.vision.attention.layer_norm_epsilon": 1e-5,
        "clip.vision.image_mean": (0.5, 0.5, 0.5),
        "clip.vision.image_std": (0.5, 0.5, 0.5),
    }
    return write_gguf(path, values, tensors)


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _value(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    assert isinstance(value, tuple)
    return struct.pack(f"<IIQ{len(value)}f", 9, 6, len(value), *value)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _STEP)
