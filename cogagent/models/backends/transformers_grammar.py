"""Holds a model to a JSON schema while it writes, with llguidance where that is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cogagent.errors import CapabilityError, ModelError


def available(tokenizer: Any) -> bool:
    """Whether schemas can be kept to: llguidance is there, and reads this tokenizer."""
    return find_spec("llguidance") is not None and bool(getattr(tokenizer, "is_fast", False))


class Grammars:
    """Makes grammars of JSON schemas for one model's tokens.

    Args:
        tokenizer: A tokenizer of the Rust kind.
        width: Size of the model's output, which may be more than the tokens it has.
        ends: Tokens that end a text.
    """

    def __init__(self, tokenizer: Any, width: int, ends: Sequence[int]) -> None:
        self._tokenizer, self._width, self._ends = tokenizer, width, list(ends)
        self._tokens: Any = None

    def grammar(self, schema: Mapping[str, Any]) -> Grammar:
        """A grammar at its beginning; the first call takes a second for a large vocabulary.

        Raises:
            CapabilityError: If the schema is none, or uses what llguidance does not know.
        """
        import llguidance
        import llguidance.hf

        if self._tokens is None:
            self._tokens = llguidance.hf.from_tokenizer(
                self._tokenizer, n_vocab=self._width, eos_token=self._ends
            )
        try:
            rules = llguidance.LLMatcher.grammar_from_json_schema(
                json.dumps(dict(schema), allow_nan=False),
                # Free white space lets a weak model write blanks for ever.
                overrides={"whitespace_flexible": False},
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise _refused(str(error)) from error
        wrong = llguidance.LLMatcher.validate_grammar(rules, self._tokens)
        if wrong and not wrong.startswith("WARNING"):
            raise _refused(wrong)
        return Grammar(llguidance.LLMatcher(self._tokens, rules), self._width)


class Grammar:
    """Which tokens may come next; one for each text that is being written."""

    def __init__(self, matcher: Any, width: int) -> None:
        self._matcher, self._width = matcher, width

    def allowed(self) -> NDArray[np.bool_]:
        """Which tokens may come next, shape ``(width,)``.

        Raises:
            ModelError: If the grammar grew beyond its limits.
        """
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        mask = np.zeros(self._width, np.bool_)
        found = np.unpackbits(bits, bitorder="little")[: self._width]
        mask[: len(found)] = found
        if self._matcher.is_error() or not mask.any():
            raise ModelError(
                f"the JSON schema could not be kept to: {self._matcher.get_error()}",
                remedy="Make the schema simpler.",
            )
        return mask

    def take(self, token: int) -> bool:
        """Move on by ``token``; whether the text is complete with it."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


def _refused(reason: str) -> CapabilityError:
    return CapabilityError(
        f"this JSON schema cannot be kept to: {reason.strip()}",
        remedy="Leave out the keywords named, or ask for plain text and check it.",
    )
