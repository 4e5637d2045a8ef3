"""Ends a stream of text at a stop text, also where one comes in two pieces."""

from __future__ import annotations

from collections.abc import Sequence


class Ending:
    """Passes text on up to the first of ``stop`` to be complete.

    Attributes:
        done: A stop text was met; nothing follows.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.done = False
        self._stop = tuple(stop)
        self._held = ""

    def feed(self, text: str) -> str:
        """What may be shown now; the start of a stop text is held back until it is clear."""
        if self.done:
            return ""
        text = self._held + text
        places = [(text.find(stop), stop) for stop in self._stop]
        # The first to be complete, so that it does not matter where the pieces part.
        found = [(at + len(stop), at) for at, stop in places if at >= 0]
        if found:
            self.done, self._held = True, ""
            return text[: min(found)[1]]
        kept = self._doubtful(text)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def rest(self) -> str:
        """What was held back, when the text is over."""
        held, self._held = self._held, ""
        return held

    def _doubtful(self, text: str) -> int:
        """Length of the longest end of ``text`` that a stop text begins with."""
        longest = max(map(len, self._stop), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stop):
                return length
        return 0
