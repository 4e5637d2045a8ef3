from __future__ import annotations

import pytest

from cogagent.reading.reader import ExtractiveReader
from cogagent.testing.doubles import HashEncoder


@pytest.fixture(scope="session")
def reader() -> ExtractiveReader:
    return ExtractiveReader(HashEncoder())
