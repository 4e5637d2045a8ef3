"""The XML members of a ZIP file, parsed so that they expand, load and fetch nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lxml import etree

from cogagent.documents.base import label
from cogagent.documents.zipped import open_zip
from cogagent.errors import CorruptDocumentError

if TYPE_CHECKING:
    from cogagent.config import LimitSettings

Node = Any
"""An lxml element; lxml has no types of its own."""

_MOST = 64 << 20
"""Bytes of a member that is read as a whole."""
_SAFE: dict[str, Any] = {
    "resolve_entities": False, "no_network": True, "load_dtd": False, "remove_comments": True,
}  # fmt: skip


class XmlParts:
    """Members by name; upper and lower case are told apart only where both are there.

    Args:
        data: The whole ZIP file.
        uri: For messages.
        limits: ``unpacked_mb`` and ``members`` count.

    Raises:
        CorruptDocumentError: If it is no ZIP file, or damaged.
        LimitExceededError: If there is too much in it.
    """

    def __init__(self, data: bytes, uri: str, limits: LimitSettings) -> None:
        self.uri = uri
        self._zip = open_zip(data, uri, limits)
        self._names = {name.casefold(): name for name in self._zip.names}
        self.names = self._zip.names

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._names

    def size(self, name: str) -> int:
        """What a member is said to have, in bytes; a claim that reading it puts to the test."""
        return self._zip.size(self._known(name))

    def read(self, name: str) -> bytes:
        """A member as bytes.

        Raises:
            CorruptDocumentError: If there is none of that name, or it is damaged.
            PasswordRequiredError: If it is encrypted.
            LimitExceededError: If it, or all that was read, is larger than allowed.
        """
        return self._zip.read(self._known(name), _MOST)

    def root(self, name: str) -> Node:
        """A member as a tree; errors are those of :meth:`read`, and it has to be XML."""
        try:
            root = etree.fromstring(self.read(name), etree.XMLParser(**_SAFE, remove_pis=True))
        except etree.XMLSyntaxError as error:
            raise self._damaged(name, error) from error
        return root

    def find(self, name: str) -> Node | None:
        """A member as a tree, ``None`` if there is none of that name."""
        return self.root(name) if name in self else None

    def stream(self, name: str, *tags: str) -> Iterator[Node]:
        """The elements of some names in any namespace, each complete, and emptied after.

        Raises:
            CorruptDocumentError: If there is no such member, or it is no XML.
        """
        parser = etree.XMLPullParser(("end",), tag=[f"{{*}}{tag}" for tag in tags], **_SAFE)
        try:
            for piece in self._zip.pieces(self._known(name)):
                parser.feed(piece)
                for _, node in parser.read_events():
                    yield node
                    _drop(node)
            parser.close()
            for _, node in parser.read_events():
                yield node
        except etree.XMLSyntaxError as error:
            raise self._damaged(name, error) from error

    def _known(self, name: str) -> str:
        return name if name in self._zip else self._names.get(name.casefold(), name)

    def _damaged(self, name: str, error: Exception) -> CorruptDocumentError:
        return CorruptDocumentError(
            f"{label(self.uri)} has a damaged part '{name}': {error}.", uri=self.uri
        )


def _drop(node: Node) -> None:
    """Forget an element and what came before it, or a sheet would be in memory whole."""
    node.clear()
    parent = node.getparent()
    if parent is not None:
        while node.getprevious() is not None:
            del parent[0]


def local(node: Node) -> str:
    """An element's name without its namespace; empty for an entity, which is no element."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def attribute(node: Node, name: str) -> str | None:
    """An attribute by its name without its namespace."""
    return next((value for key, value in node.items() if key.rpartition("}")[2] == name), None)
