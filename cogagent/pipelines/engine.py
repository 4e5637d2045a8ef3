"""The parts of a home, made when first needed and shared by all callers."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cogagent.checking.checker import Checker
from cogagent.config import Settings
from cogagent.documents.pool import ParserPool
from cogagent.errors import CogAgentError, DocumentError, InputError
from cogagent.indexes.filters import Filters, Principals
from cogagent.indexes.store import Store
from cogagent.indexes.writing import Space
from cogagent.models.base import ImageEmbedder, TextEmbedder
from cogagent.models.cached import CachedMLLM
from cogagent.models.factory import (
    EXTRACTIVE,
    answer_model,
    image_embedder,
    minilm,
    mllm,
    span_model,
    text_embedder,
)
from cogagent.models.metered import MeteredMLLM
from cogagent.models.mllm import MLLM, Capabilities
from cogagent.models.shared import close_now
from cogagent.models.showing import PictureCache
from cogagent.pipelines.choosing import Chooser
from cogagent.pipelines.compose import Composer, ExtractiveComposer, RunBlocking
from cogagent.pipelines.grounded import GroundedComposer
from cogagent.pipelines.ingest import Ingestor
from cogagent.pipelines.pages import PageView, is_foreign
from cogagent.pipelines.pointed import LONGEST
from cogagent.pipelines.regions import Looks, RegionTool
from cogagent.pipelines.reindex import reindex
from cogagent.pipelines.toolbox import OWN
from cogagent.planners.base import Planner
from cogagent.planners.factory import make_planner
from cogagent.planners.rules import RulePlanner
from cogagent.reading.grids.answerer import GridAnswerer
from cogagent.reading.passage import Passage
from cogagent.reading.reader import ExtractiveReader
from cogagent.retrievers.image import ImageRetriever
from cogagent.retrievers.mixed import MixedRetriever
from cogagent.retrievers.outside import as_tool
from cogagent.retrievers.text import TextRetriever
from cogagent.retrievers.web import web_tool
from cogagent.telemetry import Telemetry
from cogagent.types import Evidence, IngestReport, Progress, Query, Raster, Source, as_source
from cogagent.vision.eyes import Eyes, Sight
from cogagent.vision.pointing.asking import ModelPointer, can_point
from cogagent.vision.pointing.base import Pointer
from cogagent.vision.pointing.saliency import SaliencyPointer
from cogagent.vision.pointing.words import WordPointer

if TYPE_CHECKING:
    from cogagent.telemetry.traces import Traces

Modality = Literal["text", "image", "all"]


class Engine:
    """Store, models and parsers behind one home.

    Args:
        home: The home directory.
        settings: Its settings.
        adopt: Accept that the home was built with other embedders, to reindex it.
        tools: Further tools for planners; see :func:`cogagent.retrievers.outside.as_tool`.

    Raises:
        InputError: If one of them is no tool.
    """

    def __init__(
        self, home: Path, settings: Settings, *, adopt: bool = False, tools: Sequence[Any] = ()
    ) -> None:
        self.home = home
        self.settings = settings
        if settings.offline:
            # Libraries that know a hub read these when they are first imported.
            os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
        self.text_embedder: TextEmbedder = text_embedder(settings)
        self.image_embedder: ImageEmbedder = image_embedder(settings)
        self.store = Store(
            home,
            text=Space(f"text:{self.text_embedder.name}", self.text_embedder.dim),
            image=Space(f"image:{self.image_embedder.name}", self.image_embedder.dim),
            adopt=adopt,
        )
        self._making = threading.RLock()
        self._outside = self._from_outside(tools)
        try:
            self.telemetry, self._traces = self._watched()
        except CogAgentError:
            self.store.close()
            raise

    def warm(self) -> None:
        """Load the models that questions need, so that none has to wait for them.

        Raises:
            ModelError: If one does not load.
        """
        self.text_embedder.embed(["Is it warm?"], query=True)
        self.image_embedder.embed_texts(["warm"])
        self.planner(None)
        self.composer(model=self.answer_model)
        if self.answer_model is None:
            # What the reader needs beside the embedder is loaded with its first passage.
            self._reader.read("Who lit it?", [Passage("Ada Byron lit it in 1843.")])
        _ = self.planner_model

    @cached_property
    def parsers(self) -> ParserPool:
        """The parser processes; none is started before the first file."""
        return ParserPool(self.settings)

    @cached_property
    def unpackers(self) -> ParserPool:
        """The process that unpacks archives; not started before the first."""
        one = self.settings.parse.model_copy(update={"workers": 1})
        return ParserPool(self.settings.model_copy(update={"parse": one}))

    @cached_property
    def eyes(self) -> Eyes:
        """What looks at pictures."""
        return Eyes(self.settings, self.image_embedder)

    @cached_property
    def _reader(self) -> ExtractiveReader:
        return ExtractiveReader(minilm(self.settings), span_model(self.settings))

    @cached_property
    def pages(self) -> PageView:
        """What shows pages of stored documents."""
        outside = [tool for tool in self._outside.values() if hasattr(tool, "picture")]
        return PageView(self.store, self.parsers, outside)

    def ingestor(self) -> Ingestor:
        """What brings sources into this home."""
        with self._making:
            return Ingestor(
                self.store, self.parsers, self.unpackers, self.text_embedder, self.eyes,
                self.settings, self.telemetry,
            )  # fmt: skip

    def composer(self, *, strict: bool = False, model: MLLM | None = None) -> Composer:
        """What writes answers.

        Args:
            strict: Leave out what the evidence does not bear out.
            model: Writes; ``None`` for the reader, which quotes.

        Raises:
            ModelError: If the language model that the settings name does not load.
        """
        with self._making:
            embedder = minilm(self.settings)
            checker = Checker(embedder)  # it was fitted to this one's cosines
            if model is None:
                chooser = Chooser(embedder, span_model(self.settings))
                return ExtractiveComposer(
                    self._reader, checker, chooser, GridAnswerer(embedder), whole=self._table,
                    strict=strict,
                )  # fmt: skip
            return GroundedComposer(
                model,
                checker,
                self.text_embedder.count_tokens,
                partial(self._look, model.capabilities),
                self.settings.answers,
                strict=strict,
                pictures=self._pictures,
            )

    def _table(self, piece: Evidence) -> Sequence[Evidence]:
        """The whole table that a piece is of, unless that is too long."""
        if is_foreign(piece.document_id):
            return [piece]
        return self.store.table(piece.id, LONGEST)

    @cached_property
    def answer_model(self) -> MLLM | None:
        """The language model that answers; ``None`` if the reader does."""
        return self._cached(answer_model(self.settings))

    @cached_property
    def planner_model(self) -> MLLM | None:
        """The language model that plans; ``None`` if there is none."""
        named = self.settings.models.planner_model
        return self._cached(mllm(named, self.settings)) if named else self.answer_model

    @contextmanager
    def lent(self, *names: str | None) -> Iterator[list[MLLM | None]]:
        """Language models by name, for one use; ``None`` for no name."""
        models = [mllm(name, self.settings) if name else None for name in names]
        try:
            yield models
        finally:
            for model in models:
                if model is not None:
                    close_now(model)

    def _cached(self, model: MLLM | None) -> MLLM | None:
        kept = self.settings.answers
        if model is None or not kept.cache_mb:
            return model
        return CachedMLLM(model, kept.cache_mb, kept.cache_seconds)

    @cached_property
    def _pictures(self) -> PictureCache:
        kept = self.settings.answers
        return PictureCache(kept.picture_cache_mb, kept.picture_cache_seconds)

    def _look(self, can: Capabilities, piece: Evidence) -> Raster:
        """A picture among the evidence, no larger than a language model makes use of."""
        if is_foreign(piece.document_id):
            content = piece.document_id
        else:
            content = self.store.document(piece.document_id).content
        place = (content, piece.page, piece.box)
        return self._pictures.cut(
            place, lambda: self.pages.native(piece.document_id, piece.page, piece.box), can
        )

    def planner(self, wanted: str | Planner | None) -> Planner:
        """A planner by name, or the caller's own; ``None`` for that of the settings.

        Raises:
            InputError: If there is none of that name, or it needs a language model and
                none is configured.
            ModelError: If the language model does not load.
        """
        if isinstance(wanted, type):
            raise InputError(
                f"{wanted.__name__} is a class.", remedy=f"Pass a planner: {wanted.__name__}()."
            )
        if wanted is not None and not isinstance(wanted, str):
            if not (callable(getattr(wanted, "plan", None)) and hasattr(wanted, "name")):
                raise InputError(
                    f"a {type(wanted).__name__} is no planner.",
                    remedy="Pass the name of one, or an object with `name` and `plan`.",
                )
            return wanted
        name = wanted or self.settings.planning.planner
        models = self.settings.models
        has_model = bool(models.planner_model) or models.answer_model != EXTRACTIVE
        made: Planner = make_planner(
            name,
            self.settings,
            has_model=has_model,
            rules=lambda: RulePlanner(minilm(self.settings)),
        )
        return made

    def tools(
        self,
        collection: str,
        filters: Filters | None,
        pictures: Sequence[Raster],
        principals: Principals | None = None,
    ) -> Mapping[str, Any]:
        """The tools of one question, by the name that planners use.

        Args:
            collection: Its name.
            filters: Applied before each search.
            pictures: That come with the question.
            principals: In whose name documents are seen; ``None`` for all documents.

        Raises:
            NotFoundError: If there is no such collection.
            UnknownFieldError: If a filter names an unknown field.
        """
        self.store.select(collection, filters, principals)
        vectors = list(self.image_embedder.embed_images(pictures)) if pictures else []
        text = TextRetriever(
            self.store, self.text_embedder, collection, filters, principals=principals
        )
        passages = TextRetriever(
            self.store, self.text_embedder, collection, filters, ("text", "table"), principals
        )
        # One retriever for both: it keeps the vector of the question that both are probed with.
        image = ImageRetriever(
            self.store, self.image_embedder, passages, collection, filters, vectors, principals
        )
        mixed = MixedRetriever(self.store, text, image)
        return {"text": passages, "image": image, "all": mixed} | self._outside

    def pictures(self, pictures: Sequence[Any]) -> list[Raster]:
        """Pictures that come with a question, decoded.

        Args:
            pictures: Paths, bytes or PIL images; what is decoded already stays as it is.

        Raises:
            InputError: If a picture is of another kind, or cannot be read.
        """
        return [self._raster(picture) for picture in pictures]

    def describe(self, pictures: Sequence[Raster]) -> list[str]:
        """What the embedded networks see in pictures, a text each: kind, content, words."""
        described = []
        for sight in self.eyes.look(pictures):
            written = " ".join(sight.reading.text.split())
            parts = [sight.perception.whole, f'Written in it: "{written}"' if written else ""]
            described.append(" ".join(part for part in parts if part))
        return described

    def region_tool(self, blocking: RunBlocking, model: MeteredMLLM | None) -> RegionTool:
        """The tool that looks again at places of what one question found.

        Args:
            blocking: Runs a blocking call elsewhere.
            model: Points, where the words and the networks find nothing and it can.
        """
        pointers: list[Pointer] = [*self._pointers]
        if model is not None and can_point(model):
            pointers.append(ModelPointer(model.named("point")))
        return RegionTool(self.pages, self.eyes, pointers, self._looks, blocking)

    @cached_property
    def _pointers(self) -> list[Pointer]:
        return [WordPointer(), SaliencyPointer(self.settings)]

    @cached_property
    def _looks(self) -> Looks:
        kept = self.settings.answers
        return Looks(kept.picture_cache_mb, kept.picture_cache_seconds, lambda look: look.nbytes)

    def _from_outside(self, given: Sequence[Any]) -> dict[str, Any]:
        """The web, if it is switched on, and the user's own tools, by name."""
        web = web_tool(self.settings, self.text_embedder, self.parsers, self._see)
        found: dict[str, Any] = {} if web is None else {web.spec.name: web}
        for tool in given:
            made = as_tool(tool, self.parsers)
            name = made.spec.name
            if name in found or name in OWN:
                raise InputError(
                    f"there are two tools of the name {name!r}.", remedy="Rename yours."
                )
            found[name] = made
        return found

    def _watched(self) -> tuple[Telemetry, Traces | None]:
        if not self.settings.telemetry.traces:
            return Telemetry(), None
        from cogagent.telemetry.traces import traces

        made = traces(self.settings)
        return Telemetry(made), made

    def _see(self, pictures: Sequence[Raster]) -> list[Sight]:
        return self.eyes.look(pictures)

    def search(
        self,
        query: str,
        k: int,
        modality: Modality,
        pictures: Sequence[Any],
        collection: str,
        filters: Filters | None,
        principals: Principals | None = None,
    ) -> list[Evidence]:
        """One search without planning; by the picture if there is one."""
        tools = self.tools(collection, filters, self.pictures(pictures), principals)
        asked = Query(text=query, tool="image", picture=0) if pictures else Query(text=query)
        name = "image" if pictures else modality
        with self.telemetry.begin("search", tool=name, top_k=k) as told:
            told.say(query=query, collection=collection)
            found: list[Evidence] = tools[name].retrieve(asked, k)
            told.set(found=len(found))
        return found

    def _raster(self, picture: Any) -> Raster:
        """A question's picture, decoded in a parser process like any other file."""
        from PIL import Image

        if isinstance(picture, Raster):
            return picture
        try:
            if isinstance(picture, Image.Image):
                buffer = io.BytesIO()
                picture.save(buffer, "TIFF")  # it can hold what PIL can
                picture = buffer.getvalue()
            if isinstance(picture, bytes):
                source = Source(uri="the picture", data=picture)
            elif isinstance(picture, str | Path):
                source = as_source(picture)
            else:
                raise InputError(
                    f"a {type(picture).__name__} is no picture.",
                    remedy="Pass a path, bytes or a PIL image.",
                )
            return self.parsers.render(source, 1, 150)
        except (DocumentError, OSError, ValueError) as error:
            raise InputError(f"the picture cannot be read: {error}") from error

    def reindex(self, on_progress: Callable[[Progress], None] | None = None) -> IngestReport:
        """Embed everything anew with the embedders of the settings.

        The old vectors serve until the new ones are complete; a reindex that
        was cut short goes on where it stopped.
        """
        return reindex(
            self.store, self.pages, self.text_embedder, self.image_embedder, on_progress,
            tiles=self.settings.parse.tiles,
        )  # fmt: skip

    def close(self) -> None:
        """Release files, processes and the language model."""
        models = [self.__dict__.pop(name, None) for name in ("answer_model", "planner_model")]
        for model in {id(model): model for model in models if model is not None}.values():
            close_now(model)
        for tool in self._outside.values():
            if hasattr(tool, "close"):
                tool.close()
        for name in ("parsers", "unpackers"):
            if name in self.__dict__:
                getattr(self, name).close()
        self.store.close()
        if self._traces is not None:
            self._traces.close()
