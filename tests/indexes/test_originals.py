from __future__ import annotations

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


def test_prune_spares_what_is_used(tmp_path: Path) -> None:
    originals = Originals(tmp_path)
    for content in (OLD, YOUNG):
        originals.keep(content, b"x")
    originals.prune({YOUNG})
    assert originals.has(YOUNG)
    assert not originals.has(OLD)


def test_a_folder_that_cannot_be_written_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        Originals(tmp_path / "file").keep(OLD, b"x")
