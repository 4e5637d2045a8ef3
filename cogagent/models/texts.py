"""What every text model needs done to a string first."""

from __future__ import annotations


def encodable(text: str) -> str:
    """``text`` with lone surrogates, which damaged files bring, as question marks.

    Tokenizers refuse them. The length stays the same, so that offsets hold.
    """
    return text.encode("utf-8", "replace").decode("utf-8")
