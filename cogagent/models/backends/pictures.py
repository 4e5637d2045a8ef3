"""Messages as servers of OpenAI's protocol take them, pictures as data URIs of a useful size."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

from cogagent.models.kept import Kept, content_key
from cogagent.models.mllm import Message, TextPart
from cogagent.models.sight import shrunk, within
from cogagent.types import Raster

_PNG_BYTES = 512 << 10
"""A chart or a page stays below this as PNG, without loss; a photograph does not."""


class DataURIs:
    """Pictures as ``data:`` URIs; equal ones are encoded once, as long as they are kept.

    Args:
        megabytes: Most that is kept.
        seconds: How long it is kept.
    """

    def __init__(self, megabytes: float, seconds: float) -> None:
        self._kept: Kept[str] = Kept(megabytes, seconds, len)

    def __call__(self, raster: Raster, side: int | None) -> str:
        """What :func:`data_uri` makes of it."""
        return self._kept.get((content_key(raster), side), lambda: data_uri(raster, side))


def content(
    message: Message,
    side: int | None,
    encode: Callable[[Raster, int | None], str],
    clean: Callable[[str], str] = str,
) -> Any:
    """What a message says and shows, in its order.

    Args:
        message: The message.
        side: Longest side of a picture in pixels; ``None`` leaves it as it is.
        encode: Makes an address of a picture of such a side.
        clean: Applied to each text.
    """
    if not message.pictures:
        return clean(message.text)
    return [
        {"type": "text", "text": clean(part.text)}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": encode(part.raster, side)}}
        for part in message.parts
    ]


def data_uri(raster: Raster, side: int | None) -> str:
    """A picture as a PNG, or a photograph as a JPEG, in a ``data:`` URI.

    Args:
        raster: The picture.
        side: Longest side in pixels; a larger picture is made smaller. ``None``: as it is.
    """
    from PIL import Image

    picture = Image.fromarray(shrunk(raster, within(raster.size, side)).pixels)
    data, kind = BytesIO(), "png"
    picture.save(data, "PNG")
    if data.tell() > _PNG_BYTES:
        data, kind = BytesIO(), "jpeg"
        picture.save(data, "JPEG", quality=90, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
