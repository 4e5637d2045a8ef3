from __future__ import annotations

import string
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.geometry import Box
from cogagent.grid import Cell, Grid, Header, Place
from cogagent.reading.grids.answerer import SURE, Declined, GridAnswer, GridAnswerer
from cogagent.reading.grids.asking import asked_of
from cogagent.reading.grids.tables import table_grid
from cogagent.reading.passage import FloatArray, IntArray

Make = Callable[..., Grid]
YEARS = ["2016", "2017", "2018", "2019", "2020"]


@pytest.fixture
def gas(make: Make) -> Grid:
    values = [[86, 50], [52.5, 42], [62.77, 34.29], [37.85, 35.22], [31, 37]]
    return make(YEARS, ["In Italy", "Outside Italy"], values, value_title="Sales in billions")


@pytest.fixture
def exports(make: Make) -> Grid:
    rows = ["Brazil", "Viet Nam", "Colombia", "Indonesia", "Other"]
    return make(rows, [""], [[37.5], [27.5], [13.5], [7.2], [3.1]], unit="million bags")


def told(question: str, grid: Grid) -> GridAnswer:
    answer = GridAnswerer().answer(question, grid)
    assert isinstance(answer, GridAnswer), answer
    return answer


def test_a_value_is_looked_up_where_row_and_column_meet(gas: Grid) -> None:
    answer = told("How much gas was sold in Italy in 2019?", gas)
    assert (answer.short, answer.value, answer.operation) == ("37.85", 37.85, "lookup")
    assert answer.said == "2019, In Italy: 37.85"
    roles = [(step.role, step.place.text) for step in answer.steps]
    assert roles == [
        ("row", "2019"), ("column", "In Italy"), ("value", "37.85"), ("unit", "Sales in billions")
    ]  # fmt: skip
    assert all(step.place.boxes and step.place.span for step in answer.steps[:3])
    assert answer.confidence >= SURE


def test_a_year_that_the_axis_does_not_reach_is_declined(gas: Grid) -> None:
    answer = GridAnswerer().answer("How much gas was sold in Italy in 2031?", gas)
    assert isinstance(answer, Declined)
    assert "time" in answer.reason


@pytest.mark.parametrize(
    ("question", "short"),
    [
        ("Which country exported the most coffee?", "Brazil"),
        ("What was the second largest exporter?", "Viet Nam"),
        ("Which country had the lowest exports?", "Indonesia"),
        ("In what country were 13.5 million bags exported?", "Colombia"),
        ("Which country exported almost twenty-eight million bags?", "Viet Nam"),
        ("How many bags did Indonesia export?", "7.2"),
        ("How many bags did Vietnam export?", "27.5"),
        ("How many countries exported more than 10 million bags?", "3"),
        ("How many more bags did Brazil export than Colombia?", "24"),
        ("What is the sum of the exports of Brazil and Colombia?", "51"),
        ("What is the ratio of Brazil to Colombia?", "2.78"),
        ("What is the average of Brazil and Colombia?", "25.5"),
        ("Did Brazil export more than Indonesia?", "Yes"),
        ("Did Indonesia export more than Brazil?", "No"),
        ("Did Indonesia export more than 7 million bags?", "Yes"),
    ],
)
def test_questions_of_every_kind(exports: Grid, question: str, short: str) -> None:
    assert told(question, exports).short == short


@pytest.mark.parametrize(
    ("question", "short"),
    [
        ("In what year was most gas sold in Italy?", "2016"),
        ("When was the least gas sold outside Italy?", "2018"),
        ("What was the change in sales outside Italy from 2018 to 2019?", "0.93"),
        ("What was the percentage change in sales in Italy from 2018 to 2019?", "-39.7 %"),
        ("By how much did sales in Italy decrease between 2018 and 2019?", "24.92"),
        ("What were the average sales in Italy from 2018 to 2020?", "43.8733"),
        ("What was sold in Italy in the previous year?", "37.85"),
        ("What was sold outside Italy in the last year?", "37"),
        ("What year did the sales in Italy amount to 52.5?", "2017"),
        ("What were the sales in Italy in 2018 and 2017 respectively?", "62.77; 52.5"),
        ("In which years were the sales in Italy above 60?", "2016; 2018"),
        ("How many years are shown?", "5"),
        ("Did sales in Italy increase or decrease from 2016 to 2020?", "decrease"),
        ("Did sales outside Italy increase from 2018 to 2020?", "Yes"),
        ("Did sales in Italy increase between 2016 and 2018?", "No"),
        ("Which years does the chart show?", "2016; 2017; 2018; 2019; 2020"),
    ],
)
def test_questions_over_time(gas: Grid, question: str, short: str) -> None:
    assert told(question, gas).short == short


