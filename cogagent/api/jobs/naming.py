"""What is uploaded, and the uri that a document of it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cogagent.api.callers import Caller
from cogagent.api.jobs.uploads import Spooled
from cogagent.documents import registry
from cogagent.documents.base import MEMBER
from cogagent.errors import InputError
from cogagent.types import MetaValue

_LONGEST_URI = 2000
_LONGEST_NAME = 150
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")
_NOT_YOURS = ("file:", "web:", "tool:", "upload:")
"""Schemes whose documents the program names itself."""
_UNSAID = ("application/octet-stream", "binary/octet-stream", "application/x-unknown", "*/*")
_VAGUE = (registry.TEXT, registry.UNKNOWN, "application/zip", "application/x-ole-storage")
"""Kinds that say little of what a file is."""
_WRAPPED = (b"PK", b"\xd0\xcf\x11\xe0")
"""How files begin of which all is needed to tell their kind."""
_HEAD = 8192


@dataclass(frozen=True, slots=True)
class Upload:
    """A document that is to be ingested: a file that was uploaded, or an address.

    Attributes:
        file: What :class:`Uploads` made of it.
        url: Where it is to be fetched from instead.
        name: Of the file, as the client called it.
        uri: A name of the client's with a scheme, such as ``note:1``; ``None`` to have one made.
        media_type: As the client says; believed where the file itself does not tell.
        principals: Who may see it; none for everybody who may use the collection.
    """

    file: Spooled | None = None
    url: str | None = None
    name: str = ""
    uri: str | None = None
    media_type: str | None = None
    title: str | None = None
    metadata: Mapping[str, MetaValue] = field(default_factory=dict)
    principals: tuple[str, ...] = ()


def uri_of(caller: Caller, upload: Upload) -> str:
    """The uri of a document: the caller's own, or one that is made from what it is."""
    uri = upload.uri
    if uri is None and upload.url is not None:
        return upload.url.replace(MEMBER, "%21/")
    if uri is None:
        assert upload.file is not None
        whose = caller.owner or "local"
        return f"upload:{whose}/{upload.file.sha256[:16]}/{_file_name(upload.name)}"
    if len(uri) > _LONGEST_URI or not uri.isprintable() or not _SCHEME.match(uri):
        raise InputError(
            f"{uri[:100]!r} is no uri.",
            remedy=f"Use a scheme and a name, such as note:1; at most {_LONGEST_URI} printable "
            "characters.",
        )
    if uri.lower().startswith(_NOT_YOURS) or MEMBER in uri:
        raise InputError(
            f"the uri {uri[:100]!r} is of a kind that the program gives itself.",
            remedy="Use another scheme, such as note:1.",
        )
    return uri


def _file_name(name: str) -> str:
    """The last part of a name, without what could not be printed; its ending is kept."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(char if char.isprintable() else "_" for char in last).strip(" .") or "file"
    if len(plain) <= _LONGEST_NAME:
        return plain
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > 20:
        return plain[:_LONGEST_NAME]
    return f"{stem[: _LONGEST_NAME - len(ending) - 1]}.{ending}"


def kind_of(path: Path | bytes, name: str, said: str | None) -> str | None:
    """What a file is to be read as: what it is by content and name, or else what was said.

    What clients and servers say is often wrong (a CSV file as a spreadsheet), and what a
    file is said to be must not decide what is made of it where the file itself tells.

    Args:
        path: The file, or its bytes.
        name: As the client called it, or the address it is from.
        said: Its media type, as the client or the server has it.

    Returns:
        A media type, with parameters if it is the one that was said.
    """
    plain = registry.base_type(said or "")
    if isinstance(path, Path):
        with path.open("rb") as file:
            head = file.read(_HEAD)
        data = path.read_bytes() if head.startswith(_WRAPPED) else head
    else:
        data = path
    found = registry.detect(data, name)
    if not plain or plain in _UNSAID:
        return found
    return said if found in (plain, *_VAGUE) else found
