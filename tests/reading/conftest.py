from __future__ import annotations

import pytest

from cogagent.config import Settings
from cogagent.models.factory import minilm, span_model
from cogagent.reading.reader import ExtractiveReader


@pytest.fixture(scope="session")
def reader() -> ExtractiveReader:
    return ExtractiveReader(minilm(Settings()), span_model(Settings()))
