"""A second attempt at a PDF that pdfium refuses: qpdf rebuilds what it can find of it."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger(__name__)
_END = b"\n%%EOF\n"
"""Without something behind it, the last object of a file that is cut off would be lost."""


def repaired(data: bytes, passwords: Sequence[str]) -> bytes | None:
    """The same document written anew and not encrypted, or ``None`` if that cannot be.

    qpdf looks for objects where the table of them is missing or wrong, does without a
    first line, a trailer or a length that is right, and decrypts a few files whose
    encryption pdfium takes for one with a password.

    Args:
        data: The file.
        passwords: Tried in turn, after none.
    """
    import pikepdf

    for password in ("", *passwords):
        target = io.BytesIO()
        try:
            with pikepdf.open(io.BytesIO(data + _END), password=password) as document:
                if len(document.pages) == 0:
                    return None
                document.save(target)
        except pikepdf.PasswordError:
            continue
        except (pikepdf.PikepdfError, ValueError, TypeError, RuntimeError, LookupError) as error:
            # What qpdf meets in a broken file comes as any of these.
            _log.info("not repaired: %s", error)
            return None
        return target.getvalue()
    return None
