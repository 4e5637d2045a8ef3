"""Office documents behind a password."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

from cogagent.documents.base import label
from cogagent.errors import CorruptDocumentError, PasswordRequiredError

if TYPE_CHECKING:
    from cogagent.config import ParseSettings

_log = logging.getLogger(__name__)
_PACKAGE = "EncryptedPackage".encode("utf-16-le")


def decrypt(data: bytes, uri: str, parse: ParseSettings) -> bytes:
    """What an OLE container hides behind a password; the same bytes if it hides nothing.

    Raises:
        PasswordRequiredError: No configured password fits.
        CorruptDocumentError: It is damaged.
    """
    try:
        document = _opened(data)
        if not document.is_encrypted():
            return data
    except Exception as error:  # msoffcrypto and olefile raise whatever they trip over
        if _PACKAGE not in data:
            # Formats that it does not know, as those of the nineties, may be sound.
            _log.info("%s: whether it is encrypted cannot be told: %s", uri, error)
            return data
        raise CorruptDocumentError(
            f"{label(uri)} is a damaged office document: {error}.", uri=uri
        ) from error
    for secret in parse.passwords:
        found = _tried(document, secret.get_secret_value(), uri)
        if found is not None:
            return found
    count = len(parse.passwords)
    tried = f"none of the {count} configured passwords" if count else "no password"
    raise PasswordRequiredError(
        f"{label(uri)} is encrypted and {tried} opens it.",
        uri=uri,
        remedy="Add its password to parse.passwords (COGAGENT_PARSE__PASSWORDS).",
    )


def _opened(data: bytes) -> Any:
    import msoffcrypto

    return msoffcrypto.OfficeFile(io.BytesIO(data))


def _tried(document: Any, password: str, uri: str) -> bytes | None:
    """The decrypted bytes, ``None`` if the password does not fit."""
    from msoffcrypto.exceptions import InvalidKeyError

    out = io.BytesIO()
    # The old formats always verify, and take no word for it.
    verify = {"verify_password": True} if document.format == "ooxml" else {}
    try:
        document.load_key(password=password, **verify)
        document.decrypt(out)
    except InvalidKeyError:
        return None
    except Exception as error:  # as above
        raise CorruptDocumentError(
            f"{label(uri)} cannot be decrypted: {type(error).__name__}: {error}.", uri=uri
        ) from error
    return out.getvalue()
