"""The parts of a home, made when first needed and shared by all callers."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cogagent.checking.checker import Checker
from cogagent.config import Settings
from cogagent.documents.pool import ParserPool
from cogagent.errors import DocumentError, InputError
from cogagent.indexes.filters import Filters
from cogagent.indexes.store import Store
from cogagent.indexes.writing import Space
from cogagent.models.base import ImageEmbedder, TextEmbedder
from cogagent.models.cached import CachedMLLM
from cogagent.models.factory import (
    answer_model,
    image_embedder,
    minilm,
    span_model,
    text_embedder,
)
from cogagent.models.mllm import MLLM, Capabilities
from cogagent.models.shared import close_now
from cogagent.models.showing import PictureCache
from cogagent.pipelines.choosing import Chooser
from cogagent.pipelines.compose import Composer, ExtractiveComposer
from cogagent.pipelines.grounded import GroundedComposer
from cogagent.pipelines.ingest import Ingestor
from cogagent.pipelines.pages import PageView
from cogagent.pipelines.reindex import reindex
from cogagent.planners.base import Planner
from cogagent.planners.rules import RulePlanner
from cogagent.reading.reader import ExtractiveReader
from cogagent.retrievers.base import Retriever
from cogagent.retrievers.image import ImageRetriever
from cogagent.retrievers.mixed import MixedRetriever
from cogagent.retrievers.text import TextRetriever
from cogagent.types import Evidence, IngestReport, Progress, Query, Raster, Source, as_source
from cogagent.vision.eyes import Eyes

Modality = Literal["text", "image", "all"]


class Engine:
    """Store, models and parsers behind one home.

    Args:
        home: The home directory.
        settings: Its settings.
        adopt: Accept that the home was built with other embedders, to reindex it.
    """

    def __init__(self, home: Path, settings: Settings, *, adopt: bool = False) -> None:
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
        return PageView(self.store, self.parsers)

    def ingestor(self) -> Ingestor:
        """What brings sources into this home."""
        with self._making:
            return Ingestor(
                self.store, self.parsers, self.unpackers, self.text_embedder, self.eyes,
                self.settings,
            )  # fmt: skip

    def composer(self, *, strict: bool = False) -> Composer:
        """What writes answers.

        Args:
            strict: Leave out what the evidence does not bear out.

        Raises:
            ModelError: If the language model that the settings name does not load.
        """
        with self._making:
            embedder = minilm(self.settings)
            checker = Checker(embedder)  # it was fitted to this one's cosines
            if self.answer_model is None:
                chooser = Chooser(embedder, span_model(self.settings))
                return ExtractiveComposer(self._reader, checker, chooser, strict=strict)
            return GroundedComposer(
                self.answer_model,
                checker,
                self.text_embedder.count_tokens,
                self._look,
                self.settings.answers,
                strict=strict,
                pictures=self._pictures,
            )

    @cached_property
    def answer_model(self) -> MLLM | None:
        """The language model that answers; ``None`` if the reader does."""
        model = answer_model(self.settings)
        kept = self.settings.answers
        if model is None or not kept.cache_mb:
            return model
        return CachedMLLM(model, kept.cache_mb, kept.cache_seconds)

    @cached_property
    def _pictures(self) -> PictureCache:
        kept = self.settings.answers
        return PictureCache(kept.picture_cache_mb, kept.picture_cache_seconds)

    def _look(self, piece: Evidence) -> Raster:
        """A picture among the evidence, no larger than the language model makes use of."""
        can = self.answer_model.capabilities if self.answer_model else Capabilities()
        place = (self.store.document(piece.document_id).content, piece.page, piece.box)
        return self._pictures.cut(
            place, lambda: self.pages.region(piece.document_id, piece.page, piece.box), can
        )

    def planner(self, wanted: str | Planner | None) -> Planner:
        """A planner by name, or the caller's own.

        Raises:
            InputError: If there is none of that name.
        """
        if wanted is None or wanted == RulePlanner.name:
            return RulePlanner()
        if isinstance(wanted, str):
            raise InputError(
                f"there is no planner {wanted!r}.", remedy=f"Planners: {RulePlanner.name}."
            )
        return wanted

    def tools(
        self, collection: str, filters: Filters | None, pictures: Sequence[Any]
    ) -> Mapping[str, Retriever]:
        """The retrievers of one question, by the name that planners use.

        Args:
            collection: Its name.
            filters: Applied before each search.
            pictures: That come with the question: paths, bytes or PIL images.

        Raises:
            InputError: If a picture is of another kind, or cannot be read.
            NotFoundError: If there is no such collection.
            UnknownFieldError: If a filter names an unknown field.
        """
        self.store.select(collection, filters)
        rasters = [self._raster(picture) for picture in pictures]
        vectors = list(self.image_embedder.embed_images(rasters)) if rasters else []
        text = TextRetriever(self.store, self.text_embedder, collection, filters)
        image = ImageRetriever(self.store, self.image_embedder, text, collection, filters, vectors)
        return {"text": text, "image": image, "all": MixedRetriever(self.store, text, image)}

    def search(
        self,
        query: str,
        k: int,
        modality: Modality,
        pictures: Sequence[Any],
        collection: str,
        filters: Filters | None,
    ) -> list[Evidence]:
        """One search without planning; by the picture if there is one."""
        tools = self.tools(collection, filters, pictures)
        if pictures:
            return tools["image"].retrieve(Query(text=query, tool="image", picture=0), k)
        kinds = ("text", "table") if modality == "text" else ()
        return tools[modality].retrieve(Query(text=query, kinds=kinds), k)

    def _raster(self, picture: Any) -> Raster:
        """A question's picture, decoded in a parser process like any other file."""
        from PIL import Image

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
            self.store, self.pages, self.text_embedder, self.image_embedder, on_progress
        )

    def close(self) -> None:
        """Release files, processes and the language model."""
        model = self.__dict__.pop("answer_model", None)
        if model is not None:
            close_now(model)
        for name in ("parsers", "unpackers"):
            if name in self.__dict__:
                getattr(self, name).close()
        self.store.close()
