"""Characters of a PDF page: bulk calls into pdfium, numpy from there on.

A page has thousands of characters, and a wrapped call each is most of the cost
of reading it; these calls go through C-level ``map`` over plain addresses.
"""

from __future__ import annotations

import ctypes
import unicodedata
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from cogagent.geometry import PdfPage, to_shown_points, turn_points

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ASCENT, DESCENT = 0.78, 0.22
"""Height of a line over and under its baseline, in font sizes: neighbours do not overlap."""
_BOLD_NAMES = ("bold", "black", "heavy", "cmbx", "medi", "semibold", "demi")
_BULLETS = {0xF0B7: 0x2022, 0xF0A7: 0x25AA, 0xF0D8: 0x27A2, 0xF0FC: 0x2713, 0xF0A8: 0x25AB}
_ENOUGH = 20
"""Letters; among fewer, an accented one tells too little of a language."""
_PIECES = (
    0x203E, 0x23D0, 0x23AF, 0xAE, 0xA9, 0x2122, *range(0x239B, 0x239E), *range(0x23A1, 0x23A4),
    *range(0x23A7, 0x23AB), 0x23AE, *range(0x239E, 0x23A1), *range(0x23A4, 0x23A7),
    *range(0x23AB, 0x23AE),
)  # fmt: skip
"""What Adobe's Symbol font has in private use from F8E5 on: signs and pieces of brackets."""
_PLAIN = _BULLETS | {0xF8E5 + at: code for at, code in enumerate(_PIECES)}
_HYPHENS = (0x02, 0xAD, 0xFFFE, 0x2010, 0x2011)
_SPACES = (0x09, 0x0A, 0x0D, 0x20, 0xA0, 0x1680, 0x202F, 0x205F, 0x3000, 0xFEFF, 0x200B, 0x2028)


def bind(function: Any, result: Any, *arguments: Any) -> Callable[..., Any]:
    """``function`` of pdfium, taking addresses as plain integers and without conversions."""
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return ctypes.PYFUNCTYPE(result, *arguments)(address)


_V, _I = ctypes.c_void_p, ctypes.c_int
_unicode = bind(pdfium.FPDFText_GetUnicode, ctypes.c_uint, _V, _I)
_text_object = bind(pdfium.FPDFText_GetTextObject, _V, _V, _I)
_loose_box = bind(pdfium.FPDFText_GetLooseCharBox, _I, _V, _I, _V)
_char_box = bind(pdfium.FPDFText_GetCharBox, _I, _V, _I, _V, _V, _V, _V)
_origin = bind(pdfium.FPDFText_GetCharOrigin, _I, _V, _I, _V, _V)
_matrix = bind(pdfium.FPDFText_GetMatrix, _I, _V, _I, _V)
_font_size = bind(pdfium.FPDFText_GetFontSize, ctypes.c_double, _V, _I)
_map_error = bind(pdfium.FPDFText_HasUnicodeMapError, _I, _V, _I)
_render_mode = bind(pdfium.FPDFTextObj_GetTextRenderMode, _I, _V)
_font = bind(pdfium.FPDFTextObj_GetFont, _V, _V)
_weight = bind(pdfium.FPDFFont_GetWeight, _I, _V)
_font_name = bind(pdfium.FPDFFont_GetBaseFontName, ctypes.c_size_t, _V, _V, ctypes.c_size_t)


@dataclass(slots=True)
class Chars:
    """The visible characters of a page, white space and control characters left out.

    Attributes:
        codes: Unicode code points.
        boxes: ``x0, y0, x1, y1`` in points as shown, the page turned so that the
            text runs to the right.
        baselines: Distance from the top of the turned page, points.
        sizes: Effective font size, points.
        turns: Quarter turns clockwise that set the text upright.
        skewed: The text runs at no right angle (a watermark).
        gaps: What stood before it: 0 nothing, 1 a gap, 2 a space or a line break.
        bold: Drawn in a bold font.
        hidden: Drawn in no colour at all (render mode 3), as OCR layers are.
        doubtful: Share of the characters of the page that stand for no known letter.
    """

    codes: Ints
    boxes: Floats
    baselines: Floats
    sizes: Floats
    turns: Ints
    skewed: NDArray[np.bool_]
    gaps: Ints
    bold: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    doubtful: float

    def __len__(self) -> int:
        return len(self.codes)

    def pick(self, keep: NDArray[Any]) -> Chars:
        """The characters that ``keep`` (a mask or indices) selects."""
        return Chars(
            self.codes[keep], self.boxes[keep], self.baselines[keep], self.sizes[keep],
            self.turns[keep], self.skewed[keep], self.gaps[keep], self.bold[keep],
            self.hidden[keep], self.doubtful,
        )  # fmt: skip


