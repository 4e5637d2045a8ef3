"""Rows of the catalogue as the types of this package, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from cogagent.geometry import Box, make_box
from cogagent.indexes.spaces import unpack
from cogagent.types import Chunk, Document, Element, Evidence, TileVectors, Words

CHUNK = "c.element, c.kind, c.text, c.page, c.context, c.caption, c.words, c.x0, c.y0, c.x1, c.y1"
"""The columns that :func:`chunk` reads."""

_DOCUMENT = (
    "id", "uri", "content", "title", "media_type", "pages", "collection", "metadata", "version",
    "enabled", "added", "principals", "unseen",
)  # fmt: skip


def chunk(row: Sequence[Any], parent: int | None = None) -> Chunk:
    """A chunk from the columns ``CHUNK``."""
    element, kind, text, page, context, caption, words, *box = row
    return Chunk(
        kind=kind, text=text, page=page, context=context, caption=caption,
        words=Words.from_bytes(words), box=make_box(*box), parent=parent, element=element,
    )  # fmt: skip


LOOK = (
    "CASE c.kind WHEN 'image' THEN (SELECT json_extract(e.body, '$.look') FROM elements e "
    "WHERE e.document = c.document AND e.ord = c.element ORDER BY e.id LIMIT 1) END"
)
"""What kind of picture a chunk was made from; the texts read in it have the same order."""

ELEMENT = "e.ord, e.body, e.words"
"""The columns that :func:`element` reads."""


def element(row: Sequence[Any]) -> Element:
    """An element from the columns ``ELEMENT``."""
    order, body, words = row
    found = Element.model_validate_json(body)
    place = {} if words is None else {"words": Words.from_bytes(words)}
    return found.model_copy(update={"order": order, **place})


def documents(
    connection: sqlite3.Connection, where: str, params: tuple[object, ...], limit: int = -1
) -> Iterator[Document]:
    """The first ``limit`` documents ``d`` that fulfil a condition, by uri; -1 for all."""
    rows = connection.execute(
        "SELECT d.id, d.uri, d.content, d.title, d.media_type, d.pages, c.name, "
        "d.metadata, d.version, d.enabled, d.added, "
        "(SELECT json_group_array(principal) FROM document_principals WHERE document = d.id), "
        "(SELECT count(*) FROM elements e WHERE e.document = d.id AND e.unseen) FROM documents d "
        f"JOIN collections c ON c.id = d.collection WHERE {where} ORDER BY d.uri LIMIT ?",
        (*params, limit),
    )
    for row in rows:
        fields = dict(zip(_DOCUMENT, row, strict=True))
        fields |= {
            "metadata": json.loads(fields["metadata"]),
            "enabled": bool(fields["enabled"]),
            "principals": tuple(json.loads(fields["principals"])),
        }
        yield Document(**fields)


def evidence(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Evidence]:
    """Chunks as evidence without score, by id; ids that are gone are left out."""
    rows = connection.execute(
        f"SELECT c.id, d.id, d.uri, d.title, d.media_type, d.metadata, {LOOK}, {CHUNK} "
        f"FROM chunks c JOIN documents d ON d.id = c.document "
        "WHERE c.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    found = {}
    for key, document, uri, title, media_type, metadata, look, *columns in rows:
        made = chunk(columns)
        found[key] = Evidence(
            id=f"chunk-{key}", document_id=document, uri=uri, title=title, media_type=media_type,
            page=made.page, box=made.box, boxes=tuple(made.words.lines(0, len(made.text))),
            modality=made.kind, text=made.text, caption=made.caption, context=made.context,
            score=0.0, metadata=json.loads(metadata), look=look, words=made.words,
        )  # fmt: skip
    return found


_MOST_PIECES = 1000
"""Chunks on either side of one among which the rest of its table is looked for."""
_SPLIT = 100
"""Rows from which on a loader may have cut a table into several elements."""


def table(connection: sqlite3.Connection, chunk: int, longest: int) -> list[int]:
    """The chunks of the whole table that a chunk is a piece of, in order.

    Args:
        connection: To the catalogue.
        chunk: Its id.
        longest: Characters of the longest table.

    Returns:
        Ids; none if the table is longer, may go on in another one, or is gone.
    """
    found = connection.execute(
        "SELECT o.id, o.element, o.kind, o.context, o.caption, length(o.text), "
        "length(o.text) - length(replace(o.text, char(10), '')) + 1 FROM chunks c "
        "JOIN chunks o ON o.document = c.document AND o.ord BETWEEN c.ord - ? AND c.ord + ? "
        "WHERE c.id = ? AND c.kind = 'table' ORDER BY o.ord",
        (_MOST_PIECES, _MOST_PIECES, chunk),
    )
    # Tables one behind the other; anything else ends a run.
    groups = [list(group) for _, group in groupby(found, lambda row: (row[2], row[1]))]
    own = next((n for n, group in enumerate(groups) if any(row[0] == chunk for row in group)), -1)
    if own < 0:
        return []
    first = last = own
    while first and _alike(groups[first - 1], groups[own]):
        first -= 1
    while last + 1 < len(groups) and _alike(groups[last + 1], groups[own]):
        last += 1
    run = groups[first : last + 1]
    pieces = [row for group in run for row in group]
    whole = len(run) == 1 or sum(row[6] for row in run[0]) >= _SPLIT
    long = len(pieces) > _MOST_PIECES or sum(row[5] for row in pieces) > longest
    return [row[0] for row in pieces] if whole and not long else []


def _alike(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two tables have the same header and caption under the same headings."""
    (_, _, kind, context, caption, *_), known = one[0], other[0]
    return kind == "table" and "\n" in context and (context, caption) == (known[3], known[4])


def tiles(
    connection: sqlite3.Connection, space: str, dim: int, document: str
) -> dict[int, TileVectors]:
    """What is stored of the parts of a document's pictures, by chunk id."""
    found = connection.execute(
        "SELECT t.chunk, t.made, t.x0, t.y0, t.x1, t.y1, t.vector FROM tiles t "
        "JOIN chunks c ON c.id = t.chunk WHERE c.document = ? AND t.space = ? "
        "ORDER BY t.chunk, t.id",
        (document, space),
    )
    made: dict[int, TileVectors] = {}
    for key, group in groupby(found, lambda row: int(row[0])):
        parts = list(group)
        boxes = np.array([row[2:6] for row in parts], np.float32)
        vectors = unpack(b"".join(row[6] for row in parts), dim)
        made[key] = TileVectors(parts[0][1], boxes, vectors)
    return made


def tile_boxes(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Box]:
    """Where parts of pictures are on their pages, by id; those that are gone are left out."""
    found = connection.execute(
        "SELECT id, x0, y0, x1, y1 FROM tiles WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return {key: make_box(*box) for key, *box in found}
