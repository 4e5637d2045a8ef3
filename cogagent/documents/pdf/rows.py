"""Visual rows of a page and what their cells look like, for finding tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from cogagent.documents.pdf.text import Piece, Word, make_piece, same_line

_CURRENCY = re.compile(r"^(US|C|A|HK|NZ|R)?[$€£¥₹]$|^(EUR|USD|GBP|Rs\.?)$")
_CLOSING = re.compile(r"^[)\]%]+%?$|^pts?\.?$|^bps$")
_DASH = re.compile(r"^[—\u2013-]{1,3}$|^(n/?a|n\.?m\.?|nil|\*)$", re.IGNORECASE)
_YEAR = re.compile(
    # A year, marked with notes or compared with another: "2017 (1)", "2022 vs. 2021".
    r"^(fy\s?|q[1-4]\s?)?(19|20)\d\d[*)]?(\s*\(\d\))*(\s?(vs?\.?|to|[-/\u2013])\s?(19|20)\d\d)?$"
    r"|^fy\s?\d\d$|^\d\d vs\.? \d\d$",
    re.IGNORECASE,
)
_LIST = re.compile(r"^\(?\d{1,2}[.)]$|^\[\d+\]$|^\d+\.$")


def is_number(text: str) -> bool:
    """Whether a cell holds a number as tables print them: ``$1,234``, ``(5.2)%``."""
    if not text or len(text) > 22:
        return False
    digits = sum(c.isdigit() for c in text)
    if not digits:
        return bool(_DASH.match(text.lstrip("$€£¥ ")))
    letters = sum(c.isalpha() for c in text)
    if _LIST.match(text) or text.count(" ") > 3:
        return False
    return letters <= 2 and letters <= digits and digits >= 0.25 * len(text)


def is_year(text: str) -> bool:
    """Whether a cell holds a year, as the heading of a column."""
    return bool(_YEAR.match(text.strip()))


@dataclass(slots=True, eq=False)
class TableCell:
    """What stands together in a row; ``x0`` is where a number's digits begin."""

    words: list[Word]
    text: str
    x0: float
    x1: float
    is_number: bool


@dataclass(slots=True, eq=False)
class Row:
    """Everything on one line of the page."""

    pieces: list[Piece]
    cells: list[TableCell]
    x0: float
    y0: float
    x1: float
    y1: float
    base: float
    size: float
    numbers: list[TableCell]
    """The cells that hold numbers, a numbered label left out."""
    label: TableCell | None

    @property
    def is_data(self) -> bool:
        """It has numbers, under a label or side by side."""
        real = [c for c in self.numbers if any(ch.isdigit() for ch in c.text)]
        return (len(self.numbers) > 1 and bool(real)) or (bool(real) and self.label is not None)

    @property
    def all_years(self) -> bool:
        """All its numbers are years: a header."""
        return bool(self.numbers) and all(is_year(c.text) for c in self.numbers)

    @property
    def bold(self) -> bool:
        """All its words are bold."""
        return all(word.bold for piece in self.pieces for word in piece.words)


def visual_rows(pieces: list[Piece]) -> list[Row]:
    """The lines of the page from top to bottom, over all columns."""
    rows: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda p: (p.base, p.x0)):
        for row in reversed(rows[-3:]):
            # Compare with a piece of full size: a raised mark must not start a row.
            if same_line(max(row, key=lambda p: p.size), piece):
                row.append(piece)
                break
        else:
            rows.append([piece])
    return [_row(sorted(row, key=lambda p: p.x0)) for row in rows]


def _row(pieces: list[Piece]) -> Row:
    cells = _cells([part for piece in pieces for part in _split_numbers(piece)])
    numbers = [c for c in cells if c.is_number]
    label = cells[0] if not cells[0].is_number else None
    if label is None and len(cells) > 1 and not cells[1].is_number:
        # A number that opens a row of text is part of its label.
        numbers = numbers[1:]
        label = cells[1]
    main = max(pieces, key=lambda p: p.x1 - p.x0)
    return Row(
        pieces, cells,
        pieces[0].x0, min(p.y0 for p in pieces), max(p.x1 for p in pieces),
        max(p.y1 for p in pieces), main.base, main.size, numbers, label,
    )  # fmt: skip


