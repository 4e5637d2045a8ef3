"""A model's text on its way: the same answer, however it comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogagent.checking.checker import Checker
from cogagent.pipelines.writing import Writing
from cogagent.testing.doubles import HashTextEmbedder
from tests.pipelines.test_grounded import TEXTS, evidence

CHECKER = Checker(HashTextEmbedder())
DAM, PATH = evidence(*TEXTS)
SENTENCES = [
    "It was finished in 1931 by Ada Lowell [1].",
    "The path is closed in winter. [2]",
    "It is 90 m high [1, 2].",
    "Kestrel Dam is 40 m high.[1][7]",
    "- The path at Kestrel Dam is closed in winter [2-3].",
    "etc. and so on, Inc. Ada",
    "Not found.",
    "see fig. 3 [1",
    "40 m high.  [1]",
]


def written(text: str, cuts: list[int], *, strict: bool = False) -> tuple[str, Writing]:
    """What is shown of a text that comes in pieces, and what took it."""
    writing = Writing([DAM, PATH], CHECKER, strict=strict)
    ends = [0, *sorted(cuts), len(text)]
    shown = ""
    for start, end in pairwise(ends):
        shown += "".join(map(writing.check, writing.take(text[start:end])))
    return shown + "".join(map(writing.check, writing.rest())), writing


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4),
    st.sampled_from([" ", "\n", "  ", "\n\n"]),
    st.lists(st.integers(0, 120), max_size=12),
    st.booleans(),
)
def test_the_pieces_make_no_difference(
    sentences: list[str], joint: str, cuts: list[int], strict: bool
) -> None:
    text = joint.join(sentences)
    shown, writing = written(text, [cut for cut in cuts if cut <= len(text)], strict=strict)
    whole, other = written(text, [], strict=strict)
    assert shown == whole == writing.text
    assert writing.citations == other.citations
    assert writing.claims == other.claims
    kept = [claim for claim in writing.claims if claim.end > claim.start]
    markers = {citation.marker for citation in writing.citations}
    for claim in kept:
        assert whole[claim.start : claim.end] == claim.text
        assert set(claim.markers) <= markers
        assert {support.marker for support in claim.support} <= markers
    assert strict is False or all(claim.verdict == "supported" for claim in kept)


@pytest.mark.parametrize("marker", ["[2, 1]", "[2;1]", "[2][1]", "[2] [1]", "[1-2]", "[1\u20132]"])
def test_every_form_of_marker_is_numbered_anew(marker: str) -> None:
    said = "Kestrel Dam, whose path is closed in winter, is 40 m high"
    for text in (f"{said} {marker}.", f"{said}. {marker}", f"{said}.{marker} "):
        shown, writing = written(text, [])
        assert "[1][2]" in shown
        assert {c.evidence_id for c in writing.citations} == {DAM.id, PATH.id}
        assert [claim.markers for claim in writing.claims] == [(1, 2)]


def test_claims_have_the_markers_of_the_answer() -> None:
    text = "The path is closed in winter [2]. It is 90 m high [2]. The dam is 40 m high [1]."
    shown, writing = written(text, [])
    assert [c.evidence_id for c in writing.citations] == [PATH.id, PATH.id, DAM.id]
    first, wrong, last = writing.claims
    assert (first.markers, last.markers) == ((1,), (3,))
    assert last.support[0].evidence_id == DAM.id
    assert shown[last.start : last.end] == "The dam is 40 m high [3]."
    assert {objection.marker for objection in wrong.objections} == {2}


def test_what_is_left_out_has_no_place_and_no_markers() -> None:
    text = "It is 90 m high [2]. The dam is 40 m high [1]."
    shown, writing = written(text, [], strict=True)
    assert shown == "The dam is 40 m high [1]."
    gone, kept = writing.claims
    assert (gone.start, gone.end, gone.markers, gone.text) == (0, 0, (), "It is 90 m high.")
    assert (kept.start, kept.end) == (0, len(shown))


def test_a_marker_that_is_not_there_is_none_of_the_answers() -> None:
    text = "The dam is 40 m high [1]. The path is closed in winter [7]."
    shown, writing = written(text, [])
    assert "[7]" not in shown
    assert writing.claims[1].markers == ()
    (objection,) = writing.claims[1].objections
    assert (objection.reason, objection.detail, objection.marker) == (
        "no such citation", "[7]", None,
    )  # fmt: skip


def test_lines_stay_lines() -> None:
    text = "- The dam is 40 m high [1].\n- The path is closed in winter [2]."
    assert written(text, [])[0] == text
