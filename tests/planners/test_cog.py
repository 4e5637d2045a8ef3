from __future__ import annotations

import pytest

from cogagent.planners.base import Left, Turn
from cogagent.planners.cog import MOST_ROUNDS, ParallelCogPlanner, SequentialCogPlanner
from cogagent.planners.exchange import ALL
from cogagent.types import Query, Step
from tests.planners.kit import (
    PICTURE,
    QUESTION,
    TOOLS,
    by_purpose,
    carried_out,
    choices,
    planned,
    reply,
    rewrites,
)

SEQUENTIAL, PARALLEL = SequentialCogPlanner(), ParallelCogPlanner()
REWRITE, ROUND = "You plan the searches", "You choose the tool for the next searches"


def both(rewrite: str, choice: str):
    return by_purpose({REWRITE: rewrite, ROUND: choice})


def test_sequential_makes_two_calls_of_which_the_second_sees_the_first() -> None:
    script = [rewrites("the film about the dam", "a map of the dam"), choices(q1="text", q2="all")]
    done = planned(SEQUENTIAL, script, delay=0.005)
    assert done.purposes == ["rewrite", "choose tool"]
    first, second = done.calls
    assert first.started + first.seconds <= second.started
    assert "- q2: a map of the dam" in second.messages[1].text
    assert done.searches == [("text", "the film about the dam"), ("all", "a map of the dam")]


def test_parallel_makes_two_calls_at_once_from_the_same_state() -> None:
    script = both(rewrites("a valley", "the dam"), choices(**{ALL: "image"}))
    done = planned(PARALLEL, script, delay=0.005)
    assert sorted(done.purposes) == ["choose tool", "rewrite"]
    first, second = sorted(done.calls, key=lambda call: call.started)
    assert second.started < first.started + first.seconds
    assert not any("a valley" in call.messages[1].text for call in done.calls)
    assert done.searches == [("image", "a valley"), ("image", "the dam")]


def test_a_round_may_have_two_tools() -> None:
    two = reply(
        actions=[{"query_id": ALL, "tool": name, "top_k": 5} for name in ("text", "image")]
    )
    done = planned(PARALLEL, both(rewrites("a"), two))
    assert done.searches == [("text", "a"), ("image", "a")]
    assert {query.top_k for query in done.step.queries} == {5}


@pytest.mark.parametrize("failing", [REWRITE, ROUND])
def test_one_of_the_two_may_fail(failing: str) -> None:
    answers = {REWRITE: rewrites("a"), ROUND: choices(**{ALL: "image"})} | {failing: "nonsense"}
    done = planned(PARALLEL, by_purpose(answers))
    expected = ("text", QUESTION) if failing == REWRITE else ("text", "a")
    assert done.searches == [expected]
    assert done.step.fallback


def test_no_tool_means_no_search() -> None:
    done = planned(SEQUENTIAL, [rewrites("hello"), choices(q1="none")])
    assert done.step.done
    assert not done.step.queries
    assert done.step.reason == "nothing has to be searched"
    done = planned(PARALLEL, both(rewrites("hello"), choices(**{ALL: "none"})))
    assert done.step.done


def test_nothing_to_look_up_is_said_in_one_call() -> None:
    script = [reply(thought="", sub_queries=[], done=True, reason="small talk")]
    done = planned(SEQUENTIAL, script)
    assert done.purposes == ["rewrite"]
    assert (done.step.done, done.step.reason) == (True, "small talk")


def test_a_query_for_which_no_tool_is_chosen_gets_the_usual_one() -> None:
    done = planned(SEQUENTIAL, [rewrites("a", "b"), choices(q1="image")])
    assert done.searches == [("image", "a"), ("text", "b")]
    assert "no tool was chosen for q2" in done.step.fallback


def test_the_history_has_the_digests_and_is_fenced() -> None:
    step = Step(number=1, queries=(Query(id="1.1", text="the film"),))
    script = [rewrites("Ada Lowell birth"), choices(q1="text")]
    done = planned(SEQUENTIAL, script, steps=(carried_out(step, "Ada Lowell directed it."),))
    told = done.calls[0].messages[1].text
    assert "the film - Ada Lowell directed it." in told.split("<data ")[1]
    assert done.step.number == 2
    assert done.step.queries[0].id == "2.1"


def test_what_failed_is_in_the_history() -> None:
    step = Step(number=1, queries=(Query(id="1.1", text="the film"),))
    steps = (carried_out(step, failed="the web is down"),)
    done = planned(SEQUENTIAL, [rewrites("b"), choices(q1="text")], steps=steps)
    assert "failed: the web is down" in done.calls[0].messages[1].text


