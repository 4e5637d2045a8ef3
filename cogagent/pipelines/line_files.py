"""Files of JSON Lines: read a line at a time, whatever they hold."""

from __future__ import annotations

import codecs
import itertools
import stat
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from pydantic_core import from_json

from cogagent.errors import InputError

MAX_LINE = 4_000_000
"""Bytes of a line; its question may have 20,000 characters, the rest is metadata."""


class LineFile:
    """JSON Lines in UTF-8; blank lines do not count.

    Args:
        path: The file; a pipe will do, which then can be read only once.
        what: What its lines are, for messages.

    Raises:
        InputError: If it cannot be read.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        try:
            self.status = path.stat()
        except (OSError, ValueError) as error:
            _unreadable(path, error)
        if stat.S_ISDIR(self.status.st_mode):
            raise InputError(f"{str(path)!r} is a folder, not a file of {what}.")

    def count(self) -> int | None:
        """How many lines there are; ``None`` for a pipe."""
        if not stat.S_ISREG(self.status.st_mode):
            return None
        with closing(self.lines()) as lines:
            return sum(1 for _ in lines)

    def lines(self) -> Generator[tuple[int, bytes | None], None, None]:
        """Number and bytes of each line that is not blank; no bytes of one that is too long."""
        try:
            with self.path.open("rb") as file:
                for number in itertools.count(1):
                    line = file.readline(MAX_LINE + 1)
                    if not line:
                        return
                    if number == 1:
                        line = line.removeprefix(codecs.BOM_UTF8)
                    if len(line) > MAX_LINE:
                        _skip(file, line)
                        yield number, None
                    elif line.strip():
                        yield number, line
        except OSError as error:
            _unreadable(self.path, error)


def parsed(line: bytes | None) -> Mapping[str, Any]:
    """The object that a line holds.

    Raises:
        InputError: If it holds none, or is too long (``None``).
    """
    if line is None:
        raise InputError(
            f"the line has over {MAX_LINE} bytes.",
            remedy="Ingest long texts as documents and ask about them.",
        )
    try:
        line.decode()
        value = from_json(line, allow_inf_nan=False)
    except UnicodeDecodeError as error:
        raise InputError("the line is not UTF-8.", remedy="Save the file as UTF-8.") from error
    except ValueError as error:
        reason = str(error).replace(" at line 1 column", " at column")
        raise InputError(f"the line is not JSON: {reason}.") from error
    if not isinstance(value, dict):
        raise InputError("the line is not a JSON object.", remedy='Write {"question": "…"}.')
    return value


def _skip(file: BinaryIO, line: bytes) -> None:
    """Read on to the end of the line that starts with ``line``."""
    while line and not line.endswith(b"\n"):
        line = file.readline(1 << 20)


def _unreadable(path: Path, error: Exception) -> NoReturn:
    raise InputError(f"cannot read {str(path)!r}: {error}.") from error
