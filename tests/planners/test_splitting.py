"""Names, titles and ways: what a question consists of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.naming import alike, asked_names, evened, spotted, told_names
from cogagent.planners.splitting import chains, compared, split_question


def names(question: str) -> list[str]:
    return [name.text for name in asked_names(question)]


def ways(question: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(way.named.text, way.relations) for way in chains(question, asked_names(question))]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When was the dam finished?", []),
        ("In March, what did Ada Morel paint?", ["Ada Morel"]),
        ("Did Ann Low or Bo Ek write Home to the Lake?", ["Ann Low", "Bo Ek", "Home to the Lake"]),
        ("Where did Philip II's mother die?", ["Philip II"]),
        ("Who sang Back In The U.S.A. first?", ["Back In The U.S.A."]),
        ('Who released "the long night" and when?', ["the long night"]),
        ("Who directed Night Ferry (1958 film)?", ["Night Ferry"]),
        ("What did George W. Hill say?", ["George W. Hill"]),
        ("Is 3 Dots older than 1984?", ["3 Dots"]),
        ("Which American actor is it?", []),
    ],
)  # fmt: skip
def test_names_of_a_question(question: str, expected: list[str]) -> None:
    assert names(question) == expected


def test_a_heading_in_capitals_is_no_name() -> None:
    assert told_names("THIS IS THE WHOLE OF A LONG HEADING THAT SHOUTS AT WHOEVER READS IT") == []


@pytest.mark.parametrize(
    ("question", "title", "named"),
    [
        ("when did lothair ii's mother die?", "Lothair II", True),
        ("Who made Salad By The Roots?", "Salad by the Roots", True),
        ("Who made Good People (Film)?", "Good People (film)", True),
        ("Where is the Cafe Ole?", "Caf\u00e9 Ol\u00e9", True),
        ("What is the place of birth of Ada?", "Place of birth", False),
        ("Which people are good?", "Good People", False),
        ("What is it?", "What", False),
    ],
)
def test_titles_that_a_question_names(question: str, title: str, named: bool) -> None:
    assert (title in spotted(question, [title])) is named


def test_of_two_titles_at_one_place_the_longer_counts() -> None:
    question = "Who was Ferdinand of Bavaria's wife?"
    assert list(spotted(question, ["Bavaria", "Ferdinand of Bavaria"])) == ["Ferdinand of Bavaria"]


@pytest.mark.parametrize(
    ("one", "other", "least", "most"),
    [
        ("Ada Morel", "Ada Morel (painter)", 1, 1),
        ("The Beatles", "Beatles", 1, 1),
        ("Robert Stemmle", "Robert A. Stemmle", 0.7, 0.99),
        ("R. Stemmle", "Robert Stemmle", 0.7, 0.99),
        ("Ada Morel", "Ada Lund", 0, 0.4),
        ("Paris", "Paris Hilton", 0, 0.4),
        ("", "Paris", 0, 0),
    ],
)
def test_how_surely_a_title_is_what_a_name_names(
    one: str, other: str, least: float, most: float
) -> None:
    assert least <= alike(one, other) <= most


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where was the director of the film Night Ferry born?", [("Night Ferry", ("director",))]),
        ("Where did Ada Morel's mother die?", [("Ada Morel", ("mother",))]),
        ("Who is Ada Morel's mother?", []),
        ("Who is the director of Night Ferry?", []),
        ("Who is Ada Morel's mother-in-law?", [("Ada Morel", ("spouse",))]),
        ("Who is the paternal grandfather of Ada Morel?", [("Ada Morel", ("father",))]),
        ("Who is the mother of the director of Night Ferry?", [("Night Ferry", ("director",))]),
        (
            "Where did the mother of the director of Night Ferry die?",
            [("Night Ferry", ("director", "mother"))],
        ),
        (
            "Which film has the director who died first, Night Ferry or Salt Road?",
            [("Night Ferry", ("director",)), ("Salt Road", ("director",))],
        ),
        (
            "Which film whose composers are older, Night Ferry or Salt Road?",
            [("Night Ferry", ("composer",)), ("Salt Road", ("composer",))],
        ),
        ("Are Ann Low and Bo Ek both film directors?", []),
        ("What is the population of Lyon?", []),
        ("Who was born first, Ann Low or Bo Ek?", []),
    ],
)
def test_the_way_from_a_name_to_what_is_asked(
    question: str, expected: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert ways(question) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where was the director of the film Night Ferry (1958) born?", "Where was X born?"),
        ("Where did Ada Morel's mother die?", "Where did X die?"),
        ("Who is Ada Morel's mother-in-law?", "Who is the mother of X?"),
        ("Which director is older, that of Night Ferry or Salt Road?", None),
    ],
)
def test_a_question_with_its_way_filled_in(question: str, expected: str | None) -> None:
    found = chains(question, asked_names(question))
    assert [way.filled(question, "X") for way in found] == ([expected] if expected else [])


def test_sides_are_names_that_a_word_joins() -> None:
    question = "Are Ann Low (actor) and the film Night Ferry from Oslo?"
    assert [name.text for name in compared(question, asked_names(question))] == [
        "Ann Low",
        "Night Ferry",
    ]


def test_capitals_that_tell_nothing_are_dropped() -> None:
    assert evened("WHO WAS THE DIRECTOR OF HEAT") == "who was the director of heat"
    assert evened("Who Directed Heat") == "Who Directed Heat"


@given(st.text(max_size=600))
def test_names_stand_where_they_say(question: str) -> None:
    for name in asked_names(question):
        assert question[name.start : name.end] == name.text
        assert name.text.strip()
    for name in spotted(question, [question[:20], "Night Ferry", "a", ""]).values():
        assert question[name.start : name.end] == name.text


@given(st.text(alphabet="Ab '\u2019s()of the,?director ", max_size=200))
def test_a_way_that_is_filled_in_keeps_the_rest(question: str) -> None:
    for way in chains(question, asked_names(question)):
        assert way.relations
        filled = way.filled(question, "X")
        assert not filled or (
            filled.startswith(question[: way.start]) and filled.endswith(question[way.end :])
        )


def test_a_comparison_without_a_side_is_none() -> None:
    assert split_question(", , or who") == [", , or who"]


@given(st.lists(st.sampled_from("who what and or ; ? , the dam Ada built, which".split())))
def test_split_loses_no_question(words: list[str]) -> None:
    question = " ".join(words)
    parts = split_question(question)
    kept = " ".join(parts).replace("?", " ").replace(",", " ").replace(";", " ").split()
    assert parts == [question] or all(part.strip() for part in parts)
    asked = question.replace("?", " ").replace(",", " ").replace(";", " ").split()
    short = {"and", "or", *asked} if len(parts) > 1 else set()
    assert set(asked) - set(kept) <= short
