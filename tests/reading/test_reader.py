from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cogagent.reading.passage import Kind, Passage, Reading
from cogagent.reading.question import AnswerType
from cogagent.reading.reader import ExtractiveReader

BRIDGE = Passage(
    "It stands near an old weir. The mill bridge was designed by Ada Byron in 1843. "
    "Nine ferries served the river.",
    title="Mill bridge",
    score=1.0,
)
BAKERY = Passage(
    "The bakery sells rye bread. Its oven burns beech wood.", title="Bakery", score=0.2
)
GARDEN = Passage("Roses grow along the wall. Gulls visit the pond.", title="Garden", score=0.1)


def check(reading: Reading, passages: list[Passage]) -> None:
    assert 0.0 <= reading.confidence <= 1.0
    if reading.passage is None:
        assert not reading.answered
        assert reading.ranked == ()
        return
    text = passages[reading.passage].text
    assert 0 <= reading.start < reading.end <= len(text)
    first = reading.ranked[0]
    assert (first.passage, first.start, first.end) == (reading.passage, reading.start, reading.end)
    assert all(a.score >= b.score for a, b in pairwise(reading.ranked))
    assert all(passages[r.passage].text[r.start : r.end].strip() for r in reading.ranked)
    assert (reading.answer_start is None) == (reading.answer_end is None)
    if reading.answer_start is not None and reading.answer_end is not None:
        inside = reading.start <= reading.answer_start and reading.answer_end <= reading.end
        assert reading.answer_start < reading.answer_end
        assert inside or passages[reading.passage].kind == "table"  # in the header


def test_the_answering_sentence_is_quoted_and_narrowed(reader: ExtractiveReader) -> None:
    reading = reader.read("Who designed the mill bridge?", [BRIDGE, BAKERY, GARDEN])
    check(reading, [BRIDGE, BAKERY, GARDEN])
    assert reading.answered
    assert (
        BRIDGE.text[reading.start : reading.end]
        == "The mill bridge was designed by Ada Byron in 1843."
    )
    assert BRIDGE.text[reading.answer_start : reading.answer_end] == "Ada Byron"
    assert reading.expected is AnswerType.PERSON


def test_what_no_passage_holds_is_declined_and_named(reader: ExtractiveReader) -> None:
    reading = reader.read("Which glacier feeds Lake Tonuma?", [BRIDGE, BAKERY, GARDEN])
    assert not reading.answered
    assert reading.missing == ("glacier", "feeds", "Lake", "Tonuma")


def test_a_second_passage_that_agrees_does_not_unsettle_the_first(
    reader: ExtractiveReader,
) -> None:
    question = "Who designed the mill bridge?"
    alone = reader.read(question, [BRIDGE, BAKERY, GARDEN, BAKERY])
    twice = reader.read(question, [BRIDGE, BRIDGE, BAKERY, GARDEN])
    assert alone.answered
    assert twice.answered


def test_a_table_answers_with_a_row_and_its_cell(reader: ExtractiveReader) -> None:
    table = Passage(
        "Item | 2019 | 2018\nFixed price | 1,452.4 | 1,146.2\nOther | 44.1 | 56.7",
        "table",
        "Sales",
        1.0,
    )
    reading = reader.read("What were fixed price sales in 2018?", [table, BAKERY])
    assert table.text[reading.start : reading.end] == "Fixed price | 1,452.4 | 1,146.2"
    assert table.text[reading.answer_start : reading.answer_end] == "1,146.2"


SALARIES = Passage(
    "Table 2: Costs\nItem | 2024 | 2023\nSalaries | 688,300 | 661,400\nBoats | 214,760 | 189,250",
    "table",
    "Accounts",
    1.0,
    "Accounts\nItem | 2024 | 2023",
)


def test_the_year_of_a_comparison_stands_in_the_header(reader: ExtractiveReader) -> None:
    reading = reader.read("In which year were salaries lower?", [SALARIES, BAKERY])
    assert SALARIES.text[reading.start : reading.end].startswith("Salaries")
    assert SALARIES.text[reading.answer_start : reading.answer_end] == "2023"


def test_a_later_piece_is_read_with_the_header_of_its_context(reader: ExtractiveReader) -> None:
    piece = Passage("Laboratory | 143,900 | 138,600", "table", "", 1.0, SALARIES.context)
    reading = reader.read("What did the laboratory cost in 2023?", [piece, BAKERY])
    assert piece.text[reading.answer_start : reading.answer_end] == "138,600"


def test_a_year_that_the_table_does_not_have_is_declined(reader: ExtractiveReader) -> None:
    assert reader.read("What were salaries in 2023?", [SALARIES, BAKERY]).answered
    assert not reader.read("What were salaries in 2019?", [SALARIES, BAKERY]).answered


def test_a_why_question_keeps_the_whole_sentence(reader: ExtractiveReader) -> None:
    reading = reader.read("Why does the oven burn beech wood?", [BAKERY])
    assert reading.answer_start is None


@pytest.mark.parametrize(
    "passages", [[], [Passage("")], [Passage(" \n\t ")], [Passage(" | \n | ", "table")]]
)
def test_nothing_to_read_is_declined(reader: ExtractiveReader, passages: list[Passage]) -> None:
    reading = reader.read("Who built it?", passages)
    assert not reading.answered
    assert reading.passage is None


def test_a_question_without_content_is_declined(reader: ExtractiveReader) -> None:
    assert not reader.read("What is it?", [BRIDGE, BAKERY, GARDEN]).answered


kinds: st.SearchStrategy[Kind] = st.sampled_from(["text", "table", "image"])
texts = st.text(max_size=120) | st.text(
    alphabet=st.sampled_from("aB. |\n?1,é日\x00😀"), max_size=120
)
passage_lists = st.lists(
    st.builds(Passage, texts, kinds, st.text(max_size=20), st.floats(0, 1)), max_size=4
)


@settings(deadline=None, max_examples=150)
@given(texts, passage_lists)
def test_every_range_quotes_a_passage(
    reader: ExtractiveReader, question: str, passages: list[Passage]
) -> None:
    check(reader.read(question, passages), passages)


@settings(deadline=None, max_examples=10)
@given(
    st.lists(
        st.sampled_from(["bridge", "mill", "designed", "1843", "Ada", "."]),
        min_size=400,
        max_size=900,
    )
)
def test_a_long_passage_is_read_within_bounds(reader: ExtractiveReader, found: list[str]) -> None:
    passages = [Passage(" ".join(found), "text", "t" * 500, 1.0)] * 6
    check(reader.read("Who designed the mill bridge?", passages), passages)


NAUGHTY = [
    "\x00", "'; DROP TABLE", "\u202etest", "\ufdfa" * 50, "|" * 50, "?" * 300, "\ud800", "\ufeff",
    "1.2.3.4" * 40, "$1,000.00%", "\u0301" * 20, "\n\n\n", "a" * 5000, "|\n|\n|",
    "Who? What?! When?",
]  # fmt: skip


@pytest.mark.parametrize("line", NAUGHTY)
def test_naughty_strings_never_raise(reader: ExtractiveReader, line: str) -> None:
    passages = [Passage(line), Passage(line, "table", line), BRIDGE]
    check(reader.read(line, passages), passages)
