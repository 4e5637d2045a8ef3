"""Small talk: what is said to the assistant itself, so that no document answers it.

A text is small talk if every word of it is: set phrases (greetings, thanks,
farewells, moods), or words about whoever is spoken to. One word beyond makes it a
question for the documents. The wording stands in ``small_talk.txt``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

_LONGEST = 300
"""Characters of what may be small talk."""
_SPOKEN_TO = re.compile(r"(?<!\w)(?:you|your|yours|yourself|u|you're|you've|you'd|you'll)(?!\w)")
_FRAME = re.compile(
    r"^\W*(?:(?:can|could|would|will) you (?:please )?(?:tell|show|give|find|explain|say)"
    r"(?: to)? me|do you (?:happen to )?know (?:if|whether|what|who|when|where|which|why|how)|"
    r"do you have any (?:idea|information))(?!\w)"
)
"""A polite way to ask for something else."""
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_NAME = re.compile(r"(?<=[^\W_] )[A-Z][^\W\d_]+|[A-Z]{2,}|\d+")
"""What stands for a name or figure: small talk has none."""


class _Wording(NamedTuple):
    phrases: re.Pattern[str]
    between: frozenset[str]
    about_you: frozenset[str]


def is_small_talk(text: str) -> bool:
    """Whether a text is said to the assistant itself: a greeting, thanks, how it is, who it is."""
    plain = " ".join(text.replace("\u2019", "'").split())
    if len(plain) > _LONGEST:
        return False
    lowered, wording = plain.lower(), _wording()
    left, phrases = wording.phrases.subn(" ", lowered)
    known = wording.between | wording.about_you
    names = set() if plain.isupper() else {name.lower() for name in _NAME.findall(plain)}
    if names - known - set(_WORD.findall(" ".join(wording.phrases.findall(lowered)))):
        return False
    if phrases and wording.between.issuperset(_WORD.findall(left)):
        return True
    if _FRAME.match(lowered) or not _SPOKEN_TO.search(lowered):
        return False
    return known.issuperset(_WORD.findall(left))


@lru_cache(maxsize=1)
def _wording() -> _Wording:
    parts: dict[str, list[str]] = {}
    name = ""
    text = resources.files("cogagent.planners").joinpath("small_talk.txt")
    for line in text.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif line and not line.startswith("#"):
            parts.setdefault(name, []).append(line)
    phrases = "|".join(
        f"(?:{line})".replace("(", "(?:").replace("(?:?:", "(?:").replace("$", r"(?=\W*$)")
        for line in parts["phrases"]
    )
    return _Wording(
        re.compile(rf"(?<!\w)(?:{phrases})(?!\w)"),
        frozenset(" ".join(parts["between"]).split()),
        frozenset(" ".join(parts["about you"]).split()),
    )
