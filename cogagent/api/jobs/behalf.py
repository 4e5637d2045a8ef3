"""In whose name a job is done: what its caller may see and write, kept with it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cogagent.api.callers import Caller
from cogagent.errors import ForbiddenError


def stored(caller: Caller) -> str:
    """A caller as it is kept with a job."""
    return json.dumps(
        {
            "owner": caller.owner,
            "name": caller.name,
            "scopes": sorted(caller.scopes),
            "collections": None if caller.collections is None else sorted(caller.collections),
            "principals": None if caller.principals is None else sorted(caller.principals),
        }
    )


def restored(kept: str) -> Caller:
    """The caller that :func:`stored` kept."""
    found: dict[str, Any] = json.loads(kept)
    collections, principals = found["collections"], found["principals"]
    return Caller(
        found["owner"],
        found["name"],
        frozenset(found["scopes"]),
        None if collections is None else frozenset(collections),
        None if principals is None else frozenset(principals),
    )


def require_own(caller: Caller, principals: Iterable[str]) -> None:
    """Refuse to show a document to those in whose name the caller does not act."""
    if caller.seen_as is not None and not caller.seen_as.issuperset(principals):
        raise ForbiddenError(
            "this API key does not act for all of these principals.",
            remedy="Name those of the key, or none.",
        )