def test_a_query_that_was_asked_is_not_asked_again() -> None:
    step = carried_out(Step(number=1, queries=(Query(id="1.1", text="The  film"),)))
    script = [rewrites("the film", "Ada"), choices(q1="text", q2="text")]
    done = planned(SEQUENTIAL, script, steps=(step,))
    assert done.searches == [("text", "Ada")]
    assert "asked before" in done.step.fallback
    done = planned(SEQUENTIAL, [rewrites("the film"), choices(q1="text")], steps=(step,))
    assert done.step.done
    assert done.step.reason == "there is nothing new to ask"


def test_a_query_that_waits_for_another_is_left_to_a_later_round() -> None:
    entries = [
        {"id": "q1", "text": "the film", "depends_on": []},
        {"id": "q2", "text": "birth of its director", "depends_on": ["q1"]},
    ]
    script = [reply(thought="two", sub_queries=entries, done=False), choices(q1="text")]
    done = planned(SEQUENTIAL, script)
    assert done.searches == [("text", "the film")]
    assert "later: birth of its director" in done.step.thought
    assert done.calls[1].options.structure["properties"]["actions"]["items"]["properties"][
        "query_id"
    ]["enum"] == ["q1"]


def test_done_ends_the_run_once_something_was_searched() -> None:
    step = carried_out(Step(number=1, queries=(Query(id="1.1", text="a"),)), "Ada, 1902.")
    done = planned(SEQUENTIAL, [rewrites("more", done=True)], steps=(step,))
    assert done.step.done
    assert not done.step.queries
    assert "left out, since it is done" in done.step.fallback
    first = planned(SEQUENTIAL, [rewrites("a", done=True), choices(q1="text")])
    assert first.searches == [("text", "a")]


def test_an_endless_plan_ends() -> None:
    steps: tuple[Step, ...] = ()
    for number in range(1, 20):
        script = [rewrites(f"query {number}"), choices(q1="text")]
        done = planned(SEQUENTIAL, script, steps=steps)
        if done.step.done:
            break
        steps = (*steps, carried_out(done.step))
    assert len(steps) == MOST_ROUNDS
    assert "are the most" in done.step.reason


def test_where_no_step_is_left_it_tells_in_one_call_what_it_would_ask() -> None:
    step = carried_out(Step(number=1, queries=(Query(id="1.1", text="a"),)))
    for planner in (SEQUENTIAL, PARALLEL):
        done = planned(planner, [rewrites("b")], steps=(step,), left=Left(steps=0))
        assert done.purposes == ["rewrite"]
        assert done.searches == [("text", "b")]


def test_a_tool_that_can_search_by_picture_does_so_once() -> None:
    state = {"pictures": 1, "rasters": (PICTURE,)}
    script = [rewrites("a", "b"), choices(q1="image", q2="image")]
    done = planned(SEQUENTIAL, script, **state)
    assert [query.picture for query in done.step.queries] == [None, 0, None]
    step = carried_out(done.step)
    done = planned(SEQUENTIAL, [rewrites("c"), choices(q1="image")], steps=(step,), **state)
    assert [query.picture for query in done.step.queries] == [None]


def test_a_follow_up_is_made_to_stand_alone() -> None:
    turns = (Turn(question="Who built Kestrel Dam?", short="Ada Lowell"),)
    script = [rewrites("Kestrel Dam finished"), choices(q1="text")]
    asked = {"question": "And when was it finished?", "turns": turns}
    done = planned(SEQUENTIAL, script, **asked)
    assert "Kestrel Dam" in done.step.resolved
    assert f"Question: {done.step.resolved}" in done.calls[0].messages[1].text
    assert "Who built Kestrel Dam? - Ada Lowell" in done.calls[0].messages[1].text
    step = carried_out(done.step)
    after = planned(SEQUENTIAL, [rewrites("more"), choices(q1="text")], steps=(step,), **asked)
    assert f"Question: {done.step.resolved}" in after.calls[0].messages[1].text
    assert after.step.resolved == ""
    failed = planned(SEQUENTIAL, ["no", "no"], **asked)
    assert failed.searches == [("text", done.step.resolved)]


def test_without_a_text_tool_another_is_the_usual_one() -> None:
    done = planned(SEQUENTIAL, ["no", "no"], tools=(TOOLS[3], TOOLS[1]))
    assert done.searches == [("image", QUESTION)]