def read_chars(text_page: Any, frame: PdfPage) -> Chars:
    """The characters of ``text_page`` (a ``pypdfium2.PdfTextPage``) in content order."""
    handle = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    count = max(pdfium.FPDFText_CountChars(text_page.raw), 0)
    indices = range(count)
    codes = np.fromiter(map(_unicode, repeat(handle), indices), np.int64, count)
    objects = np.fromiter(
        (found or 0 for found in map(_text_object, repeat(handle), indices)), np.int64, count
    )
    codes, drawn = _clean_codes(codes)
    drawn &= objects != 0
    nameless = int((_is_control(codes) & (codes != 0) & (objects != 0)).sum())
    # Generated white space belongs to no object; what was really in the file does.
    spaces = np.isin(codes, _SPACES)
    breaks = np.where(spaces, np.where(objects != 0, 2, 1), 0)
    kept = np.flatnonzero(drawn & ~spaces)
    gaps = _gaps_before(breaks, kept)
    styles = _read_styles(handle, objects[kept], kept)
    loose = _boxes(_loose_box, handle, kept, np.float32)
    points = _origins(handle, kept)
    sizes = styles.sizes * _size_correction(handle, kept, styles)
    boxes, baselines = _upright(loose, points, sizes, styles.turns, frame)
    _grow_tall_glyphs(handle, kept, codes[kept], boxes, sizes, styles.turns, frame)
    chars = Chars(
        codes[kept], boxes, baselines, sizes, styles.turns, styles.skewed, gaps,
        styles.bold, styles.hidden, _doubtful(handle, kept, codes[kept], nameless),
    )  # fmt: skip
    return chars.pick(_visible(chars, frame.size))