def test_a_difference_shows_its_working_and_points_at_both_values(gas: Grid) -> None:
    answer = told("How much more was sold in Italy than outside Italy in 2018?", gas)
    assert answer.said == "62.77 - 34.29 = 28.48 (2018, In Italy and Outside Italy)"
    values = [step.place.text for step in answer.steps if step.role == "value"]
    assert values == ["62.77", "34.29"]
    assert answer.value == pytest.approx(28.48)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How much more was sold in Italy in 2018 than in 2020?", "62.77 - {2020} = "),
        ("How much less was sold in Italy in 2020 than in 2018?", "62.77 - {2020} = "),
        ("By how much did sales in Italy fall from 2018 to 2020?", "62.77 - {2020} = "),
    ],
)
def test_a_difference_has_the_sign_that_it_is_asked_with(
    make: Make, question: str, said: str
) -> None:
    grid = make(YEARS, ["In Italy"], [[60.0], [61.0], [62.77], [50.0], [40.0]])
    answer = told(question, grid)
    assert answer.said.startswith(said.replace("{2020}", "40"))
    assert answer.value == pytest.approx(22.77)


def test_a_fall_in_per_cent_shows_its_working(make: Make) -> None:
    grid = make(YEARS, ["In Italy"], [[60.0], [61.0], [50.0], [50.0], [40.0]])
    answer = told("By what percentage did sales in Italy decrease from 2018 to 2020?", grid)
    assert answer.said.startswith("(50 - 40) / 50 = 20 %")


def test_a_chart_of_increases_is_no_sum(make: Make) -> None:
    grid = make(YEARS, [""], [[1.1], [2.2], [3.3], [1.36], [0.4]], value_title="Growth rate")
    answer = told("How much did the population increase in 2019?", grid)
    assert (answer.operation, answer.short) == ("lookup", "1.36")


def test_a_superlative_in_what_is_charted_does_not_hide_the_year(make: Make) -> None:
    grid = make(YEARS, [""], [[5], [4], [3], [2], [1]], value_title="Lowest price in euros")
    assert told("What was the lowest price in 2018?", grid).short == "3"


def test_the_largest_increase_compares_changes(make: Make) -> None:
    grid = make(["Croatia", "Spain", "Denmark"], ["2019", "2018"], [[30, 31], [26, 24], [15, 10]])
    answer = told("What country had the largest increase between 2018 and 2019?", grid)
    assert answer.short == "Denmark"


def test_the_height_of_a_stack_is_its_parts_together(make: Make) -> None:
    grid = make(["2019", "2020"], ["Retail", "Online"], [[3, 1], [4, 2.5]], stacked=True)
    answer = told("What was the revenue in 2020?", grid)
    assert (answer.short, answer.operation) == ("6.5", "sum")


def test_a_series_is_found_by_its_colour(make: Make) -> None:
    grid = make(["2019"], ["Retail", "Online"], [[3, 1]])
    painted = [
        Header(h.text, h.places, h.levels, colour=c)
        for h, c in zip(grid.columns, ("red", "blue"), strict=True)
    ]
    grid = Grid("bar", grid.rows, tuple(painted), grid.cells)
    assert told("What is the value of the blue bar in 2019?", grid).short == "1"


