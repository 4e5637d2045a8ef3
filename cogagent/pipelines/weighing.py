"""How probable a language model holds each choice."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cogagent.models.mllm import MLLM, Generated, Message, ModelUsage, Options
from cogagent.pipelines.choices import LETTERS, level

_MOST_TOKENS = 32
"""Enough for a letter in JSON, whatever the tokens are."""
_ROUNDING = 0.01
"""By how much probabilities may exceed 1 together, computed in half precision."""
_LETTER = re.compile(r"(?<![^\W_])[A-Z](?![^\W_]|['\u2019]| (?!or |and )[a-z])")
"""By itself, and not the word "I" or "A"."""
UNKNOWN = (
    "The model does not tell how probable each choice is: the one that it named has all "
    "of the probability."
)
NONE_NAMED = "The model named none of the choices."


@dataclass(frozen=True, slots=True)
class Weighed:
    """The choices as a model sees them.

    Attributes:
        distribution: Of the choices; level where the model named none.
        named: Whether it prefers any.
        usage: What was asked for it.
        warnings: What a reader should know of it.
    """

    distribution: dict[str, float]
    named: bool
    usage: tuple[ModelUsage, ...]
    warnings: tuple[str, ...] = ()


async def weigh(model: MLLM, messages: Sequence[Message], choices: Sequence[str]) -> Weighed:
    """Ask a model for the letter of the right choice, and how sure it is of each.

    Where it can be held to a schema and tells probabilities, it is made to write each
    letter in turn; the probabilities of these texts, scaled to 1 together, are the
    distribution. Otherwise it names one, which gets all of the probability, and a
    warning says so.

    Args:
        model: The model.
        messages: The conversation, which ends by asking for the letter as JSON.
        choices: Two to 26 of them, lettered in their order.

    Raises:
        ModelError: If the model fails.
    """
    letters = LETTERS[: len(choices)]
    can = model.capabilities
    spent: tuple[ModelUsage, ...] = ()
    if can.structured and can.probabilities:
        # In turn: what the model has read of the prompt for one serves the next.
        written = [
            await model.generate(messages, _options(letter, probabilities=True))
            for letter in letters
        ]
        spent = tuple(text.usage for text in written)
        chances = _chances(written, letters)
        if chances is not None:
            return Weighed(dict(zip(choices, chances, strict=True)), True, spent)
    options = _options(letters) if can.structured else Options(max_tokens=_MOST_TOKENS)
    one = await model.generate(messages, options)
    spent += (one.usage,)
    named = _named(one.text, letters)
    if named is None:
        return Weighed(level(choices), False, spent, (NONE_NAMED,))
    all_of_it = {choice: float(n == named) for n, choice in enumerate(choices)}
    return Weighed(all_of_it, True, spent, (UNKNOWN,))


def _options(letters: str, *, probabilities: bool = False) -> Options:
    schema: Mapping[str, Any] = {
        "type": "object",
        "properties": {"choice": {"type": "string", "enum": list(letters)}},
        "required": ["choice"],
        "additionalProperties": False,
    }
    return Options(max_tokens=_MOST_TOKENS, structure=schema, probabilities=probabilities)


def _chances(written: Sequence[Generated], letters: str) -> list[float] | None:
    """The probability of each letter among them; ``None`` if the model did not tell it.

    Some services tell the probability among what the schema allows, which is 1 for
    each: more than 1 together is no distribution.
    """
    logs: list[float] = []
    for text, letter in zip(written, letters, strict=True):
        if not text.tokens or _named(text.text, letter) is None:
            return None
        logs.append(sum(token.logprob for token in text.tokens))
    if sum(map(math.exp, logs)) > 1 + _ROUNDING:
        return None
    raised = [math.exp(value - max(logs)) for value in logs]
    return [value / sum(raised) for value in raised]


def _named(text: str, letters: str) -> int | None:
    """Number of the letter that a text names, in JSON or else in words."""
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        value = None
    said = value.get("choice") if isinstance(value, Mapping) else None
    named = set(_LETTER.findall(said if isinstance(said, str) else text)) & set(letters)
    return letters.index(named.pop()) if len(named) == 1 else None
