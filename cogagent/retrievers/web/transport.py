"""Requests that go to the address that was judged, and nowhere else."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncGenerator
from importlib.metadata import version
from types import TracebackType

import httpx

from cogagent.errors import WebError, WebLimitError
from cogagent.retrievers.web.guard import Guard

AGENT = "cogagent"
"""What robots.txt may call this program."""
_TRIED = 3
"""Addresses of one name that are tried."""
_CONNECT_SECONDS = 6.0
_READ_SECONDS = 15.0
_PIECE = 1 << 16
"""Bytes that are unpacked at a time."""
_WINDOW = 47
"""For zlib: the largest window, and gzip or zlib as the data say."""


def headers(accept: str) -> dict[str, str]:
    """What a request says: who asks, and what for."""
    return {
        "User-Agent": f"{AGENT}/{version('cogagent')}",
        "Accept": accept,
        "Accept-Encoding": "gzip",
        "Connection": "close",
    }


class Wire:
    """Sends requests, each over a connection of its own; for one event loop.

    No cookies, no proxy, no credentials of the environment, no redirects.

    Args:
        guard: Judges where they go; ``None`` for a server that the settings name.
        context: Checks certificates.
    """

    def __init__(self, guard: Guard | None, context: ssl.SSLContext) -> None:
        self._guard = guard
        # A connection that is kept would be one that was judged for another name.
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)

    async def __aenter__(self) -> Wire:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)

    async def get(self, url: httpx.URL, accept: str) -> httpx.Response:
        """The answer to a request, its body unread; the caller closes it.

        Raises:
            WebError: If there is none.
        """
        request = httpx.Request("GET", url, headers=headers(accept))
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        request.extensions["timeout"] = timeout.as_dict()
        try:
            if self._guard is None:
                return await self._inner.handle_async_request(request)
            return await self._pinned(request, self._guard)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise WebError(f"{url.host} cannot be reached: {reason}.") from error

    async def _pinned(self, request: httpx.Request, guard: Guard) -> httpx.Response:
        """Connects to an address that the guard judged; the name stays in TLS and ``Host``."""
        url = guard.check(request.url)
        found = (await guard.addresses(url))[:_TRIED]
        name = url.raw_host.decode("ascii").strip("[]").rstrip(".")
        for place, address in enumerate(found):
            pinned = httpx.Request(
                request.method,
                url.copy_with(host=str(address)),
                headers=request.headers,
                extensions={**request.extensions, "sni_hostname": name},
            )
            try:
                return await self._inner.handle_async_request(pinned)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if place == len(found) - 1:
                    raise
        raise AssertionError("a name without an address was let through")


async def body(response: httpx.Response, most: int, *, cut: bool = False) -> bytes:
    """A response's body, unpacked; what is over ``most`` bytes is never held.

    Args:
        response: From :meth:`Wire.get`.
        most: Bytes, counted once unpacked.
        cut: Take the beginning of a longer one.

    Raises:
        WebLimitError: If it is longer.
        WebError: If it breaks off or is packed in another way than gzip.
    """
    declared = response.headers.get("Content-Length", "")
    if not cut and declared.isascii() and declared.isdigit() and int(declared[:18]) > most:
        raise _too_long(most)
    data = bytearray()
    try:
        async for piece in _unpacked(response):
            data += piece
            if len(data) > most:
                if cut:
                    return bytes(data[:most])
                raise _too_long(most)
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise WebError(f"the answer breaks off: {error or type(error).__name__}.") from error
    except zlib.error as error:
        raise WebError(f"the answer does not unpack: {error}.") from error
    return bytes(data)


async def _unpacked(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body in small pieces, as they are unpacked; httpx unpacks without a limit."""
    packing = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packing in ("identity", ""):
        async for piece in response.aiter_raw():
            yield piece
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise WebError("the answer is packed in a way that was not asked for.")
    unpacker = zlib.decompressobj(_WINDOW)
    async for piece in response.aiter_raw():
        while piece:
            if unpacker.eof:  # one packed after the other counts as one
                unpacker = zlib.decompressobj(_WINDOW)
            made = unpacker.decompress(piece, _PIECE)
            if made:
                yield made
            piece = unpacker.unconsumed_tail or unpacker.unused_data
    if not unpacker.eof:
        raise WebError("the answer breaks off.")


def _too_long(most: int) -> WebLimitError:
    return WebLimitError(
        f"the answer is longer than {most / 1e6:g} MB.", remedy="Raise web.page_mb to read it."
    )
