"""Characters to words to line pieces, and line pieces back to text with word spans."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cogagent.documents.pdf.chars import Chars

Place = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Boxes in points of a turned page to fractions of the page as shown."""


@dataclass(slots=True, eq=False)
class Word:
    """A run of characters without a gap; points, page turned so that it reads rightwards."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    bold: bool
    glued: bool
    """No space stands between it and the word before it on its line."""
    seq: int
    """Position in the content stream."""
    turns: int = 0


@dataclass(slots=True, eq=False)
class Piece:
    """Words that stand together on one line, with no column gap between them."""

    words: list[Word]
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float

    @property
    def text(self) -> str:
        """The words with their spaces."""
        return "".join(
            w.text if w.glued or not i else " " + w.text for i, w in enumerate(self.words)
        )

    @property
    def bold(self) -> bool:
        """Every word is bold."""
        return all(word.bold for word in self.words)

    @property
    def seq(self) -> int:
        """Position of the first word in the content stream."""
        return self.words[0].seq


class _Folding(dict[int, str]):
    """Translation table that spells compatibility characters out, filled as they turn up.

    Superscripts and fractions stay, since 10² is not 102 and 1½ is not 11/2.
    """

    _kept = ("<super>", "<sub>", "<fraction>", "<circle>", "<square>")

    def __missing__(self, code: int) -> str:
        char = chr(code)
        form = unicodedata.decomposition(char)
        plain = unicodedata.normalize("NFKC", char)
        keep = not form.startswith("<") or form.startswith(self._kept) or " " in plain
        self[code] = char if keep else plain
        return self[code]


_FOLDING = _Folding()


def normalise(text: str) -> str:
    """Ligatures, full-width and presentation forms as plain letters, accents composed."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_FOLDING))


