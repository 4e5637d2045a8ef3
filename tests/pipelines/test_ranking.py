"""The ranking over a run: one search stays as it is, what was followed comes first."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from cogagent.pipelines.ranking import rank
from cogagent.types import Box, Evidence, Finding, Problem, Query, Step


def piece(key: str, title: str = "", text: str = "") -> Evidence:
    return Evidence(
        id=key, document_id=f"d:{key}", uri=key, title=title or key, media_type="text/plain",
        page=1, box=Box(0, 0, 1, 1), modality="text", text=text, score=0.5,
    )  # fmt: skip


def step(number: int, *found: tuple[str, Sequence[str]], via: Sequence[str] = ()) -> Step:
    queries = tuple(
        Query(id=f"{number}.{place}", text=text, via=tuple(via))
        for place, (text, _) in enumerate(found, 1)
    )
    findings = tuple(
        Finding(query=query.id, evidence=tuple(keys), scores=(0.5,) * len(keys))
        for query, (_, keys) in zip(queries, found, strict=True)
    )
    return Step(number=number, queries=queries, findings=findings)


def held(*pieces: Evidence) -> dict[str, Evidence]:
    return {one.id: one for one in pieces}


LETTERS = [chr(ord("a") + n) for n in range(12)]
FOUND = held(*(piece(key, f"Title {key}", f"text of {key}") for key in LETTERS))


def test_nothing_found() -> None:
    assert rank("q", [], {}) == []
    assert rank("q", [step(1, ("q", []))], {}) == []


def test_one_search_stays_as_it_is() -> None:
    order = ["c", "a", "b"]
    assert rank("Who is b?", [step(1, ("Who is b?", order))], FOUND) == order


def test_another_search_that_found_nothing_changes_nothing() -> None:
    order = ["c", "a", "b"]
    assert rank("q", [step(1, ("q", order)), step(2, ("r", []))], FOUND) == order


def test_a_search_that_failed_changes_nothing() -> None:
    failed = Step(
        number=2,
        queries=(Query(id="2.1", text="r"),),
        findings=(Finding(query="2.1", error=Problem(code="model", message="broken")),),
    )
    assert rank("q", [step(1, ("q", ["b", "a"])), failed], FOUND) == ["b", "a"]


def test_the_same_words_to_two_tools_are_fused_by_rank() -> None:
    both = step(1, ("q", ["a", "b", "c"]), ("q", ["b", "d", "a"]))
    assert rank("q", [both], FOUND)[:2] == ["b", "a"]


def test_a_bridge_comes_before_the_rest_of_the_first_search() -> None:
    found = held(
        piece("film", "The Salt Road (film)", "A film directed by Ada Morel."),
        piece("ada", "Ada Morel", "Ada Morel was born in Lyon."),
        *(piece(key) for key in "abcdefgh"),
    )
    question = "Where was the director of The Salt Road born?"
    steps = [
        step(1, (question, ["film", *"abcdefgh"])),
        step(2, ("Ada Morel", ["ada", "c", "d"]), via=["film"]),
    ]
    ranked = rank(question, steps, found)
    assert ranked[:2] == ["film", "ada"]
    assert set(ranked) == set(found)


def test_both_sides_of_a_comparison_come_first() -> None:
    found = held(piece("arn", "Lake Arn"), piece("bor", "Lake Bor"), *(map(piece, "abcdefgh")))
    question = "Which is deeper, Lake Arn or Lake Bor?"
    first = step(
        1,
        (question, [*"abcdefgh"]),
        ("Lake Arn", ["arn", "a", "b"]),
        ("Lake Bor", ["bor", "b", "c"]),
    )
    assert set(rank(question, [first], found)[:3]) == {"a", "arn", "bor"}


def test_the_best_of_the_whole_question_stays_near_the_top() -> None:
    steps = [step(1, ("q", [*"abcdef"])), step(2, ("r", [*"fghi"]), ("s", [*"hijk"]))]
    assert "a" in rank("q", steps, FOUND)[:3]


def test_many_pieces_under_a_named_title_do_not_crowd_out_the_rest() -> None:
    found = held(*(piece(f"n{n}", "Salt Road") for n in range(10)), *(map(piece, "abc")))
    question = "Who built the Salt Road?"
    steps = [
        step(1, (question, ["a", "n0", "b", *(f"n{n}" for n in range(1, 10)), "c"])),
        step(2, ("Ada", ["c", "n9"])),
    ]
    ranked = rank(question, steps, found)
    assert set(ranked[:4]) >= {"a", "n0", "c"}


def test_the_questions_of_a_question_are_ranked_side_by_side() -> None:
    question = "Who built it and when was it finished?"
    first = step(1, ("Who built it?", ["a", "b", "c"]), ("when was it finished?", ["d", "e", "f"]))
    assert set(rank(question, [first], FOUND)[:2]) == {"a", "d"}


def test_a_follow_up_is_ranked_as_it_was_read() -> None:
    first = step(1, ("Where was Ada Morel born?", ["b", "a", "c"]), ("Ada Morel", ["a", "b"]))
    read = first.model_copy(update={"resolved": "Where was Ada Morel born?"})
    assert rank("Where was she born?", [read], FOUND)[0] in "ab"


@given(
    st.text(max_size=60),
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["q", "r", "Title a", ""]),
                st.lists(st.sampled_from(LETTERS), unique=True),
            ),
            max_size=3,
        ),
        max_size=3,
    ),
)
def test_nothing_is_cut_or_twice_and_it_repeats(
    question: str, found: list[list[tuple[str, list[str]]]]
) -> None:
    steps = [step(number, *each) for number, each in enumerate(found, 1)]
    ranked = rank(question, steps, FOUND)
    assert sorted(ranked) == sorted({key for each in found for _, keys in each for key in keys})
    assert ranked == rank(question, steps, FOUND)
