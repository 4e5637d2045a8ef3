"""Giving memory back that a stage does not need any more."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from typing import Any


def give_back() -> None:
    """Return freed memory to the system, where the C library can (glibc).

    It keeps what was freed in pieces for later use; after a large document or a
    large picture that may be hundreds of megabytes, which other processes lack.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@lru_cache(maxsize=1)
def _trim() -> Any:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