def _is_rtl(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (codes >= 0x590) & (codes < 0x900) | (codes >= 0xFB1D) & (codes < 0xFEFD)


def _is_han(codes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Scripts written without spaces: each character counts as a word."""
    return (
        (codes >= 0x2E80) & (codes < 0xA4D0)
        | (codes >= 0xF900) & (codes < 0xFB00)
        | (codes >= 0xFF00) & (codes < 0xFFF0)
        | (codes >= 0x20000) & (codes < 0x32000)
    )


def find_words(chars: Chars) -> list[Word]:
    """The words of a page in content order.

    A word ends at white space that the file holds, at a gap that pdfium or the
    geometry sees, and where the text turns or jumps to another line. Raised
    footnote marks stay on their word.
    """
    count = len(chars)
    if not count:
        return []
    size = np.maximum(chars.sizes[1:], chars.sizes[:-1])
    rtl = _is_rtl(chars.codes)
    step = chars.boxes[1:, 0] - chars.boxes[:-1, 2]
    back = chars.boxes[:-1, 0] - chars.boxes[1:, 2]
    # Signs beside right-to-left letters may run either way: the nearer way is meant.
    step = np.where((rtl[1:] | rtl[:-1]) & (np.abs(back) < np.abs(step)), back, step) / size
    drop = np.abs(chars.baselines[1:] - chars.baselines[:-1]) / size
    overlap = np.minimum(chars.boxes[1:, 3], chars.boxes[:-1, 3]) - np.maximum(
        chars.boxes[1:, 1], chars.boxes[:-1, 1]
    )
    same_turn = (chars.turns[1:] == chars.turns[:-1]) & (chars.skewed[1:] == chars.skewed[:-1])
    moved = (step > 0.28) | (step < -0.9) | (drop > 0.75) | (overlap <= 0)
    moved |= (chars.gaps[1:] == 1) & ((step > 0.08) | (step < -0.3))
    # Along a skewed line nothing can be said about steps; spaces alone part its words.
    moved = np.where(chars.skewed[1:], chars.gaps[1:] > 0, moved)
    han = _is_han(chars.codes)
    stuck = ~(moved | ~same_turn | (chars.gaps[1:] == 2)) & (han[1:] | han[:-1])
    breaks = moved | ~same_turn | (chars.gaps[1:] == 2) | stuck
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    ends = np.concatenate([starts[1:], [count]])
    text = "".join(map(chr, chars.codes.tolist()))
    lows = np.minimum.reduceat(chars.boxes[:, :2], starts, axis=0)
    highs = np.maximum.reduceat(chars.boxes[:, 2:], starts, axis=0)
    sizes = np.maximum.reduceat(chars.sizes, starts)
    bold = np.minimum.reduceat(chars.bold.astype(np.int8), starts).astype(bool)
    glued = np.concatenate([[False], stuck])[starts]
    bases = _main_baselines(chars, starts, ends, sizes)
    rows = zip(
        starts.tolist(), ends.tolist(), lows.tolist(), highs.tolist(), bases.tolist(),
        sizes.tolist(), bold.tolist(), glued.tolist(),
        (chars.turns + 4 * chars.skewed)[starts].tolist(), strict=True,
    )  # fmt: skip
    words = []
    for start, end, (x0, y0), (x1, y1), base, height, strong, tight, turns in rows:
        spelled = normalise(text[start:end])
        if spelled:
            words.append(Word(spelled, x0, y0, x1, y1, base, height, strong, tight, start, turns))
    return words


def _main_baselines(
    chars: Chars, starts: NDArray[Any], ends: NDArray[Any], sizes: NDArray[Any]
) -> NDArray[np.float64]:
    """The baseline of each word's largest characters, so that marks do not shift it."""
    owner = np.repeat(np.arange(len(starts)), ends - starts)
    large = chars.sizes >= 0.95 * sizes[owner]
    # The last write wins: run backwards to keep the first large character's.
    result = np.zeros(len(starts))
    at = np.flatnonzero(large)[::-1]
    result[owner[at]] = chars.baselines[at]
    return result


def make_piece(words: list[Word]) -> Piece:
    """A piece around ``words``, which are in line order; its height is that of its main text."""
    x0, x1 = min(w.x0 for w in words), max(w.x1 for w in words)
    y0, y1 = min(w.y0 for w in words), max(w.y1 for w in words)
    size = max(w.size for w in words)
    main = next(w for w in words if w.size >= 0.95 * size)
    return Piece(words, x0, y0, x1, y1, main.base, size)


def same_line(a: Word | Piece, b: Word | Piece) -> bool:
    """Whether two things stand on one line: baselines meet, or one is raised beside the other."""
    small, large = min(a.size, b.size), max(a.size, b.size)
    if abs(a.base - b.base) <= 0.3 * small:
        return True
    shared = min(a.y1, b.y1) - max(a.y0, b.y0)
    if abs(a.base - b.base) > 0.6 * large:
        return False
    return shared >= (0.5 if small < 0.85 * large else 0.75) * min(a.y1 - a.y0, b.y1 - b.y0)


def find_pieces(words: list[Word], gap: float = 0.95) -> list[Piece]:
    """Line pieces of words in content order.

    Args:
        words: Words that all run in one direction.
        gap: Widest space inside a piece, in font sizes; more is a column gap.
    """
    runs: list[list[Word]] = []
    for word in words:
        if runs:
            last = runs[-1][-1]
            em = max(word.size, last.size)
            step = min(word.x0 - last.x1, last.x0 - word.x1, key=abs)
            if same_line(last, word) and -0.5 * em <= step <= gap * em:
                runs[-1].append(word)
                continue
        runs.append([word])
    return _join_scattered([make_piece(_line_order(run)) for run in runs])


def _line_order(words: list[Word]) -> list[Word]:
    """Left to right, or right to left where most of the letters run so."""
    letters = np.array([ord(w.text[0]) for w in words], np.int64)
    rtl = 2 * int(_is_rtl(letters).sum()) > len(words)
    return sorted(words, key=lambda w: -w.x1 if rtl else w.x0)


def _join_scattered(pieces: list[Piece]) -> list[Piece]:
    """Join neighbours on a line that the file draws far apart, as with a bold word drawn last."""
    pieces = sorted(pieces, key=lambda p: (round(p.base), p.x0))
    result: list[Piece] = []
    window: list[Piece] = []
    for piece in pieces:
        window = [p for p in window if p.base > piece.base - 1.2 * max(p.size, piece.size)]
        for other in window:
            em = max(piece.size, other.size)
            step = max(piece.x0 - other.x1, other.x0 - piece.x1)
            if same_line(other, piece) and -0.5 * em <= step <= 0.6 * em:
                _absorb(other, piece, step < 0.08 * em)
                break
        else:
            result.append(piece)
            window.append(piece)
    return sorted(result, key=lambda p: p.seq)


def _absorb(piece: Piece, other: Piece, glue: bool) -> None:
    first_right = other.words[0] if other.x0 >= piece.x0 else piece.words[0]
    first_right.glued = first_right.glued or glue
    merged = make_piece(_line_order(piece.words + other.words))
    piece.words, piece.x0, piece.y0, piece.x1 = merged.words, merged.x0, merged.y0, merged.x1
    piece.y1, piece.base, piece.size = merged.y1, merged.base, merged.size


@dataclass(slots=True)
class Spelled:
    """A text and its words, not yet placed: span, box in turned points, quarter turns."""

    text: str
    spans: list[tuple[int, int]]
    boxes: list[tuple[float, float, float, float]]
    turns: list[int]


def spell_lines(lines: Iterable[list[Word]], hyphenated: set[str]) -> Spelled:
    """Running text of ``lines``; a word hyphenated at a line's end becomes one word again.

    Args:
        lines: The words of each line in reading order.
        hyphenated: Words the document writes with an inner hyphen, lower case;
            their hyphen stays when a line happens to break there.
    """
    out = Spelled("", [], [], [])
    parts: list[str] = []
    length = 0
    for line in lines:
        for at, word in enumerate(line):
            text, first = word.text, at == 0
            cut = 0
            if parts and first:
                cut = _hyphen_to_drop(parts[-1], text, hyphenated)
                if cut:
                    parts[-1] = parts[-1][:-1]
                    length -= 1
                    start, end = out.spans[-1]
                    out.spans[-1] = (start, end - 1)
            joined = cut or (parts and first and _keeps_hyphen(parts[-1], text))
            if parts and not joined and not word.glued:
                parts.append(" ")
                length += 1
            parts.append(text)
            out.spans.append((length, length + len(text)))
            out.boxes.append((word.x0, word.y0, word.x1, word.y1))
            out.turns.append(word.turns)
            length += len(text)
    out.text = "".join(parts)
    return out


def _hyphen_to_drop(last: str, word: str, hyphenated: set[str]) -> int:
    """1 if ``last`` ends in a hyphen that only the line break put there."""
    if len(last) < 3 or last[-1] != "-" or not last[-2].isalpha() or not word[0].islower():
        return 0
    if "-" in last[:-1]:
        return 0
    whole = (last + word).strip(".,;:!?()[]\"'").lower()
    return 0 if whole in hyphenated else 1


def _keeps_hyphen(last: str, word: str) -> bool:
    """``last`` ends in a hyphen of its own, and ``word`` goes on right behind it."""
    return len(last) > 1 and last[-1] == "-" and last[-2].isalnum() and word[0].isalnum()
