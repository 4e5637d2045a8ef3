from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.grids.answerer import GridAnswer, GridAnswerer
from cogagent.reading.grids.tables import table_grid
from cogagent.types import Words

SALES = (
    " |  | Years ended | \n($ in millions) | 2019 | 2018 | 2017\n"
    "Revenue: |  |  | \nProducts (1) | $ 1,452.4 | 1,146.2 | 1,036.9\n"
    "Services | 44.1 | 56.7 | \u2014\n"
    "Total revenue | $1,496.5 | $1,202.9 | $1,036.9\nNet income (loss) | (12.5) | 8.0 | 3.2\n"
    "Effective tax rate (%) | 21.0% | 22.5% | n/a"
)


def words_of(text: str) -> Words:
    """Each word at a box of its own, lines below each other."""
    found = list(re.finditer(r"[^\s|]+", text))
    lines = [text.count("\n", 0, m.start()) for m in found]
    starts = [m.start() - text.rfind("\n", 0, m.start()) for m in found]
    boxes = [
        (s / 200, n / 20, (s + len(m.group())) / 200, (n + 0.5) / 20)
        for m, n, s in zip(found, lines, starts, strict=True)
    ]
    return Words(
        np.asarray([m.span() for m in found], np.int32),
        np.ones(len(found), np.int32),
        np.asarray(boxes, np.float32),
    )


def told(question: str, text: str = SALES) -> GridAnswer:
    grid = table_grid(text)
    assert grid is not None
    answer = GridAnswerer().answer(question, grid)
    assert isinstance(answer, GridAnswer), answer
    return answer


def test_a_table_becomes_rows_columns_units_and_totals() -> None:
    grid = table_grid(SALES, words=words_of(SALES))
    assert grid is not None
    assert [row.text for row in grid.rows] == [
        "Revenue: Products", "Revenue: Services", "Revenue: Total revenue", "Net income (loss)",
        "Effective tax rate (%)",
    ]  # fmt: skip
    assert grid.rows[0].levels == ("Revenue:", "Products")
    assert [column.text for column in grid.columns] == ["2019", "2018", "2017"]
    assert (grid.unit, grid.rows[4].unit) == ("million", "%")
    assert [row.total for row in grid.rows] == [False, False, True, False, False]
    assert grid.cells[3, 0].value == -12.5
    assert grid.cells[1, 2].value == 0.0
    assert (4, 2) not in grid.cells


def test_every_place_quotes_the_text_and_has_boxes() -> None:
    grid = table_grid(SALES, words=words_of(SALES))
    assert grid is not None
    places = [p for h in (*grid.rows, *grid.columns) for p in h.places]
    places += [cell.place for cell in grid.cells.values()]
    for place in places:
        assert place.span is not None
        assert SALES[slice(*place.span)] == place.text
        assert place.boxes


def test_a_header_that_spans_columns_is_a_level() -> None:
    text = "| Men | | Women |\n| 2019 | 2018 | 2019 | 2018\nAt birth | 79 | 78 | 83 | 82"
    grid = table_grid(text)
    assert grid is not None
    assert grid.columns[2].levels == ("Women", "2019")
    assert told("What was the value for women at birth in 2018?", text).short == "82"


def test_a_header_in_the_context_has_no_span() -> None:
    grid = table_grid("Field work | 214 | 189", "Report\nItem | 2024 | 2023")
    assert grid is not None
    assert [(c.text, c.places) for c in grid.columns] == [("2024", ()), ("2023", ())]


@pytest.mark.parametrize("text", ["", "no table at all", "|||", "\n\n", "Item | n/a"])
def test_what_is_no_table_is_none(text: str) -> None:
    assert table_grid(text) is None


