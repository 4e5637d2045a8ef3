from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cogagent.geometry import FULL_PAGE
from cogagent.pipelines.packing import pack, shown_text
from cogagent.types import Evidence


def piece(text: str, number: int = 0) -> Evidence:
    return Evidence(
        id=f"chunk-{number}", document_id="d", uri="u", title="T", media_type="text/plain",
        page=1, box=FULL_PAGE, modality="text", text=text, context="T", score=1.0,
    )  # fmt: skip


def count(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_what_fits_goes_in_whole_and_in_order() -> None:
    evidence = [piece("the dam was built in 1931"), piece("the path is closed in winter")]
    assert pack(evidence, 100, count) == (evidence, 0)
    assert pack([], 100, count) == ([], 0)


def test_a_piece_that_says_the_same_gives_way_to_one_that_says_more() -> None:
    dam = piece("the dam was built in 1931 by Ada Lowell")
    again = piece("the dam was built in 1931 by Ada")
    path = piece("visitors walk a path that closes each winter")
    packed = pack([dam, again, path], 20, count)
    assert packed.chosen == [dam, path]
    assert packed.dropped == 1


def test_a_long_piece_is_passed_over_for_shorter_ones() -> None:
    long, short = piece("word " * 50), piece("a short piece")
    assert pack([long, short], 10, count).chosen == [short]


def test_a_prompt_shows_what_a_piece_stands_under() -> None:
    table = piece("1931 | 40").model_copy(update={"context": "Dams\nYear | Water", "caption": "W"})
    assert shown_text(table) == "Dams\nYear | Water\nW\n1931 | 40"


@given(st.lists(st.text("ab ", min_size=1, max_size=30), max_size=8), st.integers(0, 40))
def test_the_room_is_never_exceeded_and_nothing_is_lost(texts: list[str], room: int) -> None:
    evidence = [piece(text, number) for number, text in enumerate(texts)]
    packed = pack(evidence, room, count)
    assert sum(count([shown_text(item) for item in packed.chosen])) <= room
    assert len(packed.chosen) + packed.dropped == len(evidence)
    places = [evidence.index(item) for item in packed.chosen]
    assert places == sorted(places)
