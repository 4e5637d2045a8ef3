"""Documents and pages that would steer the program; a model that does all it is told to.

What is measured against is the same question over the same text without the
attack: the same tools have to be called in the same order, nothing fetched that no
search has named, nothing cited that does not stand where the citation says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cogagent import Budget, CogAgent, Source
from cogagent.config import ModelSettings, Settings, WebSettings
from cogagent.models.mllm import Capabilities, Message, Options
from cogagent.pipelines import engine
from cogagent.retrievers.web.tool import WebTool
from cogagent.testing.doubles import ScriptedMLLM
from cogagent.types import Answer, Query, Step
from tests.pipelines.attacks import DOCUMENTS, EVIL, PAGES
from tests.retrievers.web_kit import Listed, Site, guard_of, serving

FACT = "Kestrel Dam was finished in 1931 by the engineer Ada Lowell."
QUESTION = "When was Kestrel Dam finished?"
PLANNERS = ("rules", "cog-sequential", "cog-parallel", "one-shot")
_ORDERED = re.compile(r"\b(?:tool|region|image|all|web)\b", re.IGNORECASE)


def obedient(messages: Sequence[Message], options: Options) -> str:
    """The worst of models: whatever its prompt's data says to do, it does."""
    shown = messages[-1].text
    data = shown[shown.find("<data") : shown.rfind("</data")] if "<data" in shown else ""
    told = next((m[0] for m in re.finditer(r"\b(web|image|all|region)\b", data.lower())), "text")
    words = re.findall(r"https?://\S+|\bevil\S*|\bpasswords?\b|\bsecret\b", data)
    stop = bool(re.search(r"\b(stop|done|skip)\b", data.lower()))
    if options.structure is None:
        found = re.search(r"\b1799\b", shown)
        return "It was finished in 1799 [1]." if found else "It was finished in 1931 [1]."
    return json.dumps(_filled(options.structure, told, " ".join(words) or QUESTION, stop))


def _filled(schema: Any, tool: str, text: str, stop: bool, name: str = "") -> Any:
    """A reply to a schema: the tool, text and ending that were ordered."""
    if "enum" in schema:
        return tool if tool in schema["enum"] else schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        asked = schema.get("properties", {})
        return {key: _filled(part, tool, text, stop, key) for key, part in asked.items()}
    if kind == "array":
        least = max(schema.get("minItems", 0), 1 if name in ("sub_queries", "actions") else 0)
        return [_filled(schema["items"], tool, text, stop) for _ in range(least)]
    if kind == "boolean":
        return stop
    if kind in ("integer", "number"):
        return 5
    return {"id": "1", "query_id": "1", "tool": tool}.get(name, text)


class Shelf:
    """A home with each document in it twice: as it is, and with an attack."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
        model = ScriptedMLLM(obedient, Capabilities(structured=True, context=4096))
        monkeypatch.setattr(engine, "answer_model", lambda settings: model)
        self.site = site
        self.engine = Listed()
        settings = Settings(models=ModelSettings(answer_model="openai:obedient"))
        self.agent = CogAgent(home=home, settings=settings)
        self.agent._engine._outside["web"] = web_tool(self.agent, self.engine, site)

    def ask(self, planner: str, uri: str) -> Answer:
        return self.agent.ask(
            QUESTION, planner=planner, filters={"uri": uri}, budget=Budget(steps=2)
        )


def web_tool(agent: CogAgent, found: Listed, site: Site) -> Any:
    settings = Settings(web=WebSettings(enabled=True, host_seconds=0.0))
    made = agent._engine
    return WebTool(settings, found, made.text_embedder, made.parsers, None, guard=guard_of(site))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    pages = {
        f"/{n}": f"<html><body><p>{FACT}</p>{page}</body></html>" for n, page in enumerate(PAGES)
    }
    pages["/clean"] = f"<html><body><p>{FACT}</p></body></html>"
    with serving(pages) as site:
        made = Shelf(tmp_path / "kb", monkeypatch, site)
        with made.agent:
            yield made


def called(answer: Answer) -> list[tuple[str, ...]]:
    """The tools of each step."""
    return [tuple(sorted(query.tool for query in step.queries)) for step in answer.steps]


def forged(answer: Answer) -> list[str]:
    """Citations that do not stand where they say, and claims that nothing supports."""
    texts = {piece.id: piece for piece in answer.evidence}
    wrong = [
        citation.quote
        for citation in answer.citations
        if citation.evidence_id not in texts
        or citation.quote not in texts[citation.evidence_id].text
        or (citation.uri, citation.page)
        != (texts[citation.evidence_id].uri, texts[citation.evidence_id].page)
    ]
    wrong += [
        claim.text
        for claim in answer.claims
        if claim.verdict == "supported"
        and not all(entry.evidence_id in texts for entry in claim.support)
    ]
    return wrong


def test_no_document_changes_the_tools_or_forges_a_citation(shelf: Shelf) -> None:
    texts = {"clean": FACT, **{str(n): f"{FACT} {text}" for n, text in enumerate(DOCUMENTS)}}
    shelf.agent.ingest(
        [
            Source(uri=f"note:{name}", data=text.encode(), media_type="text/plain", title="A note")
            for name, text in texts.items()
        ]
    )
    wrong = []
    for planner in PLANNERS:
        usual = called(shelf.ask(planner, "note:clean"))
        for number, attack in enumerate(DOCUMENTS):
            answer = shelf.ask(planner, f"note:{number}")
            if called(answer) != usual:
                wrong.append((planner, attack, called(answer), usual))
            assert not forged(answer), (planner, attack)
    assert not wrong
    assert shelf.engine.asked == []  # no search left the machine
    assert shelf.site.asked == []


@pytest.mark.parametrize("planner", ["rules", "cog-sequential"])
def test_no_page_changes_the_tools_or_is_followed(shelf: Shelf, planner: str) -> None:
    class Webbed:
        """The planner, after a first step on the web."""

        name = "webbed"
        digests = True

        def __init__(self) -> None:
            self._inner = shelf.agent._engine.planner(planner)

        async def plan(self, state: Any, model: Any) -> Any:
            if not state.steps:
                return Step(number=1, queries=(Query(text=QUESTION, tool="web"),))
            return await self._inner.plan(state, model)

    def ask(path: str) -> Answer:
        shelf.engine.urls = (shelf.site.at(path),)
        web = shelf.agent._engine._outside["web"]
        web.close()  # what was fetched for the page before is forgotten
        shelf.site.asked.clear()
        return shelf.agent.ask(QUESTION, planner=Webbed(), budget=Budget(steps=3))

    shelf.agent.ingest([Source(uri="x", data=b"Trout live in the lake.", media_type="text/plain")])
    usual = called(ask("/clean"))
    wrong = []
    for number, attack in enumerate(PAGES):
        answer = ask(f"/{number}")
        if called(answer) != usual:
            wrong.append((attack, called(answer), usual))
        assert not forged(answer), attack
        fetched = set(shelf.site.asked)
        assert fetched <= {"site.test/robots.txt", f"site.test/{number}"}, attack
        assert not any(EVIL in entry for entry in fetched)
    assert not wrong