def test_a_measured_value_tells_how_exact_it_is(make: Make) -> None:
    tick = Place("40,000", (Box(0.1, 0.1, 0.2, 0.2),))
    cell = Cell(Place("", (Box(0.3, 0.3, 0.4, 0.4),)), 37480.0, 300.0, (tick,))
    base = make(["2019", "2020"], [""], [[1], [2]])
    answer = told("How many in 2020?", Grid("bar", base.rows, base.columns, {(1, 0): cell}))
    assert answer.short == "37,500"
    assert "read off the axis, ±300" in answer.said
    assert answer.error == 300.0
    assert [step.place for step in answer.steps if step.role == "axis"] == [tick]


@pytest.mark.parametrize(
    ("label", "question"),
    [
        ("Pokémon GO", "How many people used Pokmon GO?"),
        ("Estée Lauder", "What was the share of Este Lauder?"),
        ("United States", "What was the share of the U.S.?"),
        ("US", "What was the share of the United States?"),
        ("EU27", "What was the share of the European Union?"),
        ("Customs andBorder Protection", "How much did Customs and Border Protection receive?"),
        ("Canada", "What was the share of Canadian firms?"),
        ("Wayfalr", "What was the revenue of Wayfair?"),
    ],
)
def test_labels_are_found_in_other_spellings(make: Make, label: str, question: str) -> None:
    grid = make(["Peru", label, "Chile"], [""], [[1], [2], [3]])
    assert told(question, grid).short == "2"


def test_fiscal_years_and_seasons_are_found(make: Make) -> None:
    grid = make(["05/06", "06/07", "2007/08"], [""], [[1], [2], [3]])
    assert told("What was the price in 2005/06?", grid).short == "1"
    assert told("What was the price in 2007/2008?", grid).short == "3"
    halves = make(["S1 2019", "S2 2019"], [""], [[1], [2]])
    assert told("What was the price in the second half of 2019?", halves).short == "2"


def test_what_is_written_nowhere_lowers_the_confidence(exports: Grid) -> None:
    known = told("How many bags did Indonesia export?", exports)
    strange = told("How many purple submarines did Indonesia christen in Paris?", exports)
    assert strange.short == known.short
    assert strange.confidence < known.confidence
    assert "submarines" in strange.unmatched


def test_an_unnamed_row_is_never_sure(exports: Grid) -> None:
    answer = GridAnswerer().answer("How many bags did Uruguay export?", exports)
    assert isinstance(answer, Declined) or answer.confidence < SURE


