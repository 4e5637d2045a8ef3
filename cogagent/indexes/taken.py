"""Whether a uri is another's: a document has it that the caller cannot see."""

from __future__ import annotations

import sqlite3

from cogagent.documents.base import MEMBER
from cogagent.indexes.filters import Principals, visible

_BEHIND = chr(ord(MEMBER[-1]) + 1)


def is_taken(
    connection: sqlite3.Connection, collection: str, uri: str, principals: Principals | None
) -> bool:
    """Whether a document of that uri, or of a file in it, is there and not to be seen.

    Args:
        connection: Of the catalogue.
        collection: Its name; it need not be there.
        uri: Of a document, or of an archive.
        principals: In whose name; nothing is taken for ``None``.
    """
    where, bound = visible(principals)
    inside = uri + MEMBER
    (found,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM documents d JOIN collections c ON c.id = d.collection "
        f"WHERE c.name = ? AND (d.uri = ? OR (d.uri > ? AND d.uri < ?)) AND NOT ({where}))",
        (collection, uri, inside, inside[:-1] + _BEHIND, *bound),
    ).fetchone()
    return bool(found)
