"""Texts that Transformers writes at the same time, and what decides which those are."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.errors import (
    ModelError,
)
from cogagent.models.backends.batching import Batcher, MemoryShortError
from cogagent.models.backends.transformers import TransformersMLLM
from cogagent.models.backends.transformers_rows import Rows
from cogagent.models.mllm import Generated, Options, said
from tests.models.transformers_kit import (
    LONG,
    SHORT,
    ask,
    ask_all,
    engine,
    idle,
    ids,
    opened,
)


class TestTogether:
    @pytest.mark.parametrize(
        ("family", "rows_can_leave"), [("llama", True), ("llama", False), ("mistral", True)]
    )
    def test_each_has_its_own_limits(
        self,
        folders: Any,
        family: str,
        rows_can_leave: bool,
        groups: list[int],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if not rows_can_leave:  # as with caches that are not known here
            monkeypatch.setattr(Rows, "_plain", lambda self, **how: False)
        model = opened(folders(family))
        asked = [("one", 3), ("another one", 40), ("a third, which is longer", 17), ("x" * 60, 9)]

        async def together() -> list[Generated]:
            return await asyncio.gather(
                *(model.generate([said("user", text)], Options(max_tokens=n)) for text, n in asked)
            )

        got = asyncio.run(together())
        assert groups == [4]
        assert [one.usage.written_tokens for one in got] == [n for _, n in asked]
        for (text, n), one in zip(asked, got, strict=True):
            assert ask(model, text, how=Options(max_tokens=n)).text == one.text
        asyncio.run(model.close())

    def test_who_comes_later_joins_in(
        self, text_model: TransformersMLLM, groups: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        joins: list[bool] = []
        joined = Rows.joined

        def watched(self: Rows, other: Rows) -> Rows | None:
            both = joined(self, other)
            joins.append(both is not None)
            return both

        monkeypatch.setattr(Rows, "joined", watched)
        step, steps = Rows.step, iter(range(10_000))

        def waiting(self: Rows) -> None:
            """On a busy machine too the third comes while the first two are at their beginning."""
            until = time.monotonic() + (10 if next(steps) > 12 else 0)
            while not joins and not text_model._batcher._waiting and time.monotonic() < until:
                time.sleep(0.001)
            step(self)

        monkeypatch.setattr(Rows, "step", waiting)

        async def staggered() -> list[Generated]:
            first = asyncio.create_task(
                text_model.generate([said("user", "the first")], Options(max_tokens=200))
            )
            stream = text_model.stream([said("user", "the second")], Options(max_tokens=200))
            async for _ in stream:  # it runs
                break
            third = await text_model.generate([said("user", "the third, longer")], SHORT)
            assert not first.done()
            await stream.aclose()
            return [await first, third]

        first, third = asyncio.run(staggered())
        assert joins == [True]
        assert groups == [2, 1]
        assert ids(third) == ids(ask(text_model, "the third, longer"))
        assert first.text == ask(text_model, "the first", how=Options(max_tokens=200)).text

    def test_batches_that_cannot_be_joined_take_turns(self, folders: Any) -> None:
        model = opened(
            folders("mistral")
        )  # it looks back eight tokens: rows differ in what is left

        async def staggered() -> tuple[bool, Generated, Generated]:
            first = asyncio.create_task(model.generate([said("user", "first")], LONG))
            await asyncio.sleep(0.2)
            second = await model.generate([said("user", "the second")], SHORT)
            under_way = not first.done()
            return under_way, await first, second

        under_way, first, second = asyncio.run(staggered())
        assert under_way
        assert first.text == ask(model, "first", how=LONG).text
        assert ids(second) == ids(ask(model, "the second"))
        asyncio.run(model.close())

    def test_who_leaves_makes_room(self, folders: Any) -> None:
        model = opened(folders("llama"), batch_size=2)

        async def crowd() -> Generated:
            tasks = [
                asyncio.create_task(model.generate([said("user", text)], LONG)) for text in "ab"
            ]
            await asyncio.sleep(0.3)
            waits = asyncio.create_task(model.generate([said("user", "c")], SHORT))
            await asyncio.sleep(0.05)
            tasks[0].cancel()
            answer = await waits
            assert not tasks[1].done()
            tasks[1].cancel()
            return answer

        assert ids(asyncio.run(crowd())) == ids(ask(model, "c"))
        assert idle(model)
        asyncio.run(model.close())

    def test_a_stream_that_is_closed_ends_the_work(self, text_model: TransformersMLLM) -> None:
        async def look() -> None:
            stream = text_model.stream([said("user", "tell")], LONG)
            async for _ in stream:
                break
            await stream.aclose()

        asyncio.run(look())
        begun = time.monotonic()
        assert idle(text_model)
        assert time.monotonic() - begun < 1.0  # and not after the nine hundredth token

    def test_a_loop_that_goes_away_ends_the_work(self, text_model: TransformersMLLM) -> None:
        async def leave() -> None:
            asyncio.create_task(text_model.generate([said("user", "tell")], LONG))  # noqa: RUF006
            await asyncio.sleep(0.2)

        asyncio.run(leave())
        assert idle(text_model, 1.0)

    def test_several_loops(self, text_model: TransformersMLLM) -> None:
        expected = ask(text_model, "tell").text
        got: list[str] = []
        threads = [
            threading.Thread(target=lambda: got.append(ask(text_model, "tell").text))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert got == [expected] * 4

    def test_memory_that_suffices_for_one(
        self, text_model: TransformersMLLM, monkeypatch: pytest.MonkeyPatch, groups: list[int]
    ) -> None:
        model = engine(text_model)._model
        forward = model.forward

        @functools.wraps(forward)  # the library looks at what it takes
        def short(*given: Any, **named: Any) -> Any:
            if named["input_ids"].shape[0] > 1 and named["input_ids"].shape[1] > 1:
                raise MemoryError
            return forward(*given, **named)

        expected = [ask(text_model, text).text for text in ("one", "another")]
        groups.clear()
        monkeypatch.setattr(model, "forward", short)
        got = ask_all(text_model, [("one",), ("another",)])
        assert [one.text for one in got] == expected
        assert groups == [2, 1, 1]

    @pytest.mark.parametrize(
        "error",
        [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")],
    )
    def test_memory_that_does_not_suffice(
        self, text_model: TransformersMLLM, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        def short(*given: Any, **named: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(engine(text_model)._model, "forward", short)
            with pytest.raises(ModelError, match="out of memory"):
                ask(text_model, "one")
        assert ask(text_model, "one").text

    def test_a_fault_costs_those_it_hits(
        self, text_model: TransformersMLLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(*given: Any, **named: Any) -> Any:
            raise IndexError("out of range")

        with monkeypatch.context() as patch:
            patch.setattr(engine(text_model)._model, "forward", failing)
            with pytest.raises(ModelError, match="out of range"):
                ask(text_model, "one")
        assert ask(text_model, "one").text

    def test_numbers_that_are_none(
        self, text_model: TransformersMLLM, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = engine(text_model)._model
        forward = model.forward

        @functools.wraps(forward)
        def broken(*given: Any, **named: Any) -> Any:
            made = forward(*given, **named)
            made.logits[0] = float("nan")
            return made

        monkeypatch.setattr(model, "forward", broken)
        with pytest.raises(ModelError, match="dtype"):
            ask(text_model, "one")


class Call:
    """A request of a given length, for a batcher without a model."""

    def __init__(self, length: int, kind: str = "text") -> None:
        self.length, self.kind, self.cancelled = length, kind, False
        self.ended = threading.Event()
        self.error: ModelError | None = None

    def fail(self, error: ModelError) -> None:
        self.error = error
        self.ended.set()


class Calls:
    """A batch whose texts have three tokens each."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls, self.left = list(calls), 3

    def __len__(self) -> int:
        return len(self.calls)

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            self.fail(ModelError("done"))

    def fail(self, error: ModelError) -> None:
        for call in self.calls:
            call.fail(error)
        self.calls = []


