"""Pages of long lists: opaque cursors, which name the last entry of the page before."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic_core import from_json, to_json

from cogagent.errors import InputError
from cogagent.types import Record

T = TypeVar("T")

_NUMBER = re.compile("[0-9]{1,16}")
_LARGEST = 1 << 53
"""Of numbers in cursors: more than there can be entries, and none that breaks the catalogue."""

MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries of a page, at most.")]
Cursor = Annotated[
    str,
    Query(
        max_length=4096, pattern=r"^[A-Za-z0-9_-]*$",
        description="`next` of the page before; nothing for the first page.",
    ),
]  # fmt: skip


class Page(Record, Generic[T]):
    """A part of a list."""

    items: tuple[T, ...]
    next: str | None = None
    """Cursor of the next page, for `after`; `null` on the last one."""


def cursor(kind: str, key: str) -> str:
    """A cursor that stands behind the entry ``key`` of a list of ``kind``."""
    return base64.urlsafe_b64encode(to_json([kind, key])).rstrip(b"=").decode()


def position(kind: str, given: str) -> str:
    """The key that a cursor stands behind; empty at the beginning.

    Raises:
        InputError: If it is none of a list of this kind.
    """
    if not given:
        return ""
    try:
        padded = given + "=" * (-len(given) % 4)
        found, key = from_json(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        found, key = "", None
    if found != kind or not isinstance(key, str):
        raise _strange()
    return key


def number(kind: str, given: str) -> int:
    """The number that a cursor stands behind; 0 at the beginning.

    Raises:
        InputError: If it is none of a list of this kind.
    """
    key = position(kind, given)
    if not key:
        return 0
    if not (_NUMBER.fullmatch(key) and int(key) <= _LARGEST):
        raise _strange()
    return int(key)


def pair(kind: str, given: str) -> tuple[str, str] | None:
    """The two texts, of which the first has no blank, that a cursor stands behind.

    Returns:
        ``None`` at the beginning.

    Raises:
        InputError: If it is none of a list of this kind.
    """
    first, _, second = position(kind, given).partition(" ")
    if given and not (first and second):
        raise _strange()
    return (first, second) if given else None


def page(kind: str, found: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """A page of what was found when one more than ``limit`` was asked for."""
    shown = found[:limit]
    more = len(found) > limit
    return Page(items=tuple(shown), next=cursor(kind, key(shown[-1])) if more else None)


def page_of(
    kind: str, everything: Sequence[T], after: str, limit: int, key: Callable[[T], str]
) -> Page[T]:
    """A page of a whole list that is sorted by ``key``."""
    behind = position(kind, after)
    rest = [item for item in everything if not behind or key(item) > behind]
    return page(kind, rest[: limit + 1], limit, key)


def _strange() -> InputError:
    return InputError(
        "the cursor is none of this list's.",
        remedy="Pass `next` of the page before as `after`.",
    )
