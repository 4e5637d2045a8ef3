"""What a planner's prompt shows of documents: as data, between marks that it cannot forge.

A planner decides what is searched, and where: of what documents say it needs the
facts, never the orders. So sentences that address a model, name a tool or hold an
address are left out here. (What an answer is written from is left whole.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from cogagent.checking.injection import suspicions, visible
from cogagent.documents.sentences import sentences

_MARK = re.compile(r"<(?=/?data\b)", re.IGNORECASE)
_LEFT_OUT = "[...]"
_STEERING = re.compile(
    r"\b(?:https?|ftp|file|data|javascript):|\bwww\.|\]\(|"
    r"\b(?:use|using|call|invoke|run|choose|select|pick|switch|prefer)\b[^.!?]{0,40}"
    r"\b(?:tools?|web|internet|search engines?|planner|functions?|actions?)\b|"
    r"\b(?:search|query|browse|look (?:it )?up|visit|open|fetch|download|load|follow|go to|"
    r"navigate|request|ping|click)\b[^.!?]{0,40}"
    r"\b(?:web|internet|online|urls?|links?|address(?:es)?|sites?|tools?|servers?|endpoints?)\b|"
    r"\b(?:stop|end|finish|skip|cease|abort|no (?:further|more))\b[^.!?]{0,30}"
    r"\b(?:search(?:es|ing)?|plan(?:s|ning)?|steps?|rounds?|queries|retrieval)\b|"
    r"\b(?:sub[_ -]?quer(?:y|ies)|query_id|tool_calls?|top_k|system prompt)\b|"
    r"[\"']?\b(?:done|tool|actions?|thought)\b[\"']?\s*[:=]\s*[\"'\[{tf]",
    re.IGNORECASE,
)
"""Wordings by which a text would steer a planner."""


def fenced(lines: Sequence[str]) -> str:
    """Lines between ``<data NAME>`` and ``</data NAME>``.

    The name is a hash of the lines: none of them can hold the hash of what it is a part
    of, and the same lines make the same prompt, in any process. Characters that are not
    seen are made visible, what looks like such a mark is broken by a space, each text
    stays on its line, and what would steer a planner is left out.
    """
    shown = [_MARK.sub("< ", unsteered(one_line(line))) for line in lines]
    whole = "\n".join(shown)
    name = hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:8]
    return f"<data {name}>\n{whole}\n</data {name}>"


def unsteered(text: str) -> str:
    """A text without the sentences that address a model, name a tool or hold an address."""
    if not (_STEERING.search(text) or suspicions(text)):
        return text
    kept, begun = [], 0
    for _, end in [*sentences(text)]:
        part = text[begun:end]
        bad = _STEERING.search(part) or suspicions(part.strip())
        kept.append(f"{_LEFT_OUT} " if bad else part)
        begun = end
    whole = " ".join("".join([*kept, text[begun:]]).split())
    # An order that runs over several sentences is whole in none of them.
    return whole if not suspicions(whole) else _LEFT_OUT


def one_line(text: str, most: int | None = None) -> str:
    """A text on one line, its hidden characters made visible, cut at ``most`` characters."""
    if most is not None:
        text = text[: 2 * most]  # so that of a long text only what can be shown is cleaned
    shown = " ".join(visible(text).split()).encode("utf-8", "replace").decode("utf-8")
    return shown if most is None or len(shown) <= most else shown[: most - 1].rstrip() + "…"
