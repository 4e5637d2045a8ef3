"""Let Androids Dream: perceive the picture, search for what it stands for, reason.

After arXiv 2505.17019, section 3, stage by stage: a paragraph that describes the picture;
seven keywords from the description alone; five questions that each combine keywords; for
each a self-judged confidence and a route, own knowledge or search; the three best pairs of
question and answer, with reasons; one passage that says what they say once. The last
stage, the answer from picture, description, keywords and passage, is the composer's, which
is given the notes of the steps. Two things are otherwise, on purpose: a verdict that
contradicts itself or cannot be read leads to a search (in the authors' code to own
knowledge), and search is over the collection where there is no web tool. Keywords and
questions that a model does not give are filled in by rule, and the step says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, NamedTuple

from cogagent.errors import BudgetError, ModelError
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import Options
from cogagent.models.replies import number
from cogagent.planners.asked_model import (
    ModelPlanner,
    clean_query,
    fallback,
    fresh,
    named_tool,
    told,
    usual_tool,
)
from cogagent.planners.asking import Form, Read, Wording, fill_in, write
from cogagent.planners.base import PlanState
from cogagent.planners.exchange import LONGEST, closed, words
from cogagent.planners.fencing import fenced, one_line
from cogagent.planners.oneshot import OneShotPlanner
from cogagent.planners.picturing import described, within
from cogagent.planners.prompts import prompt
from cogagent.planners.request import asked, nothing_found
from cogagent.reading.question import words as content_words
from cogagent.types import Note, Query, Step

KEYWORDS = 7
QUESTIONS = 5
BEST = 3
KNOWN = 4
"""The confidence from which own knowledge will do; 3 or less means search."""

_PERCEIVE = 0.7
"""Temperatures: of perception and questions, of judging, of the rest."""
_JUDGE = 0.0
_REST = 0.5
_FUSED_TOKENS = 320
_PASSAGE = 2000
_KEYWORD = 60
_PAIR = 500
_REASON = 160


class Verdict(NamedTuple):
    """How a question about a picture is to be answered.

    Attributes:
        route: Where to.
        why: What the model said, or why that does not count.
        sound: It could be read and does not contradict itself.
    """

    route: Literal["knowledge", "search"]
    why: str
    sound: bool


class Pair(NamedTuple):
    """A question and what was found for it."""

    id: str
    question: str
    answer: str


class LadPlanner(ModelPlanner):
    """Plans for what a picture means; a question without a picture is planned as one-shot.

    The first step perceives, asks and judges, and searches; the second ranks and fuses
    what came, and ends the run.
    """

    name = "lad"
    looks = True
    """It begins with the picture: the loop describes it if no model sees."""

    def __init__(self) -> None:
        self._plain = OneShotPlanner()

    async def _step(self, state: PlanState, model: MeteredMLLM) -> Step:
        if not state.pictures:
            step = await self._plain.plan(state, model)
            without = "no picture came with the question, so it is planned as one-shot"
            thought = "; ".join(part for part in (without, step.thought) if part)
            return step.model_copy(update={"thought": thought})
        if not state.steps:
            return await self._search(state, model)
        if any(step.notes for step in state.steps):
            return await self._reason(state, model)
        return Step(number=state.number, done=True, reason="the question was searched for")

    async def _search(self, state: PlanState, model: MeteredMLLM) -> Step:
        """Perception, and the search that it leads to."""
        description = await described(state, model, _PERCEIVE)
        if not description:
            return fallback(
                state, f"{model.name} sees no pictures, and nothing else is known of this one"
            )
        notes = [Note(kind="description", text=description)]
        remarks: list[str] = []
        try:
            keywords = await _keywords(model, description, remarks)
            notes.append(Note(kind="keywords", text=", ".join(keywords)))
            questions = await _questions(state, model, description, keywords, remarks)
        except (BudgetError, ModelError) as error:
            # What was seen is not lost with what failed to be made of it.
            step = fallback(state, str(error))
            return step.model_copy(update={"notes": tuple(notes)})
        verdicts = await _judged(model, questions)
        remarks += [
            f"{question!r} is searched for: {verdict.why}"
            for question, verdict in zip(questions, verdicts, strict=True)
            if not verdict.sound
        ]
        queries = fresh(
            state,
            (
                query
                for question, verdict in zip(questions, verdicts, strict=True)
                for query in _queries(state, question, verdict)
            ),
        )
        ways = ", ".join(f"{verdict.route} ({verdict.why})" for verdict in verdicts)
        return Step(
            number=state.number,
            thought=f"{len(questions)} questions from {len(keywords)} keywords: {ways}",
            queries=queries,
            notes=tuple(notes),
            fallback=told(remarks),
        )

    async def _reason(self, state: PlanState, model: MeteredMLLM) -> Step:
        """The best of what came, in one passage."""
        step = Step(number=state.number, done=True)
        pairs = _pairs(state)
        if not pairs:
            return step.model_copy(update={"reason": "none of the questions was answered"})
        remarks: list[str] = []
        best, reasons = await _ranked(state, model, pairs, remarks)
        passage = await _fused(model, best, remarks)
        return step.model_copy(
            update={
                "thought": "; ".join(reasons),
                "notes": (Note(kind="summary", text=passage),),
                "reason": f"the best {len(best)} of {len(pairs)} answers are fused",
                "fallback": told(remarks),
            }
        )


async def _keywords(model: MeteredMLLM, description: str, remarks: list[str]) -> list[str]:
    """Keywords, from the description alone; those that the model does not give, by rule.

    Raises:
        ModelError: If the description has no two words that could be any.
    """
    text = {"type": "string", "maxLength": _KEYWORD}
    schema = closed({"keywords": {"type": "array", "items": text, "maxItems": KEYWORDS}})

    def read(value: Mapping[str, Any]) -> Read[list[str]]:
        given = value.get("keywords")
        if not isinstance(given, list):
            return Read(None, ("keywords has to be a list of texts",))
        found = {words(entry, _KEYWORD).casefold(): words(entry, _KEYWORD) for entry in given[:40]}
        found.pop("", None)
        kept = list(found.values())[:KEYWORDS]
        if len(kept) < 2:
            return Read(None, ("there have to be keywords, each a text of its own",))
        few = len(kept) < KEYWORDS
        return Read(kept, (), (f"{len(kept)} of {KEYWORDS} keywords were given",) if few else ())

    order = prompt("keywords.v1").replace("{most}", str(KEYWORDS))
    wording = Wording(order, lambda room: fenced(within([description], room)))
    form = Form(schema, read, tokens=160)
    try:
        heard = await fill_in(model.named("keywords"), wording, form, temperature=_REST)
        given, told_of = heard.value, heard.remarks
    except ModelError as error:
        given, told_of = [], (str(error),)
    keywords = _filled_up(given, _content(description), KEYWORDS)
    remarks += told_of
    if len(keywords) < 2:
        raise ModelError("nothing in the description could be a keyword.")
    if len(keywords) > len(given):
        remarks.append(f"{len(keywords) - len(given)} keywords were taken from the description")
    return keywords


async def _questions(
    state: PlanState,
    model: MeteredMLLM,
    description: str,
    keywords: Sequence[str],
    remarks: list[str],
) -> list[str]:
    """Questions that each combine keywords; those that the model does not give, by rule."""
    keyword = {"type": "string", "enum": list(keywords)}
    entry = closed(
        {
            "text": {"type": "string", "maxLength": LONGEST},
            "keywords": {"type": "array", "items": keyword, "minItems": 2, "maxItems": 3},
        }
    )
    schema = closed({"questions": {"type": "array", "items": entry, "maxItems": QUESTIONS}})

    def read(value: Mapping[str, Any]) -> Read[list[str]]:
        return _read_questions(value, keywords)

    def shown(room: int) -> str:
        head = f"Asked of the picture: {one_line(state.question, min(room // 2, 1500))}"
        if state.choices:
            listed = "; ".join(one_line(choice, _PAIR) for choice in state.choices)
            head += f"\nOne of these is the answer: {one_line(listed, room // 4)}"
        rest = room - len(head.encode())
        data = [f"Keywords: {', '.join(keywords)}", f"Description: {description}"]
        return f"{head}\n\n{fenced(within(data, rest))}"

    order = prompt("questions.v1").replace("{most}", str(QUESTIONS))
    form = Form(schema, read, tokens=500)
    try:
        heard = await fill_in(
            model.named("questions"), Wording(order, shown), form, temperature=_PERCEIVE
        )
        given, told_of = heard.value, heard.remarks
    except ModelError as error:
        given, told_of = [], (str(error),)
    combined = (
        f"What do {first!r} and {second!r} have to do with each other?"
        for first, second in combinations(keywords, 2)
    )
    questions = _filled_up(given, combined, QUESTIONS)
    remarks += told_of
    if len(questions) > len(given):
        remarks.append(f"{len(questions) - len(given)} questions were put together by rule")
    return questions


def _content(description: str) -> Iterator[str]:
    """The content words of a description, names and numbers first."""
    found = [word for word in content_words(description) if word.content]
    for word in sorted(found, key=lambda word: not word.strong):
        yield description[word.start : word.end]


def _filled_up(given: Sequence[str], more: Iterable[str], most: int) -> list[str]:
    """What was given and, up to so many, what is new of the rest."""
    kept = {text.casefold(): text for text in given[:most]}
    for text in more:
        if len(kept) >= most:
            break
        kept.setdefault(text.casefold(), text)
    return list(kept.values())


def _read_questions(value: Mapping[str, Any], keywords: Sequence[str]) -> Read[list[str]]:
    given = value.get("questions")
    if not isinstance(given, list):
        return Read(None, ("questions has to be a list",))
    known = {keyword.casefold() for keyword in keywords}
    faults: list[str] = []
    kept: dict[str, str] = {}
    for place, entry in enumerate(given[: 4 * QUESTIONS]):
        text = words(entry.get("text"), LONGEST) if isinstance(entry, Mapping) else ""
        named = entry.get("keywords") if isinstance(entry, Mapping) else None
        listed = named if isinstance(named, list) else []
        used = {words(name, _KEYWORD).casefold() for name in listed} & known
        used |= {name for name in known if name in text.casefold()}
        if not text:
            faults.append(f"questions.{place} has no text")
        elif len(used) < 2:
            faults.append(f"questions.{place} does not combine two keywords")
        else:
            kept.setdefault(text.casefold(), text)
    questions = list(kept.values())[:QUESTIONS]
    if not questions:
        return Read(None, tuple(faults or ["there is no question"]))
    few = len(questions) < QUESTIONS
    remarks = (f"{len(questions)} of {QUESTIONS} questions were given",) if few else ()
    return Read(questions, tuple(faults), remarks)


async def _judged(model: MeteredMLLM, questions: Sequence[str]) -> list[Verdict]:
    """A verdict on each question, all asked for at once; those that fail lead to a search."""
    return list(await asyncio.gather(*(_verdict(model, question) for question in questions)))


async def _verdict(model: MeteredMLLM, question: str) -> Verdict:
    scale = {"type": "integer", "minimum": 1, "maximum": 5}
    route = {"type": "string", "enum": ["knowledge", "search"]}
    schema = closed({"confidence": scale, "route": route})
    form = Form(schema, lambda value: Read(read_verdict(value)), tokens=48, repairs=0)
    wording = Wording(prompt("judge.v1"), lambda room: f"Question: {one_line(question, room)}")
    try:
        heard = await fill_in(model.named("judge"), wording, form, temperature=_JUDGE)
    except (BudgetError, ModelError) as error:
        return Verdict("search", f"no verdict could be read, {error.message}", sound=False)
    return heard.value


def read_verdict(value: Mapping[str, Any]) -> Verdict:
    """Where a verdict leads: to own knowledge only if it is whole and agrees with itself."""
    sure = number(value.get("confidence"), 1, 5)
    said = words(value.get("route"), 20).casefold()
    routes: dict[str, Literal["knowledge", "search"]] = {
        "knowledge": "knowledge", "search": "search", "web": "search",
    }  # fmt: skip
    route = routes.get(said)
    if sure is None or route is None:
        return Verdict("search", "the verdict cannot be read", sound=False)
    if (sure >= KNOWN) != (route == "knowledge"):
        why = f"the verdict contradicts itself, confidence {sure:g} and {said}"
        return Verdict("search", why, sound=False)
    return Verdict(route, f"confidence {sure:g}", sound=True)


def _queries(state: PlanState, question: str, verdict: Verdict) -> list[Query]:
    """The searches for one question."""
    text = clean_query(state, question)
    if not text:
        return []
    if verdict.route == "knowledge" and named_tool(state, "knowledge") is not None:
        return [Query(text=text, tool="knowledge", why=verdict.why)]
    left = state.left.web_searches
    if named_tool(state, "web") is not None and (left is None or left >= QUESTIONS):
        return [Query(text=text, tool="web", why=verdict.why)]
    if named_tool(state, "all") is not None:
        return [Query(text=text, tool="all", why=verdict.why)]
    tools = dict.fromkeys((usual_tool(state), "image"))
    there = [tool for tool in tools if tool != "image" or named_tool(state, "image") is not None]
    return [Query(text=text, tool=tool, why=verdict.why) for tool in there]


def _pairs(state: PlanState) -> list[Pair]:
    """The questions that were answered, with what their digests say."""
    known = {note.query: note.text for note in state.notes if note.kind == "knowledge"}
    found: dict[str, Pair] = {}
    for query, finding in asked(state.steps):
        digest = "" if finding is None or nothing_found(finding) else finding.digest
        answer = one_line(known.get(query.id) or digest, _PAIR)
        if answer:
            found.setdefault(answer.casefold(), Pair(query.id, query.text, answer))
    return list(found.values())


async def _ranked(
    state: PlanState, model: MeteredMLLM, pairs: Sequence[Pair], remarks: list[str]
) -> tuple[list[Pair], list[str]]:
    """The best pairs, and the reasons of each; the first ones if the model does not rank."""
    by_id = {pair.id: pair for pair in pairs}
    entry = closed(
        {
            "id": {"type": "string", "enum": list(by_id)},
            "reason": {"type": "string", "maxLength": _REASON},
        }
    )
    schema = closed({"best": {"type": "array", "items": entry, "maxItems": BEST}})

    def read(value: Mapping[str, Any]) -> Read[dict[str, str]]:
        given = value.get("best")
        found: dict[str, str] = {}
        for one in given[:20] if isinstance(given, list) else []:
            if isinstance(one, Mapping) and (key := words(one.get("id"), _KEYWORD)) in by_id:
                found.setdefault(key, words(one.get("reason"), _REASON))
        if not found:
            return Read(None, ("best has to name pairs by their id",))
        return Read(dict(list(found.items())[:BEST]))

    def shown(room: int) -> str:
        head = f"Asked of the picture: {one_line(state.question, min(room // 3, 1500))}"
        lines = [f"{pair.id}: {pair.question} - {pair.answer}" for pair in pairs]
        return f"{head}\n\n{fenced(within(lines, room - len(head.encode())))}"

    order = prompt("rank.v1").replace("{most}", str(BEST))
    try:
        heard = await fill_in(
            model.named("rank"), Wording(order, shown), Form(schema, read), temperature=_REST
        )
    except ModelError as error:
        remarks.append(f"the answers are taken in their order: {error}")
        return list(pairs[:BEST]), []
    remarks += heard.remarks
    best = [by_id[key] for key in heard.value]
    return best, [f"{by_id[key].question}: {reason}" for key, reason in heard.value.items()]


async def _fused(model: MeteredMLLM, best: Sequence[Pair], remarks: list[str]) -> str:
    """One passage of these answers; they themselves, in a row, if the model writes none."""
    lines = [f"{pair.question} - {pair.answer}" for pair in best]
    options = Options(max_tokens=_FUSED_TOKENS, temperature=_REST)
    wording = Wording(prompt("fuse.v1"), lambda room: fenced(within(lines, room)))
    try:
        written = await write(model.named("fuse"), wording, options)
    except ModelError as error:
        remarks.append(f"the answers are put in a row: {error}")
    else:
        passage = one_line(written.text.rpartition("</think>")[2], _PASSAGE)
        if passage:
            return passage
        remarks.append("the answers are put in a row: the model wrote nothing")
    return one_line(" ".join(pair.answer for pair in best), _PASSAGE)
