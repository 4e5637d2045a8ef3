"""Vector search by FAISS: exact inner product, true delete, filter before search."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from cogagent.indexes.files import write_whole

if TYPE_CHECKING:
    import faiss

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
log = logging.getLogger(__name__)


class VectorIndex(Protocol):
    """A searchable set of vectors with ids of the caller's."""

    dim: int

    def __len__(self) -> int: ...

    def ids(self) -> Ids:
        """All ids, in no order."""
        ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add ``vectors``, shape ``(n, dim)``; an id must be new."""
        ...

    def remove(self, ids: Ids) -> None:
        """Remove these ids; unknown ones are ignored."""
        ...

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """The ``k`` nearest to one ``vector`` among ``allowed``: ids and scores, best first."""
        ...

    def save(self, path: Path) -> None:
        """Write to ``path`` in one step: a reader sees the old file or the new."""
        ...


class FaissIndex:
    """A flat FAISS index, safe to use from several threads.

    Args:
        dim: Width of the vectors.
        index: A FAISS index to take over, as :meth:`load` does.
    """

    def __init__(self, dim: int, index: faiss.IndexIDMap2 | None = None) -> None:
        import faiss

        self.dim = dim
        self._index = index if index is not None else faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        # FAISS allows concurrent searches, but none during an add or remove.
        self._lock = threading.Lock()

    @staticmethod
    def load(path: Path, dim: int) -> FaissIndex | None:
        """The index in ``path``; ``None`` if there is none or it is damaged."""
        import faiss

        if not path.is_file():
            return None
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            log.warning("rebuilding the damaged index file %s: %s", path.name, error)
            return None
        if not isinstance(index, faiss.IndexIDMap2) or index.d != dim:
            log.warning("rebuilding the index file %s: not of this kind and width", path.name)
            return None
        return FaissIndex(dim, index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def ids(self) -> Ids:
        """All ids, in no order."""
        import faiss

        with self._lock:
            return np.array(faiss.vector_to_array(self._index.id_map), dtype=np.int64)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add ``vectors``, shape ``(n, dim)``; an id must be new."""
        with self._lock:
            self._index.add_with_ids(np.ascontiguousarray(vectors, np.float32), ids)

    def remove(self, ids: Ids) -> None:
        """Remove these ids; unknown ones are ignored."""
        if len(ids):
            with self._lock:
                self._index.remove_ids(np.ascontiguousarray(ids, np.int64))  # type: ignore[arg-type]

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """The ``k`` nearest to one ``vector`` among ``allowed``: ids and scores, best first."""
        import faiss

        limit = len(self) if allowed is None else min(len(allowed), len(self))
        k = min(k, limit)
        if k == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        params = None
        if allowed is not None:
            selector = faiss.IDSelectorBatch(allowed)
            params = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        query = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        with self._lock:
            scores, ids = self._index.search(query, k, params=params)
        found = ids[0] >= 0
        return ids[0][found], scores[0][found]

    def save(self, path: Path) -> None:
        """Write to ``path`` in one step: a reader sees the old file or the new.

        Raises:
            DiskFullError: If there is no space; the old file stays.
            StorageError: If the folder cannot be written.
        """
        import faiss

        with self._lock:
            data = faiss.serialize_index(self._index)
        write_whole(path, data.data, "Free some space; the index is rebuilt from the catalogue.")
