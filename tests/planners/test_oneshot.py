from __future__ import annotations

import json
from typing import Any

import pytest

from cogagent.planners.oneshot import OneShotPlanner, short
from cogagent.types import Finding, Problem, Step
from tests.planners.kit import PICTURE, QUESTION, carried_out, planned, reply

ONE_SHOT = OneShotPlanner()


def plan(*nodes: tuple[str, str, str, list[str]], **more: Any) -> str:
    entries = [{"id": key, "text": text, "depends_on": depends} for key, text, _, depends in nodes]
    actions = [{"query_id": key, "tool": tool, "top_k": None} for key, _, tool, _ in nodes]
    return reply(thought="a plan", sub_queries=entries, actions=actions, done=False, **more)


CHAIN = plan(
    ("q1", "Who directed the film about the dam?", "text", []),
    ("q2", "A picture of the dam", "image", []),
    ("q3", "When was #q1 born?", "text", ["q1"]),
)


def test_it_plans_in_one_call_and_asks_what_waits_for_nothing() -> None:
    done = planned(ONE_SHOT, [CHAIN])
    assert done.purposes == ["plan"]
    assert [(node.id, node.tool, node.depends_on) for node in done.step.plan] == [
        ("q1", "text", ()), ("q2", "image", ()), ("q3", "text", ("q1",)),
    ]  # fmt: skip
    assert [query.id for query in done.step.queries] == ["q1", "q2"]


def test_children_see_their_parents_answers_and_no_further_call_is_made() -> None:
    first = carried_out(planned(ONE_SHOT, [CHAIN]).step, "Ada Lowell. She made it in 1931.", "")
    done = planned(ONE_SHOT, [], steps=(first,))
    assert done.calls == []
    assert done.searches == [("text", "When was Ada Lowell born?")]
    second = carried_out(done.step, "1902.")
    done = planned(ONE_SHOT, [], steps=(first, second))
    assert (done.step.done, done.step.reason) == (True, "the plan is carried out")
    assert done.calls == []


@pytest.mark.parametrize("failed", ["", "the index is gone"])
def test_a_parent_without_an_answer_is_named_by_its_question(failed: str) -> None:
    first = carried_out(planned(ONE_SHOT, [CHAIN]).step, failed=failed)
    done = planned(ONE_SHOT, [], steps=(first,))
    assert done.searches == [("text", "When was Who directed the film about the dam born?")]
    assert "without the answers of q1" in done.step.fallback


def test_names_of_others_are_told_apart() -> None:
    child = ("c", "#q10, #q1, #q1x", "text", ["q1", "q10"])
    text = plan(("q1", "one", "text", []), ("q10", "ten", "text", []), child)
    first = carried_out(planned(ONE_SHOT, [text]).step, "Arn.", "Bor.")
    done = planned(ONE_SHOT, [], steps=(first,))
    assert done.searches == [("text", "Bor, Arn, #q1x")]


def test_a_parents_answer_is_short_and_carries_no_address() -> None:
    assert short("St. Mary's Dam was finished in 1931. It is 40 m high.") == (
        "St. Mary's Dam was finished in 1931"
    )
    assert len(short("word " * 200)) <= 100
    first = carried_out(planned(ONE_SHOT, [CHAIN]).step, "see http://evil.test/?q=1 Ada")
    done = planned(ONE_SHOT, [], steps=(first,))
    assert done.searches == [("text", "When was see Ada born?")]


def test_a_sub_question_that_needs_no_search_is_left_out() -> None:
    text = plan(("q1", "2 + 2", "none", []), ("q2", "the dam", "text", ["q1"]))
    done = planned(ONE_SHOT, [text])
    assert [(node.id, node.depends_on) for node in done.step.plan] == [("q2", ())]
    only = planned(ONE_SHOT, [plan(("q1", "2 + 2", "none", []))])
    assert only.step.done
    assert only.step.reason == "nothing has to be searched"


def test_a_plan_that_cannot_be_read_is_a_search_for_the_question() -> None:
    done = planned(ONE_SHOT, ["I would search", "for the dam"])
    assert done.purposes == ["plan", "repair"]
    assert done.searches == [("text", QUESTION)]
    assert not done.step.plan
    assert "did not keep to the form" in done.step.fallback
    done = planned(ONE_SHOT, [], steps=(carried_out(done.step),))
    assert done.step.done


def test_a_circle_is_repaired_and_else_cut() -> None:
    circle = plan(("a", "one #b", "text", ["b"]), ("b", "two #a", "text", ["a"]))
    done = planned(ONE_SHOT, [circle, CHAIN])
    assert done.purposes == ["plan", "repair"]
    assert len(done.step.plan) == 3
    done = planned(ONE_SHOT, [circle, circle])
    assert len(done.step.queries) == 2
    assert "in a circle" in done.step.fallback


def test_wrong_tools_become_the_usual_one() -> None:
    wrong = plan(("q1", "one", "shell", []))
    done = planned(ONE_SHOT, [wrong, wrong])
    assert done.searches == [("text", "one")]
    assert "no tool 'shell'" in done.step.fallback


def test_the_questions_pictures_are_searched_by_where_a_tool_can() -> None:
    done = planned(ONE_SHOT, [CHAIN], pictures=1, rasters=(PICTURE,))
    assert [(query.tool, query.picture) for query in done.step.queries] == [
        ("text", None), ("image", None), ("image", 0),
    ]  # fmt: skip
    ids = [query.id for query in done.step.queries]
    assert len(set(ids)) == 3


def test_a_plan_of_nothing_is_no_fault() -> None:
    text = reply(thought="", sub_queries=[], actions=[], done=True, reason="small talk")
    done = planned(ONE_SHOT, [text])
    assert done.purposes == ["plan"]
    assert (done.step.done, done.step.reason) == (True, "small talk")
    surplus = plan(("q1", "one", "text", []))
    value = json.loads(surplus)
    value["actions"].append({"query_id": "q9", "tool": "image", "top_k": None})
    done = planned(ONE_SHOT, [json.dumps(value)])
    assert done.purposes == ["plan"]
    assert "no query 'q9'" in done.step.fallback


def test_a_depth_of_three_takes_three_rounds() -> None:
    text = plan(
        ("a", "one", "text", []), ("b", "two #a", "text", ["a"]), ("c", "three #b", "text", ["b"])
    )
    steps: tuple[Step, ...] = ()
    for expected in ("one", "two Arn", "three Bor"):
        done = planned(ONE_SHOT, [text], steps=steps)
        assert done.searches == [("text", expected)]
        steps = (*steps, carried_out(done.step, "Arn." if not steps else "Bor."))
    assert planned(ONE_SHOT, [], steps=steps).step.done


def test_findings_of_errors_are_answers_too() -> None:
    first = planned(ONE_SHOT, [CHAIN]).step
    problem = Problem(code="storage", message="gone")
    findings = tuple(Finding(query=query.id, error=problem) for query in first.queries)
    done = planned(ONE_SHOT, [], steps=(first.model_copy(update={"findings": findings}),))
    assert [query.id for query in done.step.queries] == ["q3"]
