"""The data types that every part shares.

Records that cross a seam are frozen pydantic models; what exists once a word
(:class:`Words`) is packed arrays, since an object a word costs too much.
Boxes are page fractions (see :mod:`cogagent.geometry`), pages count from 1.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
)

from cogagent.errors import InputError
from cogagent.geometry import FULL_PAGE, Box, Boxes, make_box, merge_lines, place, to_pixels, union

ElementKind = Literal["text", "table", "figure", "page", "image"]
ChunkKind = Literal["text", "table", "image"]
Modality = Literal["text", "table", "image"]
Outcome = Literal["answered", "partial", "abstained", "budget_exhausted", "failed"]
NoteKind = Literal["description", "keywords", "dialogue", "knowledge", "computed", "summary"]
MatchKind = Literal["exact", "normalised", "fuzzy", "none"]
Verdict = Literal["supported", "unsupported", "uncited"]
Reason = Literal[
    "no such citation",
    "wrong page",
    "quote not there",
    "number not there",
    "name not there",
    "number of something else",
    "name of something else",
    "contradicted",
    "not about it",
]
PictureKind = Literal["photograph", "chart", "table", "graphic", "page"]
PartRole = Literal["row", "column", "value", "axis", "unit", "title"]
BlockRole = Literal["title", "paragraph", "label", "numbers", "rows"]
MetaValue = str | int | float | bool | None


WORDED = 8
"""A picture with so many words is known by them; one with fewer by what it shows, too."""


def storable(value: object) -> TypeGuard[MetaValue]:
    """Whether a value may stand in metadata and filters: JSON's scalars."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int)


def clean(text: str) -> str:
    """Text that can be stored as UTF-8: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _checked(box: Box) -> Box:
    if not (0.0 <= box.x0 <= box.x1 <= 1.0 and 0.0 <= box.y0 <= box.y1 <= 1.0):
        raise ValueError(f"not a box in page fractions: {tuple(box)}")
    return box


PageFraction = Annotated[Box, AfterValidator(_checked)]


class Record(BaseModel):
    """Base of the types that cross a seam: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


# --- what comes in ---------------------------------------------------------


class Source(Record):
    """Something to ingest: a file by path, or bytes with a uri of their own."""

    uri: str
    """Absolute path of a file, not percent-encoded; or any name for ``data``."""
    data: bytes | None = Field(default=None, repr=False)
    """The bytes; ``None`` to read the file that ``path`` names, or else ``uri``."""
    path: Path | None = Field(default=None, repr=False)
    """A file that holds the bytes of a ``uri`` that is no path."""
    media_type: str | None = None
    """For example ``application/pdf``; guessed from bytes and name when ``None``."""
    title: str | None = None
    metadata: Mapping[str, MetaValue] = Field(default_factory=dict)
    principals: tuple[str, ...] = ()
    """Who may see it, by names of yours: people, groups, projects. None: everybody who may
    use the collection."""

    @field_validator("title")
    @classmethod
    def _clean_title(cls, title: str | None) -> str | None:
        return None if title is None else clean(title)

    @field_validator("principals")
    @classmethod
    def _clean_principals(cls, principals: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() and len(name) <= 200 for name in principals):
            raise ValueError("a principal is a name of 1 to 200 characters")
        return tuple(sorted({clean(name) for name in principals}))

    @field_validator("metadata")
    @classmethod
    def _clean_metadata(cls, metadata: Mapping[str, MetaValue]) -> Mapping[str, MetaValue]:
        if not all(map(storable, metadata.values())):
            raise ValueError("metadata holds text, finite numbers, truth values or nothing")
        return {
            clean(key): clean(value) if isinstance(value, str) else value
            for key, value in metadata.items()
        }


