"""Messages as servers of OpenAI's protocol take them, pictures as data URIs of a useful size."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

from cogagent.models.mllm import Message, TextPart
from cogagent.types import Raster

_PNG_BYTES = 512 << 10
"""A chart or a page stays below this as PNG, without loss; a photograph does not."""


def content(message: Message, side: int | None, clean: Callable[[str], str] = str) -> Any:
    """What a message says and shows, in its order.

    Args:
        message: The message.
        side: Longest side of a picture in pixels; ``None`` leaves it as it is.
        clean: Applied to each text.
    """
    if not message.pictures:
        return clean(message.text)
    return [
        {"type": "text", "text": clean(part.text)}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": data_uri(part.raster, side)}}
        for part in message.parts
    ]


def data_uri(raster: Raster, side: int | None) -> str:
    """A picture as a PNG, or a photograph as a JPEG, in a ``data:`` URI.

    Args:
        raster: The picture.
        side: Longest side in pixels; a larger picture is made smaller. ``None``: as it is.
    """
    from PIL import Image

    picture = Image.fromarray(raster.pixels)
    if side is not None and max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    data, kind = BytesIO(), "png"
    picture.save(data, "PNG")
    if data.tell() > _PNG_BYTES:
        data, kind = BytesIO(), "jpeg"
        picture.save(data, "JPEG", quality=90, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
