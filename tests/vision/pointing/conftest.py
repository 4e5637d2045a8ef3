from __future__ import annotations

import pytest

from cogagent.config import Settings
from cogagent.vision.ocr import Reader


@pytest.fixture(scope="session")
def reader() -> Reader:
    return Reader(Settings())
