"""Whether the parts of a home agree: catalogue, vectors and lexical index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cogagent.indexes.catalogue import Catalogue


class Fault(NamedTuple):
    """Something in a home that does not agree, and what mends it."""

    what: str
    remedy: str


def faults(catalogue: Catalogue) -> Iterator[Fault]:
    """All that is amiss; the home is only read.

    Raises:
        StorageError: If the catalogue cannot be read at all.
    """
    connection = catalogue.reader()
    (problem,) = connection.execute("PRAGMA quick_check").fetchone()
    if problem.startswith("NULL value in "):
        # SQLite up to 3.40 says so of sound tables whose primary key is in another order than
        # their columns; its longer check does not.
        (problem,) = connection.execute("PRAGMA integrity_check").fetchone()
    if problem != "ok":
        yield Fault(
            f"the catalogue is damaged: {problem}", "Restore it from a copy, or ingest anew."
        )
        return
    (bare,) = connection.execute(
        "SELECT count(*) FROM chunks c WHERE NOT EXISTS "
        "(SELECT 1 FROM vectors v WHERE v.chunk = c.id)"
    ).fetchone()
    if bare:
        yield Fault(f"{bare} passages have no vector", "Run `cogagent reindex`.")
    (lost,) = connection.execute(
        "SELECT count(*) FROM vectors v LEFT JOIN chunks c ON c.id = v.chunk "
        "LEFT JOIN documents d ON d.id = c.document "
        "WHERE d.id IS NULL OR d.collection <> v.collection"
    ).fetchone()
    if lost:
        yield Fault(f"{lost} vectors belong to no passage", "Ingest into a new home.")
    (astray,) = connection.execute(
        "SELECT count(*) FROM tiles t LEFT JOIN vectors v ON v.space = t.space "
        "AND v.collection = t.collection AND v.chunk = t.chunk WHERE v.chunk IS NULL"
    ).fetchone()
    if astray:
        yield Fault(f"{astray} parts of pictures have no picture", "Run `cogagent reindex`.")
    for collection, name in connection.execute("SELECT id, name FROM collections").fetchall():
        (differing,) = connection.execute(
            # A contentless index keeps its row ids in this table.
            f"WITH rows AS (SELECT id FROM fts_{int(collection)}_docsize), "
            "passages AS (SELECT DISTINCT c.parent AS id FROM chunks c "
            "JOIN documents d ON d.id = c.document WHERE d.collection = ?) "
            "SELECT (SELECT count(*) FROM (SELECT id FROM rows EXCEPT SELECT id FROM passages)) "
            "+ (SELECT count(*) FROM (SELECT id FROM passages EXCEPT SELECT id FROM rows))",
            (collection,),
        ).fetchone()
        if differing:
            yield Fault(
                f"the word index of collection {name!r} differs in {differing} passages",
                "Delete the collection and ingest it again.",
            )