class Synonyms:
    """An encoder that knows one pair of words."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        rows = [[1.0, 0.0] if {"Spanish", "Spain"} & set(t.split()) else [0.0, 1.0] for t in texts]
        return np.asarray(rows, dtype=np.float32)

    def token_states(self, texts: Sequence[str]) -> Sequence[tuple[FloatArray, IntArray]]:
        raise NotImplementedError


def test_the_embedder_finds_a_label_in_other_words(make: Make) -> None:
    grid = make(["France", "Spain", "Italy"], [""], [[1], [2], [3]])
    answer = GridAnswerer(Synonyms()).answer("What share of Spanish customers?", grid)
    assert isinstance(answer, GridAnswer)
    assert answer.short == "2"


@pytest.mark.parametrize("question", ["", "?", "   ", "the of and", "\ud800", "a" * 20_000])
def test_hostile_questions_do_no_harm(exports: Grid, question: str) -> None:
    assert GridAnswerer().answer(question, exports) is not None


def test_an_empty_grid_is_declined() -> None:
    assert isinstance(GridAnswerer().answer("How many?", Grid("bar", (), (), {})), Declined)


def test_a_long_question_over_a_long_grid_takes_no_longer_than_it_should(make: Make) -> None:
    rows = [f"Town number {n} on the river" for n in range(5000)]
    grid = make(rows, [""], [[n] for n in range(5000)])
    question = "How many live in town 4321 " + "on the river " * 2000 + "?"
    start = time.perf_counter()
    answer = told(question, grid)
    assert answer.short == "4321"
    assert time.perf_counter() - start < 5.0


def is_name(word: str) -> bool:
    """Whether a word only names something: no month, no "most", no "total"."""
    asked = asked_of(f"Any {word}?")
    plain = not (asked.working or asked.pick or asked.periods or asked.numbers or asked.sum)
    return plain and asked.words[1].content


names = st.lists(
    st.text(string.ascii_lowercase, min_size=5, max_size=9).map(str.title).filter(is_name),
    min_size=6, max_size=12, unique_by=lambda name: name[:3],
)  # fmt: skip
numbers = st.integers(-10_000, 10_000)


@given(names, st.data())
def test_exact_labels_find_their_cell(found: list[str], data: st.DataObject) -> None:
    half = len(found) // 2
    rows, columns = found[:half], found[half:]
    grid = _grid(rows, columns, data)
    r = data.draw(st.integers(0, len(rows) - 1))
    c = data.draw(st.integers(0, len(columns) - 1))
    answer = GridAnswerer().answer(f"How many {rows[r]} of {columns[c]}?", grid)
    assert isinstance(answer, GridAnswer)
    assert answer.value == grid.cells[r, c].value
    assert answer.steps[-1].place == grid.cells[r, c].place


@given(names, st.data(), st.sampled_from(["difference between", "sum of"]))
def test_sums_and_differences_are_right(found: list[str], data: st.DataObject, words: str) -> None:
    grid = _grid(found, [""], data)
    a, b = data.draw(st.permutations(range(len(found))))[:2]
    answer = GridAnswerer().answer(f"What is the {words} {found[a]} and {found[b]}?", grid)
    assert isinstance(answer, GridAnswer)
    first, second = grid.cells[a, 0].value, grid.cells[b, 0].value
    assert first is not None
    assert second is not None
    assert answer.value == (first + second if words == "sum of" else first - second)
    assert [s.place for s in answer.steps if s.role == "value"] == [
        grid.cells[a, 0].place,
        grid.cells[b, 0].place,
    ]


@given(st.text(max_size=80), st.lists(st.text(max_size=12), min_size=1, max_size=6), st.data())
def test_no_question_or_label_breaks_it(
    question: str, labels: list[str], data: st.DataObject
) -> None:
    answer = GridAnswerer().answer(question, _grid(labels, ["", "2019"], data))
    if isinstance(answer, GridAnswer):
        assert 0.0 <= answer.confidence <= 1.0
        assert answer.steps


def _grid(rows: list[str], columns: list[str], data: st.DataObject) -> Grid:
    cells = {
        (r, c): Cell(Place(f"{value}", (), (r, c)), float(value))
        for r in range(len(rows))
        for c in range(len(columns))
        for value in [data.draw(numbers)]
    }
    made = [[Header(text, (Place(text),), (text,)) for text in texts] for texts in (rows, columns)]
    return Grid("bar", tuple(made[0]), tuple(made[1]), cells)


def test_costs_in_brackets_are_more_where_they_are_more_negative(make: Make) -> None:
    text = " | 2023 | 2024\nSalaries | (661,400) | (688,300)\nFuel | (100) | (90)"
    grid = table_grid(text)
    assert grid is not None
    answer = told("How much more was spent on salaries in 2024 than in 2023?", grid)
    assert answer.said.startswith("688,300 - 661,400 = 26,900")


def test_a_row_of_means_holds_the_mean() -> None:
    grid = table_grid(
        "Date | North | South\n4 Jun 2024 | 5 | 4\n2 Jul 2024 | 7 | 8\nMean | 6 | 6.1"
    )
    assert grid is not None
    assert told("What was the mean depth in the South in 2024?", grid).short == "6.1"


def test_one_of_many_months_of_a_year_is_not_taken_for_the_year() -> None:
    rows = "\n".join(f"{day} Jun 2024 | {day}.5 | 4" for day in range(1, 8))
    grid = table_grid(f"Date | North | South\n{rows}")
    assert grid is not None
    answer = GridAnswerer().answer("What was the depth in the North in 2024?", grid)
    assert isinstance(answer, Declined) or answer.confidence < SURE


def test_a_range_is_told_whole() -> None:
    grid = table_grid("Site | Depth (m)\nHeron Inlet | 0 to 6\nNorth Bay | 0 to 12")
    assert grid is not None
    assert told("What is the depth at Heron Inlet?", grid).short == "0 to 6"


FRUIT = "Fruit | 2018 | 2019\nApples | 10 | 20\nPears | 30 | 5\nPlums | 7 | 9"
TOWNS = "Town | Mean temperature\nOslo | -5\nYakutsk | -38\nTromso | -4"
COSTS = "Item | 2018 | 2019\nRent | (50) | (80)\nFood | (90) | (70)"
ORCHARD = "Year | Apples | Pears\n2016 | 4 | 9\n2017 | 10 | 8\n2018 | 12 | 2\n2019 | 30 | 1"


def asked_table(question: str, text: str) -> GridAnswer | Declined:
    grid = table_grid(text)
    assert grid is not None
    return GridAnswerer().answer(question, grid)


@pytest.mark.parametrize(
    ("text", "question", "short"),
    [
        # Only brackets are costs; a minus is a minus.
        (TOWNS, "Which town has the highest mean temperature?", "Tromso"),
        (TOWNS, "Which town has the lowest mean temperature?", "Yakutsk"),
        (COSTS, "Which item was the highest in 2018?", "Food"),
        (COSTS, "Which item increased the most from 2018 to 2019?", "Rent"),
        (COSTS, "Which item decreased the most from 2018 to 2019?", "Food"),
        (TOWNS, "Was the mean temperature of Oslo above 0?", "No"),
        (TOWNS, "Was the mean temperature of Oslo below 0?", "Yes"),
        (TOWNS, "Which towns have a mean temperature above -10?", "Oslo; Tromso"),
        (TOWNS, "Which towns have a mean temperature below minus 4?", "Oslo; Yakutsk"),
        (COSTS, "Which items were above 60 in 2018?", "Food"),
        (COSTS, "How many items were below 0 in 2018?", "2"),
        # Two things of one year are not held against the year before.
        (FRUIT, "What is the difference between apples and pears sold in 2019?", "15"),
        (FRUIT, "How many more apples than plums were there in 2019?", "11"),
        (FRUIT, "How much less were pears than apples in 2019?", "15"),
        # A fall is ranked downwards.
        (FRUIT, "Which fruit decreased the most from 2018 to 2019?", "Pears"),
        (FRUIT, "Which fruit had the largest decrease from 2018 to 2019?", "Pears"),
        (FRUIT, "Which fruit fell the most between 2018 and 2019?", "Pears"),
        (FRUIT, "Which fruit grew the most between 2018 and 2019?", "Apples"),
        (FRUIT, "Which fruit changed the most from 2018 to 2019?", "Pears"),
        (ORCHARD, "In which year did pears decrease the most?", "2018"),
        (ORCHARD, "Which year had the largest increase in apples?", "2019"),
        (ORCHARD, "In which year was the gap between apples and pears the largest?", "2019"),
        # What is left out is not looked at.
        (FRUIT, "Excluding pears, which fruit was the highest in 2018?", "Apples"),
        (FRUIT + "\nFigs | 8 | 8", "Which other than apples and pears was top in 2018?", "Figs"),
        (FRUIT, "Apart from apples, how many fruits had more than 8 in 2019?", "1"),
        (ORCHARD, "Which year had the most apples, except 2019?", "2018"),
        # Shares of a total that has no row.
        (FRUIT, "What share of the 2018 total were apples?", "21.28 %"),
        (FRUIT + "\nTotal | 47 | 34", "What share of the 2018 total were apples?", "21.28 %"),
        (FRUIT, "Were there 20 apples in 2019?", "Yes"),
        (FRUIT, "Were there 21 apples in 2019?", "No"),
    ],
)
def test_questions_over_tables(text: str, question: str, short: str) -> None:
    answer = asked_table(question, text)
    assert isinstance(answer, GridAnswer), answer
    assert answer.short == short


@pytest.mark.parametrize(
    ("bound", "short"),
    [
        ("at least 10", "Apples; Pears"),
        ("10 or more", "Apples; Pears"),
        ("no less than 10", "Apples; Pears"),
        ("more than 10", "Pears"),
        ("at most 10", "Apples; Plums"),
        ("up to 10", "Apples; Plums"),
        ("no more than 10", "Apples; Plums"),
        ("not more than 10", "Apples; Plums"),
        ("10 or fewer", "Apples; Plums"),
        ("fewer than 10", "Plums"),
    ],
)
def test_bounds_with_and_without_the_number_itself(bound: str, short: str) -> None:
    answer = asked_table(f"Which fruits had {bound} in 2018?", FRUIT)
    assert isinstance(answer, GridAnswer)
    assert answer.short == short


def test_a_bound_in_a_label_is_no_bound() -> None:
    text = "Age | Men | Women\n18 to 24 | 5 | 6\n65 or more | 9 | 7"
    answer = asked_table("Who is most of those of 65 or more, men or women?", text)
    assert isinstance(answer, GridAnswer)
    assert answer.short == "Men"


@pytest.mark.parametrize(
    "question",
    [
        "Which fruit was not the highest in 2018?",
        "Which fruit didn't grow from 2018 to 2019?",
        "Excluding mangoes, which fruit was the highest in 2018?",
        "Which fruit had the highest value in 2018, except those from Spain?",
    ],
)
def test_what_is_not_so_and_what_is_left_out_unclearly_is_declined(question: str) -> None:
    assert isinstance(asked_table(question, FRUIT), Declined)


def test_a_label_that_denies_is_a_label() -> None:
    text = "Answer | 2018\nAgree | 40\nDo not agree | 35\nOther than these | 25"
    answer = asked_table("How many do not agree in 2018?", text)
    assert isinstance(answer, GridAnswer)
    assert (answer.short, answer.confidence >= SURE) == ("35", True)
    answer = asked_table("How many are other than these in 2018?", text)
    assert isinstance(answer, GridAnswer)
    assert answer.short == "25"


@pytest.mark.parametrize("measure", ["price", "weight", "score", "cost"])
def test_a_measure_that_the_table_does_not_name_is_not_sure(measure: str) -> None:
    plain = asked_table("How many apples in 2018?", FRUIT)
    other = asked_table(f"What is the {measure} of apples in 2018?", FRUIT)
    assert isinstance(plain, GridAnswer)
    assert isinstance(other, GridAnswer)
    assert plain.confidence == 1.0
    assert other.confidence < SURE
    assert measure in other.unmatched


def test_money_is_a_measure_of_money() -> None:
    answer = asked_table("What was the cost of apples in 2018?", FRUIT.replace("| 10", "| $10"))
    assert isinstance(answer, GridAnswer)
    assert answer.confidence >= SURE


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("Were there more apples than pears in 2019?", "Yes: Apples: 20; Pears: 5"),
        ("Were there more pears than apples in 2019?", "No: Pears: 5; Apples: 20"),
        ("Was the number of plums in 2018 greater than 10?", "No: Plums, 2018: 7"),
        ("Did apples increase or decrease?", "increase: 2018: 10; 2019: 20"),
        ("Did pears increase from 2018 to 2019?", "No: 2018: 30; 2019: 5"),
    ],
)
def test_what_is_said_begins_with_the_answer(question: str, said: str) -> None:
    answer = asked_table(question, FRUIT)
    assert isinstance(answer, GridAnswer)
    assert answer.said == said


@pytest.mark.parametrize(
    ("question", "pointed"),
    [
        (
            "How many fruits sold more than 100 in 2019?",
            ["Apples", "2019", "20", "Pears", "5", "Plums", "9"],
        ),
        ("How many fruits sold more than 8 in 2019?", ["Apples", "2019", "20", "Plums", "9"]),
        ("Which years are shown?", ["2018", "2019"]),
        ("How many years are shown?", ["2018", "2019"]),
    ],
)
def test_counts_and_lists_point_at_what_they_were_decided_on(
    question: str, pointed: list[str]
) -> None:
    answer = asked_table(question, FRUIT)
    assert isinstance(answer, GridAnswer)
    assert [step.place.text for step in answer.steps] == pointed