def _split_numbers(piece: Piece) -> list[list[Word]]:
    """Cut a piece where two numbers stand further apart than words do."""
    parts: list[list[Word]] = [[]]
    for word in piece.words:
        if parts[-1]:
            last = parts[-1][-1]
            gap = word.x0 - last.x1
            sign = bool(_CURRENCY.match(word.text.rstrip("0123456789.,()")))
            wide = gap > 0.45 * word.size and is_number(word.text)
            if (sign or wide) and is_number(last.text):
                parts.append([])
        parts[-1].append(word)
    return parts


def _cells(parts: list[list[Word]]) -> list[TableCell]:
    """Cells of a row, with currency signs and closing signs on the number they belong to."""
    groups: list[list[Word]] = []
    for words in parts:
        text = " ".join(w.text for w in words)
        if groups:
            last = groups[-1]
            gap = words[0].x0 - last[-1].x1
            em = words[0].size
            sign = len(last) == 1 and bool(_CURRENCY.match(last[0].text)) and gap < 9 * em
            close = bool(_CLOSING.match(text)) and gap < 1.5 * em
            opens = last[-1].text in ("(", "$(") and gap < 3 * em
            if (sign and (is_number(text) or text.startswith("("))) or close or opens:
                last += words
                continue
        groups.append(list(words))
    return [_cell(words) for words in groups]


def _cell(words: list[Word]) -> TableCell:
    for last, word in pairwise(words):
        if _CURRENCY.match(last.text) or _CLOSING.match(word.text) or last.text in ("(", "$("):
            word.glued = True
    text = make_piece(words).text
    number = is_number(text)
    # A currency sign stands at the left edge of its column, far from short numbers.
    sign = number and len(words) > 1 and _CURRENCY.match(words[0].text)
    left = words[1].x0 if sign else words[0].x0
    return TableCell(words, text, left, max(w.x1 for w in words), number)


def is_parted(above: Row, below: Row, barriers: list[Piece]) -> bool:
    """A line of prose stands between two rows."""
    x0, x1 = min(above.x0, below.x0), max(above.x1, below.x1)
    return any(
        above.base < p.base < below.base and min(p.x1, x1) - max(p.x0, x0) > 0 for p in barriers
    )


def split_cells(row: Row, columns: list[tuple[float, float]]) -> None:
    """Cut cells of ``row`` at wide spaces between words that stand over different columns."""
    result: list[TableCell] = []
    for cell in row.cells:
        parts: list[list[Word]] = [[cell.words[0]]]
        for last, word in pairwise(cell.words):
            apart = word.x0 - last.x1 > 0.38 * word.size
            if apart and _nearest(last, columns) != _nearest(word, columns):
                parts.append([word])
            else:
                parts[-1].append(word)
        result += [cell] if len(parts) == 1 else [_cell(words) for words in parts]
    row.cells = result


def _nearest(word: Word, columns: list[tuple[float, float]]) -> int:
    middle = (word.x0 + word.x1) / 2
    return min(
        range(len(columns)), key=lambda i: max(columns[i][0] - middle, middle - columns[i][1])
    )


def prose_pieces(pieces: list[Piece]) -> set[Piece]:
    """Lines of justified paragraphs: three or more, one under the other, of one width."""
    wide = sorted(
        (p for p in pieces if p.x1 - p.x0 > 18 * p.size and len(p.words) > 5),
        key=lambda p: p.base,
    )
    below: dict[int, Piece] = {}
    for at, piece in enumerate(wide):
        for other in wide[at + 1 :]:
            drop = other.base - piece.base
            if drop > 2.2 * piece.size:
                break
            edge = abs(other.x1 - piece.x1) < 0.7 * piece.size
            if drop > 0.7 * piece.size and edge and abs(other.x0 - piece.x0) < 3 * piece.size:
                below[id(piece)] = other
                break
    found: set[Piece] = set()
    for piece in wide:
        chain = [piece]
        while len(chain) < 5 and id(chain[-1]) in below:
            chain.append(below[id(chain[-1])])
        # Labels of a table may happen to be of one width, but not many of them.
        if len(chain) == 5 or (len(chain) > 2 and not any(_has_number(p, pieces) for p in chain)):
            found |= set(chain)
    return found


def _has_number(label: Piece, pieces: list[Piece]) -> bool:
    """A number stands on the line of ``label``, to its right."""
    return any(
        piece.x0 > label.x1 and abs(piece.base - label.base) < 0.5 * label.size
        for piece in pieces
        if is_number(piece.words[0].text)
    )
