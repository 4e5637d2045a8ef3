from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cogagent.errors import NotFoundError, StorageError
from cogagent.indexes.originals import Originals

OLD, YOUNG = "aa" * 32, "bb" * 32


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    originals = Originals(tmp_path)
    originals.keep(OLD, b"bytes")
    originals.keep(OLD, b"bytes")
    assert originals.fetch(OLD) == b"bytes"
    assert not list(tmp_path.rglob("*.tmp"))
    with pytest.raises(NotFoundError, match="no copy"):
        originals.fetch(YOUNG)


def test_prune_spares_what_is_used_or_young(tmp_path: Path) -> None:
    originals = Originals(tmp_path)
    for content in (OLD, YOUNG):
        originals.keep(content, b"x")
    past = time.time() - 7200
    os.utime(tmp_path / OLD[:2] / OLD, (past, past))
    originals.prune({OLD})
    assert originals.fetch(OLD)
    originals.prune(set())
    assert originals.fetch(YOUNG)
    with pytest.raises(NotFoundError):
        originals.fetch(OLD)


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        Originals(tmp_path / "file").keep(OLD, b"x")
