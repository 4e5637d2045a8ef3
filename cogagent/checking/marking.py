"""An answer after the check: what is not supported is marked, or left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.checking.checker import Checked
from cogagent.types import Answer, Claim, Outcome

MARK = {"unsupported": "[not supported]", "uncited": "[no source]"}
"""What stands behind a sentence that did not pass."""
NOTHING_LEFT = "Nothing that was written could be found in the evidence cited."
_ANSWERED: frozenset[Outcome] = frozenset({"answered", "partial"})


def mark(checked: Checked) -> str:
    """The answer with a mark behind each sentence that its citations do not support."""
    text = checked.text
    for claim in reversed(checked.claims):
        if claim.verdict != "supported":
            text = f"{text[: claim.end]} {MARK[claim.verdict]}{text[claim.end :]}"
    return text


def strip(checked: Checked) -> str:
    """The answer without the sentences that its citations do not support; may be empty."""
    text = checked.text
    for claim in reversed(checked.claims):
        if claim.verdict != "supported":
            before = text[: claim.start]
            # A list item goes with its bullet, a line with its end.
            text = re.sub(r"(?:^|(?<=\n))[ \t]*(?:[-*\u2022]|\d+[.)])?[ \t]*$", "", before) + (
                text[claim.end :].lstrip(" \t")
            )
    text = re.sub(r"[ \t]+(?=\n|$)", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def apply(answer: Answer, checked: Checked, *, strict: bool = False) -> Answer:
    """``answer`` with what the check found: text, claims, citations, outcome.

    Sentences not supported are marked; with ``strict`` they are removed, and
    ``answered`` becomes ``partial``, or ``abstained`` if no claim is left. The
    claims are those of the text as it was written, removed ones included.

    Args:
        answer: The answer whose text was checked.
        checked: What was found.
        strict: Remove instead of marking.
    """
    bad = [claim for claim in checked.claims if claim.verdict != "supported"]
    known = {citation.marker for citation in checked.citations}
    if not strict or not bad:
        return answer.model_copy(
            update={
                "text": mark(checked) if bad else checked.text,
                "claims": checked.claims,
                "citations": checked.citations,
            }
        )
    left = {m for claim in checked.claims if claim.verdict == "supported" for m in claim.markers}
    outcome = answer.outcome
    text = strip(checked)
    if outcome in _ANSWERED:
        outcome = "partial" if left & known else "abstained"
    kept = tuple(c for c in checked.citations if c.marker in left)
    nearest = checked.citations[0] if checked.citations and not kept else None
    return answer.model_copy(
        update={
            "text": text if left else f"{NOTHING_LEFT} {text}".strip(),
            "short": answer.short if _stands(answer.short, checked.claims) else "",
            "claims": checked.claims,
            "citations": kept,
            "closest": answer.closest or nearest,
            "outcome": outcome,
        }
    )  # fmt: skip


def _stands(short: str, claims: Sequence[Claim]) -> bool:
    """Whether the short answer stands in a claim that is kept."""
    plain = short.casefold()
    return any(c.verdict == "supported" and plain in c.text.casefold() for c in claims)
