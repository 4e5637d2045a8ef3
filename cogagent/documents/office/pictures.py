"""The pictures of an office document: their names within it, and their pixels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cogagent.documents import pixels
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.types import Element, Raster

if TYPE_CHECKING:
    from cogagent.config import LimitSettings
    from cogagent.documents.office.package import OfficePackage

_WHOLE = 100_000
"""What a crop is counted in: thousandths of a percent."""
_CROPPED = re.compile(r"(.*)#(\d+),(\d+),(\d+),(\d+)")


def name_of(part: str, source_rectangle: Any | None) -> str:
    """What a picture is called: its part, and how much of it is cut off on each side.

    Args:
        part: Member of the ZIP file.
        source_rectangle: The ``a:srcRect`` element, if the picture has one.
    """
    crop = [_share(source_rectangle, side) for side in "ltrb"]
    if not any(crop) or crop[0] + crop[2] >= _WHOLE or crop[1] + crop[3] >= _WHOLE:
        return part
    return f"{part}#{','.join(map(str, crop))}"


def _share(node: Any | None, side: str) -> int:
    text = node.get(side, "") if node is not None else ""
    return int(text) if re.fullmatch(r"\d{1,5}", text) else 0


def rasters(
    package: OfficePackage,
    elements: Sequence[Element],
    uri: str,
    limits: LimitSettings,
    show: Callable[[int], Raster | None],
) -> Iterator[Raster | None]:
    """The pixels of pictures, cropped as the document shows them.

    Args:
        package: They are in.
        elements: Pictures of this document.
        uri: For messages.
        limits: ``pixels`` counts.
        show: A page as pixels, for pictures of kinds that only LibreOffice draws (EMF, WMF).
    """
    for element in elements:
        match = _CROPPED.fullmatch(element.picture)
        part = match[1] if match else element.picture
        raster = pixels.seen(package.picture(part), uri, limits)
        if raster is not None and match:
            raster = _crop(raster, [int(share) for share in match.groups()[1:]])
        elif raster is None and element.box != FULL_PAGE:
            page = show(element.page)
            raster = page.part(element.box) if page is not None else None
        yield raster


def _crop(raster: Raster, shares: list[int]) -> Raster:
    left, top, right, bottom = (share / _WHOLE for share in shares)
    return raster.part(make_box(left, top, 1 - right, 1 - bottom))
