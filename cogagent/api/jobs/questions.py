"""The questions of a batch, checked when they are submitted and kept as the worker reads them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cogagent.errors import InputError
from cogagent.indexes.files import write_whole
from cogagent.pipelines.batch import Asked, Intake
from cogagent.pipelines.line_files import parsed
from cogagent.types import BatchAnswer, BatchQuestion, Budget

QUESTIONS, ANSWERS = "questions.jsonl", "answers.jsonl"
PICTURES = "pictures"
_DATA_URI = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z-]+=[^;,]*)*;base64,", re.IGNORECASE)
_LISTED = 10
"""Lines that a refusal lists."""
_FULL = "Free some space, send it again."


class Checker:
    """Checks the questions of a batch for one caller.

    Args:
        folder: Of the job; made if missing. Pictures go there.
        require_collection: Raises for a collection that the caller may not use.
        require_planner: Raises for a planner that is not there.
        budget: Cuts a budget to what the service allows.
    """

    def __init__(
        self,
        folder: Path,
        require_collection: Callable[[str], None],
        require_planner: Callable[[str], None],
        budget: Callable[[Budget | None], Budget],
    ) -> None:
        self._folder = folder
        self._require_collection = require_collection
        self._require_planner = require_planner
        self._budget = budget
        self._pictures = 0

    def check(
        self, lines: Iterable[bytes | None], collection: str, budget: Budget | None
    ) -> list[BatchQuestion | None]:
        """The questions, each with an id and a budget, their pictures as files beside them.

        A blank line is ``None``: the answers name the lines of the questions.

        Args:
            lines: JSON, a question each; ``None`` for one that is too long.
            collection: For questions that name none.
            budget: Likewise.

        Raises:
            InputError: If there is none, or a line is none that can be answered; it names
                the first of those.
            DiskFullError: If there is no space for their pictures.
        """
        self._require_collection(collection)
        questions: list[BatchQuestion | None] = []
        wrong: list[str] = []
        intake = Intake()
        for number, line in enumerate(lines, 1):
            if line is not None and not line.strip():
                questions.append(None)
                continue
            try:
                questions.append(self._question(intake, number, line, budget))
            except InputError as error:
                wrong.append(f"line {number}: {error.message}")
        if wrong:
            more = f" And {len(wrong) - _LISTED} more." if len(wrong) > _LISTED else ""
            raise InputError(f"{' '.join(wrong[:_LISTED])}{more}", remedy="Nothing was queued.")
        if not any(questions):
            raise InputError("there are no questions.", remedy='Write {"question": "…"} a line.')
        return questions

    def _question(
        self, intake: Intake, number: int, line: bytes | None, budget: Budget | None
    ) -> BatchQuestion:
        item = intake.take(number, parsed(line))
        if isinstance(item, BatchAnswer):
            assert item.error is not None
            raise InputError(item.error.message)
        return self._allowed(item, budget)

    def _allowed(self, item: Asked, budget: Budget | None) -> BatchQuestion:
        question = item.question
        if question.collection is not None:
            self._require_collection(question.collection)
        if question.planner is not None:
            self._require_planner(question.planner)
        return question.model_copy(
            update={
                "budget": self._budget(question.budget or budget),
                "images": tuple(map(self._kept, question.images)),
            }
        )

    def _kept(self, image: Any) -> str:
        """A picture as a file of the job; a path would be one of this machine's."""
        found = _DATA_URI.match(image) if isinstance(image, str) else None
        if found is None:
            raise InputError(
                "a picture has to be a data: URI of a picture, in base64.",
                remedy="Paths and addresses are not read.",
            )
        try:
            data = base64.b64decode(image[found.end() :], validate=True)
        except binascii.Error as error:
            raise InputError(f"the base64 of a picture does not decode: {error}.") from error
        self._pictures += 1
        name = f"{PICTURES}/{self._pictures}"
        write_whole(self._folder / name, data, _FULL)
        return name


def split(data: bytes) -> Iterator[bytes]:
    """The lines of JSON Lines in memory."""
    yield from data.removeprefix(b"\xef\xbb\xbf").splitlines()


def write(path: Path, questions: Sequence[BatchQuestion | None]) -> None:
    """Write questions as the worker reads them, a line each."""
    lines = (
        "" if one is None else one.model_dump_json(exclude_defaults=True) for one in questions
    )
    write_whole(path, "".join(f"{line}\n" for line in lines).encode(), _FULL)
