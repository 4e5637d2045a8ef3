from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cogagent.errors import BudgetError, ContextOverflowError, ModelError
from cogagent.models.metered import Meter, MeteredMLLM, ModelCall
from cogagent.models.mllm import Capabilities
from cogagent.pipelines.digest import LONGEST, digest, digest_by_words
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Budget, Query
from tests.planners.kit import PICTURE
from tests.test_types import make_evidence

DAM = make_evidence(
    "Work began in 1928. The dam was finished in 1931 by Ada Lowell. It is 40 m high.", id="a"
)
ASKED = Query(text="Who finished the dam in 1931?")


def digested(
    script: list[Any],
    evidence: Any = (DAM,),
    can: Capabilities = Capabilities(),  # noqa: B008
    budget: Budget | None = None,
    **more: Any,
) -> tuple[str, list[ModelCall]]:
    calls: list[ModelCall] = []
    meter = Meter(budget or Budget(), on_call=calls.append)
    model = MeteredMLLM(ScriptedMLLM(script, can), meter, "digest")
    return asyncio.run(digest(ASKED, list(evidence), model, **more)), calls


def test_a_model_reads_fenced_evidence_and_writes_a_line() -> None:
    text, calls = digested(["Ada Lowell [1].\nIn 1931."])
    assert text == "Ada Lowell. In 1931."
    (call,) = calls
    assert call.purpose == "digest"
    told = call.messages[1].text
    assert "finished in 1931 by Ada Lowell" in told
    assert told.count("</evidence ") == 2  # in the rule, and at the end
    assert told.endswith(ASKED.text)


@pytest.mark.parametrize(
    "said", ["nothing", "Nothing.", " NOT FOUND ", "<think>hm</think>nothing", ""]
)
def test_nothing_is_nothing(said: str) -> None:
    assert digested([said])[0] == ""


def test_without_evidence_nobody_is_asked() -> None:
    assert digested([], ()) == ("", [])


def test_what_is_written_is_cut() -> None:
    assert len(digested(["word " * 300])[0]) <= LONGEST


def test_equal_evidence_makes_equal_prompts() -> None:
    first, second = (digested(["a"])[1][0].messages for _ in range(2))
    assert first == second


def test_long_evidence_is_cut_to_the_context() -> None:
    long = [make_evidence("word " * 5000, id=str(n)) for n in range(9)]
    for context in (512, 2048):
        text, calls = digested(["Ada."], long, Capabilities(context=context))
        assert text == "Ada."
        assert len(calls[0].messages[1].text) < 3 * context


def test_a_prompt_that_is_too_long_all_the_same_is_halved_once() -> None:
    assert digested([ContextOverflowError("too long."), "Ada."])[0] == "Ada."
    with pytest.raises(ContextOverflowError):
        digested([ContextOverflowError("too long.")] * 2)


def test_the_questions_pictures_are_shown_to_a_model_that_sees() -> None:
    _, calls = digested(["Ada."], can=Capabilities(pictures=True), pictures=[PICTURE])
    assert len(calls[0].messages[1].pictures) == 1
    _, calls = digested(["Ada."], pictures=[PICTURE])
    assert not calls[0].messages[1].pictures


def test_what_goes_wrong_is_raised() -> None:
    with pytest.raises(ModelError):
        digested([ModelError("it broke.")])
    with pytest.raises(BudgetError):
        digested([], budget=Budget(model_calls=0))


def test_by_words_the_sentence_is_taken_that_shares_most() -> None:
    other = make_evidence("The dam is old. Nobody knows it.", id="b")
    for evidence in ([DAM, other], [other, DAM]):
        assert digest_by_words(ASKED, evidence) == "The dam was finished in 1931 by Ada Lowell."


def test_by_words_a_row_or_a_caption_may_be_it() -> None:
    table = make_evidence("Dam | Year\nKestrel | 1931\nHeron | 1950", modality="table")
    assert digest_by_words(Query(text="Which year, Heron?"), [table]) == "Heron | 1950"
    picture = make_evidence("sky 0.9", modality="image", caption="Figure 2. Kestrel Dam")
    found = digest_by_words(Query(text="a picture of Kestrel Dam"), [picture])
    assert found == "Figure 2. Kestrel Dam"


def test_by_words_nothing_shared_is_nothing() -> None:
    assert digest_by_words(Query(text="volcanoes of Iceland"), [DAM]) == ""
    assert digest_by_words(ASKED, []) == ""
    assert digest_by_words(Query(text=""), [DAM]) == ""
    assert len(digest_by_words(Query(text="dam"), [make_evidence("dam " * 5000)])) <= LONGEST
