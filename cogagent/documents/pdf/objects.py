"""What is drawn on a PDF page besides text: rules, boxes, shapes and pictures."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
import pypdfium2.raw as pdfium

from cogagent.documents.pdf.chars import Floats, bind
from cogagent.geometry import PdfPage, to_shown_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_OBJECTS = 20_000
"""Drawn objects looked at on a page; a map with more is a figure all the same."""
_MAX_DEPTH = 4
_MAX_CLIPS = 500

_V, _I = ctypes.c_void_p, ctypes.c_int
_get = bind(pdfium.FPDFPage_GetObject, _V, _V, _I)
_get_inner = bind(pdfium.FPDFFormObj_GetObject, _V, _V, ctypes.c_ulong)
_type = bind(pdfium.FPDFPageObj_GetType, _I, _V)
_bounds = bind(pdfium.FPDFPageObj_GetBounds, _I, _V, _V, _V, _V, _V)
_matrix = bind(pdfium.FPDFPageObj_GetMatrix, _I, _V, _V)
_segments = bind(pdfium.FPDFPath_CountSegments, _I, _V)
_segment = bind(pdfium.FPDFPath_GetPathSegment, _V, _V, _I)
_segment_type = bind(pdfium.FPDFPathSegment_GetType, _I, _V)
_point = bind(pdfium.FPDFPathSegment_GetPoint, _I, _V, _V, _V)
_clip = bind(pdfium.FPDFPageObj_GetClipPath, _V, _V)
_clip_paths = bind(pdfium.FPDFClipPath_CountPaths, _I, _V)
_clip_segments = bind(pdfium.FPDFClipPath_CountPathSegments, _I, _V, _I)
_clip_segment = bind(pdfium.FPDFClipPath_GetPathSegment, _V, _V, _I, _I)
_fill_colour = bind(pdfium.FPDFPageObj_GetFillColor, _I, _V, _V, _V, _V, _V)
_draw_mode = bind(pdfium.FPDFPath_GetDrawMode, _I, _V, _V, _V)


@dataclass(slots=True)
class Picture:
    """An embedded raster picture.

    Attributes:
        box: ``x0, y0, x1, y1`` in points of the page as shown, clipped to it.
        key: Equal for the same picture drawn again.
    """

    box: tuple[float, float, float, float]
    key: tuple[int, ...]


@dataclass(slots=True)
class Drawing:
    """Everything drawn on a page, in points of the page as shown.

    Attributes:
        rules: Lines along an axis, shape ``(n, 4)``.
        boxes: Rectangles, filled or stroked, shape ``(n, 4)``.
        frames: Those of the boxes that have an outline.
        shapes: Everything else that is drawn: curves, slopes, many-sided outlines.
        pictures: Embedded raster pictures.
    """

    rules: Floats
    boxes: Floats
    frames: Floats
    shapes: Floats
    pictures: list[Picture] = field(default_factory=list)


def read_drawing(page: Any, frame: PdfPage) -> Drawing:
    """Scan the objects of ``page`` (a ``pypdfium2.PdfPage``), nested forms included."""
    handle = ctypes.cast(page.raw, _V).value
    count = min(max(pdfium.FPDFPage_CountObjects(page.raw), 0), 5 * MAX_OBJECTS)
    scan = _Scan(frame)
    scan.visit(list(map(_get, repeat(handle), range(count))), np.eye(3), 0)
    return scan.result()


class _Scan:
    """Collects objects over nested forms until the cap is reached."""

    def __init__(self, frame: PdfPage) -> None:
        self.frame = frame
        self.left = MAX_OBJECTS
        self.clips = _MAX_CLIPS
        self.rules: list[Floats] = []
        self.boxes: list[Floats] = []
        self.frames: list[Floats] = []
        self.shapes: list[Floats] = []
        self.pictures: list[Picture] = []

    def visit(self, objects: list[int | None], matrix: Floats, depth: int) -> None:
        """Sort ``objects``, which stand in a form placed by ``matrix``."""
        found = [o for o in objects if o]
        kinds = np.fromiter(map(_type, found), np.int64, len(found))
        handles = np.array(found, np.int64)
        self._paths(handles[kinds == pdfium.FPDF_PAGEOBJ_PATH][: self.left], matrix)
        self._other_shapes(handles[kinds == pdfium.FPDF_PAGEOBJ_SHADING][:500], matrix)
        self._images(handles[kinds == pdfium.FPDF_PAGEOBJ_IMAGE][:2000], matrix)
        for form in handles[kinds == pdfium.FPDF_PAGEOBJ_FORM].tolist()[:2000]:
            if depth < _MAX_DEPTH and self.left > 0:
                self._form(form, matrix, depth)

    def _form(self, form: int, matrix: Floats, depth: int) -> None:
        count = max(pdfium.FPDFFormObj_CountObjects(_as_object(form)), 0)
        inner = list(map(_get_inner, repeat(form), range(min(count, 5 * MAX_OBJECTS))))
        values = np.zeros(6, np.float32)
        if _matrix(form, values.ctypes.data):
            a, b, c, d, e, f = values.astype(np.float64).tolist()
            matrix = np.array([[a, b, 0], [c, d, 0], [e, f, 1]]) @ matrix
        self.visit(inner, matrix, depth + 1)

    def _paths(self, handles: NDArray[np.int64], matrix: Floats) -> None:
        self.left -= len(handles)
        if not len(handles):
            return
        boxes, modes = self._place(handles, matrix), _draw_modes(handles)
        painted = modes.any(axis=1)
        handles, boxes, stroked = handles[painted], boxes[painted], modes[painted, 1] > 0
        counts = np.fromiter(map(_segments, handles.tolist()), np.int64, len(handles))
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        simple = counts <= 6
        rule = simple & (np.minimum(width, height) <= 2.2)
        plain = np.zeros(len(handles), bool)
        for at in np.flatnonzero(simple & ~rule).tolist():
            plain[at] = counts[at] >= 4 and _is_rectangle(int(handles[at]), int(counts[at]))
        blank = plain & ~stroked
        for at in np.flatnonzero(blank).tolist():
            blank[at] = _is_blank(int(handles[at]))
        plain &= ~blank
        self.rules.append(boxes[rule])
        self.boxes.append(boxes[plain])
        self.frames.append(boxes[plain & stroked])
        self.shapes.append(boxes[~rule & ~plain & ~blank])

    def _other_shapes(self, handles: NDArray[np.int64], matrix: Floats) -> None:
        if len(handles):
            self.shapes.append(self._place(handles, matrix))

    def _images(self, handles: NDArray[np.int64], matrix: Floats) -> None:
        width, height = self.frame.size
        for handle, box in zip(handles.tolist(), self._place(handles, matrix), strict=True):
            x0, y0 = max(float(box[0]), 0.0), max(float(box[1]), 0.0)
            x1, y1 = min(float(box[2]), width), min(float(box[3]), height)
            if x1 - x0 > 1 and y1 - y0 > 1:
                self.pictures.append(Picture((x0, y0, x1, y1), _picture_key(handle)))

    def _place(self, handles: NDArray[np.int64], matrix: Floats) -> Floats:
        """Bounds in points of the page as shown."""
        rows = np.zeros((len(handles), 4), np.float32)
        start = rows.ctypes.data
        columns = [range(start + 4 * k, start + 4 * k + 16 * len(handles), 16) for k in range(4)]
        if len(handles):
            for _ in map(_bounds, handles.tolist(), *columns):
                pass
        points = rows.astype(np.float64)
        self._clip(handles, points)
        corners = np.stack(
            [points[:, [x, y]] @ matrix[:2, :2] + matrix[2, :2] for x in (0, 2) for y in (1, 3)]
        )
        placed = np.concatenate([corners.min(axis=0), corners.max(axis=0)], axis=1)
        shown = to_shown_points(placed, self.frame)
        finite: Floats = np.nan_to_num(shown, nan=-1.0, posinf=-1.0, neginf=-1.0)
        return finite

    def _clip(self, handles: NDArray[np.int64], points: Floats) -> None:
        """Cut the bounds of large objects to what their clip path shows of them."""
        area = (points[:, 2] - points[:, 0]) * (points[:, 3] - points[:, 1])
        width, height = self.frame.size
        for at in np.flatnonzero(area > 0.02 * width * height).tolist()[: self.clips]:
            self.clips -= 1
            for x0, y0, x1, y1 in _clip_boxes(int(handles[at])):
                low = np.maximum(points[at, :2], (x0, y0))
                points[at] = [*low, *np.maximum(np.minimum(points[at, 2:], (x1, y1)), low)]

    def result(self) -> Drawing:
        """What was found, within the page."""
        width, height = self.frame.size

        def within(parts: list[Floats]) -> Floats:
            boxes = np.concatenate(parts) if parts else np.zeros((0, 4))
            inside = (boxes[:, 2] >= 0) & (boxes[:, 0] <= width)
            inside &= (boxes[:, 3] >= 0) & (boxes[:, 1] <= height)
            return np.clip(boxes[inside], 0, np.array([width, height, width, height]))

        kinds = (self.rules, self.boxes, self.frames, self.shapes)
        rules, boxes, frames, shapes = map(within, kinds)
        return Drawing(rules, boxes, frames, shapes, self.pictures)


def _as_object(handle: int) -> Any:
    return ctypes.cast(handle, pdfium.FPDF_PAGEOBJECT)


def _draw_modes(handles: NDArray[np.int64]) -> NDArray[np.int32]:
    """Whether paths are filled (column 0) and stroked (1); those that are neither only clip."""
    modes = np.zeros((len(handles), 2), np.int32)
    start = modes.ctypes.data
    fills, strokes = (range(start + 4 * k, start + 4 * k + 8 * len(handles), 8) for k in range(2))
    for _ in map(_draw_mode, handles.tolist(), fills, strokes):
        pass
    return modes


def _clip_boxes(handle: int) -> list[tuple[float, float, float, float]]:
    """The bounds of each path that clips an object."""
    clip = _clip(handle)
    boxes = []
    for path in range(max(_clip_paths(clip), 0) if clip else 0):
        count = min(_clip_segments(clip, path), 200)
        points = np.zeros((max(count, 0), 2), np.float32)
        for at in range(count):
            address = points.ctypes.data + 8 * at
            _point(_clip_segment(clip, path, at), address, address + 4)
        if count > 0:
            (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
            boxes.append((x0, y0, x1, y1))
    return boxes


def _is_rectangle(handle: int, count: int) -> bool:
    """No curves among the segments; four corners seen by their number."""
    kinds = [_segment_type(_segment(handle, at)) for at in range(count)]
    return pdfium.FPDF_SEGMENT_BEZIERTO not in kinds


def _is_blank(handle: int) -> bool:
    """Filled in white or not at all: it hides at most what lies below."""
    values = np.zeros(4, np.uint32)
    start = values.ctypes.data
    if not _fill_colour(handle, start, start + 4, start + 8, start + 12):
        return False
    return bool((values[:3] == 255).all()) or values[3] == 0


def _picture_key(handle: int) -> tuple[int, ...]:
    image = _as_object(handle)
    width, height = ctypes.c_uint(), ctypes.c_uint()
    pdfium.FPDFImageObj_GetImagePixelSize(image, width, height)
    size = pdfium.FPDFImageObj_GetImageDataRaw(image, None, 0)
    return width.value, height.value, int(size)
