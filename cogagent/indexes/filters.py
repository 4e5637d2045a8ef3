"""Filters: equality on fields of a document, applied before a search."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cogagent.errors import InputError, UnknownFieldError
from cogagent.indexes.vectors import Ids
from cogagent.types import MetaValue, storable

Filters = Mapping[str, MetaValue | Sequence[MetaValue]]
"""Field names to a value, or to a list of values of which any will do."""

FIELDS = {
    "document": "d.id",
    "uri": "d.uri",
    "title": "d.title",
    "media_type": "d.media_type",
    "page": "c.page",
    "kind": "c.kind",
}
"""Fields that every document has; any other name is a key of its metadata."""


class Selection(NamedTuple):
    """The chunks that a search may return, as SQL and as ids."""

    sql: str
    params: tuple[MetaValue, ...]
    ids: Ids


def select(
    connection: sqlite3.Connection, collection: int, filters: Filters | None
) -> Selection | None:
    """The chunks of ``collection`` that pass ``filters`` and are enabled; ``None`` for all.

    Raises:
        UnknownFieldError: If a name is neither a field nor a metadata key in use.
        InputError: If a value is not a string, number, truth value or list of them.
    """
    clauses: list[str] = []
    params: list[MetaValue] = []
    for name, wanted in (filters or {}).items():
        expression, key = _expression(connection, collection, name)
        values: list[MetaValue] = []
        for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
            if not storable(value):
                raise InputError(
                    f"the filter {name!r} compares with text, finite numbers or truth values."
                )
            values.append(value)
        given = [value for value in values if value is not None]
        clause = f"{expression} IN (SELECT value FROM json_each(?))"
        if len(given) < len(values):
            clause = f"({clause} OR {expression} IS NULL)"
        clauses.append(clause)
        params += [*key, json.dumps(given), *(key if len(given) < len(values) else ())]
    disabled = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM documents WHERE collection = ? AND NOT enabled)",
        (collection,),
    ).fetchone()[0]
    if not clauses and not disabled:
        return None
    sql = (
        "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document "
        f"WHERE {' AND '.join(['d.collection = ?', 'd.enabled', *clauses])}"
    )
    bound = (collection, *params)
    ids = np.fromiter((row[0] for row in connection.execute(sql, bound)), np.int64)
    return Selection(sql, bound, ids)


def _expression(
    connection: sqlite3.Connection, collection: int, name: str
) -> tuple[str, tuple[str, ...]]:
    if name in FIELDS:
        return FIELDS[name], ()
    known = [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT j.key FROM documents d, json_each(d.metadata) j "
            "WHERE d.collection = ? ORDER BY 1",
            (collection,),
        )
    ]
    key = name.removeprefix("metadata.")
    if key not in known:
        raise UnknownFieldError(
            f"no document has a field {name!r}.",
            remedy=f"Known fields: {', '.join([*FIELDS, *known])}.",
        )
    return "json_extract(d.metadata, ?)", (f"$.{json.dumps(key)}",)
