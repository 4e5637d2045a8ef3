"""Evidence to check against, and a checker with a stand-in for the model."""

from __future__ import annotations

import pytest

from cogagent.checking.checker import Checker
from cogagent.geometry import FULL_PAGE
from cogagent.testing.doubles import HashTextEmbedder
from cogagent.types import Evidence

PANTHERS = (
    "The Panthers defense gave up just 308 points, while also leading the NFL in interceptions "
    "with 24. Pro Bowl defensive tackle Kawann Short led the team in sacks with 11. Fellow "
    "lineman Mario Addison added 6\u00bd sacks. Thomas Davis compiled 5\u00bd sacks, four forced "
    "fumbles, and four interceptions. Denver defeated Carolina in the final."
)
SALES = (
    " | 2019 | 2018\nFixed Price | $1,452.4 | $1,146.2\nOther | 44.1 | 56.7\n"
    "Total sales | $1,496.5 | $1,202.9"
)
LAKE = (
    "The lake froze on 3 January 2010. It did not thaw until April. Fish survived below the ice."
)


def piece(key: str, text: str, **more) -> Evidence:
    given = {
        "id": key, "document_id": key, "uri": f"/d/{key}.pdf", "title": key.title(), "page": 3,
        "media_type": "application/pdf", "box": FULL_PAGE, "modality": "text", "score": 1.0,
    }  # fmt: skip
    return Evidence(**{**given, "text": text, **more})


@pytest.fixture
def evidence() -> list[Evidence]:
    return [
        piece("panthers", PANTHERS),
        piece("sales", SALES, modality="table", caption="Net sales (in millions)", page=7),
        piece("lake", LAKE, page=9),
    ]


@pytest.fixture
def checker() -> Checker:
    return Checker(HashTextEmbedder())
