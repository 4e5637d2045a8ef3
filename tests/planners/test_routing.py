"""Routing: the wording, the probe, and what never happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.planners.base import Left, PlanState, Probe, ProbeHit
from cogagent.planners.routing import FEATURES, Route, of_part, packaged, route
from cogagent.types import ToolSpec


def hits(modality: str, *values: tuple[float, float, float | None]) -> tuple[ProbeHit, ...]:
    return tuple(
        ProbeHit(
            evidence_id=f"{modality}{n}", title="t", modality=modality, text="…", cosine=cosine,
            words=words, shown=shown,
        )
        for n, (cosine, words, shown) in enumerate(values)
    )  # fmt: skip


TEXTS = Probe(tool="text", hits=hits("text", (0.62, 0.9, None), (0.5, 0.4, None)))
FAR_TEXTS = Probe(tool="text", hits=hits("text", (0.31, 0.2, None)))
CHARTS = Probe(tool="image", hits=hits("image", (0.6, 0.8, 0.15)))
FAR_PICTURES = Probe(tool="image", hits=hits("image", (0.2, 0.1, 0.15)))
PHOTOGRAPHS = Probe(tool="image", hits=hits("image", (0.2, 0.1, 0.4)))
NO_TEXTS, NO_PICTURES = Probe(tool="text"), Probe(tool="image")


def routed(question: str, *probes: Probe, **state: object) -> Route:
    return route(PlanState(question=question, probe=probes, **state))


@pytest.mark.parametrize(
    ("text", "image", "tools"),
    [
        (TEXTS, FAR_PICTURES, ("text",)),
        (TEXTS, PHOTOGRAPHS, ("text",)),
        (FAR_TEXTS, CHARTS, ("image",)),
        (FAR_TEXTS, PHOTOGRAPHS, ("image", "text")),  # no photograph tells a yield
    ],
)
def test_the_probe_decides(text: Probe, image: Probe, tools: tuple[str, ...]) -> None:
    found = routed("What was the yield of the northern fields?", text, image)
    assert found.tools == tools
    assert not found.needs_nothing
    assert "fit it better" in found.thought


def test_a_photograph_without_words_answers_what_can_be_seen() -> None:
    for asked in ("A brown dog in the snow", "What is the man holding?", "Photos of a field"):
        assert routed(asked, FAR_TEXTS, PHOTOGRAPHS).tools == ("image",)


def test_both_are_asked_where_the_probe_does_not_tell() -> None:
    weights = packaged()
    near = -weights["bias"] / weights["cosine"]  # where the odds are even
    text = Probe(tool="text", hits=hits("text", (0.5, 0.5, None)))
    image = Probe(
        tool="image",
        hits=hits("image", (0.5 + near - weights["shown"] * 0.1 / weights["cosine"], 0.5, 0.6)),
    )
    assert set(routed("What was the yield?", text, image).tools) == {"text", "image"}


def test_the_wording_tips_the_scales() -> None:
    look = (
        Probe(tool="text", hits=hits("text", (0.45, 0.5, None))),
        Probe(tool="image", hits=hits("image", (0.3, 0.3, 0.2))),
    )
    assert len(routed("What was the yield?", *look).tools) == 2
    said = routed("What does the bar chart say of the yield?", *look)
    assert said.tools == ("image",)
    assert "'chart'" in said.thought
    assert routed("What does the second paragraph say of the yield?", *look).tools == ("text",)


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("What does the table say about trout?", ("table",)),
        ("Sum up the second column", ("table",)),
        ("Who is the champion of table tennis?", ()),
        ("Where did they table the motion?", ()),
    ],
)
def test_a_table_that_is_asked_for(question: str, kinds: tuple[str, ...]) -> None:
    assert routed(question).kinds == kinds


def test_without_a_look_a_plain_question_is_one_for_texts() -> None:
    assert routed("When was the dam finished?").tools == ("text",)
    assert set(routed("Which photograph shows the dam?").tools) == {"text", "image"}


@pytest.mark.parametrize("question", ["hello there", "Thanks, bye!", "who are you?"])
def test_small_talk_needs_nothing(question: str) -> None:
    found = routed(question, TEXTS, CHARTS)
    assert (found.tools, found.needs_nothing, found.notes) == ((), True, ())
    assert "small talk" in found.thought


def test_a_sum_needs_nothing_and_is_worked_out() -> None:
    found = routed("What is 17 times 23?", TEXTS, CHARTS)
    assert found.needs_nothing
    assert [(note.kind, note.text) for note in found.notes] == [("computed", "17 times 23 = 391")]


def test_with_a_picture_or_choices_something_is_asked() -> None:
    assert not routed("hello", TEXTS, CHARTS, pictures=1).needs_nothing
    assert not routed("2 + 2", TEXTS, CHARTS, choices=("4", "5")).needs_nothing


@given(
    st.text(max_size=120),
    st.lists(st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(-1, 1)), max_size=8),
)
def test_a_tool_that_finds_nothing_is_never_chosen(
    question: str, values: list[tuple[float, float, float]]
) -> None:
    image = Probe(tool="image", hits=hits("image", *values, (0.1, 0.1, 0.1)))
    text = Probe(tool="text", hits=hits("text", *((c, w, None) for c, w, _ in values), (0, 0, 0)))
    for asked in (question, f"Which chart shows {question}?", f"Which paragraph says {question}?"):
        assert "text" not in routed(asked, NO_TEXTS, image).tools
        assert "image" not in routed(asked, text, NO_PICTURES).tools
        assert routed(asked, text, image) == routed(asked, text, image)


@pytest.mark.parametrize("name", ["text", "image"])
def test_a_tool_that_is_not_there_is_never_chosen(name: str) -> None:
    spec = ToolSpec(name=name, description="…")
    for question in ("Which photograph shows the dam?", "Which paragraph tells of it?"):
        assert routed(question, TEXTS, CHARTS, tools=(spec,)).tools == (name,)


def test_an_empty_collection_is_searched_all_the_same() -> None:
    assert routed("When was it?", NO_TEXTS, NO_PICTURES).tools == ("text",)


def test_each_question_in_a_question_has_its_own_route() -> None:
    parts = [
        probe.model_copy(update={"part": part})
        for part, probes in (("a?", (TEXTS, FAR_PICTURES)), ("b?", (FAR_TEXTS, CHARTS)))
        for probe in probes
    ]
    state = PlanState(question="a, and b?", probe=(TEXTS, CHARTS, *parts))
    whole = route(state)
    assert whole.tools == ("text", "image")
    assert of_part(state, "a?", whole).tools == ("text",)
    assert of_part(state, "b?", whole).tools == ("image",)
    assert of_part(state, "c?", whole) == whole


def test_the_weights_are_those_of_the_features() -> None:
    assert set(packaged()) == {*FEATURES, "bias"}


WEB = (ToolSpec(name="text", description=""), ToolSpec(name="web", description="", web=True))


def test_the_web_is_asked_only_where_the_documents_are_far_or_it_is_asked_for() -> None:
    asked = "What was the yield of the northern fields?"
    assert routed(asked, FAR_TEXTS, tools=WEB).tools == ("text", "web")
    assert routed(asked, TEXTS, tools=WEB).tools == ("text",)
    assert routed("What is the latest yield?", TEXTS, tools=WEB).tools == ("text", "web")
    assert routed(asked, FAR_TEXTS, tools=WEB[:1]).tools == ("text",)
    spent = routed(asked, FAR_TEXTS, tools=WEB, left=Left(web_searches=0))
    assert spent.tools == ("text",)
    assert routed("Good morning!", FAR_TEXTS, tools=WEB).tools == ()
