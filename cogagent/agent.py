"""The front door: ingest, search and ask, from Python.

The main path of a question, top down::

    CogAgent.ask → pipelines.asking → pipelines.answer.Run → planners.rules
                                                           → pipelines.toolbox → retrievers
                                                           → pipelines.ranking
                                                           → pipelines.compose → reading.reader

and of a document::

    CogAgent.ingest → pipelines.ingest.Ingestor → documents.pool → pipelines.seeing
                                                → documents.chunking → indexes.store
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cogagent.closing import Closing
from cogagent.config import Settings, default_home, load_settings
from cogagent.documents.walk import walk
from cogagent.errors import CogAgentError, InputError
from cogagent.geometry import FULL_PAGE, Box
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.filters import Filters, Principals
from cogagent.kept import Collections, Conversations, Documents, Traces
from cogagent.loop import LoopThread, iterated, synced
from cogagent.models.base import TextEmbedder
from cogagent.pipelines.asking import Request, answer_of, asking
from cogagent.pipelines.batch import Batch, Intake, LoopExecutor, Tally
from cogagent.pipelines.batch_files import answer_file
from cogagent.pipelines.engine import Engine
from cogagent.planners.base import Turn
from cogagent.telemetry import Telemetry
from cogagent.types import (
    Answer,
    BatchAnswer,
    BatchProgress,
    BatchQuestion,
    BatchReport,
    Budget,
    Citation,
    ErrorEvent,
    Event,
    Evidence,
    IngestReport,
    Progress,
    Raster,
    Source,
    as_source,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from cogagent.planners.base import Planner

T = TypeVar("T")
log = logging.getLogger(__name__)


class CogAgent(Closing):
    """Answers questions about documents and pictures, and cites where it read them.

    Example::

        with CogAgent(home="kb") as agent:
            agent.ingest(["docs/"])
            answer = agent.ask("What was the revenue in 2018?")
            print(answer.text, answer.citations[0].page, answer.citations[0].box)

    The asynchronous methods carry the prefix ``a`` and are the implementation;
    their twins without it take the same and run them on the agent's own loop, so
    they work in notebooks too.
    One agent may be used from many threads.

    Args:
        home: Directory of the documents and indexes; made if missing. By
            default ``COGAGENT_HOME``, else the user's data folder.
        settings: By default those of the environment and the settings files.
        adopt: Take a home that was built with other embedders, to reindex it.
        tools: More for planners to search with: LlamaIndex tools and retrievers, or
            objects with a ``spec`` and ``retrieve`` or ``aretrieve``.

    Raises:
        ConfigError: If the settings do not hold.
        EmbedderMismatchError: If the home was built with other embedders.
        StorageError: If the home cannot be used.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        settings: Settings | None = None,
        *,
        adopt: bool = False,
        tools: Sequence[Any] = (),
    ) -> None:
        self.home = Path(home).expanduser().absolute() if home is not None else default_home()
        self.settings = settings if settings is not None else load_settings(self.home)
        self._engine = Engine(self.home, self.settings, adopt=adopt, tools=tools)
        self._threads = ThreadPoolExecutor(
            max(4, self.settings.threads()), thread_name_prefix="cogagent"
        )
        self._loop = LoopThread()
        self._closed = False
        self.documents = Documents(self._engine.store)
        self.collections = Collections(self._engine.store)
        self.traces = Traces(self._engine, self._blocking, self._loop)
        self.conversations = Conversations(self._engine.store)

    # --- ingest ------------------------------------------------------------

    async def aingest(
        self,
        sources: Sequence[Source | str | Path] | Source | str | Path = (),
        collection: str = "default",
        on_progress: Callable[[Progress], None] | None = None,
        retry_failed: bool = False,
    ) -> IngestReport:
        """Read files, folders, archives and Sources into a collection.

        All text can be searched first; pictures and scanned pages are looked at
        after it. A source that was ingested before is skipped if it has not
        changed and replaced if it has. One that cannot be read is reported and
        costs nothing else.

        Args:
            sources: Paths of files, folders and archives, or :class:`Source` objects.
            collection: Made if missing.
            on_progress: Called from other threads while the work goes on.
            retry_failed: Also try again what failed before. Without it, bytes that
                failed in the same way before are reported again, unread.

        Raises:
            InputError: If a source is of the wrong type, or the name is.
            DiskFullError: If there is no space left; what was stored stays.
            StorageError: If the home cannot be written.
        """
        items = [sources] if isinstance(sources, Source | str | Path) else list(sources)
        cancelled = threading.Event()
        try:
            return await self._blocking(
                self._ingest, items, collection, on_progress, cancelled.is_set, retry_failed
            )
        finally:
            cancelled.set()

    ingest = synced(aingest)
    """:meth:`aingest`, waited for."""

    def ingest_read(
        self,
        sources: Sequence[Source],
        collection: str,
        on_progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        retry_failed: bool = False,
    ) -> IngestReport:
        """:meth:`ingest` of Sources as they are, in this thread; folders are not walked.

        Args:
            sources: Each one file, its uri only a name.
            collection: Made if missing.
            on_progress: As for :meth:`ingest`.
            cancelled: Asked between pages: what was stored by then stays.
            retry_failed: Read what failed in the same way before once more.
        """
        return self._engine.ingestor().run(
            sources, collection, on_progress, cancelled, retry=retry_failed
        )

    def reindex(self, on_progress: Callable[[Progress], None] | None = None) -> IngestReport:
        """Embed everything in the home anew, with the embedders of the settings."""
        return self._loop.run(self._blocking(self._engine.reindex, on_progress))

    # --- search ------------------------------------------------------------

    async def asearch(
        self,
        query: str = "",
        k: int = 10,
        modality: Literal["text", "image", "all"] = "all",
        image: Any = None,
        collection: str = "default",
        filters: Filters | None = None,
        principals: Principals | None = None,
    ) -> list[Evidence]:
        """The ``k`` best pieces of evidence, best first.

        Args:
            query: Words to search for; may be empty when ``image`` is given.
            k: How many, at least 1.
            modality: ``text`` for passages and tables, ``image`` for pictures.
            image: A picture (path, bytes or PIL image) to find similar ones to.
            collection: Its name.
            filters: Field names and the values they must have: ``document``,
                ``uri``, ``title``, ``media_type``, ``page``, ``kind``, or any
                key of the documents' metadata.
            principals: In whose name documents are seen: those that name none of these are
                left out, unless they name nobody. ``None`` for all documents.

        Raises:
            InputError: If there is nothing to search for, or ``k`` is below 1.
            NotFoundError: If there is no such collection.
            UnknownFieldError: If a filter names an unknown field.
        """
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}.")
        if modality not in ("text", "image", "all"):
            raise InputError(
                f"there is no modality {modality!r}.", remedy="Use text, image or all."
            )
        if image is not None and modality == "text":
            raise InputError("a picture finds pictures.", remedy="Use modality image or all.")
        if not query.strip() and image is None:
            raise InputError("there is nothing to search for.", remedy="Give words or a picture.")
        images = [image] if image is not None else []
        found: list[Evidence] = await self._blocking(
            self._engine.search, query, k, modality, images, collection, filters, principals
        )
        return found

    search = synced(asearch)
    """:meth:`asearch`, waited for."""

    # --- ask ---------------------------------------------------------------

    async def aask(
        self,
        question: str,
        images: Sequence[Any] = (),
        collection: str = "default",
        planner: str | Planner | None = None,
        budget: Budget | None = None,
        filters: Filters | None = None,
        strict: bool = False,
        choices: Sequence[str] | None = None,
        conversation: str | None = None,
        history: Sequence[Turn] | None = None,
        principals: Principals | None = None,
        owner: str = "",
        asked: str | None = None,
    ) -> Answer:
        """Answer a question from a collection, with citations.

        Args:
            question: In plain words.
            images: Pictures that belong to the question: paths, bytes or PIL images.
            collection: Its name.
            planner: The name of one, or one of your own; ``rules`` by default.
            budget: The most the answer may cost.
            filters: As for :meth:`search`.
            strict: Leave out what a language model wrote and the evidence does not
                bear out, instead of marking it.
            choices: 2 to 26 texts of which one is the answer: it becomes ``short``, and
                ``distribution`` tells how probable each is. ``None`` for an open question.
            conversation: A name of yours under which the home keeps the questions and
                answers: "And who built it?" is understood from those before it.
            history: Earlier questions and answers, in place of what the home has kept.
            principals: As for :meth:`search`.
            owner: Whose trace and conversation it is, by a name of yours.
            asked: A name of yours for the request, by which its trace can be found again.

        Raises:
            InputError: If the question is empty or too long, a picture unreadable, or a
                choice empty, too long or there twice.
            NotFoundError: If there is no such collection.
            ModelError: If a model fails.
        """
        request = Request(
            question, images, collection, planner, budget or Budget(), filters, strict, choices,
            conversation, history, principals, owner, asked,
        )  # fmt: skip
        async with aclosing(asking(self._engine, request, self._blocking)) as events:
            return await answer_of(events)

    ask = synced(aask)
    """:meth:`aask`, waited for."""

    async def astream(
        self,
        question: str,
        images: Sequence[Any] = (),
        collection: str = "default",
        planner: str | Planner | None = None,
        budget: Budget | None = None,
        filters: Filters | None = None,
        strict: bool = False,
        choices: Sequence[str] | None = None,
        conversation: str | None = None,
        history: Sequence[Turn] | None = None,
        principals: Principals | None = None,
        owner: str = "",
        asked: str | None = None,
    ) -> AsyncIterator[Event]:
        """The events of an answer as it is made; takes what :meth:`ask` takes.

        Errors come as a last ``error`` event, not as exceptions.
        """
        request = Request(
            question, images, collection, planner, budget or Budget(), filters, strict, choices,
            conversation, history, principals, owner, asked,
        )  # fmt: skip
        try:
            async with aclosing(asking(self._engine, request, self._blocking)) as events:
                async for event in events:
                    yield event
        except CogAgentError as error:
            yield ErrorEvent(code=error.code, message=str(error))
        except Exception as error:
            log.exception("a run failed")
            yield ErrorEvent(code="error", message=f"{type(error).__name__}: {error}")

    stream = iterated(astream)
    """:meth:`astream` for a plain ``for``."""

    # --- batch -------------------------------------------------------------

    async def abatch(
        self,
        questions: Iterable[str | Mapping[str, Any] | BatchQuestion],
        collection: str = "default",
        planner: str | Planner | None = None,
        budget: Budget | None = None,
        jobs: int = 0,
        on_progress: Callable[[BatchProgress], None] | None = None,
        strict: bool = False,
        principals: Principals | None = None,
        owner: str = "",
    ) -> AsyncIterator[BatchAnswer]:
        """Answer many questions, several at a time; the answers come in their order.

        A question that is malformed or fails is an answer with an ``error`` and
        costs nothing else. Questions are taken as they are needed, so there may
        be any number of them. Leaving early cancels those under way.

        Args:
            questions: Texts, :class:`BatchQuestion` objects or mappings of their fields.
            collection: For questions that name none; likewise ``planner``, ``budget`` and
                ``strict``.
            planner: One of your own is asked about several questions at once.
            budget: The most one answer may cost.
            jobs: How many questions are asked at once; 0 for as many as there are cores.
            on_progress: Called from another thread for each answer.
            strict: As for :meth:`ask`.
            principals: As for :meth:`ask`.
            owner: As for :meth:`ask`.

        Raises:
            InputError: If there is no such planner, or ``questions`` are none.
            NotFoundError: If a question needs ``collection`` and it is not there.
        """
        one = isinstance(questions, str | bytes | Mapping | BatchQuestion)
        if one or not isinstance(questions, Iterable):
            raise InputError("a batch takes many questions.", remedy="Pass a list of them.")
        batch = self._batch(collection, planner, budget, jobs, strict, principals, owner)
        tally = Tally(len(questions) if isinstance(questions, Sized) else None)
        numbered = Intake().number(questions)
        async with aclosing(batch.answers(numbered, tally, on_progress)) as answers:
            async for answer in answers:
                yield answer

    batch = iterated(abatch)
    """:meth:`abatch` for a plain ``for``."""

    async def abatch_file(
        self,
        questions: str | Path,
        answers: str | Path,
        collection: str = "default",
        planner: str | Planner | None = None,
        budget: Budget | None = None,
        jobs: int = 0,
        resume: bool = False,
        overwrite: bool = False,
        on_progress: Callable[[BatchProgress], None] | None = None,
        strict: bool = False,
        principals: Principals | None = None,
        owner: str = "",
    ) -> BatchReport:
        """Answer a file of questions into another, both JSON Lines.

        A malformed line costs that line. Each answer is written as soon as it
        and all before it are there. After a kill, ``resume`` goes on where the
        answers end.

        Args:
            questions: A :class:`BatchQuestion` a line; pictures are paths beside the file.
            answers: A :class:`BatchAnswer` a line; made if missing.
            collection: As for :meth:`batch`, like what follows it.
            planner: See there.
            budget: See there.
            jobs: See there.
            resume: Keep the answers that are there and go on behind them.
            overwrite: Forget what is there.
            on_progress: Called from another thread for each answer.
            strict: See there.
            principals: See there.
            owner: See there.

        Raises:
            InputError: If a file cannot be used, holds something and neither is
                said, is written by another batch, or answers other questions.
            NotFoundError: If a question needs ``collection`` and it is not there.
            DiskFullError: If there is no space left; what was written stays.
        """
        return await answer_file(
            self._batch(collection, planner, budget, jobs, strict, principals, owner),
            Path(questions),
            Path(answers),
            resume=resume,
            overwrite=overwrite,
            blocking=self._blocking,
            on_progress=on_progress,
        )

    batch_file = synced(abatch_file)
    """:meth:`abatch_file`, waited for."""

    def require_planner(self, planner: str | Planner | None) -> None:
        """Refuse a planner that cannot be had, before anything is asked of it.

        Raises:
            InputError: If there is none of that name, or it needs a language model and
                none is configured.
        """
        self._engine.planner(planner)

    # --- look --------------------------------------------------------------

    def crop(self, cited: Citation | Evidence) -> Image:
        """The cited place, cut from its page at full resolution, as a PIL image.

        Raises:
            NotFoundError: If the home has no copy of the document, or it has no pages.
            DocumentError: If the page cannot be shown.
        """
        return self._engine.pages.crop(cited)

    def draw(self, cited: Citation | Evidence, dpi: int = 150) -> Image:
        """The cited page with rectangles around what is cited; raises what :meth:`crop` does.

        Args:
            cited: A citation, whose values are drawn in red and their labels in blue, or
                evidence.
            dpi: Resolution of a page; a picture comes in its own pixels.
        """
        return self._engine.pages.draw(cited, dpi)

    def page(self, document: str, page: int, dpi: int = 150, box: Box = FULL_PAGE) -> Image:
        """A rectangle of a document's page, drawn anew, as a PIL image.

        Args:
            document: Its id.
            page: From 1.
            dpi: Resolution of a page; a picture comes in its own pixels.
            box: In fractions of the page.

        Raises:
            NotFoundError: If there is no such document or page, or no copy of it.
            DocumentError: If it cannot be shown.
        """
        from PIL import Image

        return Image.fromarray(self._engine.pages.region(document, page, box, dpi).pixels)

    def picture(self, picture: Any) -> Raster:
        """A picture for a question, decoded; it is taken wherever a picture is.

        Args:
            picture: A path, bytes or a PIL image.

        Raises:
            InputError: If it is of another kind, or cannot be read.
        """
        return self._engine.pictures([picture])[0]

    def evidence(self, evidence: str) -> Evidence:
        """A piece of evidence that :meth:`search` found, by its id, without score.

        Raises:
            NotFoundError: If it is gone, or was brought from elsewhere or looked at again.
        """
        return self._engine.store.piece(evidence)

    @property
    def catalogue(self) -> Catalogue:
        """The home's catalogue, for what is kept beside documents: jobs, API keys."""
        return self._engine.store.catalogue

    @property
    def text_embedder(self) -> TextEmbedder:
        """What turns the home's texts into vectors."""
        return self._engine.text_embedder

    @property
    def telemetry(self) -> Telemetry:
        """Who watches what it does; for the service's metrics."""
        return self._engine.telemetry

    # --- life --------------------------------------------------------------

    def warm(self) -> None:
        """Load the models that questions need, so that the first one need not wait for them.

        Raises:
            ModelError: If one does not load.
        """
        self._engine.warm()

    def close(self) -> None:
        """Release files, threads and processes; the agent cannot be used afterwards."""
        self._closed = True
        self._loop.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._engine.close()

    async def __aenter__(self) -> CogAgent:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.close)

    # --- inside ------------------------------------------------------------

    def _ingest(
        self,
        items: list[Source | str | Path],
        collection: str,
        on_progress: Callable[[Progress], None] | None,
        cancelled: Callable[[], bool],
        retry: bool,
    ) -> IngestReport:
        sources = [as_source(item) for item in items]
        if retry:
            given = {source.uri for source in sources}
            failed = self._engine.store.failed_files(collection)
            sources += [Source(uri=uri) for uri in failed if uri not in given]
        wanted = [found for source in sources for found in walk(source, self.home)]
        return self._engine.ingestor().run(wanted, collection, on_progress, cancelled, retry=retry)

    def _batch(
        self,
        collection: str,
        planner: str | Planner | None,
        budget: Budget | None,
        jobs: int,
        strict: bool,
        principals: Principals | None,
        owner: str,
    ) -> Batch:
        if jobs < 0:
            raise InputError(f"jobs cannot be {jobs}.", remedy="0 takes the machine's cores.")
        self.require_planner(planner)  # an unknown one costs the batch, not each question
        there = False

        async def ready(question: BatchQuestion) -> None:
            nonlocal there
            # Once the agent is closed, no question can be answered: this says so.
            if self._closed or not (there or question.collection is not None):
                await self._blocking(self._engine.store.collection_id, collection)
                there = True

        async def asking(question: BatchQuestion) -> Answer:
            return await self.aask(
                question.question,
                question.images,
                collection if question.collection is None else question.collection,
                planner if question.planner is None else question.planner,
                question.budget or budget,
                question.filters,
                strict if question.strict is None else question.strict,
                question.choices or None,
                question.conversation,
                principals=principals,
                owner=owner,
            )

        return Batch(asking, ready, LoopExecutor(jobs or max(2, self.settings.threads())))

    async def _blocking(self, call: Callable[..., T], *args: Any) -> T:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise InputError("the agent is closed.", remedy="Make a new one.")
        # What it is part of is carried into the thread.
        carried = copy_context()
        return await loop.run_in_executor(self._threads, partial(carried.run, call, *args))
