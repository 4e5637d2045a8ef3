"""Names in paths: collections and conversations may have a slash in theirs, as ``%2F``."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Path
from pydantic import AfterValidator
from starlette.types import ASGIApp, Receive, Scope, Send

_STAND_IN = "\ue000"
"""For a slash that belongs to a name; no name has it, since it cannot be printed."""
_SLASH = re.compile(rb"%2f", re.IGNORECASE)


class Slashes:
    """Middleware: keeps routing from taking a slash of a name for one of the path.

    Args:
        app: What it is around.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        raw = scope.get("raw_path") or b""
        if scope["type"] == "http" and _SLASH.search(raw):
            marked = _SLASH.sub(_STAND_IN.encode(), raw)
            # In place: what is around it looks there for the route.
            scope["path"] = unquote_to_bytes(marked).decode("utf-8", "replace")
        await self._app(scope, receive, send)


def _named(text: str) -> str:
    return text.replace(_STAND_IN, "/")


CollectionName = Annotated[
    str, Path(alias="collection", description="Name of the collection."), AfterValidator(_named)
]
ConversationName = Annotated[
    str,
    Path(alias="conversation", description="Name of the conversation."),
    AfterValidator(_named),
]
ModelName = Annotated[
    str, Path(alias="model", description="Id of the model."), AfterValidator(_named)
]
