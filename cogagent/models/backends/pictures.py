"""Messages as servers of OpenAI's protocol take them, pictures as data URIs of a useful size."""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from typing import Any

from cogagent.config import LlamaCppSettings, OpenAISettings
from cogagent.geometry import SLIMMEST, SmartResize
from cogagent.models.kept import Kept, content_key
from cogagent.models.mllm import Capabilities, Coordinates, Message, TextPart
from cogagent.models.sight import given, seen_size, shrunk
from cogagent.types import Raster

_PNG_BYTES = 512 << 10
"""A chart or a page stays below this as PNG, without loss; a photograph does not."""


def seeing(
    can: Capabilities, chosen: OpenAISettings | LlamaCppSettings, coordinates: Coordinates
) -> Capabilities:
    """What a model can do that also sees pictures.

    Args:
        can: What it can do besides.
        chosen: How large a picture may be, and what it is resized to.
        coordinates: How it names places.
    """
    seen: dict[str, Any] = {"pictures": True, "coordinates": coordinates}
    if coordinates != "pixels":
        seen["picture_side"] = chosen.picture_side
    if coordinates == "resized-pixels":
        seen["resize"] = SmartResize(chosen.resize_least, chosen.resize_most)
        seen["slimmest"] = SLIMMEST
    return can.model_copy(update=seen)


class DataURIs:
    """Pictures as ``data:`` URIs; equal ones are encoded once, as long as they are kept.

    Args:
        megabytes: Most that is kept.
        seconds: How long it is kept.
    """

    def __init__(self, megabytes: float, seconds: float) -> None:
        self._kept: Kept[str] = Kept(megabytes, seconds, len)

    def __call__(self, raster: Raster, can: Capabilities) -> str:
        """What :func:`data_uri` makes of it."""
        how = can.picture_side, can.slimmest, can.resize
        return self._kept.get((content_key(raster), how), lambda: data_uri(raster, can))


def content(
    message: Message,
    can: Capabilities,
    encode: Callable[[Raster, Capabilities], str],
    clean: Callable[[str], str] = str,
) -> Any:
    """What a message says and shows, in its order.

    Args:
        message: The message.
        can: What the model can do: its pictures are made no larger than it makes use of.
        encode: Makes an address of a picture for such a model.
        clean: Applied to each text.
    """
    if not message.pictures:
        return clean(message.text)
    return [
        {"type": "text", "text": clean(part.text)}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": encode(part.raster, can)}}
        for part in message.parts
    ]


def data_uri(raster: Raster, can: Capabilities) -> str:
    """A picture as a PNG, or a photograph as a JPEG, in a ``data:`` URI.

    Where the model names places in pixels of what it resizes the picture to, it is
    resized here: servers follow the same rule with other roundings, but leave alone what
    has such a size already.

    Args:
        raster: The picture.
        can: What the model can do.
    """
    from PIL import Image

    shown = shrunk(given(raster, can), seen_size(raster.size, can))
    picture = Image.fromarray(shown.pixels)
    data, kind = BytesIO(), "png"
    picture.save(data, "PNG")
    if data.tell() > _PNG_BYTES:
        data, kind = BytesIO(), "jpeg"
        picture.save(data, "JPEG", quality=90, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
