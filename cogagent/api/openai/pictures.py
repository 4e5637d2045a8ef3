"""The pictures of a question: in the request itself, or at addresses where that is allowed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from cogagent.api.openai.refusals import unsupported
from cogagent.api.parts import Parts
from cogagent.api.session import Picture
from cogagent.api.views import picture_bytes
from cogagent.errors import WebRefusedError

_DATA = "data:image/"


def pictures_of(urls: Sequence[str], parts: Parts) -> list[Picture]:
    """The pictures at some addresses, in their order; nothing is fetched yet.

    Fetching one raises ``WebRefusedError`` if it is not to be fetched, or none is, and
    ``WebError`` if it cannot be.

    Args:
        urls: ``data:`` URIs; http addresses if the service fetches any.
        parts: Of the service.

    Raises:
        RequestValidationError: If an address holds no picture, or is of another kind.
    """
    return [_picture(url, parts) for url in urls]


def _picture(url: str, parts: Parts) -> Picture:
    if url[: len(_DATA)].lower() == _DATA:
        try:
            return picture_bytes(url)
        except ValueError as error:
            raise unsupported(str(error), "messages") from error
    if not url.lower().startswith(("http:", "https:")):
        raise unsupported("a picture comes as a `data:image/…;base64,` URI", "messages")
    return partial(_fetched, url, parts)


async def _fetched(url: str, parts: Parts) -> bytes:
    left = threading.Event()
    try:
        found = await parts.turns.run("fetches", parts.fetching.get, url, left.is_set)
    finally:
        left.set()
    if found is None:
        raise WebRefusedError("the picture's address was not fetched.")
    return found.data
