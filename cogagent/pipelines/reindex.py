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
from cogagent.types import Failure, IngestReport, Progress, TileVectors
from cogagent.vision.tiling import KINDS, embed, tile_vectors

_BATCH, _PICTURES = 256, 64
"""Texts, and pictures, that are embedded between two transactions."""


def reindex(
    store: Store,
    view: PageView,
    text: TextEmbedder,
    image: ImageEmbedder,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    tiles: str = "none",
) -> IngestReport:
    """Give every chunk a vector of ``text``, and every picture vectors of ``image``.

    The old vectors serve until the new ones are complete. A reindex that was
    cut short goes on where it stopped; documents ingested meanwhile are
    included. A picture whose original is gone keeps its text and loses its
    picture vectors; it is reported. Pictures whose parts lack vectors, as the
    setting has it now, get them too.

    Args:
        store: The home.
        view: Has the pictures' pixels.
        text: Embeds texts.
        image: Embeds pictures.
        on_progress: Called after each batch.
        tiles: The setting ``parse.tiles``.

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
        while batch := upkeep.unembedded(store, store.image, _PICTURES):
            seen = list(_pictures(batch, view, image, tiles, failures))
            upkeep.add_vectors(store, store.image, [(row, vector) for row, vector, _ in seen])
            upkeep.add_tiles(store, [(row, parts) for row, _, parts in seen])
            upkeep.drop_pictures(
                store, [row for row in batch if row.id not in {r.id for r, _, _ in seen}]
            )
            counts["images"] += len(seen)
            told()
        if upkeep.settle(store):
            break
    if tiles == "none":
        upkeep.drop_tiles(store)
    last = 0
    while tiles != "none" and (batch := upkeep.untiled(store, tiles, KINDS, last, _PICTURES)):
        last = batch[-1].id
        seen = list(_pictures(batch, view, image, tiles, failures))
        upkeep.add_tiles(store, [(row, parts) for row, _, parts in seen])
        counts["images"] += sum(parts is not None for _, _, parts in seen)
        told()
    for collection in store.collections():
        store.save(collection.name)
    return IngestReport(
        chunks=counts["chunks"],
        images=counts["images"],
        failed=tuple(failures),
        seconds=round(time.monotonic() - started, 3),
    )


def _pictures(
    rows: list[Unembedded],
    view: PageView,
    image: ImageEmbedder,
    tiles: str,
    failures: list[Failure],
) -> Iterator[tuple[Unembedded, Vectors, TileVectors | None]]:
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
        (seen,) = embed([raster], image)
        parts = tile_vectors(raster, row.look, seen, image, tiles)
        yield row, seen.vector, parts and parts.on_page(row.chunk.box)
