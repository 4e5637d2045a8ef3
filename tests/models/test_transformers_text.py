"""Text put together from tokens that are pieces of characters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cogagent.models.backends.transformers_text import Writing


class TestPiecesOfText:
    @staticmethod
    def written(data: bytes, stop: Sequence[str] = ()) -> tuple[str, Writing]:
        """What comes of a text whose tokens are its bytes."""
        writing = Writing(lambda ids: bytes(ids).decode("utf-8", "replace"), stop)
        pieces = []
        for byte in data:
            pieces.append(writing.add(byte, -1.0))
            if writing.stopped:
                break
        return "".join([*pieces, writing.finish()]), writing

    @given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=4), max_size=3))
    def test_whole_characters_up_to_the_stop(self, text: str, stop: list[str]) -> None:
        got, writing = self.written(text.encode(), stop)
        cuts = [text.index(one) for one in stop if one in text]
        assert got == writing.text == text[: min(cuts, default=None)]
        assert writing.stopped == bool(cuts)
        assert "".join(token.text for token in writing.tokens()) == got

    @given(st.binary(max_size=60))
    def test_bytes_that_are_no_text(self, data: bytes) -> None:
        got, writing = self.written(data)
        assert got == writing.text
        assert "".join(token.text for token in writing.tokens()) == got
        kept = data.decode("utf-8", "ignore")
        assert [sign for sign in got if sign != "\ufffd"] == [
            sign for sign in kept if sign != "\ufffd"
        ]

    @given(st.text(alphabet="ab 日é🙂", max_size=30))
    def test_bytes_where_a_tokenizer_knows_no_better(self, text: str) -> None:
        """As Llama 2 and Gemma have it: a byte that is none is shown for the whole run."""
        words = fallback_tokenizer()
        numbers = words.encode(text).ids
        writing = Writing(lambda ids: words.decode(list(ids)))
        pieces = [writing.add(number) for number in numbers]
        assert "".join([*pieces, writing.finish()]) == words.decode(numbers)

    def test_a_character_comes_whole(self) -> None:
        writing = Writing(lambda ids: bytes(ids).decode("utf-8", "replace"))
        assert [writing.add(byte) for byte in "é🙂".encode()] == ["", "é", "", "", "", "🙂"]


@functools.cache
def fallback_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers

    vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
    vocabulary |= {"▁": 256, "a": 257, "b": 258, "▁a": 259}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[("▁", "a")], byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return made
