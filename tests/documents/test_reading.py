"""Bytes of a source: given, in the file of its uri, or in a file beside its uri."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cogagent import CogAgent, Source
from cogagent.config import LimitSettings
from cogagent.documents.reading import read
from cogagent.errors import CorruptDocumentError, LimitExceededError, SourceUnreadableError

LIMITS = LimitSettings(file_mb=1)


def test_a_path_holds_the_bytes_of_a_uri(tmp_path: Path) -> None:
    kept = tmp_path / "0a1b"
    kept.write_text("# Tides\n\nHigh at noon.")
    loaded = read(Source(uri="note:tides.md", path=kept), LIMITS)
    assert loaded.source.data == kept.read_bytes()
    assert loaded.media_type == "text/markdown"  # the uri names it, not where it lies


def test_bytes_that_are_given_come_first(tmp_path: Path) -> None:
    assert read(Source(uri="note:1", data=b"x", path=tmp_path / "no"), LIMITS).source.data == b"x"


def test_where_a_file_lies_is_not_told(tmp_path: Path) -> None:
    empty, large, pipe = tmp_path / "empty", tmp_path / "large", tmp_path / "pipe"
    empty.touch()
    large.write_bytes(bytes((1 << 20) + 1))
    os.mkfifo(pipe)
    for path, error in (
        (tmp_path / "gone", SourceUnreadableError),
        (tmp_path, SourceUnreadableError),
        (pipe, SourceUnreadableError),
        (empty, CorruptDocumentError),
        (large, LimitExceededError),
    ):
        with pytest.raises(error) as raised:
            read(Source(uri="note:1", path=path), LIMITS)
        assert raised.value.uri == "note:1"
        assert str(tmp_path) not in str(raised.value)


def test_a_uri_that_looks_like_a_folder_is_not_walked(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("The tide is high at noon.")
    with CogAgent(tmp_path / "home") as agent:
        report = agent.ingest(Source(uri=str(tmp_path), path=kept))
        assert (report.ingested, report.failed) == (1, ())
        (document,) = agent.documents.list()
    assert document.uri == str(tmp_path)
