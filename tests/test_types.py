from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cogagent.errors import InputError
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import (
    Answer,
    DoneEvent,
    Element,
    Event,
    Evidence,
    PageBox,
    Words,
    as_source,
    first_page_box,
    to_json_value,
)
from tests.conftest import words_of


def make_evidence(text: str, **changes: object) -> Evidence:
    fields: dict[str, object] = {
        "id": "chunk-1",
        "document_id": "doc-1",
        "uri": "/a.pdf",
        "title": "A",
        "media_type": "application/pdf",
        "page": 1,
        "box": FULL_PAGE,
        "modality": "text",
        "text": text,
        "score": 1.0,
        "words": words_of(text),
    }
    return Evidence(**(fields | changes))


@given(st.lists(st.text(alphabet="abcdef", min_size=1, max_size=8), min_size=1, max_size=30))
def test_words_survive_packing(parts: list[str]) -> None:
    words = words_of(" ".join(parts))
    back = Words.from_bytes(words.to_bytes())
    assert np.array_equal(back.spans, words.spans)
    assert np.array_equal(back.pages, words.pages)
    assert np.array_equal(back.boxes, words.boxes)


def test_half_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        Words.from_bytes(b"\0" * 29)


def test_a_quote_maps_to_the_boxes_of_its_words() -> None:
    evidence = make_evidence("alpha beta gamma")
    start = evidence.text.index("beta")
    (line,) = evidence.locate(start, start + 4)
    assert line.box == pytest.approx((0.006, 0.1, 0.010, 0.12), abs=1e-6)


def test_a_quote_over_a_page_break_has_a_box_on_each_page() -> None:
    first, second = words_of("one two", page=1), words_of("three", page=2)
    evidence = make_evidence("one two three", words=Words.concat([(0, first), (8, second)]))
    boxes = evidence.locate(4, 13)
    assert [entry.page for entry in boxes] == [1, 2]
    assert first_page_box(boxes).page == 1


def test_text_without_words_stands_where_its_evidence_stands() -> None:
    evidence = make_evidence("anything", words=Words.empty(), page=3)
    assert evidence.locate(0, 3) == (PageBox(page=3, box=FULL_PAGE),)


def test_json_carries_boxes_as_lists_and_no_words() -> None:
    plain = json.loads(json.dumps(to_json_value([make_evidence("x")])))[0]
    assert plain["box"] == [0.0, 0.0, 1.0, 1.0]
    assert "words" not in plain


def test_boxes_outside_of_the_page_are_refused() -> None:
    with pytest.raises(ValidationError, match="page fractions"):
        Element(kind="text", box=Box(0.5, 0.0, 1.5, 1.0))


def test_events_are_told_apart_by_their_type() -> None:
    adapter = TypeAdapter(Event)
    done = DoneEvent(answer=Answer(question="q", outcome="answered", text="t"))
    assert adapter.validate_json(adapter.dump_json(done)) == done
    with pytest.raises(ValidationError):
        adapter.validate_python({"type": "nonsense"})


def test_only_paths_and_sources_are_sources() -> None:
    assert as_source("a b.txt").uri.endswith("/a b.txt")
    with pytest.raises(InputError, match="int"):
        as_source(3)  # type: ignore[arg-type]
