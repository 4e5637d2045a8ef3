"""Delimited text (CSV, TSV): the separator is told by what reads best, quotes are doubted."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, takewhile
from typing import TYPE_CHECKING

from cogagent.documents import grids
from cogagent.documents.base import label
from cogagent.documents.registry import CSV, TSV, looks_like_text
from cogagent.documents.text import charset_of, clean, decode, paragraphs
from cogagent.errors import CorruptDocumentError
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from cogagent.config import LimitSettings, ParseSettings

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE_LINES = 200
_SAMPLE_CHARACTERS = 1 << 16
_HEAD = 8192
_MOST_CELLS = 100_000
_LONGEST_QUOTE = 1000
"""Lines that a quoted field may go on over; after that its quote was just a character."""
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_WORDY = re.compile(r"[,;\t|]")
_DIRECTIVE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_HEADER = re.compile(r";\s*header\s*=\s*\"?(present|absent)", re.IGNORECASE)

Record = list[str]


class DelimitedLoader:
    """Reads CSV and its kin as one page with one table, in pieces of some hundred rows.

    The separator is the one of comma, semicolon, tab and bar that makes the most
    even rows of the plainest cells; a first line ``sep=;`` names it, as
    spreadsheets write. Rows may be ragged, quoted fields may have line breaks.
    The media type's ``header`` parameter (RFC 4180) is honoured.
    """

    media_types = (CSV, TSV)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        del limits, parse  # the pieces are bounded, whatever the file

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element, then the table's pieces; lines that are no table are text.

        Raises:
            CorruptDocumentError: If the bytes are no text.
        """
        assert source.data is not None
        if not _is_text(source.data[:_HEAD]):
            raise CorruptDocumentError(f"{label(source.uri)} is not text.", uri=source.uri)
        media_type = source.media_type or ""
        text = decode(source.data, charset_of(media_type))
        yield Element(kind="page")
        for order, element in enumerate(_elements(text, media_type), start=1):
            yield element.model_copy(update={"order": order})


def sniff(lines: Sequence[str]) -> str | None:
    """The separator of the first lines of a file; ``None`` if there is no column but one.

    Every candidate reads the sample; what counts is the share of rows of the
    commonest width, times the share of cells that hold no other candidate or are
    numbers with one: ``1,5;2,5`` is even by comma as well, but its cells are not.
    """
    best, found = 0.0, None
    for separator in _SEPARATORS:
        records = [row for row in _records(iter(lines), separator) if any(row)]
        widths = Counter(len(row) for row in records)
        widths.pop(1, None)
        if not widths:
            continue
        share = widths.most_common(1)[0][1] / len(records)
        cells = [cell.strip() for row in records for cell in row]
        plain = sum(not _WORDY.search(cell) or grids.is_value(cell) for cell in cells)
        # Rows that only some lines make are chance, as commas in prose are.
        score = share * plain / len(cells)
        if score > best + 1e-9:
            best, found = score, separator
    return found


def _is_text(head: bytes) -> bool:
    """Text, or text with some NULs in it, as databases let slip; a binary file has many."""
    few = 10 * head.count(0) < len(head)
    return looks_like_text(head) or (few and looks_like_text(head.replace(b"\0", b" ")))


def _elements(text: str, media_type: str) -> Iterator[Element]:
    lines = _lines(text)
    sample = _sample(lines)
    separator: str | None = None
    if sample and (directive := _DIRECTIVE.fullmatch(sample[0])):
        separator = directive[1]
        sample = sample[1:]
    elif media_type.partition(";")[0].strip().lower() == TSV:
        separator = "\t"
    separator = separator or sniff(sample)
    # One column has no separator, yet may be quoted.
    records = _records(chain(sample, lines), separator or ",")
    if separator is None:
        records = ([",".join(record)] for record in records)
    declared = _HEADER.search(media_type)
    yield from _tables(records, declared[1].lower() if declared else None)


def _tables(records: Iterator[Record], declared: str | None) -> Iterator[Element]:
    """Runs of rows as tables under the first one's header, what is too wide as text."""
    header: list[Record] | None = None
    for rows in _batches(records):
        if isinstance(rows, str):
            for part in paragraphs(rows, wrapped=False):
                yield Element(kind="text", text=part)
            continue
        if header is None:
            for record in (preamble := _preamble(rows)):
                yield Element(kind="text", text=" ".join(record[0].split()))
            rows = rows[len(preamble) :]
            count = grids.count_header(rows) if declared is None else int(declared == "present")
            header, rows = rows[:count], rows[count:]
        yield from grids.table_elements(header, rows)


def _preamble(rows: list[Record]) -> list[Record]:
    """The first rows, as long as they have one cell where most have several: a title, a date."""
    usual = Counter(map(len, rows)).most_common(1)[0][0]
    return list(takewhile(lambda row: len(row) == 1 < usual, rows))


def _batches(records: Iterator[Record]) -> Iterator[list[Record] | str]:
    """Rows that are not blank, some hundred at a time; a row too wide comes joined."""
    batch: list[Record] = []
    cells = 0
    for record in records:
        while record and not record[-1].strip():
            record.pop()
        if not record:
            continue
        wide = len(record) > grids.MOST_COLUMNS
        if batch and (wide or len(batch) == grids.MOST_ROWS + 1 or cells > _MOST_CELLS):
            yield batch
            batch, cells = [], 0
        if wide:
            yield " | ".join(record)
        else:
            batch.append(record)
            cells += len(record)
    if batch:
        yield batch


def _lines(text: str) -> Iterator[str]:
    """Lines that end in a line feed, however the file ends its own, made fit to be stored."""
    for match in _LINE.finditer(text):
        line = clean(match[0])
        yield line if line.endswith("\n") else f"{line}\n"


def _sample(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if len(sample) >= _SAMPLE_LINES or size > _SAMPLE_CHARACTERS:
            break
    return sample


def _records(lines: Iterator[str], separator: str) -> Iterator[Record]:
    """The rows; a quote that does not close is a character, and so are all after it."""
    # Its limit, 128 KiB, belongs to the process, and a longer field is no error.
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 31))
    kept: list[str] = []  # the lines of the record being read

    def remembered() -> Iterator[str]:
        for line in lines:
            kept.append(line)
            yield line
            if len(kept) == _LONGEST_QUOTE:
                return

    for record in csv.reader(remembered(), delimiter=separator, skipinitialspace=True):
        # A record keeps the line break at its end only if its quote ran to the end of the lines.
        ran_on = bool(record) and record[-1].endswith("\n")
        if ran_on and (len(kept) == _LONGEST_QUOTE or _quotes(kept) % 2):
            rest = chain(kept, lines)
            yield from csv.reader(rest, delimiter=separator, quoting=csv.QUOTE_NONE)
            return
        kept.clear()
        yield record


def _quotes(lines: Iterable[str]) -> int:
    return sum(line.count('"') for line in lines)
