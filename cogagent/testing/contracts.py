"""What every part behind a seam must hold to: a test class inherits and gives the part.

Needs pytest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cogagent.documents.base import Loader
from cogagent.errors import CapabilityError, ContextOverflowError, DocumentError, InputError
from cogagent.indexes.vectors import VectorIndex
from cogagent.models.base import ImageEmbedder, TextEmbedder
from cogagent.models.cached import CachedMLLM
from cogagent.models.metered import Meter, MeteredMLLM
from cogagent.models.mllm import MLLM, Generated, Message, Options, Piece, said
from cogagent.models.sight import picture_tokens
from cogagent.planners.base import Left, Planner, PlanState
from cogagent.retrievers.base import Retriever
from cogagent.types import Budget, Finding, Query, Raster, Source, Step, ToolSpec
from cogagent.vision.pointing.base import Picture, Pointed, Pointer

ODD_TEXTS = ["", " ", "\x00", "\ud800 half a pair", "é" * 40, "word " * 2000, "日本語", "🙂👩‍👩‍👧"]


def _are_unit_rows(vectors: np.ndarray, rows: int, dim: int) -> None:
    assert vectors.shape == (rows, dim)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(rows), abs=1e-4)


class TextEmbedderContract:
    """Inherit, and give a fixture ``embedder``."""

    def test_is_a_text_embedder(self, embedder: TextEmbedder) -> None:
        assert isinstance(embedder, TextEmbedder)
        assert embedder.name
        assert embedder.max_tokens > 0

    def test_vectors_have_length_one(self, embedder: TextEmbedder) -> None:
        _are_unit_rows(embedder.embed(["one", "two words", "three"]), 3, embedder.dim)
        _are_unit_rows(embedder.embed(["a question?"], query=True), 1, embedder.dim)

    def test_no_texts_give_no_rows(self, embedder: TextEmbedder) -> None:
        assert embedder.embed([]).shape == (0, embedder.dim)
        assert embedder.count_tokens([]) == []

    def test_any_string_is_a_text(self, embedder: TextEmbedder) -> None:
        _are_unit_rows(embedder.embed(ODD_TEXTS), len(ODD_TEXTS), embedder.dim)
        assert len(embedder.count_tokens(ODD_TEXTS)) == len(ODD_TEXTS)

    def test_order_and_company_do_not_matter(self, embedder: TextEmbedder) -> None:
        texts = ["a", "a much longer text than the others are", "bc", "a"]
        together = embedder.embed(texts)
        alone = np.concatenate([embedder.embed([text]) for text in texts])
        assert (together * alone).sum(axis=1).min() > 0.999

    def test_tokens_are_counted_past_the_limit(self, embedder: TextEmbedder) -> None:
        few, many = embedder.count_tokens(["ab", "ab " * (2 * embedder.max_tokens)])
        assert 0 < few < 5
        assert many >= 2 * embedder.max_tokens

    def test_threads_do_not_disturb_each_other(self, embedder: TextEmbedder) -> None:
        texts = [f"text number {number} " * (number + 1) for number in range(8)]
        expected = embedder.embed(texts)
        with ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(lambda text: embedder.embed([text])[0], texts))
        assert (np.array(rows) * expected).sum(axis=1).min() > 0.999


class ImageEmbedderContract:
    """Inherit, and give a fixture ``embedder``."""

    def test_is_an_image_embedder(self, embedder: ImageEmbedder) -> None:
        assert isinstance(embedder, ImageEmbedder)
        assert embedder.name

    def test_pictures_of_any_shape(self, embedder: ImageEmbedder) -> None:
        random = np.random.default_rng(0)
        sizes = [(40, 60), (1, 1), (3, 500), (700, 30)]
        images = [Raster(random.integers(0, 256, (h, w, 3), np.uint8)) for h, w in sizes]
        _are_unit_rows(embedder.embed_images(images), len(sizes), embedder.dim)

    def test_texts_share_the_space(self, embedder: ImageEmbedder) -> None:
        _are_unit_rows(embedder.embed_texts(["a dog", *ODD_TEXTS]), 9, embedder.dim)

    def test_nothing_gives_no_rows(self, embedder: ImageEmbedder) -> None:
        assert embedder.embed_images([]).shape == (0, embedder.dim)
        assert embedder.embed_texts([]).shape == (0, embedder.dim)

    def test_order_and_company_do_not_matter(self, embedder: ImageEmbedder) -> None:
        images = [Raster(np.full((50, 50, 3), value, np.uint8)) for value in (0, 128, 255)]
        together = embedder.embed_images(images)
        alone = np.concatenate([embedder.embed_images([image]) for image in images])
        assert (together * alone).sum(axis=1).min() > 0.999


class VectorIndexContract:
    """Inherit, and give a fixture ``index``: an empty one of width 4."""

    @staticmethod
    def _filled(index: VectorIndex) -> VectorIndex:
        index.add(np.array([10, 20, 30, 40], np.int64), np.eye(4, dtype=np.float32))
        return index

    def test_the_nearest_comes_first(self, index: VectorIndex) -> None:
        ids, scores = self._filled(index).search(np.array([0, 1, 0.5, 0], np.float32), 2)
        assert ids.tolist() == [20, 30]
        assert scores.tolist() == pytest.approx([1.0, 0.5])

    def test_a_removed_id_is_gone_and_the_others_stay(self, index: VectorIndex) -> None:
        self._filled(index).remove(np.array([20, 99], np.int64))
        assert sorted(index.ids().tolist()) == [10, 30, 40]
        assert len(index) == 3
        index.add(np.array([50], np.int64), np.array([[0, 1, 0, 0]], np.float32))
        assert index.search(np.array([0, 1, 0, 0], np.float32), 1)[0].tolist() == [50]

    def test_only_allowed_ids_are_found(self, index: VectorIndex) -> None:
        allowed = np.array([30, 40], np.int64)
        found, _ = self._filled(index).search(np.array([1, 0, 0, 0], np.float32), 4, allowed)
        assert sorted(found.tolist()) == [30, 40]
        nothing = np.zeros(0, np.int64)
        assert len(index.search(np.ones(4, np.float32), 4, nothing)[0]) == 0

    def test_more_than_there_is_gives_all(self, index: VectorIndex) -> None:
        assert len(index.search(np.ones(4, np.float32), 5)[0]) == 0
        assert len(self._filled(index).search(np.ones(4, np.float32), 50)[0]) == 4

    def test_saving_replaces_in_one_step(self, index: VectorIndex, tmp_path: Path) -> None:
        path = tmp_path / "index"
        path.write_bytes(b"what was there before")
        self._filled(index).save(path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["index"]
        assert path.stat().st_size > 50


class LoaderContract:
    """Inherit, and give fixtures ``loader`` and ``source`` (a sound one of two pages or more)."""

    def test_is_a_loader(self, loader: Loader) -> None:
        assert isinstance(loader, Loader)
        assert loader.media_types

    def test_a_page_element_opens_each_page(self, loader: Loader, source: Source) -> None:
        page = 0
        for element in loader.load(source):
            if element.kind == "page":
                assert element.page == page + 1
                page += 1
            assert element.page == page
        assert page >= 2

    def test_order_grows(self, loader: Loader, source: Source) -> None:
        orders = [element.order for element in loader.load(source)]
        assert orders == sorted(set(orders))

    def test_words_stand_in_their_text(self, loader: Loader, source: Source) -> None:
        for element in loader.load(source):
            if element.words is not None:
                for start, end in element.words.spans.tolist():
                    assert element.text[start:end].strip()

    def test_bytes_of_another_kind_are_a_typed_error(self, loader: Loader, source: Source) -> None:
        odd = source.model_copy(update={"data": b"\x00\x01\x02 nothing like it"})
        with pytest.raises(DocumentError):
            list(loader.load(odd))


class RetrieverContract:
    """Inherit, and give a fixture ``retriever`` that finds at least two things for "water"."""

    def test_best_first_and_at_most_k(self, retriever: Retriever) -> None:
        found = retriever.retrieve(Query(text="water"), 10)
        assert len(found) >= 2
        assert [piece.score for piece in found] == sorted(
            (piece.score for piece in found), reverse=True
        )
        first = retriever.retrieve(Query(text="water"), 1)
        assert [piece.id for piece in first] == [found[0].id]

    def test_evidence_knows_its_query(self, retriever: Retriever) -> None:
        assert {piece.query for piece in retriever.retrieve(Query(text="water"), 5)} == {"water"}

    def test_each_piece_comes_once(self, retriever: Retriever) -> None:
        ids = [piece.id for piece in retriever.retrieve(Query(text="water"), 10)]
        assert len(ids) == len(set(ids))


class PlannerContract:
    """Inherit, and give a fixture ``planner``; ``model`` too for one that asks a model."""

    TOOLS = (
        ToolSpec(name="text", description="Passages."),
        ToolSpec(name="image", description="Pictures.", pictures=True),
    )
    MOST_STEPS = 20

    @pytest.fixture
    def model(self) -> MLLM | None:
        return None

    def plan(self, planner: Planner, model: MLLM | None, **state: Any) -> Step:
        """One step, with a model that is allowed everything."""
        metered = None if model is None else MeteredMLLM(model, Meter(Budget()), "plan")
        given = {"question": "Which lake is deeper, Arn or Bor?", "tools": self.TOOLS} | state
        return asyncio.run(planner.plan(PlanState(**given), metered))

    def test_it_has_a_name(self, planner: Planner) -> None:
        assert planner.name

    def test_it_asks_for_something_first(self, planner: Planner, model: MLLM | None) -> None:
        step = self.plan(planner, model)
        assert step.number == 1
        assert step.queries
        assert all(query.text or query.picture is not None for query in step.queries)
        assert not step.findings

    def test_it_asks_only_what_there_is(self, planner: Planner, model: MLLM | None) -> None:
        for tools in (self.TOOLS, self.TOOLS[:1]):
            for query in self.plan(planner, model, tools=tools).queries:
                assert query.tool in {tool.name for tool in tools}

    def test_it_ends(self, planner: Planner, model: MLLM | None) -> None:
        for left in (Left(), Left(steps=3)):
            steps: list[Step] = []
            for number in range(1, self.MOST_STEPS + 1):
                rest = None if left.steps is None else max(left.steps - len(steps), 0)
                state = {"steps": tuple(steps), "left": Left(steps=rest)}
                step = self.plan(planner, model, **state)
                assert step.number == number
                if rest == 0 or not step.queries or step.done:
                    break
                steps.append(_carried_out(step))
            else:
                pytest.fail("the planner never stops")

    def test_no_query_comes_twice(self, planner: Planner, model: MLLM | None) -> None:
        first = _carried_out(self.plan(planner, model))
        second = self.plan(planner, model, steps=(first,))
        asked = [
            (query.tool, query.text, query.kinds, query.picture)
            for step in (first, second)
            for query in step.queries
        ]
        assert len(asked) == len(set(asked))

    def test_equal_states_get_equal_steps(self, planner: Planner, model: MLLM | None) -> None:
        first = self.plan(planner, model)
        self.plan(planner, model, question="What is water?")
        assert self.plan(planner, model) == first

    def test_any_question_is_planned(self, planner: Planner, model: MLLM | None) -> None:
        for question in ODD_TEXTS[2:]:
            step = self.plan(planner, model, question=question)
            assert step.queries or step.done


def _carried_out(step: Step) -> Step:
    """The step as the loop gives it back, each query with an id and a finding."""
    queries = [
        query if query.id else query.model_copy(update={"id": f"{step.number}.{place}"})
        for place, query in enumerate(step.queries, 1)
    ]
    findings = tuple(Finding(query=query.id, digest="Arn, 90 m.") for query in queries)
    return step.model_copy(update={"queries": tuple(queries), "findings": findings})


class MLLMContract:
    """Inherit, and give a fixture ``model`` that writes some words about anything it is asked."""

    ASKED = (said("user", "Tell a long story about a fox and a lake."),)
    SCHEMA = {  # noqa: RUF012 - read only
        "type": "object",
        "properties": {"answer": {"type": "boolean"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    PROMPTLY = 0.1
    """Seconds within which whoever gives up is let go."""

    def test_is_a_model(self, model: MLLM) -> None:
        assert isinstance(model, MLLM)
        assert ":" in model.name

    def test_the_pieces_are_the_whole(self, model: MLLM) -> None:
        pieces = asyncio.run(_pieces(model, self.ASKED, Options(max_tokens=12)))
        whole = pieces[-1].whole
        assert whole is not None
        assert all(piece.whole is None for piece in pieces[:-1])
        assert "".join(piece.text for piece in pieces) == whole.text
        assert whole.text

    def test_streamed_or_not_it_is_one_text(self, model: MLLM) -> None:
        options = Options(max_tokens=12, seed=1)
        pieces = asyncio.run(_pieces(model, self.ASKED, options))
        assert asyncio.run(model.generate(self.ASKED, options)).text == "".join(
            piece.text for piece in pieces
        )

    def test_it_writes_no_more_than_allowed(self, model: MLLM) -> None:
        written = asyncio.run(model.generate(self.ASKED, Options(max_tokens=3)))
        assert written.finish == "length"
        assert 0 < written.usage.written_tokens <= 3

    def test_it_stops_before_a_stop_text(self, model: MLLM) -> None:
        free = asyncio.run(model.generate(self.ASKED, Options(max_tokens=16, seed=1))).text
        stop = free[len(free) // 2 :][:3]
        for options in (
            Options(max_tokens=16, seed=1, stop=(stop,)),
            Options(max_tokens=16, seed=1, stop=("\x01never", stop)),
        ):
            pieces = asyncio.run(_pieces(model, self.ASKED, options))
            whole = pieces[-1].whole
            assert whole is not None
            assert whole.finish == "stop"
            assert whole.text == free[: free.index(stop)]
            assert "".join(piece.text for piece in pieces) == whole.text

    def test_what_it_costs_is_counted(self, model: MLLM) -> None:
        short = asyncio.run(model.generate(self.ASKED, Options(max_tokens=4))).usage
        more = (said("system", "You tell tales of foxes and lakes. " * 8), *self.ASKED)
        longer = asyncio.run(model.generate(more, Options(max_tokens=4))).usage
        assert 0 < short.prompt_tokens < longer.prompt_tokens
        assert short.written_tokens > 0
        assert short.seconds >= 0
        assert not short.cached
        assert short.pictures == 0

    def test_who_gives_up_is_let_go_at_once(self, model: MLLM) -> None:
        async def give_up() -> float:
            task = asyncio.create_task(model.generate(self.ASKED, Options(max_tokens=400)))
            await asyncio.sleep(0.05)
            start = time.perf_counter()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return time.perf_counter() - start

        assert min(asyncio.run(give_up()) for _ in range(3)) < self.PROMPTLY
        assert asyncio.run(model.generate(self.ASKED, Options(max_tokens=2))).text

    def test_a_stream_may_be_left(self, model: MLLM) -> None:
        async def leave() -> float:
            pieces = model.stream(self.ASKED, Options(max_tokens=400))
            await anext(pieces)
            start = time.perf_counter()
            await pieces.aclose()
            return time.perf_counter() - start

        assert min(asyncio.run(leave()) for _ in range(3)) < self.PROMPTLY
        assert asyncio.run(model.generate(self.ASKED, Options(max_tokens=2))).text

    def test_what_it_cannot_do_is_refused(self, model: MLLM) -> None:
        can = model.capabilities
        picture = Raster(np.zeros((40, 40, 3), np.uint8))
        refused: list[tuple[Sequence[Message], Options]] = []
        if not can.pictures:
            refused.append(((said("user", "What is this?", picture),), Options()))
        if not can.structured:
            refused.append((self.ASKED, Options(structure=self.SCHEMA)))
        if not can.probabilities:
            refused.append((self.ASKED, Options(probabilities=True)))
        for messages, options in refused:
            with pytest.raises(CapabilityError):
                asyncio.run(model.generate(messages, options))
            with pytest.raises(CapabilityError):
                asyncio.run(_pieces(model, messages, options))

    def test_a_picture_is_looked_at(self, model: MLLM) -> None:
        if not model.capabilities.pictures:
            pytest.skip("it sees no pictures")
        for height, width in ((60, 80), (1, 1), (30, 3000)):
            picture = Raster(np.full((height, width, 3), 200, np.uint8))
            asked = (said("user", "What is this?", picture),)
            written = asyncio.run(model.generate(asked, Options(max_tokens=4)))
            assert written.usage.pictures == 1

    def test_what_pictures_cost_grows_with_them(self, model: MLLM) -> None:
        if not model.capabilities.pictures:
            pytest.skip("it sees no pictures")
        few, many = (picture_tokens(model, sizes) for sizes in ([(56, 56)], [(500, 400)] * 3))
        assert 0 < few < many
        assert picture_tokens(model, []) == 0

    def test_a_model_around_it_offers_what_it_does(self, model: MLLM) -> None:
        around = CachedMLLM(model, 1, 60)
        assert isinstance(around, MLLM)
        assert (around.name, around.capabilities) == (model.name, model.capabilities)
        offered = {name for name in dir(model) if not name.startswith("_")}
        assert {name for name in offered if not hasattr(around, name)} == set()
        assert picture_tokens(around, [(300, 200)]) == picture_tokens(model, [(300, 200)])

    def test_it_keeps_to_a_schema(self, model: MLLM) -> None:
        if not model.capabilities.structured:
            pytest.skip("it cannot be held to a schema")
        asked = (said("user", "Is water wet?"),)
        options = Options(max_tokens=200, structure=self.SCHEMA)
        value = asyncio.run(model.generate(asked, options)).value()
        assert list(value) == ["answer"]
        assert isinstance(value["answer"], bool)

    def test_it_tells_probabilities(self, model: MLLM) -> None:
        if not model.capabilities.probabilities:
            pytest.skip("it tells no probabilities")
        options = Options(max_tokens=6, probabilities=True)
        written = asyncio.run(model.generate(self.ASKED, options))
        assert "".join(token.text for token in written.tokens) == written.text
        assert all(token.logprob <= 0 for token in written.tokens)

    def test_equal_seeds_give_equal_texts(self, model: MLLM) -> None:
        if not model.capabilities.seed:
            pytest.skip("it has no seed")
        options = Options(max_tokens=12, temperature=1.0, seed=3)
        texts = {asyncio.run(model.generate(self.ASKED, options)).text for _ in range(3)}
        assert len(texts) == 1

    def test_a_prompt_too_long_is_a_typed_error(self, model: MLLM) -> None:
        context = model.capabilities.context
        if context is None:
            pytest.skip("it does not tell its context")
        asked = (said("user", "word " * 2 * context),)
        with pytest.raises(ContextOverflowError):
            asyncio.run(model.generate(asked, Options(max_tokens=4)))
        with pytest.raises(ContextOverflowError):
            asyncio.run(_pieces(model, asked, Options(max_tokens=4)))

    def test_without_a_message_there_is_nothing_to_write(self, model: MLLM) -> None:
        with pytest.raises(InputError):
            asyncio.run(model.generate(()))
        with pytest.raises(InputError):
            asyncio.run(_pieces(model, (), Options()))

    def test_any_string_is_a_message(self, model: MLLM) -> None:
        for text in ODD_TEXTS:
            asked = (said("user", text[:200]),)
            written = asyncio.run(model.generate(asked, Options(max_tokens=2)))
            assert written.text.encode() is not None

    def test_several_write_at_once(self, model: MLLM) -> None:
        async def all_at_once() -> list[Generated]:
            asked = [said("user", f"Tell a story about {number} foxes.") for number in range(6)]
            options = Options(max_tokens=6)
            return await asyncio.gather(*(model.generate((one,), options) for one in asked))

        with ThreadPoolExecutor(2) as pool:  # and from two event loops
            runs = list(pool.map(lambda _: asyncio.run(all_at_once()), range(2)))
        assert all(written.text for run in runs for written in run)


async def _pieces(model: MLLM, messages: Sequence[Message], options: Options) -> list[Piece]:
    async with aclosing(model.stream(messages, options)) as pieces:
        return [piece async for piece in pieces]


class PointerContract:
    """Inherit, and give fixtures ``pointer`` and ``asked``.

    The latter is a question, and a picture in which the pointer finds a place for it.
    """

    def point(self, pointer: Pointer, question: str, picture: Picture, k: int) -> list[Pointed]:
        """The places, waited for."""
        return asyncio.run(pointer.point(question, picture, k))

    def test_it_has_a_name(self, pointer: Pointer) -> None:
        assert pointer.name

    def test_places_have_an_extent_and_come_best_first(
        self, pointer: Pointer, asked: tuple[str, Picture]
    ) -> None:
        found = self.point(pointer, *asked, 3)
        assert found
        assert all(place.box.area > 0 for place in found)
        assert [place.score for place in found] == sorted(
            (place.score for place in found), reverse=True
        )

    def test_no_more_than_asked_for(self, pointer: Pointer, asked: tuple[str, Picture]) -> None:
        assert len(self.point(pointer, *asked, 1)) == 1

    @pytest.mark.parametrize("question", ODD_TEXTS)
    def test_odd_questions_are_no_error(
        self, pointer: Pointer, asked: tuple[str, Picture], question: str
    ) -> None:
        found = self.point(pointer, question, asked[1], 2)
        assert len(found) <= 2

    def test_a_picture_of_one_pixel_is_no_error(self, pointer: Pointer) -> None:
        speck = Picture(Raster(np.zeros((1, 1, 3), np.uint8)))
        assert len(self.point(pointer, "What is that?", speck, 2)) <= 2
