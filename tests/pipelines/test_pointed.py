"""Answers that point at cells: tables in pieces, and what is cited."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cogagent import CogAgent
from cogagent.config import Settings
from cogagent.geometry import FULL_PAGE, make_box
from cogagent.grid import Cell, Grid, Header, Place
from cogagent.pipelines.charted import charted
from cogagent.pipelines.compose import Asked, Composed
from cogagent.pipelines.pointed import LONGEST, MOST_ROWS, cells_answer, drafts
from cogagent.reading.grids.answerer import GridAnswerer
from cogagent.types import Evidence, Words
from tests.pipelines.test_answer import composer, in_thread
from tests.test_types import make_evidence

CONTEXT = "Towns | Site\nTown | People"
NAMES = [f"{a}{b}" for a in ("Bor", "Kal", "Mer", "Vin") for b in ("berg", "dal", "heim", "by")]
PEOPLE = [310 + 37 * (n * 7 % 16) for n in range(16)]
LINES = [f"{name} | {people}" for name, people in zip(NAMES, PEOPLE, strict=True)]


def piece(number: int, *lines: str, **changes: object) -> Evidence:
    text = "\n".join(lines)
    parts: dict[str, object] = {
        "id": f"chunk-{number}", "modality": "table", "context": CONTEXT, "page": number,
        "words": placed(text, number), "caption": "",
    }  # fmt: skip
    return make_evidence(text, **(parts | changes))


def placed(text: str, page: int = 1) -> Words:
    """Each word at a box of its own."""
    found = list(re.finditer(r"[^\s|]+", text))
    count = max(len(found), 1)
    boxes = [(0.1, n / count, 0.2, (n + 0.9) / count) for n in range(len(found))]
    return Words(
        np.array([m.span() for m in found], np.int32).reshape(-1, 2),
        np.full(len(found), page, np.int32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )


PIECES = [piece(1, "Town | People", *LINES[:7]), piece(2, *LINES[7:12]), piece(3, *LINES[12:])]


def composed(question: str, *evidence: Evidence, **changes: object) -> Composed:
    made = composer(cells=GridAnswerer(), **changes)

    async def last() -> Composed:
        parts = [part async for part in made.compose(Asked(question), evidence, in_thread)]
        assert isinstance(parts[-1], Composed)
        return parts[-1]

    return asyncio.run(last())


@pytest.mark.parametrize("wanted", [max(PEOPLE), min(PEOPLE)])
def test_a_table_in_pieces_is_read_as_a_whole(wanted: int) -> None:
    question = f"Which town has the {'most' if wanted == max(PEOPLE) else 'least'} people?"
    at = PEOPLE.index(wanted)
    for found in PIECES:
        answer = cells_answer(question, [found], GridAnswerer(), lambda _: PIECES)
        assert answer is not None
        assert answer.answer.short == NAMES[at]
        (draft,) = drafts(answer)
        assert draft.quote == LINES[at]
        (own,) = [each for each in PIECES if each.id == draft.evidence_id]
        assert own.text[draft.start : draft.start + len(draft.quote)] == LINES[at]


def test_the_citation_names_the_piece_and_page_of_the_row() -> None:
    result = composed("How many people has Vinby?", PIECES[0], whole=lambda _: PIECES)
    (citation,) = result.citations
    assert (citation.evidence_id, citation.page, citation.quote) == ("chunk-3", 3, LINES[-1])
    assert {part.page for part in citation.parts} == {3}
    assert [piece.id for piece in result.brought] == ["chunk-3"]


def test_a_header_that_a_piece_repeats_is_no_row() -> None:
    again = [PIECES[0], piece(2, "Town | People", *LINES[7:])]
    answer = cells_answer(
        "How many towns are listed in the table?", again[1:], GridAnswerer(), lambda _: again
    )
    assert answer is not None
    assert answer.answer.short == "16"


def test_of_a_table_that_is_not_whole_only_single_rows_are_read() -> None:
    def ask(question: str) -> object:
        return cells_answer(question, PIECES[1:2], GridAnswerer(), lambda _: ())

    assert ask("Which town has the most people?") is None
    assert ask("How many towns are listed in the table?") is None
    assert ask("How many people has Merdal?") is not None


def test_more_rows_than_are_quoted_are_owned_up_to() -> None:
    rows = [f"Town{chr(97 + n // 26)}{chr(97 + n % 26)} | {n + 5}" for n in range(MOST_ROWS + 9)]
    result = composed("How many towns are listed in the table?", piece(1, "Town | People", *rows))
    assert len(result.citations) == MOST_ROWS
    assert "9 more rows, which are not quoted" in result.text


def test_an_answer_about_columns_quotes_the_header() -> None:
    table = piece(1, "Fruit | 2018 | 2019", "Apples | 10 | 20", context="Fruit")
    result = composed("Which years are shown in the table?", table)
    assert result.short == "2018; 2019"
    (citation,) = result.citations
    assert citation.quote == "Fruit | 2018 | 2019"
    assert [part.text for part in citation.parts] == ["2018", "2019"]
    assert "[]" not in result.text
    later = piece(2, "Apples | 10 | 20", context="Fruit\nFruit | 2018 | 2019")
    assert cells_answer("Which years are shown in the table?", [later], GridAnswerer()) is None


def test_a_name_that_the_chart_does_not_print_is_no_part() -> None:
    mark = make_box(0.5, 0.4, 0.6, 0.9)
    rows = tuple(Header(name, (Place(name, (mark,)),)) for name in ("Coal", "Gas"))
    cells = {(n, 0): Cell(Place(str(10 + n), (mark,)), 10.0 + n) for n in range(2)}
    text, words = charted(Grid("bar", rows, (Header(""),), cells), FULL_PAGE, 1)
    chart = make_evidence(
        text, id="c#values", modality="table", look="chart", words=words, context="Heat"
    )
    result = composed("How much is the value of Gas?", chart)
    (citation,) = result.citations
    assert {part.role for part in citation.parts} == {"row", "value"}
    assert citation.box.width < 0.5


def test_an_unread_label_is_no_answer() -> None:
    cells = {(n, 0): Cell(Place(str(10 + n)), 10.0 + n) for n in range(3)}
    rows = (Header("Coal"), Header("Gas"), Header(""))
    text, words = charted(Grid("bar", rows, (Header(""),), cells), FULL_PAGE, 1)
    chart = make_evidence(
        text, id="c#values", modality="table", look="chart", words=words, context="Heat"
    )
    found = cells_answer("Which label has the highest value?", [chart], GridAnswerer())
    assert found is None or found.answer.short == "12"


words = st.text("bdfgklmpz .()-", min_size=1, max_size=9)
values = st.sampled_from(["", "-", "n/a", "5-10", "(12)", "3.5%", "2018", "oak"]) | st.integers(
    0, 9999
).map(str)
QUESTIONS = [
    "What is {r} in {c}?", "Which label has the highest {c}?", "How many rows are in the table?",
    "What is the sum of {c}?", "Which years are shown?", "How many items have more than 100?",
    "Is {r} higher than {o} in {c}?", "What is the difference between {r} and {o}?",
    "How many categories are shown?", "What is the average of {r}?",
]  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(words, min_size=1, max_size=4), st.lists(words, min_size=1, max_size=6), st.data(),
    st.sampled_from(QUESTIONS), st.booleans(), st.integers(1, 3),
)  # fmt: skip
def test_every_claim_is_cited_and_every_part_stands_in_its_piece(
    columns: list[str], rows: list[str], data: st.DataObject, form: str, chart: bool, cut: int
) -> None:
    header = " | ".join(["Item", *columns])
    lines = [" | ".join([name, *(data.draw(values) for _ in columns)]) for name in rows]
    look = "chart" if chart else None
    context = f"Title | Site\n{header}"
    pieces = [piece(1, header, *lines[:cut], context=context, look=look)]
    if lines[cut:] and not chart:
        pieces.append(piece(2, *lines[cut:], context=context))
    question = form.format(r=rows[0], c=columns[0], o=rows[-1])
    found = cells_answer(question, pieces[-1:], GridAnswerer(), lambda _: pieces)
    assume(found is not None)
    result = composed(question, *pieces[-1:], whole=lambda _: pieces)
    assert "[]" not in result.text
    cited = {citation.marker: citation for citation in result.citations}
    for claim in result.claims:
        assert claim.markers
        assert claim.verdict != "supported" or set(claim.markers) <= set(cited)
    for citation in cited.values():
        (own,) = [each for each in pieces if each.id == citation.evidence_id]
        assert citation.quote in own.text
        for part in citation.parts:
            assert part.text
            assert part.text in own.text
            assert (part.page, part.box == FULL_PAGE) == (own.page, False)


def test_a_table_that_a_loader_cut_is_put_together(tmp_path: Path) -> None:
    lines = "".join(f"Place {chr(97 + n // 26)}{chr(97 + n % 26)},{n}\n" for n in range(520))
    (tmp_path / "places.csv").write_text(f"Place,People\n{lines}")
    table = "| A | B |\n|-|-|\n| c | 1 |\n\n"
    (tmp_path / "twins.md").write_text(f"{table}<!-- -->\n\n{table}")
    with CogAgent(home=tmp_path / "kb", settings=Settings(offline=True)) as agent:
        store = agent._engine.store
        agent.ingest(tmp_path / "places.csv")
        (piece, *_) = agent.search("Place", k=1)
        whole = store.table(piece.id, LONGEST)
        assert sum(each.text.count("\n") + 1 for each in whole) == 522, "the header twice"
        assert store.table(piece.id, 1000) == [], "too long"
        answer = agent.ask("How many places are listed in the table?")
        agent.ingest(tmp_path / "twins.md")
        (one, *_) = [p for p in agent.search("A B c", k=9) if p.title == "twins"]
        assert store.table(one.id, LONGEST) == [], "one table or two, who knows"
        assert store.table("chunk-99999", LONGEST) == store.table("c#values", LONGEST) == []
    assert answer.short == "520"


def test_the_store_brings_the_whole_of_a_table(tmp_path: Path) -> None:
    people = {f"{a}{b}": 120 + 3 * n for n, (a, b) in enumerate(
        (a, b) for a in ("Bor", "Kal", "Mer", "Sto", "Vin", "Lud", "Har", "Os")
        for b in ("berg", "dal", "heim", "mark", "by", "sund", "vik", "lund")
    )}  # fmt: skip
    lines = "".join(f"{name},{count}\n" for name, count in people.items())
    (tmp_path / "towns.csv").write_text(f"Town,People\n{lines}")
    with CogAgent(home=tmp_path / "kb", settings=Settings(offline=True)) as agent:
        agent.ingest(tmp_path / "towns.csv")
        assert len(agent.search("town people", k=5)) > 1, "it is cut into pieces"
        most = agent.ask("Which town has the most people?")
        least = agent.ask("Which town has the least people?")
        count = agent.ask("How many towns are listed in the table?")
    assert (most.short, least.short, count.short) == ("Oslund", "Borberg", "64")
    for answer in (most, least, count):
        known = {piece.id for piece in answer.evidence}
        assert {citation.evidence_id for citation in answer.citations} <= known
