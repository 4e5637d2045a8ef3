"""Turns tokens into text as they are written: whole characters, and no further than a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cogagent.models.backends.ending import Ending
from cogagent.models.mllm import Token

_UNFINISHED = "\ufffd"
"""What a tokenizer shows for bytes that are no whole character yet."""
_LONGEST = 8
"""Tokens that may wait for the rest of a character."""
_OPEN = 3
"""Bytes that the beginning of a character may have."""


class Writing:
    """The text of one answer, token by token.

    Args:
        decode: The text of a run of tokens, special ones left out.
        stop: Texts before which the writing ends.

    Attributes:
        text: What is settled so far; all that was returned, joined.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = ()) -> None:
        self._decode = decode
        self._ending = Ending(stop)
        self._ids: list[int] = []
        self._shown = 0  # where the tokens before the last begin: a decoder needs some context
        self._read = 0
        self._tokens: list[Token] = []
        self.text = ""

    @property
    def stopped(self) -> bool:
        """A stop text came; what would follow it is dropped."""
        return self._ending.done

    def add(self, token: int, logprob: float | None = None) -> str:
        """The text that one more token settles; often none.

        Args:
            token: Its id.
            logprob: Its logarithmic probability, if :meth:`tokens` shall tell it.
        """
        self._ids.append(token)
        new = self._decoded(last=False)
        if logprob is not None:
            self._tokens.append(Token(text=new, logprob=logprob))
        return self._settle(new)

    def finish(self) -> str:
        """The rest of the text, when no more tokens come."""
        if self.stopped:
            return ""
        new = self._decoded(last=True)
        if new and self._tokens:
            held = self._tokens[-1]
            self._tokens[-1] = Token(text=held.text + new, logprob=held.logprob)
        settled = self._settle(new)
        if not self.stopped:
            rest = self._ending.rest()
            settled += rest
            self.text += rest
        return settled

    def tokens(self) -> tuple[Token, ...]:
        """The tokens with their probabilities; their texts, joined, are the text."""
        kept, left = [], len(self.text)
        for token in self._tokens:
            if left <= 0 and self.stopped:
                break
            kept.append(Token(text=token.text[:left], logprob=token.logprob))
            left -= len(token.text)
        return tuple(kept)

    def _decoded(self, *, last: bool) -> str:
        """The text of the tokens since the last that gave any."""
        before = self._decode(self._ids[self._shown : self._read])
        now, until = self._decode(self._ids[self._shown :]), len(self._ids)
        if not last and (now.endswith(_UNFINISHED) or len(now) <= len(before)):
            if until - self._read < _LONGEST:
                return ""
            until -= _OPEN  # so many bytes in a row are no text, but the last may become some
            now = self._decode(self._ids[self._shown : until])
        self._shown, self._read = self._read, until
        return now[len(before) :]

    def _settle(self, new: str) -> str:
        settled = self._ending.feed(new)
        self.text += settled
        return settled