def _clean_codes(codes: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Code points with hyphens, bullets and variants made plain, and which may be drawn."""
    codes = np.where(np.isin(codes, _HYPHENS), 0x2D, codes)
    for source, target in _PLAIN.items():
        codes[codes == source] = target
    # Small capitals and old-style figures stand in Adobe's private use at the letter's number.
    variant = (codes > 0xF720) & (codes < 0xF800) & ((codes & 0xFF < 0x7F) | (codes & 0xFF > 0xA0))
    codes = np.where(variant, codes & 0xFF, codes)
    high = (codes[:-1] >= 0xD800) & (codes[:-1] < 0xDC00) if len(codes) else np.zeros(0, bool)
    if high.any():
        low = (codes[1:] >= 0xDC00) & (codes[1:] < 0xE000)
        for at in np.flatnonzero(high & low).tolist():
            codes[at] = 0x10000 + ((codes[at] - 0xD800) << 10) + (codes[at + 1] - 0xDC00)
            codes[at + 1] = 0
    surrogate = (codes >= 0xD800) & (codes < 0xE000)
    marks = (codes >= 0x200C) & (codes <= 0x200F) | (codes >= 0x202A) & (codes <= 0x202E)
    return codes, ~_is_control(codes) & ~surrogate & ~marks & (codes <= 0x10FFFF)


def _is_control(codes: Ints) -> NDArray[np.bool_]:
    white = (codes == 0x09) | (codes == 0x0A) | (codes == 0x0D)
    control: NDArray[np.bool_] = ~white & ((codes < 0x20) | ((codes >= 0x7F) & (codes < 0xA0)))
    return control


def _gaps_before(breaks: Ints, kept: Ints) -> Ints:
    """For each kept character, the strongest break since the kept one before it."""
    real = np.concatenate([[0], np.cumsum(breaks == 2)])
    made = np.concatenate([[0], np.cumsum(breaks == 1)])
    previous = np.concatenate([[0], kept[:-1]]) if len(kept) else kept
    return np.where(
        real[kept] > real[previous], 2, np.where(made[kept] > made[previous], 1, 0)
    ).astype(np.int64)


@dataclass(slots=True)
class _Styles:
    sizes: Floats
    turns: Ints
    skewed: NDArray[np.bool_]
    bold: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    fonts: Ints


def _read_styles(handle: int | None, objects: Ints, kept: Ints) -> _Styles:
    """Size, direction, weight and visibility, looked up once a text object."""
    unique, first, inverse = np.unique(objects, return_index=True, return_inverse=True)
    count = len(unique)
    at = kept[first].tolist()
    matrices = np.zeros((count, 6), np.float32)
    _fill(_matrix, handle, at, matrices)
    sizes = np.fromiter(map(_font_size, repeat(handle), at), np.float64, count)
    modes = np.fromiter(map(_render_mode, unique.tolist()), np.int64, count)
    fonts = np.fromiter((f or 0 for f in map(_font, unique.tolist())), np.int64, count)
    weights = {font: _is_bold(font) for font in set(fonts.tolist())}
    bold = np.array([weights[font] for font in fonts.tolist()], bool)
    a, b, c, d = matrices[:, :4].T.astype(np.float64)
    scale = np.hypot(c, d)
    angle = np.degrees(np.arctan2(b, a))
    quarter = np.round(angle / 90.0)
    values = _Styles(
        np.abs(sizes) * np.where(scale > 0, scale, 1.0),
        quarter.astype(np.int64) % 4,
        np.abs(angle - quarter * 90.0) > 8.0,
        bold,
        modes == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE,
        fonts,
    )
    return _Styles(
        values.sizes[inverse], values.turns[inverse], values.skewed[inverse],
        values.bold[inverse], values.hidden[inverse], values.fonts[inverse],
    )  # fmt: skip


def _is_bold(font: int) -> bool:
    if not font:
        return False
    if _weight(font) >= 600:
        return True
    buffer = ctypes.create_string_buffer(128)
    _font_name(font, ctypes.addressof(buffer), 128)
    name = buffer.value.decode("latin-1").lower()
    return any(part in name for part in _BOLD_NAMES)


def _fill(function: Callable[..., Any], handle: int | None, at: list[int], rows: Any) -> None:
    """Let ``function`` write one row of ``rows`` for each character index of ``at``."""
    start, step = rows.ctypes.data, rows.strides[0]
    addresses = range(start, start + step * len(at), step) if at else range(0)
    # A call that fails leaves its row at zero, which the visibility test drops.
    for _ in map(function, repeat(handle), at, addresses):
        pass


def _boxes(function: Callable[..., Any], handle: int | None, kept: Ints, kind: Any) -> Floats:
    """Loose boxes as left, bottom, right, top."""
    rows = np.zeros((len(kept), 4), kind)
    _fill(function, handle, kept.tolist(), rows)
    # FS_RECTF is left, top, right, bottom.
    return rows[:, [0, 3, 2, 1]].astype(np.float64)


def _tight_boxes(handle: int | None, kept: Ints) -> Floats:
    """Ink boxes as left, bottom, right, top."""
    rows = np.zeros((len(kept), 4), np.float64)
    at, start = kept.tolist(), rows.ctypes.data
    columns = [range(start + 8 * k, start + 8 * k + 32 * len(at), 32) for k in range(4)]
    for _ in map(_char_box, repeat(handle), at, *columns):
        pass
    # The call writes left, right, bottom, top.
    return rows[:, [0, 2, 1, 3]]


def _origins(handle: int | None, kept: Ints) -> Floats:
    rows = np.zeros((len(kept), 2), np.float64)
    at, start = kept.tolist(), rows.ctypes.data
    columns = [range(start + 8 * k, start + 8 * k + 16 * len(at), 16) for k in range(2)]
    for _ in map(_origin, repeat(handle), at, *columns):
        pass
    return rows


def _size_correction(handle: int | None, kept: Ints, styles: _Styles) -> Floats:
    """Factor by font where the nominal size lies about the glyphs, as in Type 3 fonts."""
    factors = np.ones(len(kept))
    for font in np.unique(styles.fonts).tolist():
        members = np.flatnonzero(styles.fonts == font)
        sample = members[:: max(len(members) // 12, 1)][:16]
        tight = _tight_boxes(handle, kept[sample])
        sides = np.stack([tight[:, 2] - tight[:, 0], tight[:, 3] - tight[:, 1]], axis=1)
        tall = sides[np.arange(len(sample)), 1 - styles.turns[sample] % 2]
        ratios = tall / np.maximum(styles.sizes[sample], 1e-6)
        # Glyphs without ink, as those of a missing font, tell nothing.
        inked = ratios[ratios > 0.05]
        middle = float(np.median(inked)) if 2 * len(inked) > len(ratios) else 0.6
        if middle > 1.6 or (middle < 0.2 and float(inked.max()) < 0.2):
            factors[members] = middle / 0.6
    return factors


def _upright(
    loose: Floats, points: Floats, sizes: Floats, turns: Ints, frame: PdfPage
) -> tuple[Floats, Floats]:
    """Boxes and baselines on the page as shown, turned until the text runs to the right."""
    shown = to_shown_points(loose, frame)
    origins = to_shown_points(np.concatenate([points, points], axis=1), frame)
    # Text runs at an angle of the page's own space; the page may be turned as well.
    turns[:] = (turns - frame.rotation // 90) % 4
    for quarter in range(1, 4):
        at = turns == quarter
        if at.any():
            shown[at] = turn_points(shown[at], frame.size, 90 * quarter)
            origins[at] = turn_points(origins[at], frame.size, 90 * quarter)
    baselines = origins[:, 1].copy()
    boxes = np.stack(
        [shown[:, 0], baselines - ASCENT * sizes, shown[:, 2], baselines + DESCENT * sizes],
        axis=1,
    )
    return boxes, baselines


def _grow_tall_glyphs(
    handle: int | None, kept: Ints, codes: Ints, boxes: Floats, sizes: Floats, turns: Ints,
    frame: PdfPage,
) -> None:  # fmt: skip
    """Give signs that do not sit on the baseline (large brackets, sums) the box of their ink."""
    odd = np.flatnonzero((codes > 0x2100) & (codes < 0x2E80) | (codes >= 0xE000))
    if not len(odd):
        return
    tight = to_shown_points(_tight_boxes(handle, kept[odd]), frame)
    for quarter in range(1, 4):
        at = turns[odd] == quarter
        tight[at] = turn_points(tight[at], frame.size, 90 * quarter)
    middle = (tight[:, 1] + tight[:, 3]) / 2
    outside = (middle < boxes[odd, 1]) | (middle > boxes[odd, 3])
    outside &= tight[:, 3] - tight[:, 1] < 8 * sizes[odd]
    where = odd[outside]
    boxes[where, 1], boxes[where, 3] = tight[outside, 1], tight[outside, 3]


def _doubtful(handle: int | None, kept: Ints, codes: Ints, nameless: int) -> float:
    """Share of characters with no known letter: unmapped glyphs, private use, replacements.

    Args:
        handle: The text page.
        kept: Indices of the characters.
        codes: Their code points.
        nameless: How many further glyphs have only the number of a control character.
    """
    lost = nameless / max(nameless + len(kept), 1)
    if not len(kept):
        return lost
    private = (codes >= 0xE000) & (codes < 0xF900) | (codes == 0xFFFD) | (codes >= 0xF0000)
    step = max(len(kept) // 400, 1)
    sample = kept[::step].tolist()
    wrong = np.fromiter(map(_map_error, repeat(handle), sample), np.int64, len(sample)) > 0
    if _reads_naturally(codes[::step][wrong]):
        return max(float(private.mean()), lost)
    return max(float(private.mean()), float(wrong.mean()), lost)


def _reads_naturally(codes: Ints) -> bool:
    """Words as some script has them: right, though no table says so.

    Latin letters, with or without accents, have vowels among them; Japanese has kana,
    which numbers of glyphs hardly ever fall among.
    """
    letters = [chr(code) for code in codes.tolist() if chr(code).isalpha()]
    if not letters:
        return False
    kana = sum("\u3041" <= letter <= "\u30ff" for letter in letters)
    if kana > 0.3 * len(letters):
        return True
    accented = sum(not letter.isascii() for letter in letters)
    if accented > (0.25 * len(letters) if len(letters) >= _ENOUGH else 0):
        return False
    plain = [unicodedata.normalize("NFD", letter)[0] for letter in letters]
    vowels = sum(letter in "aeiouAEIOU" for letter in plain)
    return all(letter.isascii() for letter in plain) and 0.25 < vowels / len(plain) < 0.6


def _visible(chars: Chars, size: tuple[float, float]) -> NDArray[np.bool_]:
    """Characters whose middle lies on the page and that have an extent."""
    x = (chars.boxes[:, 0] + chars.boxes[:, 2]) / 2
    y = (chars.boxes[:, 1] + chars.boxes[:, 3]) / 2
    odd = chars.turns % 2 == 1
    width = np.where(odd, size[1], size[0])
    height = np.where(odd, size[0], size[1])
    # Combining marks and pieces of ligatures may have no width of their own.
    extent = (chars.sizes > 0.1) & np.isfinite(chars.boxes).all(axis=1)
    return extent & (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
