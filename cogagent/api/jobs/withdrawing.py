"""Answers of batches that are not to be shown: what they quote is deleted, or not the reader's."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cogagent.api.jobs import questions
from cogagent.api.quoting import told_in
from cogagent.errors import StorageError
from cogagent.indexes.files import write_whole
from cogagent.indexes.job_claims import Claims

log = logging.getLogger(__name__)
_GONE = {
    "code": "not_found",
    "message": "it quotes a document that is no longer there.",
    "remedy": "Ask again.",
}
_FULL = "Free some space."


def shown(
    lines: Iterable[bytes],
    withdrawn: Collection[int],
    quoted: Mapping[int, Collection[str]],
    sees: Callable[[Iterable[str]], bool],
) -> Iterator[bytes]:
    """Lines of answers, with an error in place of each that is not to be shown.

    Args:
        lines: The answers as they are kept.
        withdrawn: Numbers of those that quote what was deleted.
        quoted: By number, the documents that answers are known to quote.
        sees: Whether the reader sees all of some documents.
    """
    for line in lines:
        told = json.loads(line)
        answer = told["answer"]
        number = told["line"]
        if answer is not None and (
            number in withdrawn or not sees(told_in(answer) | set(quoted.get(number, ())))
        ):
            yield _without(told)
        else:
            yield line


def scrub(claims: Claims, folder: Path) -> None:
    """Remove what quotes deleted documents from the answers of batches that are over.

    Where there is no space for that, they stay, and are not shown.

    Args:
        claims: The queue.
        folder: Of all jobs.
    """
    for job, numbers in claims.withdrawn().items():
        path = folder / job / questions.ANSWERS
        if path.is_file():
            lines = path.read_bytes().splitlines(keepends=True)
            whole = (line for line in lines if line.endswith(b"\n"))
            kept = b"".join(shown(whole, numbers, {}, lambda _: True))
            if job not in claims.withdrawn():
                continue  # it is being tried once more: afterwards
            try:
                write_whole(path, kept, _FULL)
            except StorageError as error:
                log.warning("answers of %s that quote what was deleted stay: %s", job, error)
                continue
        claims.scrubbed(job, numbers)


def _without(told: Mapping[str, Any]) -> bytes:
    line = {**told, "answer": None, "error": _GONE}
    return f"{json.dumps(line, ensure_ascii=False)}\n".encode()