class Reader:
    """An engine that keeps account of what it is given."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.error: Exception | None = None

    def begin(self, requests: Sequence[Call]) -> Calls:
        self.groups.append([call.length for call in requests])
        if self.error:
            raise self.error
        return Calls(requests)

    def join(self, first: Calls, second: Calls) -> None:
        return None


class TestBatcher:
    @given(
        st.lists(st.integers(1, 500), min_size=1, max_size=12),
        st.integers(1, 5),
        st.integers(1, 1000),
    )
    def test_all_are_served_within_the_bounds(
        self, lengths: list[int], size: int, tokens: int
    ) -> None:
        reader, calls = Reader(), [Call(length) for length in lengths]
        batcher = Batcher(reader, size, tokens, 0.001)
        for call in calls:
            batcher.submit(call)
        assert all(call.ended.wait(5) for call in calls)
        batcher.close()
        assert sorted(length for group in reader.groups for length in group) == sorted(lengths)
        for group in reader.groups:
            assert len(group) <= size
            assert len(group) == 1 or max(group) * len(group) <= tokens
            assert max(group) - min(group) <= max(64, min(group))

    def test_like_with_like(self) -> None:
        reader = Reader()
        batcher = Batcher(reader, 8, 4000, 0.1)
        calls = [Call(length) for length in (10, 900, 20, 1000, 30)]
        calls.append(Call(15, kind="with pictures"))
        for call in calls:
            batcher.submit(call)
        assert all(call.ended.wait(5) for call in calls)
        batcher.close()
        assert reader.groups == [[10, 20, 30], [900, 1000], [15]]

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_a_fault_of_the_program_leaves_nobody_waiting(self) -> None:
        reader = Reader()
        reader.error = ZeroDivisionError("a fault")
        batcher = Batcher(reader, 1, 4000, 0.0)
        calls = [Call(10), Call(10)]
        for call in calls:
            batcher.submit(call)
        assert all(call.ended.wait(5) for call in calls)
        batcher.close()
        with pytest.raises(ModelError, match="closed"):
            batcher.submit(Call(10))

    def test_too_many_are_tried_one_by_one(self) -> None:
        reader = Reader()
        reader.error = MemoryShortError("too many")
        batcher = Batcher(reader, 8, 4000, 0.1)
        calls = [Call(10), Call(12), Call(14)]
        for call in calls:
            batcher.submit(call)
        assert all(call.ended.wait(5) for call in calls)
        batcher.close()
        assert reader.groups == [[10, 12, 14], [10], [12], [14]]