# --- what a loader finds ---------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The words of a text and where each stands; arrays of one length ``n``.

    Attributes:
        spans: Shape ``(n, 2)``, int32: first character and end in the text.
        pages: Shape ``(n,)``, int32, from 1.
        boxes: Shape ``(n, 4)``, float32 page fractions.
    """

    spans: NDArray[np.int32]
    pages: NDArray[np.int32]
    boxes: Boxes
    NBYTES: ClassVar[int] = 28
    """Of a word, packed."""

    def __len__(self) -> int:
        return len(self.pages)

    @staticmethod
    def empty() -> Words:
        """No words: a text that has no place on a page."""
        return Words(
            np.zeros((0, 2), np.int32), np.zeros(0, np.int32), np.zeros((0, 4), np.float32)
        )

    @staticmethod
    def concat(parts: list[tuple[int, Words]]) -> Words:
        """Words of texts joined into one; each part comes with its text's new offset."""
        if not parts:
            return Words.empty()
        return Words(
            np.concatenate([words.spans + np.int32(offset) for offset, words in parts]),
            np.concatenate([words.pages for _, words in parts]),
            np.concatenate([words.boxes for _, words in parts]),
        )

    def slice(self, start: int, end: int) -> Words:
        """The words that overlap characters ``start`` to ``end``, spans shifted by ``-start``."""
        keep = (self.spans[:, 0] < end) & (self.spans[:, 1] > start)
        return Words(self.spans[keep] - np.int32(start), self.pages[keep], self.boxes[keep])

    def lines(self, start: int, end: int) -> list[PageBox]:
        """One rectangle a line for the words that overlap characters ``start`` to ``end``."""
        found = self.slice(start, end)
        result: list[PageBox] = []
        for page in dict.fromkeys(found.pages.tolist()):
            on_page = found.boxes[found.pages == page]
            result += [PageBox(page=page, box=box) for box in merge_lines(on_page)]
        return result

    def to_bytes(self) -> bytes:
        """Packed: :attr:`NBYTES` bytes a word, little-endian."""
        return b"".join(
            (
                self.spans.astype("<i4").tobytes(),
                self.pages.astype("<i4").tobytes(),
                self.boxes.astype("<f4").tobytes(),
            )
        )

    @staticmethod
    def from_bytes(data: bytes) -> Words:
        """The inverse of :meth:`to_bytes`.

        Raises:
            ValueError: If the length is not a whole number of words.
        """
        count, rest = divmod(len(data), Words.NBYTES)
        if rest:
            raise ValueError(f"{len(data)} bytes are not a whole number of words")
        ints = np.frombuffer(data, "<i4", count * 3)
        boxes = np.frombuffer(data, "<f4", count * 4, offset=count * 12)
        return Words(
            ints[: 2 * count].reshape(-1, 2).astype(np.int32),
            ints[2 * count :].astype(np.int32),
            boxes.reshape(-1, 4).astype(np.float32),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Decoded pixels on their way from a loader to the eyes of the program.

    Attributes:
        pixels: Shape ``(height, width, 3)``, uint8, RGB.
    """

    pixels: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.pixels.shape[:2]
        return width, height

    def part(self, box: Box) -> Raster:
        """The pixels that ``box``, in fractions of this raster, touches; a copy, at least one."""
        if box == FULL_PAGE:
            return self
        left, top, right, bottom = to_pixels(box, self.size)
        return Raster(np.ascontiguousarray(self.pixels[top:bottom, left:right]))


@dataclass(frozen=True, slots=True, eq=False)
class TileVectors:
    """Parts of a picture in the picture embedder's space, beside the whole.

    Attributes:
        made: How the picture was cut: the setting ``parse.tiles``.
        boxes: Shape ``(n, 4)``, float32; where they are kept, in fractions of the page.
        vectors: Shape ``(n, dim)``, float32.
    """

    made: str
    boxes: Boxes
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.boxes)

    def on_page(self, picture: Box) -> TileVectors:
        """The same, of boxes in fractions of a picture that lies at ``picture`` on its page."""
        return replace(self, boxes=np.clip(place(self.boxes, picture), 0.0, 1.0))


class PlacedWord(Record):
    """A word and where it stands on its page."""

    text: str
    box: PageFraction


class PictureBlock(Record):
    """Words that stand together in a picture."""

    text: str
    """A row a line."""
    box: PageFraction
    """On the page."""
    role: BlockRole
    """As far as shape and place tell; ``rows`` are labels and numbers side by side."""


class Element(Record):
    """Something a loader found on a page.

    A ``page`` element opens each page and carries its size; ``unseen`` is set
    where the page itself, or a picture on it, still has to be looked at.
    """

    kind: ElementKind
    text: str = ""
    page: int = Field(default=1, ge=1)
    box: PageFraction = FULL_PAGE
    order: int = 0
    """Reading order within the document, from 0."""
    level: int | None = None
    """Heading level, 1 the highest; ``None`` for body text."""
    caption: str = ""
    """Caption of a table, figure or image, as the document prints it."""
    words: Words | None = Field(default=None, exclude=True, repr=False)
    cells: tuple[tuple[str, ...], ...] = ()
    """A table's rows; ``text`` holds the same cells joined by `` | ``, a line a row."""
    header_rows: int = 0
    """How many of ``cells``' first rows are header."""
    size: tuple[float, float] | None = None
    """Page: width and height as shown, in points (PDF) or pixels (pictures)."""
    needs_ocr: bool = False
    """Page: its text is in its pixels."""
    unseen: bool = False
    """Its pixels, which the loader can give, have not been looked at yet."""
    picture: str = ""
    """Picture: the loader's own name for its pixels, where they are no region of the page."""
    context: str = ""
    """Unseen: title and headings that it stands under, for what will be seen in it."""
    look: PictureKind | None = None
    """Picture: what kind it looks like; a ``graphic`` is a diagram, drawing or screenshot."""
    whole: str = ""
    """Picture: what it is, in a paragraph: kind, what it shows, colours, layout."""
    blocks: tuple[PictureBlock, ...] = ()
    """Picture: all that is written in it, in reading order."""
    stands_for: int | None = None
    """Picture: where the beginning of a long ``text`` ends by which it is searched; what
    follows is searched as text of its own. ``None`` for all of it."""
    tags: tuple[tuple[str, float], ...] = ()
    """Picture: what it shows, each with its probability."""
    colours: tuple[str, ...] = ()
    """Picture: its main colours, the largest first."""
    vector: NDArray[np.float32] | None = Field(default=None, exclude=True, repr=False)
    """Picture: its place in the picture embedder's space."""
    tiles: TileVectors | None = Field(default=None, exclude=True, repr=False)
    """Picture: the places of its parts there, so that small things in it are found."""

    def placed_words(self) -> list[PlacedWord]:
        """The words of ``text``, each with its place, as far as they have one."""
        if self.words is None:
            return []
        return [
            PlacedWord(text=self.text[start:end], box=make_box(*box))
            for (start, end), box in zip(
                self.words.spans.tolist(), self.words.boxes.tolist(), strict=True
            )
        ]


class Chunk(Record):
    """What is indexed: a text of whole sentences or whole table rows, with its words."""

    kind: ChunkKind = "text"
    text: str
    page: int = 1
    context: str = ""
    """Title, headings and table header that the text stands under; searched, never quoted."""
    caption: str = ""
    """Of the table or picture, as the document prints it."""
    words: Words = Field(default_factory=Words.empty, exclude=True, repr=False)
    box: PageFraction = FULL_PAGE
    """Around the chunk on its first page."""
    element: int | None = None
    """``order`` of the table, picture or scanned page that it was made from."""
    parent: int | None = None
    """Position of the first chunk of the passage that this one belongs to: words are
    searched by passages, which are longer than chunks. ``None``: a passage by itself."""

    def embedded_text(self) -> str:
        """What the text embedder is given: the text under its context.

        Of a picture with many words these alone: what is said of its looks would make
        all charts alike.
        """
        text = self.text
        if self.kind == "image" and len(self.words) >= WORDED:
            text = f"{self.caption}\n{text[self.words.spans[0, 0] :]}".strip()
        return f"{self.context}\n{text}" if self.context else text


# --- what is kept ----------------------------------------------------------


class Document(Record):
    """One source in one collection, stable over its versions."""

    id: str
    uri: str
    content: str = Field(exclude=True, repr=False)
    """sha256 of the bytes; never shown, since it would tell who has the same file."""
    title: str
    media_type: str
    pages: int
    collection: str
    metadata: Mapping[str, MetaValue] = Field(default_factory=dict)
    version: int = 1
    enabled: bool = True
    added: str | None = None
    """When this version came in: UTC, ISO 8601; ``None`` where an older version of this
    package read it."""
    principals: tuple[str, ...] = ()
    """Who may see it; none: everybody who may use the collection."""
    unseen: int = 0
    """Pictures and scanned pages that have not been looked at yet."""


class Collection(Record):
    """A named set of documents."""

    name: str
    documents: int
    pages: int


# --- searching and answering -----------------------------------------------


class PageBox(Record):
    """A rectangle on a page."""

    page: int
    box: PageFraction


class ToolSpec(Record):
    """What a planner is told of a tool."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    description: str
    """What it finds and when to use it, in a line that a model can read."""
    pictures: bool = False
    """It can search by a picture of the question's."""
    web: bool = False
    """Its searches leave this machine and count against ``Budget.web_searches``."""
    notes: bool = False
    """It brings a :class:`Note`, which is never cited, instead of evidence."""
    regions: bool = False
    """It looks again at a :class:`Region` of what was found, and counts against
    ``Budget.regions``."""


class Region(Record):
    """A place to look at again."""

    evidence_id: str
    box: PageFraction | None = None
    """On the evidence's page; ``None`` for wherever the query's words point."""
    why: str = ""


class Query(Record):
    """One search that a planner asks for."""

    id: str = ""
    """Unique within the run; the loop gives one (``2.1``: step, place) where there is none."""
    text: str = ""
    tool: str = "text"
    kinds: tuple[ChunkKind, ...] = ()
    """Search among these kinds alone; among all that the tool finds when empty."""
    picture: int | None = None
    """Index of the question's picture to search by, for tools that can."""
    region: Region | None = None
    """The place to look at again, for the tool ``region``."""
    top_k: int | None = Field(default=None, ge=1, le=50)
    """Pieces of evidence to bring; the loop's own number when ``None``."""
    via: tuple[str, ...] = ()
    """Ids of the evidence that led to it: the bridge that a question goes over."""
    why: str = ""


class SubQuestion(Record):
    """A node of a plan that is made up front."""

    id: str
    text: str
    """May name the answers of others as ``#id``."""
    tool: str = "text"
    depends_on: tuple[str, ...] = ()


class Note(Record):
    """What was seen in a picture, known or worked out: read by planners and writers, no source."""

    kind: NoteKind
    text: str
    query: str = ""
    """Id of the query that it answers, if it does."""


class Evidence(Record):
    """What a tool returned: a passage, table or picture, and where it stands.

    A citation, a stream event and a LlamaIndex node are views of this.
    """

    id: str
    document_id: str
    uri: str
    title: str
    media_type: str
    page: int
    box: PageFraction
    boxes: tuple[PageBox, ...] = ()
    """One rectangle a line of the text."""
    modality: Modality
    text: str
    caption: str = ""
    context: str = ""
    score: float
    step: int = 0
    """The step that found it; 0 for a plain search."""
    query: str = ""
    """The query that found it."""
    metadata: Mapping[str, MetaValue] = Field(default_factory=dict)
    look: PictureKind | None = None
    """Picture, or what was read in one: what kind it looks like."""
    focus: PageFraction | None = None
    """Picture: the part of it that looks more like what was searched for than the whole does,
    on the page; ``None`` where none does."""
    parent: str = ""
    """Id of the evidence that this is a part of, looked at again; empty of what was searched."""
    words: Words = Field(default_factory=Words.empty, exclude=True, repr=False)

    def locate(self, start: int, end: int) -> tuple[PageBox, ...]:
        """One rectangle a line for characters ``start`` to ``end`` of ``text``.

        Text that has no words of its own (a description of a picture, plain
        text) stands where the whole evidence stands.
        """
        lines = self.words.lines(start, end)
        return tuple(lines) or (PageBox(page=self.page, box=self.box),)


class Problem(Record):
    """An error as data: what happened, and what to do about it."""

    code: str
    message: str
    remedy: str = ""


class Finding(Record):
    """What one query brought."""

    query: str
    """Its id."""
    evidence: tuple[str, ...] = ()
    """Ids, best first."""
    scores: tuple[float, ...] = ()
    """Theirs, on the tool's own scale."""
    digest: str = ""
    """What the evidence says to the query, in a sentence or two."""
    error: Problem | None = None
    seconds: float = 0.0


class Usage(Record):
    """What an answer, or a step, cost."""

    steps: int = 0
    searches: int = 0
    web_searches: int = 0
    model_calls: int = 0
    tokens: int = 0
    pictures: int = 0
    """Shown to models."""
    regions: int = 0
    """Looked at again."""
    seconds: float = 0.0


class Step(Record):
    """One turn of the loop: what was thought and asked, and what came of it."""

    number: int
    thought: str = ""
    plan: tuple[SubQuestion, ...] = ()
    """The whole plan, in the step in which it was made up front."""
    queries: tuple[Query, ...] = ()
    notes: tuple[Note, ...] = ()
    resolved: str = ""
    """The question as it is to be read from now on: standing alone, its bridges filled in."""
    done: bool = False
    reason: str = ""
    fallback: str = ""
    """Why this is not what the planner's model said, where it is not."""
    findings: tuple[Finding, ...] = ()
    """What each query brought, in their order; filled in by the loop, like what follows."""
    evidence: tuple[str, ...] = ()
    """Ids of the evidence that this step found first."""
    digest: str = ""
    usage: Usage = Usage()
    """Of planning and searching."""
    seconds: float = 0.0
    """Of planning and searching together."""
    error: str | None = None


class CitedPart(Record):
    """One of the things that a citation points at: a value, or what names it."""

    role: PartRole
    text: str
    """As it stands in the evidence: of a value that was measured, about what it is; of an
    ``axis`` how sure that is, where the ticks stand that it was measured between."""
    page: int
    box: PageFraction


class Citation(Record):
    """The place in a document that a claim of the answer rests on."""

    marker: int
    evidence_id: str
    document_id: str
    uri: str
    title: str
    modality: Modality
    page: int
    box: PageFraction
    """Union of ``boxes`` on the first page."""
    boxes: tuple[PageBox, ...]
    quote: str
    verified: bool
    """The quote stands in the evidence, letter for letter."""
    match: MatchKind = "exact"
    """How the words given as quote were found; ``quote`` is always the evidence's own."""
    score: float = 1.0
    """How near those words are to ``quote``, 0 to 1."""
    parts: tuple[CitedPart, ...] = ()
    """Of a value in a chart or table: what names its row and column, and the value itself;
    ``boxes`` are theirs then."""


class Objection(Record):
    """Why a claim is not taken as supported."""

    reason: Reason
    detail: str = ""
    """The number, name, page or words concerned."""
    marker: int | None = None
    """The citation concerned; ``None`` where all of the claim's are."""


class Support(Record):
    """Where in one of its citations a claim stands."""

    marker: int
    evidence_id: str
    start: int
    end: int
    """Characters of ``Evidence.text``."""
    score: float
    """How much of the claim these words say, 0 to 1."""


class Claim(Record):
    """A sentence of an answer and what the check of its citations found."""

    text: str
    """As it stands in the answer, markers included."""
    start: int
    end: int
    """Characters of the text that was checked; none (``start == end``) of a claim that a
    strict answer leaves out."""
    markers: tuple[int, ...] = ()
    verdict: Verdict
    objections: tuple[Objection, ...] = ()
    support: tuple[Support, ...] = ()
    derived: tuple[str, ...] = ()
    """Numbers that stand nowhere but follow from two that do, each with how."""
    suggested: str | None = None
    """Id of the evidence that supports the claim, where the cited does not."""


class Budget(Record):
    """The most that a question may cost; ``None`` sets no limit."""

    steps: int | None = Field(default=3, ge=1)
    seconds: float | None = Field(default=None, gt=0)
    model_calls: int | None = Field(default=None, ge=0)
    """Texts that models write, for planning and answering."""
    tokens: int | None = Field(default=None, ge=0)
    """Of their prompts and texts together."""
    pictures: int | None = Field(default=None, ge=0)
    """Shown to models."""
    web_searches: int | None = Field(default=10, ge=0)
    regions: int | None = Field(default=4, ge=0)
    """Places of pictures and pages that are looked at again."""


class Answer(Record):
    """The reply to a question, with what it rests on and how it was found."""

    question: str
    outcome: Outcome
    text: str
    """The answer with markers such as ``[1]``; says what was searched when abstaining."""
    short: str = ""
    """The answer alone: a phrase, name, number or choice; empty when there is none."""
    distribution: Mapping[str, float] = Field(default_factory=dict)
    """Of a multiple choice: how probable each choice is, by the evidence, if one of them is
    right; in their order, 1 together. All equal where nothing speaks for any."""
    citations: tuple[Citation, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    """Everything found, best first, over the whole run."""
    steps: tuple[Step, ...] = ()
    searched: tuple[str, ...] = ()
    """The queries that were run, each with its tool."""
    closest: Citation | None = None
    """When abstaining: what came nearest."""
    confidence: float = 0.0
    """Estimated probability that the evidence answers the question, 0 to 1."""
    usage: Usage = Usage()
    stop_reason: str = ""
    undone: tuple[str, ...] = ()
    """Queries that the budget did not allow, each with its tool."""
    resolved: str = ""
    """The question as it was read, where it was made to stand alone."""
    notes: tuple[Note, ...] = ()
    """What was seen, known or worked out on the way; no source."""
    conversation: str | None = None
    trace: str | None = None
    """Id of the trace that the home keeps of the run; ``None`` if it keeps none."""
    claims: tuple[Claim, ...] = ()
    """The sentences of the text, each checked against what it cites."""
    warnings: tuple[str, ...] = ()
    """What a reader should know, such as evidence that gives orders to a model."""


# --- reports ---------------------------------------------------------------


class Failure(Record):
    """A source that could not be ingested, and why."""

    uri: str
    error: str
    stage: str
    code: str = "document"
    remedy: str = ""


class IngestReport(Record):
    """What an ingest did; ``ingested`` and ``skipped`` count documents."""

    ingested: int = 0
    skipped: int = 0
    """Unchanged since they were ingested before."""
    failed: tuple[Failure, ...] = ()
    pages: int = 0
    chunks: int = 0
    images: int = 0
    seconds: float = 0.0
    text_seconds: float = 0.0
    """After how long all text could be searched; pictures and scanned pages come later."""
    notes: tuple[str, ...] = ()
    """What is as it is for a reason that the user can change."""


class Progress(Record):
    """How far an ingest is; passed to ``on_progress``."""

    stage: Literal["text", "pictures"] = "text"
    documents: int
    total: int
    """Documents so far known of; those in archives are found on the way."""
    pictures: int = 0
    """Pictures and scanned pages looked at."""
    pictures_total: int = 0
    pages: int
    pages_per_second: float
    seconds_left: float | None
    uri: str = ""


# --- batches ---------------------------------------------------------------


def _identifier(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool)
    if value is None or number or (isinstance(value, str) and 0 < len(value) <= 1000):
        return value
    raise ValueError("it has to be a text of 1 to 1,000 characters or a whole number")


Identifier = Annotated[str | int | None, BeforeValidator(_identifier)]


class BatchQuestion(Record):
    """One question of a batch; in a file, a line with these names as keys."""

    question: str
    id: Identifier = None
    """Yours, carried to the answer; the place in the batch, such as ``#12``, when ``None``."""
    images: tuple[Any, ...] = ()
    """As ``ask`` takes them; in a file paths, relative to the folder of the file."""
    collection: str | None = None
    """``None`` for the one of the batch; so with ``planner`` and ``budget``."""
    planner: str | None = None
    budget: Budget | None = None
    filters: Mapping[str, Any] | None = None
    """As ``ask`` takes them."""
    strict: bool | None = None
    """``None`` for that of the batch."""
    choices: tuple[str, ...] = ()
    """As ``ask`` takes them, none for an open question; carried to the answer."""
    conversation: str | None = None
    """As ``ask`` takes it; questions of one conversation should stand in batches of their
    own, since several are asked at a time."""
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Carried to the answer."""

    @field_validator("metadata")
    @classmethod
    def _writable(cls, metadata: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()  # or a ValueError
        return metadata


class BatchAnswer(Record):
    """What became of one question of a batch: an answer or an error, never both."""

    id: Identifier
    """``None`` where the line had none that could be read, or that of an earlier one."""
    line: int
    """Line of the file, place in the sequence; from 1."""
    question: str | None = None
    """``None`` where the line had none."""
    choices: tuple[str, ...] = ()
    metadata: Mapping[str, JsonValue] = Field(default_factory=dict)
    answer: Answer | None = None
    error: Problem | None = None


class BatchFailure(Problem):
    """A question of a batch that has no answer."""

    line: int
    id: Identifier


class BatchProgress(Record):
    """How far a batch is; passed to ``on_progress``."""

    done: int
    total: int | None
    """``None`` where it is not known."""
    failed: int
    per_second: float
    seconds_left: float | None


class BatchReport(Record):
    """What a batch did; every question counts under one outcome."""

    questions: int = 0
    answered: int = 0
    partial: int = 0
    abstained: int = 0
    budget_exhausted: int = 0
    failed: int = 0
    """Malformed lines and questions that ended in an error."""
    failures: tuple[BatchFailure, ...] = ()
    """The first twenty of the failed."""
    kept: int = 0
    """Questions that an earlier run had settled, counted above too."""
    seconds: float = 0.0
    per_second: float = 0.0
    """Questions settled in a second of this run."""


# --- events of a stream ----------------------------------------------------


class PlanEvent(Record):
    """The planner decided on a step, which runs now."""

    type: Literal["plan"] = "plan"
    step: Step


class StepEvent(Record):
    """A step is over."""

    type: Literal["step"] = "step"
    step: Step


class EvidenceEvent(Record):
    """A step found this."""

    type: Literal["evidence"] = "evidence"
    evidence: Evidence


class TokenEvent(Record):
    """The next piece of the answer's text."""

    type: Literal["token"] = "token"
    text: str


class CitationEvent(Record):
    """A citation of the answer."""

    type: Literal["citation"] = "citation"
    citation: Citation


class UsageEvent(Record):
    """What the answer cost."""

    type: Literal["usage"] = "usage"
    usage: Usage


class DoneEvent(Record):
    """The end, with the whole answer."""

    type: Literal["done"] = "done"
    answer: Answer


class ErrorEvent(Record):
    """The run failed; nothing follows."""

    type: Literal["error"] = "error"
    code: str
    message: str


Event = Annotated[
    PlanEvent
    | StepEvent
    | EvidenceEvent
    | TokenEvent
    | CitationEvent
    | UsageEvent
    | DoneEvent
    | ErrorEvent,
    Field(discriminator="type"),
]


def as_source(item: Source | str | Path) -> Source:
    """A path as a :class:`Source`; a Source as it is.

    Raises:
        InputError: If it is neither.
    """
    if isinstance(item, Source):
        return item
    if isinstance(item, str | Path):
        # Not resolved: a link stays itself. But ".." names no second document.
        return Source(uri=os.path.abspath(Path(item).expanduser()))  # noqa: PTH100
    raise InputError(f"cannot ingest a {type(item).__name__}.", remedy="Pass a path or a Source.")


def first_page_box(boxes: tuple[PageBox, ...]) -> PageBox:
    """The union of ``boxes`` on the first of their pages."""
    page = boxes[0].page
    return PageBox(page=page, box=union(entry.box for entry in boxes if entry.page == page))


def to_json_value(value: Any) -> Any:
    """Plain data for ``json.dumps``: what pydantic serialises, lists of it included."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    return value
