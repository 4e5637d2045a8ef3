"""The pictures of a question: in the request itself, or at addresses where that is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cogagent.api.jobs.fetching import Fetching
from cogagent.api.openai.refusals import unsupported
from cogagent.api.views import picture_bytes
from cogagent.errors import WebRefusedError

_DATA = "data:image/"


async def pictures_of(urls: Sequence[str], fetching: Fetching) -> list[bytes]:
    """The pictures at some addresses, in their order.

    Args:
        urls: ``data:`` URIs; http addresses if the service fetches any.
        fetching: Fetches those, public ones alone.

    Raises:
        RequestValidationError: If an address holds no picture, or is of another kind.
        WebRefusedError: If one is not to be fetched, or none is.
        WebError: If one cannot be fetched.
    """
    return list(await asyncio.gather(*(_picture(url, fetching) for url in urls)))


async def _picture(url: str, fetching: Fetching) -> bytes:
    if url[: len(_DATA)].lower() == _DATA:
        try:
            return picture_bytes(url)
        except ValueError as error:
            raise unsupported(str(error), "messages") from error
    if not url.lower().startswith(("http:", "https:")):
        raise unsupported("a picture comes as a `data:image/…;base64,` URI", "messages")
    found = await asyncio.to_thread(fetching.get, url)
    if found is None:
        raise WebRefusedError("the picture's address was not fetched.")
    return found.data
