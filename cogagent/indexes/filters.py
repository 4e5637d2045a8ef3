"""Filters: equality on fields of a document, applied before a search."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cogagent.errors import InputError, UnknownFieldError
from cogagent.indexes.vectors import Ids
from cogagent.types import MetaValue, storable

Filters = Mapping[str, MetaValue | Sequence[MetaValue]]
"""Field names to a value, or to a list of values of which any will do."""

Principals = Collection[str]
"""Names in which somebody sees documents: their own, their groups', their projects'."""

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


_VISIBLE = (
    "(NOT EXISTS (SELECT 1 FROM document_principals p WHERE p.document = d.id) "
    "OR EXISTS (SELECT 1 FROM document_principals p WHERE p.document = d.id "
    "AND p.principal IN (SELECT value FROM json_each(?))))"
)
"""Whether a document ``d`` names none, or one of the principals that are bound as JSON."""


def select(
    connection: sqlite3.Connection,
    collection: int,
    filters: Filters | None,
    principals: Principals | None = None,
) -> Selection | None:
    """The chunks of ``collection`` that a search may return; ``None`` for all.

    They pass ``filters``, are enabled, and name no principal or one of ``principals``, which
    is ``None`` for those of everybody.

    Raises:
        UnknownFieldError: If a name is neither a field nor a metadata key in use.
        InputError: If a value is not a string, number, truth value or list of them.
    """
    clauses: list[str] = []
    params: list[MetaValue] = []
    for name, wanted in (filters or {}).items():
        expression, key = _expression(connection, collection, name, principals)
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
    disabled, restricted = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM documents WHERE collection = :key AND NOT enabled), "
        "EXISTS (SELECT 1 FROM documents d JOIN document_principals p ON p.document = d.id "
        "WHERE d.collection = :key)",
        {"key": collection},
    ).fetchone()
    if principals is not None and restricted:
        where, bound = visible(principals)
        clauses.append(where)
        params += bound
    if not clauses and not disabled:
        return None
    sql = (
        "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document "
        f"WHERE {' AND '.join(['d.collection = ?', 'd.enabled', *clauses])}"
    )
    every = (collection, *params)
    ids = np.fromiter((row[0] for row in connection.execute(sql, every)), np.int64)
    return Selection(sql, every, ids)


def visible(principals: Principals | None) -> tuple[str, tuple[str, ...]]:
    """The condition that a document ``d`` may be seen, and what it binds."""
    return ("1", ()) if principals is None else (_VISIBLE, (json.dumps(sorted(principals)),))


def _expression(
    connection: sqlite3.Connection, collection: int, name: str, principals: Principals | None
) -> tuple[str, tuple[str, ...]]:
    if name in FIELDS:
        return FIELDS[name], ()
    where, bound = visible(principals)
    known = [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT j.key FROM documents d, json_each(d.metadata) j "
            f"WHERE d.collection = ? AND {where} ORDER BY 1",
            (collection, *bound),
        )
    ]
    key = name.removeprefix("metadata.")
    if key not in known:
        raise UnknownFieldError(
            f"no document has a field {name!r}.",
            remedy=f"Known fields: {', '.join([*FIELDS, *known])}.",
        )
    return "json_extract(d.metadata, ?)", (f"$.{json.dumps(key)}",)
