"""The choices of a multiple-choice question: which are allowed, how they are told apart."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

from cogagent.errors import InputError

MOST_CHOICES = 26
"""As many as there are letters to name them by."""
LONGEST_CHOICE = 1_000
"""Characters of a choice; longer ones are documents."""
LETTERS = string.ascii_uppercase


def checked_choices(choices: Iterable[str] | None) -> tuple[str, ...]:
    """The choices as they are asked about, white space around them left out.

    Args:
        choices: What the caller gave; ``None`` for an open question.

    Raises:
        InputError: If they are fewer than 2 or more than 26, or one is no text, empty,
            over 1,000 characters, or, but for case and spacing, there twice.
    """
    if choices is None:
        return ()
    if isinstance(choices, str | bytes) or not isinstance(choices, Iterable):
        raise InputError(
            f"the choices are a {type(choices).__name__}.", remedy="Pass a list of texts."
        )
    given = list(choices)
    if not 2 <= len(given) <= MOST_CHOICES:
        raise InputError(
            f"there are {len(given)} choices.",
            remedy=f"Give 2 to {MOST_CHOICES} of them, or none for an open question.",
        )
    first: dict[str, int] = {}
    for number, choice in enumerate(given, 1):
        if not isinstance(choice, str):
            raise InputError(
                f"choice {number} is a {type(choice).__name__}.", remedy="Choices are texts."
            )
        if not choice.strip():
            raise InputError(f"choice {number} is empty.")
        if len(choice) > LONGEST_CHOICE:
            raise InputError(
                f"choice {number} has {len(choice)} characters; at most {LONGEST_CHOICE} are read."
            )
        plain = " ".join(choice.split()).casefold()
        if plain in first:
            raise InputError(f"choices {first[plain]} and {number} are the same.")
        first[plain] = number
    return tuple(choice.strip() for choice in given)


def listed(choices: Sequence[str]) -> str:
    """The choices for a prompt, a line each, named by letters."""
    return "\n".join(
        f"{letter}. {' '.join(choice.split())}"
        for letter, choice in zip(LETTERS, choices, strict=False)
    )


def level(choices: Sequence[str]) -> dict[str, float]:
    """The distribution where nothing speaks for any of them."""
    return dict.fromkeys(choices, 1 / len(choices)) if choices else {}


def likeliest(distribution: dict[str, float]) -> str:
    """The most probable choice, the first of equals."""
    return max(distribution, key=lambda choice: distribution[choice])
