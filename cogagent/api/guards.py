"""What stands between the port and the routes, the outermost first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from cogagent.api.access import Gate
from cogagent.api.auditing import Auditing
from cogagent.api.headers import Hosts, SecurityHeaders
from cogagent.api.problems import Boundary

if TYPE_CHECKING:
    from cogagent.api.parts import Parts

_ASKED = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match",
    "Last-Event-ID", "Mcp-Protocol-Version", "Mcp-Session-Id", "X-Api-Key", "X-Request-Id",
)  # fmt: skip
_TOLD = ("ETag", "Link", "Location", "Mcp-Session-Id", "Retry-After", "X-Request-Id")


def guards(parts: Parts) -> list[Middleware]:
    """The middleware of the service, for ``FastAPI(middleware=…)``.

    A request is noted before it can be refused, and refused before its body is
    read. What the guards raise, the boundary around them tells.

    Args:
        parts: Of the service.
    """
    found = [Middleware(SecurityHeaders)]
    origins = parts.settings.origins
    if origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=[origin.rstrip("/") for origin in origins],
                allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
                allow_headers=_ASKED,
                expose_headers=_TOLD,
                max_age=600,
            )
        )
    return [
        *found,
        Middleware(Auditing, parts=parts),
        Middleware(Boundary),
        Middleware(Hosts, parts=parts),
        Middleware(Gate, parts=parts),
    ]
