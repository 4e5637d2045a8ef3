from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cogagent.reading.tables import cells, parse

YEARS = "| Years ended |\n| 2019 | 2018\nFixed price | $ 1,452.4 | 1,146.2\nOther | 44.1 | 56.7"


def test_a_header_goes_on_in_lines_without_a_label() -> None:
    table = parse(YEARS)
    assert len(table.header) == 2
    assert [row.label for row in table.rows] == ["Fixed price", "Other"]


def test_a_lone_header_cell_stands_above_all_columns() -> None:
    table = parse("| Years ended | |\n| 2019 | 2018 | 2017\nOther | 44.1 | 56.7 | 70.8")
    assert table.caption == "Years ended"
    assert table.rows[0].columns == ("", "2019", "2018", "2017")


def test_a_spanning_header_cell_names_the_columns_below_it() -> None:
    text = (
        "| Men | | Women |\n(in years) | 2019 | 2018 | 2019 | 2018\nAt birth | 79 | 78 | 83 | 82"
    )
    table = parse(text)
    assert table.rows[0].columns[1:] == ("Men 2019", "Men 2018", "Women 2019", "Women 2018")


def test_a_header_of_a_unit_below_leaves_the_year_its_name() -> None:
    text = "Ended 31 December | 2024 | 2023\n| $ | $\nSalaries | 688 | 661"
    table = parse(text)
    assert [text[slice(*head)] for head in table.heads[1:] if head] == ["2024", "2023"]


def test_what_stands_before_the_first_row_of_cells_is_the_caption() -> None:
    table = parse("Table 2: Costs\nItem | 2024\nSalaries | 688", "Report: Costs\nItem | 2024")
    assert (table.caption, table.path) == ("Table 2: Costs", "Report: Costs")
    assert [row.label for row in table.rows] == ["Salaries"]


def test_a_later_piece_takes_its_header_from_the_context() -> None:
    text = "Field work | 214 | 189\nLaboratory | 143 | 138"
    table = parse(text, "Report\nTable 2: Costs\nItem | 2024 | 2023")
    assert [row.columns[1:] for row in table.rows] == [("2024", "2023")] * 2
    assert table.header == ()
    assert table.heads[1] is None


def test_the_title_of_a_web_page_is_no_header() -> None:
    text = "Fruit | 2018 | 2019\nApples | 10 | 20"
    table = parse(text, "Fruit sold | Acme Farms\nFruit | 2018 | 2019")
    assert table.path == "Fruit sold | Acme Farms"
    assert [row.columns[1:] for row in table.rows] == [("2018", "2019")]
    assert table.header == ((0, 19),)
    later = parse("Apples | 10 | 20", "Fruit sold | Acme Farms\nFruit | 2018 | 2019")
    assert later.rows[0].columns[1:] == ("2018", "2019")


def test_a_line_above_with_more_cells_than_the_table_is_no_header() -> None:
    table = parse("Apples | 10", "Report\nHome | News | Fruit | Contact\nFruit | 2019")
    assert table.rows[0].columns[1:] == ("2019",)
    assert table.caption == "Home | News | Fruit | Contact"


def test_a_plain_table_has_one_line_of_header_and_a_row_a_line() -> None:
    table = parse("Title\n | 18-29 | 2019\n\u2013 | 1 | 2\n(a) | 1990 | 2000", plain=True)
    assert [row.columns[1:] for row in table.rows] == [("18-29", "2019")] * 2
    assert [row.label for row in table.rows] == ["\u2013", "(a)"]
    assert table.caption == "Title"


def test_a_later_piece_without_a_header_keeps_its_first_row() -> None:
    assert len(parse("Field work | 214 | 189\nLaboratory | 143 | 138").rows) == 2


def test_rows_stand_under_their_section_until_its_total() -> None:
    text = (
        "Item | 2024\nIncome |\nGrants | 318\nTotal income | 318\nSurplus | 4\n"
        "Costs |\nHire of boats |\nand laboratory | 41"
    )
    rows = {row.label: row.section for row in parse(text).rows}
    assert rows == {
        "Grants": "Income",
        "Total income": "Income",
        "Surplus": "",
        "Hire of boats and laboratory": "Costs",
    }


def test_a_line_of_periods_between_rows_names_the_columns_anew() -> None:
    text = "Item | 2024 | 2023\nGrants | 1 | 2\n| 2022 | 2021\nGrants | 3 | 4"
    assert parse(text).rows[1].columns[1:] == ("2022", "2021")


def test_a_single_line_is_a_row() -> None:
    table = parse("Height | 12 m")
    assert (len(table.header), len(table.rows)) == (0, 1)


@given(
    st.text(alphabet=st.sampled_from("a1| \n\t.é"), max_size=60) | st.text(),
    st.text(alphabet=st.sampled_from("a2| \n"), max_size=40),
)
def test_any_text_can_be_a_table(text: str, context: str) -> None:
    for row in parse(text, context).rows:
        line = text[row.start : row.end]
        assert all(0 <= start <= end <= len(line) for start, end in cells(line))
        assert all(row.start <= start <= end <= row.end for start, end in row.cells)
        assert len(row.columns) == len(row.cells)
