"""Fixtures that several folders share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cogagent.geometry import make_box
from cogagent.indexes.store import Store
from cogagent.indexes.writing import Entry, Space
from cogagent.testing.doubles import ColourImageEmbedder, HashTextEmbedder
from cogagent.types import Chunk, Element, Words

TEXT = HashTextEmbedder()
IMAGE = ColourImageEmbedder()


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the machine, no home of the user."""
    import os

    for name in list(os.environ):
        if name.startswith("COGAGENT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COGAGENT_HOME", str(tmp_path / "default-home"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty home with one collection, over the doubles' spaces."""
    opened = open_store(tmp_path / "home")
    opened.create_collection("default")
    yield opened
    opened.close()


def open_store(home: Path, **changes: object) -> Store:
    spaces = {
        "text": Space(f"text:{TEXT.name}", TEXT.dim),
        "image": Space(f"image:{IMAGE.name}", IMAGE.dim),
    }
    return Store(home, **(spaces | changes))


def words_of(text: str, page: int = 1, top: float = 0.1) -> Words:
    """Words of ``text`` on one line, evenly spaced."""
    spans, boxes, position = [], [], 0
    for word in text.split():
        start = text.index(word, position)
        position = start + len(word)
        spans.append((start, position))
        boxes.append((start / 1000, top, position / 1000, top + 0.02))
    return Words(
        np.array(spans, np.int32).reshape(-1, 2),
        np.full(len(spans), page, np.int32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )


def make_entry(uri: str, *texts: str, title: str = "A title", **changes: object) -> Entry:
    """A document of one page with a chunk for each text."""
    chunks = [
        Chunk(text=text, context=title, words=words_of(text), box=make_box(0.0, 0.1, 0.5, 0.12))
        for text in texts
    ]
    fields: dict[str, object] = {
        "uri": uri,
        "content": f"sha-{uri}-{'|'.join(texts)}",
        "recipe": "test",
        "title": title,
        "media_type": "text/plain",
        "pages": 1,
        "metadata": {},
        "elements": [Element(kind="text", text=text, order=n) for n, text in enumerate(texts)],
        "chunks": chunks,
        "text_vectors": TEXT.embed([chunk.embedded_text() for chunk in chunks]),
    }
    return Entry(**(fields | changes))
