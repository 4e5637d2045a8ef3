"""What was uploaded, by the id of its document: before it can be read too, and if it cannot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.filters import Principals, visible
from cogagent.indexes.job_rows import ItemState, JobState, problem_of, rows
from cogagent.types import Problem

_WHOSE = "(:owner IS NULL OR j.owner = :owner)"
_WHERE = "(:names IS NULL OR {} IN (SELECT value FROM json_each(:names)))"
_UNFINISHED = "('queued', 'failed', 'cancelled')"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The last upload of a document.

    Attributes:
        upload: Name of the file among the uploads, as long as it is kept.
        told: What the caller told of it.
        created: When it was uploaded; UTC, ISO 8601.
    """

    document: str
    uri: str
    collection: str
    state: ItemState
    error: Problem | None
    upload: str | None
    told: Mapping[str, Any]
    created: str
    job: str
    job_state: JobState
    alone: bool
    """No other document came with it."""


class UploadLog:
    """Documents and uploads of one home, as the owner of some of them sees both.

    Args:
        catalogue: Where jobs and documents are kept.
        owner: Whose uploads; ``None`` for everybody's.
        collections: Names of those that count; ``None`` for all.
        principals: In whose name documents are seen; ``None`` for all of them.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        owner: str | None,
        collections: Collection[str] | None,
        principals: Principals | None,
    ) -> None:
        self._catalogue = catalogue
        names = None if collections is None else json.dumps(sorted(collections))
        self._bound: dict[str, Any] = {"owner": owner, "names": names}
        self._visible, seen = visible(principals)
        for number, value in enumerate(seen):
            self._visible = self._visible.replace("?", f":seen{number}", 1)
            self._bound[f"seen{number}"] = value

    def ids(self, after: str = "", limit: int = 100, collection: str | None = None) -> list[str]:
        """Ids of documents and of uploads that are none yet, or could not be read; in order.

        Args:
            after: Only those behind this one, be it still there or not.
            limit: How many.
            collection: Of this one alone.
        """
        found = self._catalogue.reader().execute(
            "SELECT id FROM ("
            "SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection "
            f"WHERE {self._visible} AND {_WHERE.format('c.name')} "
            "AND (:collection IS NULL OR c.name = :collection) "
            "UNION SELECT i.document FROM job_items i JOIN jobs j ON j.id = i.job "
            f"WHERE i.document IS NOT NULL AND i.state IN {_UNFINISHED} "
            f"AND {_WHOSE} AND {_WHERE.format('j.collection')} "
            "AND (:collection IS NULL OR j.collection = :collection) "
            "AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.id = i.document)"
            ") WHERE id > :after ORDER BY id LIMIT :limit",
            {**self._bound, "after": after, "limit": limit, "collection": collection},
        )
        return [str(key) for (key,) in found]

    def find(self, document: str) -> Uploaded | None:
        """The last upload of a document; ``None`` if there is none, or it is another's."""
        return self.some([document]).get(document)

    def some(self, documents: Collection[str]) -> dict[str, Uploaded]:
        """The last uploads of some documents, by the document's id."""
        found = rows(
            self._catalogue.reader(),
            "SELECT i.*, j.collection, j.created, j.state AS job_state, "
            "(SELECT count(*) FROM job_items WHERE job = j.id) AS size "
            "FROM job_items i JOIN jobs j ON j.id = i.job "
            "WHERE i.document IN (SELECT value FROM json_each(:documents)) "
            f"AND {_WHOSE} AND {_WHERE.format('j.collection')} ORDER BY j.number",
            {**self._bound, "documents": json.dumps(list(documents))},
        )
        last = {row["document"]: row for row in found}
        return {document: _uploaded(row) for document, row in last.items()}

    def forget(self, document: str) -> None:
        """Keep an upload that came to nothing in its job alone, without its document's id."""
        with self._catalogue.transaction() as connection:
            connection.execute(
                "UPDATE job_items SET document = NULL WHERE document = :document "
                "AND state IN ('failed', 'cancelled') AND job IN "
                f"(SELECT j.id FROM jobs j WHERE {_WHOSE} AND {_WHERE.format('j.collection')})",
                {**self._bound, "document": document},
            )


def _uploaded(row: sqlite3.Row) -> Uploaded:
    return Uploaded(
        document=row["document"],
        uri=row["uri"],
        collection=row["collection"],
        state=row["state"],
        error=problem_of(row["error"]),
        upload=row["upload"],
        told=json.loads(row["body"]),
        created=row["created"],
        job=row["job"],
        job_state=row["job_state"],
        alone=row["size"] == 1,
    )
