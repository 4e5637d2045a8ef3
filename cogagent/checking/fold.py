"""Text as it is compared: case, spacing, ligatures, dashes and quotes taken away."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_SAME = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'", "`": "'",
        "\u00b4": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u201f": '"',
        "\u00ab": '"', "\u00bb": '"', "\u2033": '"', "\u2010": "-", "\u2011": "-",
        "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2015": "-", "\u2212": "-",
        "\u2044": "/",
    }
)  # fmt: skip
_SOFT_HYPHEN = "\u00ad"
_LINE_END = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad][^\S\n]*\n\s*(?=[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text and where each of its characters came from.

    Attributes:
        text: What is compared.
        origin: For each of its characters, the place of its source character.
    """

    text: str
    origin: tuple[int, ...]

    def range(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the source behind ``start`` to ``end``, which are not empty."""
        return self.origin[start], self.origin[end - 1] + 1


def fold(text: str) -> Folded:
    """Fold ``text``: NFKC, case, white space, quotes, dashes, hyphens at line ends.

    Linear in the length. Characters that are not seen (controls, zero width,
    directions, tags) are left out.
    """
    joined = {n for m in _LINE_END.finditer(text) for n in range(*m.span())}
    shown: list[str] = []
    origin: list[int] = []
    for place, char in enumerate(text):
        if place in joined:
            continue
        for piece in _folded(char):
            if piece == " " and (not shown or shown[-1] == " "):
                continue
            shown.append(piece)
            origin.append(place)
    if shown and shown[-1] == " ":
        shown.pop()
        origin.pop()
    return Folded("".join(shown), tuple(origin))


@lru_cache(maxsize=8192)
def _folded(char: str) -> str:
    if char.isspace():
        return " "
    if char == _SOFT_HYPHEN or unicodedata.category(char) in ("Cf", "Cc"):
        return ""
    plain = unicodedata.normalize("NFKC", char).translate(_SAME).casefold()
    return "".join(" " if part.isspace() else part.translate(_SAME) for part in plain)
