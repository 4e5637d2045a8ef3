from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.question import analyse
from cogagent.reading.tables import cell_for, cells, parse

TABLE = (
    " |  | Years ended | \n | 2019 | 2018 | 2017\n"
    "Fixed price | $ 1,452.4 | 1,146.2 | 1,036.9\nOther | 44.1 | 56.7 | 70.8"
)


def found(question: str, row: int, text: str = TABLE) -> str | None:
    table = parse(text)
    span = cell_for(analyse(question), text, table, table.rows[row])
    return None if span is None else text[slice(*span)]


def test_header_lines_are_those_without_a_label() -> None:
    table = parse(TABLE)
    assert len(table.header) == 2
    assert [TABLE[slice(*row)].split(" |")[0] for row in table.rows] == ["Fixed price", "Other"]


@pytest.mark.parametrize(
    ("question", "row", "cell"),
    [
        ("What was fixed price in 2019?", 0, "$ 1,452.4"),
        ("What was other in 2017?", 1, "70.8"),
        ("What was other in 2018 and 2017?", 1, None),
        ("What was other?", 1, None),
        ("Which item was 44.1?", 1, "Other"),
    ],
)
def test_the_named_column_gives_the_cell(question: str, row: int, cell: str | None) -> None:
    assert found(question, row) == cell


def test_the_only_value_of_a_row_needs_no_column_name() -> None:
    assert found("What is the height?", 0, "Property | Value\nHeight | 12 m") == "12 m"


def test_a_single_line_is_a_row() -> None:
    table = parse("Height | 12 m")
    assert (len(table.header), len(table.rows)) == (0, 1)


@given(st.text(alphabet=st.sampled_from("a1| \n\t.é"), max_size=60) | st.text(), st.text())
def test_any_text_can_be_a_table(text: str, question: str) -> None:
    table = parse(text)
    for row in table.rows:
        line = text[slice(*row)]
        assert all(0 <= start <= end <= len(line) for start, end in cells(line))
        span = cell_for(analyse(question), text, table, row)
        assert span is None or row[0] <= span[0] <= span[1] <= row[1]
