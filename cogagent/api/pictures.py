"""Pixels as responses: PNG or JPEG, made once for each tag."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Query, Request
from pydantic_core import to_json
from starlette.responses import Response

from cogagent.api import etags
from cogagent.errors import InputError
from cogagent.geometry import FULL_PAGE, Box

if TYPE_CHECKING:
    from PIL.Image import Image

PictureFormat = Annotated[Literal["png", "jpeg"], Query(description="Of the picture.")]
Side = Annotated[
    int | None,
    Query(ge=16, le=10_000, description="Longest side in pixels: a larger one is made smaller."),
]
BoxText = Annotated[
    str | None,
    Query(
        max_length=200,
        pattern=r"^\s*[0-9.eE+-]+(\s*,\s*[0-9.eE+-]+){3}\s*$",
        description="`x0,y0,x1,y1` in fractions of the page, from its upper left corner.",
        examples=["0.1,0.2,0.5,0.4"],
    ),
]
_QUALITY = 90

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/png", "image/jpeg")
        },
    },
    304: {"description": "What the caller has still holds."},
}


def shown(
    request: Request,
    made_from: tuple[Any, ...],
    form: Literal["png", "jpeg"],
    side: int | None,
    make: Callable[[], Image],
) -> Response:
    """A picture as a response.

    Args:
        request: Its ``If-None-Match`` may spare the work.
        made_from: All that the picture depends on.
        form: Its kind.
        side: Its longest side, if it is to be made smaller.
        make: Draws it.
    """
    told = hashlib.blake2b(to_json([*made_from, form, side]), digest_size=12).hexdigest()
    tag = f'"{told}"'
    headers = {**etags.PRIVATE, "ETag": tag}
    wanted = request.headers.get("if-none-match")
    held = etags.matches(wanted, tag, weak=True)
    if not held or "*" in (wanted or ""):  # a star is of whatever is there, if it is there
        image = make()
    if held:
        return Response(status_code=304, headers=headers)
    if side is not None and max(image.size) > side:
        image.thumbnail((side, side))
    buffer = io.BytesIO()
    if form == "png":
        image.save(buffer, "PNG", compress_level=3)
    else:
        image.convert("RGB").save(buffer, "JPEG", quality=_QUALITY)
    return Response(buffer.getvalue(), headers=headers, media_type=f"image/{form}")


def box_of(text: str | None) -> Box:
    """A rectangle of a query; the whole page where there is none.

    Raises:
        InputError: If it is none.
    """
    if text is None:
        return FULL_PAGE
    try:
        box = Box(*map(float, text.split(",")))
    except ValueError:
        box = Box(1.0, 1.0, 0.0, 0.0)
    if not (0.0 <= box.x0 <= box.x1 <= 1.0 and 0.0 <= box.y0 <= box.y1 <= 1.0):
        raise InputError(
            "box is no rectangle of a page.",
            remedy="Pass x0,y0,x1,y1 from 0 to 1, with x0 <= x1 and y0 <= y1.",
        )
    return box
