"""New vectors for an old home, after a change of embedder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from cogagent.errors import CogAgentError
from cogagent.indexes import upkeep
from cogagent.indexes.store import Store
from cogagent.indexes.upkeep import Unembedded
from cogagent.models.base import ImageEmbedder, TextEmbedder, Vectors
from cogagent.pipelines.pages import PageView
from cogagent.types import Failure, IngestReport, Progress

_BATCH = 256


def reindex(
    store: Store,
    view: PageView,
    text: TextEmbedder,
    image: ImageEmbedder,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Give every chunk a vector of ``text``, and every picture one of ``image``.

    The old vectors serve until the new ones are complete. A reindex that was
    cut short goes on where it stopped; documents ingested meanwhile are
    included. A picture whose original is gone keeps its text and loses its
    picture vector; it is reported.

    Raises:
        ModelError: If an embedder fails; the old vectors stay.
        StorageError: If the home cannot be written.
    """
    started = time.monotonic()
    counts = {"chunks": 0, "images": 0}
    failures: list[Failure] = []

    def told() -> None:
        if on_progress is not None:
            spent = max(time.monotonic() - started, 1e-6)
            done = counts["chunks"] + counts["images"]
            on_progress(
                Progress(
                    documents=done,
                    total=done,
                    pages=0,
                    pages_per_second=done / spent,
                    seconds_left=None,
                )
            )

    while True:
        while batch := upkeep.unembedded(store, store.text, _BATCH):
            vectors = text.embed([row.chunk.embedded_text() for row in batch])
            upkeep.add_vectors(store, store.text, zip(batch, vectors, strict=True))
            counts["chunks"] += len(batch)
            told()
        while batch := upkeep.unembedded(store, store.image, _BATCH):
            seen = list(_pictures(batch, view, image, failures))
            upkeep.add_vectors(store, store.image, seen)
            upkeep.drop_pictures(
                store, [row for row in batch if row.id not in {r.id for r, _ in seen}]
            )
            counts["images"] += len(seen)
            told()
        if upkeep.settle(store):
            break
    for collection in store.collections():
        store.save(collection.name)
    return IngestReport(
        chunks=counts["chunks"],
        images=counts["images"],
        failed=tuple(failures),
        seconds=round(time.monotonic() - started, 3),
    )


def _pictures(
    rows: list[Unembedded], view: PageView, image: ImageEmbedder, failures: list[Failure]
) -> Iterator[tuple[Unembedded, Vectors]]:
    for row in rows:
        try:
            raster = view.region(row.document, row.chunk.page, row.chunk.box)
        except CogAgentError as error:
            uri = view.store.document(row.document).uri
            failures.append(
                Failure(
                    uri=uri, error=error.message, stage="see", code=error.code, remedy=error.remedy
                )
            )
            continue
        yield row, image.embed_images([raster])[0]
