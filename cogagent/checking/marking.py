"""An answer after the check: what is not supported is marked, or left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cogagent.checking.checker import Checked
from cogagent.types import Claim, Outcome

MARK = {"unsupported": "[not supported]", "uncited": "[no source]"}
"""What stands behind a sentence that did not pass."""
NOTHING_LEFT = "Nothing that was written could be found in the evidence cited."


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


def outcome(claims: Sequence[Claim], *, strict: bool) -> Outcome:
    """What an answer of these claims is; removed ones, if ``strict``, included."""
    supported = [claim.verdict == "supported" for claim in claims]
    if not any(supported):
        return "abstained" if strict or not supported else "partial"
    return "answered" if all(supported) else "partial"