@pytest.mark.parametrize(
    ("question", "short", "unit"),
    [
        ("What was the revenue from services in 2018?", "56.7", "million"),
        ("What was the net income in 2019?", "(12.5)", "million"),
        ("What was the effective tax rate in 2018?", "22.5%", "%"),
        ("What was the total revenue in 2017?", "$1,036.9", "million"),
        ("What was the change in total revenue from 2018 to 2019?", "293.6", "million"),
        ("What was the percentage change in services from 2018 to 2019?", "-22.22 %", "%"),
        ("What were the services in 2019 and 2018 respectively?", "44.1; 56.7", "million"),
        ("What is the average of products for 2018 and 2019?", "1,299.3", "million"),
        ("What were services as a percentage of total revenue in 2018?", "4.71 %", "%"),
        ("What is the ratio of products to services in 2018?", "20.22", ""),
        ("In which year was the net income the highest?", "2018", "million"),
        ("In which years did total revenue exceed $1,100 million?", "2019; 2018", ""),
        ("How many years did total revenue exceed $1,100 million?", "2", ""),
    ],
)
def test_questions_to_a_table(question: str, short: str, unit: str) -> None:
    answer = told(question)
    assert (answer.short, answer.unit) == (short, unit)


def test_a_column_of_shares_is_read_only_when_a_share_is_asked_for() -> None:
    text = "| 2019 | 2019\n| Amount | % of total\nRent | 120 | 12.5%\nWages | 840 | 87.5%"
    assert told("How much was the rent in 2019?", text).short == "120"
    assert told("What percentage of the total was the rent in 2019?", text).short == "12.5%"


def test_words_in_cells_lead_to_their_label() -> None:
    text = (
        "Name | Age | Position\nAda Byron | 36 | Chief Engineer\nGrace Hopper | 85 | Rear Admiral"
    )
    assert told("Who is the Chief Engineer?", text).short == "Ada Byron"
    assert told("What is the position of Grace Hopper?", text).short == "Rear Admiral"


def test_what_flows_between_balances_belongs_to_the_year_that_ends_below_it() -> None:
    text = (
        "| Shares\nNon-vested at December 31, 2017 | 900\nGranted | 400\nVested | (300)\n"
        "Non-vested at December 31, 2018 | 1,000\nGranted | 500\nVested | (250)\n"
        "Non-vested at December 31, 2019 | 1,250"
    )
    assert told("How many non-vested shares were granted in 2019?", text).short == "500"
    assert told("How many non-vested shares were granted in 2018?", text).short == "400"
    assert told("How many shares were non-vested at the end of 2018?", text).short == "1,000"


def test_a_stretch_of_years_is_all_of_them() -> None:
    answer = told("What was the total revenue in fiscal years 2019 to 2017 respectively?")
    assert answer.short == "$1,496.5; $1,202.9; $1,036.9"
    assert told("What was the average revenue from services for 2017,2018 and 2019?").value == (
        pytest.approx((44.1 + 56.7) / 3)
    )


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("5-10", None), ("5 - 10", None), ("1,200-1,500", None), ("10-15%", None),
        ("5 to 10", None), ("-5", -5.0), ("(5)", -5.0), ("2018-19", 2018.0),
        ("12", 12.0), ("1,452.4", 1452.4),
    ],
)  # fmt: skip
def test_a_range_is_words_and_no_value(cell: str, value: float | None) -> None:
    grid = table_grid(f"Grade | Pay | Staff\nClerk | {cell} | 12")
    assert grid is not None
    assert grid.cells[0, 0].value == value


labels = st.lists(
    st.text("bdfgklmpz", min_size=5, max_size=8).map(str.title),
    min_size=4, max_size=10, unique_by=lambda name: name[:3],
)  # fmt: skip


@given(labels, st.data())
def test_exact_labels_of_a_table_find_their_cell(names: list[str], data: st.DataObject) -> None:
    half = len(names) // 2
    rows, columns = names[:half], names[half:]
    values = [[data.draw(st.integers(1, 9999)) for _ in columns] for _ in rows]
    lines = [" | ".join([name, *map(str, line)]) for name, line in zip(rows, values, strict=True)]
    text = "\n".join([" | ".join(["Item", *columns]), *lines])
    r = data.draw(st.integers(0, len(rows) - 1))
    c = data.draw(st.integers(0, len(columns) - 1))
    answer = told(f"How many {rows[r]} of {columns[c]}?", text)
    assert answer.value == values[r][c]
    span = answer.steps[-1].place.span
    assert span is not None
    assert text[slice(*span)] == str(values[r][c])


@given(st.text(alphabet="ab|\n 12-()%$", max_size=120))
def test_no_text_breaks_it(text: str) -> None:
    grid = table_grid(text, text)
    assert grid is None or grid.cells
