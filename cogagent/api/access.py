"""Who may come in: API keys are checked before anything else of a request is read.

:class:`Gate` finds the caller of each request. What is behind it asks for a
session by :func:`session`, or, in routes, by :func:`scoped`, which also
refuses a key without the scope and names it in the OpenAPI document::

    @router.get("/collections")
    def list_collections(session: Annotated[Session, Depends(scoped("read"))]) -> ...

A route that asks for neither is behind the gate all the same.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette import types as asgi
from starlette.datastructures import Headers

from cogagent.api.callers import LOCAL, Caller, Scope
from cogagent.api.rates import MOST_AT_ONCE, AtOnce, Rates
from cogagent.api.session import Session
from cogagent.errors import BusyError, UnauthenticatedError
from cogagent.indexes.keys import ApiKey, looks_like_key

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

PROBES = frozenset({"/healthz", "/readyz"})
"""What is answered without a key, and not audited, under any name of the machine."""
METRICS = "/metrics"

_FAILURES = 10
"""Wrong secrets, a minute, address and id of a key."""
_UNKNOWN = 300
"""Keys whose ids are unknown, a minute and address: they cost little."""
_WAITING = 64
"""Keys that wait for the slow hash; each costs some 50 ms and 64 MiB."""

_BEARER = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="cog_<id>_<secret>",
    description="An API key of `cogagent keys create`.",
    auto_error=False,
)
_HEADER = APIKeyHeader(
    name="x-api-key",
    scheme_name="x-api-key",
    description="The same, in a header of its own.",
    auto_error=False,
)


class Gate:
    """Middleware: lets in who has a key that holds, and everybody of this machine if open.

    Errors are raised, for whatever is around it to tell.

    Args:
        app: What it guards.
        parts: Of the service.
    """

    def __init__(self, app: asgi.ASGIApp, parts: Parts) -> None:
        self._app = app
        self._parts = parts
        self._failures = Rates(_FAILURES)
        self._unknown = Rates(_UNKNOWN)
        self._open = AtOnce(MOST_AT_ONCE // 2)
        self._checking = asyncio.Lock()
        self._waiting = 0

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Pass on requests of known callers; lifespan passes, websockets are not spoken."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and not (
            is_probe(scope) or is_page(scope) or self._is_open(scope)
        ):
            caller = await self._caller(scope)
            # Before the rate: what is refused then is still known to be theirs.
            found = Session(self._parts.agent, caller, self._parts.turns)
            scope.setdefault("state", {}).update(caller=caller, session=found)
            if caller.owner:
                self._parts.rates.take(caller.owner)
                with self._open.one(caller.owner):
                    await self._app(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_open(self, scope: asgi.Scope) -> bool:
        return self._parts.settings.metrics == "open" and _path(scope) == METRICS

    async def _caller(self, scope: asgi.Scope) -> Caller:
        given = _given(Headers(scope=scope))
        # Clients that cannot do without a key send some other word to an open door.
        if self._parts.open_door and (given is None or not looks_like_key(given)):
            # Served to everybody on purpose, and not without a warning, it is open to everybody.
            if not (is_local(scope) or self._parts.settings.auth == "off"):
                raise UnauthenticatedError("without an API key, only this machine may come in.")
            return LOCAL
        if given is None:
            raise UnauthenticatedError(
                "this service asks for an API key.",
                remedy="Send it as `Authorization: Bearer cog_…`, or as `x-api-key`.",
            )
        key = self._parts.keys.remembered(given)
        return _caller_of(await self._checked(given, scope) if key is None else key)

    async def _checked(self, given: str, scope: asgi.Scope) -> ApiKey:
        """The key by its slow hash, one at a time; who fails often has to wait.

        An address that failed too often with one key can still use all others, and that one
        too if it is known already.
        """
        address = network(scope)
        named = self._parts.keys.named(given)
        if named is None:
            self._unknown.take(address)
            return self._parts.keys.check(given)  # refuses it, and hashes nothing
        tried = f"{address} {named}"
        if self._failures.wait(tried):
            self._failures.take(tried)  # says how long
        if self._waiting >= _WAITING:
            raise BusyError("many API keys are being checked at present.")
        self._waiting += 1
        try:
            async with self._checking:
                keys = self._parts.keys
                if (known := keys.remembered(given)) is not None:
                    return known
                self._failures.take(tried)
                key = await asyncio.to_thread(keys.check, given)
                self._failures.give_back(tried)
                return key
        finally:
            self._waiting -= 1


def session(request: Request) -> Session:
    """What the caller of a request may do.

    Raises:
        UnauthenticatedError: If the request did not come through the gate.
    """
    return session_of(request.scope)


def session_of(scope: asgi.Scope) -> Session:
    """:func:`session`, for what is no route: applications that are mounted.

    Raises:
        UnauthenticatedError: As there.
    """
    found = scope.get("state", {}).get("session")
    if not isinstance(found, Session):
        raise UnauthenticatedError("nobody asked who this is.")
    return found


@cache
def scoped(scope: Scope) -> Callable[..., Awaitable[Session]]:
    """A dependency: the caller's session, if it has a scope.

    It raises ``ForbiddenError`` if it has not. What it asks for stands in the
    OpenAPI document, in the operation's ``security``.
    """
    bearer, header = (Security(scheme, scopes=[scope]) for scheme in (_BEARER, _HEADER))

    async def opened(request: Request, _bearer: Any = bearer, _header: Any = header) -> Session:
        found = session(request)
        request.scope["state"]["scope"] = scope
        found.require(scope)
        return found

    return opened


def is_probe(scope: asgi.Scope) -> bool:
    """Whether a request asks how the service is, and for nothing else."""
    return _path(scope) in PROBES


def is_scrape(scope: asgi.Scope) -> bool:
    """Whether a request asks for the metrics, as it does every few seconds."""
    return _path(scope) == METRICS


def is_page(scope: asgi.Scope) -> bool:
    """Whether a request asks for the web page: files that are the same for everybody."""
    path = _path(scope)
    return path == "/" or path.startswith("/page/")


def address(scope: asgi.Scope) -> str:
    """Where a request comes from: an IP address; empty where there is none."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def is_local(scope: asgi.Scope) -> bool:
    """Whether a request comes from this machine."""
    found = _ip(address(scope))
    return found.is_loopback if found is not None else not scope.get("client")


def network(scope: asgi.Scope) -> str:
    """Whose address it is: of IPv6 the first half, since one caller has all of the rest."""
    found = _ip(address(scope))
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found) if found is not None else address(scope)


def _path(scope: asgi.Scope) -> str:
    return str(scope["path"]).removeprefix(scope.get("root_path", ""))


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def _given(headers: Headers) -> str | None:
    """The key that a request comes with.

    Raises:
        UnauthenticatedError: If it comes with several, or with what is no key.
    """
    found = set(headers.getlist("x-api-key"))
    for line in headers.getlist("authorization"):
        scheme, _, text = line.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError(
                "the Authorization header is none of an API key.",
                remedy="Send `Authorization: Bearer cog_…`.",
            )
        found.add(text.strip())
    found.discard("")
    if len(found) > 1:
        raise UnauthenticatedError("the request has several API keys.", remedy="Send one.")
    return found.pop() if found else None


def _caller_of(key: ApiKey) -> Caller:
    return Caller(
        owner=key.id,
        name=key.name,
        scopes=frozenset(key.scopes),
        collections=None if key.collections is None else frozenset(key.collections),
        principals=None if key.principals is None else frozenset(key.principals),
    )
