"""Tools from outside: LlamaIndex tools and retrievers, and whatever speaks as a tool does.

What they bring is evidence like any other: quoted, checked, fenced in prompts. It
stands under the tool's own name, so that none of it passes for a document of the home.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import math
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from cogagent.documents.pool import ParserPool
from cogagent.documents.sentences import sentences
from cogagent.errors import CogAgentError, InputError, NotFoundError, ToolError, ToolTimeoutError
from cogagent.geometry import FULL_PAGE, Box, make_box
from cogagent.models.kept import Kept
from cogagent.retrievers.base import Tool
from cogagent.types import (
    Evidence,
    MetaValue,
    PageBox,
    Query,
    Raster,
    Source,
    ToolSpec,
    clean,
    storable,
)

SECONDS = 60.0
"""Longest time for one call."""
_LONGEST = 100_000
"""Characters of what a call brings."""
_PASSAGE = 1500
"""Characters of a piece that a plain text is cut into, at the ends of sentences."""
_DESCRIPTION, _TITLE = 300, 200
_PICTURES_MB, _PICTURES_SECONDS = 64.0, 3600.0
_LLAMA = "llama_index.core"


def as_tool(given: Any, parsers: ParserPool | None = None, seconds: float = SECONDS) -> Tool:
    """An object as a tool that planners can ask.

    Args:
        given: A LlamaIndex ``BaseTool`` that takes one text, such as ``FunctionTool``,
            ``QueryEngineTool`` and ``RetrieverTool``; a LlamaIndex ``BaseRetriever``; or
            an object with a ``spec`` and ``retrieve`` or ``aretrieve``, which stays itself.
        parsers: Decode the pictures that it brings; without them they are not shown.
        seconds: Longest time for one call of a LlamaIndex object.

    Raises:
        InputError: If it is none of these.
    """
    spec = getattr(given, "spec", None)
    if isinstance(spec, ToolSpec) and any(
        callable(getattr(given, name, None))
        for name in (("anote",) if spec.notes else ("retrieve", "aretrieve"))
    ):
        return cast("Tool", given)
    # Whoever has such an object has imported LlamaIndex, which takes a second to import.
    if _LLAMA in sys.modules:
        from llama_index.core.base.base_retriever import BaseRetriever
        from llama_index.core.tools import BaseTool

        if isinstance(given, BaseTool):
            return _of_tool(given, parsers, seconds)
        if isinstance(given, BaseRetriever):
            name = _name(type(given).__name__)
            spec = ToolSpec(name=name, description=f"Passages that {name} finds.")
            return OutsideTool(spec, _retrieval(given), parsers, seconds)
    raise InputError(
        f"a {type(given).__name__} is no tool.",
        remedy="Pass a LlamaIndex tool or retriever, or an object with a ToolSpec as `spec` "
        "and the method `retrieve` or `aretrieve`.",
    )


class OutsideTool:
    """Asks an object of another library and makes evidence of what it brings.

    Args:
        spec: What planners are told of it.
        ask: Gives nodes or text for a text.
        parsers: Decode pictures.
        seconds: Longest time for one call.
    """

    def __init__(
        self,
        spec: ToolSpec,
        ask: Callable[[str], Awaitable[Any]],
        parsers: ParserPool | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self.spec = spec
        self._ask = ask
        self._parsers = parsers
        self._seconds = seconds
        self._pictures: Kept[Source] = Kept(
            _PICTURES_MB, _PICTURES_SECONDS, lambda source: 1000 + len(source.data or b"")
        )

    async def aretrieve(self, query: Query, k: int) -> list[Evidence]:
        """The first ``k`` pieces of what the tool brings, in its own order.

        Raises:
            ToolTimeoutError: If it does not answer in time.
            ToolError: If it fails.
        """
        name = self.spec.name
        try:
            async with asyncio.timeout(self._seconds) as limit:
                brought = await self._ask(query.text)
        except CogAgentError:
            raise
        except TimeoutError as error:
            if not limit.expired():
                raise _failed(name, error) from error
            raise ToolTimeoutError(
                f"the tool {name!r} did not answer in {self._seconds:g} seconds."
            ) from error
        except Exception as error:  # any error of any library may come up here
            raise _failed(name, error) from error
        if isinstance(brought, str):
            return self._texts(brought, query)[:k]
        return [self._piece(*each, query) for each in _nodes(brought) if _worth(each[0])][:k]

    def picture(self, document: str) -> Raster:
        """The pixels of a picture that the tool brought, by its ``document_id``.

        Raises:
            NotFoundError: If there is none, or it was brought too long ago.
            DocumentError: If it cannot be decoded.
        """
        source = self._pictures.find(document)
        if source is None or self._parsers is None:
            raise NotFoundError(
                f"of {document!r}, which the tool {self.spec.name!r} brought, no copy is kept."
            )
        return self._parsers.render(source, 1, 150)

    def _texts(self, text: str, query: Query) -> list[Evidence]:
        """A text as passages, each a stretch of it letter for letter."""
        whole = clean(text)[:_LONGEST]
        uri = f"tool:{self.spec.name}"
        pieces = [whole[start:end] for start, end in _stretches(whole)]
        return [
            Evidence(
                id=self._id(query.text, piece),
                document_id=f"{uri}:{_digest(query.text)}",
                uri=uri,
                title=self.spec.name,
                media_type="text/plain",
                page=1,
                box=FULL_PAGE,
                modality="text",
                text=piece,
                score=round(1.0 - place / len(pieces), 6),
                query=query.text,
                metadata=self._told({}),
            )
            for place, piece in enumerate(pieces)
        ]

    def _piece(self, node: Any, score: float, query: Query) -> Evidence:
        told: Mapping[str, Any] = node.metadata or {}
        text = _content(node)
        uri = _first(told, "uri", "url", "source", "file_path") or f"tool:{self.spec.name}"
        origin = getattr(node, "ref_doc_id", None) or uri
        pictured = _is_picture(node)
        document = (
            f"tool:{self.spec.name}:{_digest(str(origin), node.node_id if pictured else '')}"
        )
        if pictured:
            self._keep(document, node)
        return Evidence(
            id=self._id(str(origin), text, node.node_id if pictured else ""),
            document_id=document,
            uri=uri,
            title=_line(_first(told, "title", "file_name", "name")) or self.spec.name,
            media_type=_first(told, "media_type", "file_type") or "text/plain",
            page=_page(told),
            box=_box(told.get("box")) or FULL_PAGE,
            boxes=_boxes(told.get("boxes")),
            modality="image" if pictured else "text",
            text=text,
            score=score,
            query=query.text,
            metadata=self._told(told),
        )

    def _told(self, metadata: Mapping[str, Any]) -> dict[str, MetaValue]:
        """What can be kept of a node's metadata, and whose it is."""
        kept: dict[str, MetaValue] = {
            clean(str(key)): clean(value) if isinstance(value, str) else value
            for key, value in metadata.items()
            if storable(value)
        }
        return kept | {"kind": "tool", "tool": self.spec.name}

    def _keep(self, document: str, node: Any) -> None:
        """Keeps what a picture is made of; one that is only an address stays unseen."""
        if node.image:
            try:
                coded = "".join(str(node.image).rpartition(",")[2].split())
                data = base64.b64decode(coded, validate=True)
            except (binascii.Error, ValueError):
                return
            self._pictures.keep(document, Source(uri=document, data=data))
        elif node.image_path:
            self._pictures.keep(document, Source(uri=str(node.image_path)))

    def _id(self, *parts: str) -> str:
        return f"{self.spec.name}-{_digest(*parts)}"


def _of_tool(tool: Any, parsers: ParserPool | None, seconds: float) -> OutsideTool:
    from llama_index.core.tools import AsyncBaseTool

    told = tool.metadata
    name = _name(told.name or type(tool).__name__)
    schema = told.get_parameters_dict()
    needed, known = schema.get("required", []), schema.get("properties", {})
    if len(needed) > 1 or not known:
        raise InputError(
            f"the tool {name!r} takes {', '.join(needed) or 'no'} arguments; "
            "planners have one text for it.",
            remedy="Wrap it in a function of one argument.",
        )

    async def ask(text: str) -> Any:
        if isinstance(tool, AsyncBaseTool) and not _blocks(getattr(tool, "retriever", None)):
            output = await tool.acall(text)
        else:
            output = await asyncio.to_thread(tool, text)
        if output.is_error:
            raise ToolError(f"the tool {name!r} fails: {output.content[:300]}")
        return output.raw_output if _nodes(output.raw_output) else output.content

    described = " ".join((told.description or name).split())[:_DESCRIPTION]
    return OutsideTool(ToolSpec(name=name, description=described), ask, parsers, seconds)


def _retrieval(retriever: Any) -> Callable[[str], Awaitable[Any]]:
    async def ask(text: str) -> Any:
        if _blocks(retriever):
            return await asyncio.to_thread(retriever.retrieve, text)
        return await retriever.aretrieve(text)

    return ask


def _blocks(retriever: Any) -> bool:
    """Whether a retriever's asynchronous method is the inherited one, which blocks the loop."""
    from llama_index.core.base.base_retriever import BaseRetriever

    return (
        isinstance(retriever, BaseRetriever)
        and type(retriever)._aretrieve is BaseRetriever._aretrieve
    )


def _nodes(brought: Any) -> list[tuple[Any, float]]:
    """The nodes in what a tool brought, each with its score; none in a plain value."""
    from llama_index.core.schema import BaseNode, NodeWithScore

    found = getattr(brought, "source_nodes", brought)
    found = found if isinstance(found, list | tuple) else [found]
    if not all(isinstance(each, BaseNode | NodeWithScore) for each in found):
        return []
    nodes = []
    for place, each in enumerate(found):
        scored = isinstance(each, NodeWithScore)
        score = each.score if scored else None
        if score is None or not math.isfinite(score):
            score = 1.0 - place / len(found)  # the order is all that the tool says
        nodes.append((each.node if scored else each, float(score)))
    return nodes


def _worth(node: Any) -> bool:
    return _is_picture(node) or bool(_content(node).strip())


def _content(node: Any) -> str:
    from llama_index.core.schema import MetadataMode

    return clean(node.get_content(MetadataMode.NONE))[:_LONGEST]


def _is_picture(node: Any) -> bool:
    from llama_index.core.schema import ImageNode

    return isinstance(node, ImageNode)


def _first(told: Mapping[str, Any], *names: str) -> str:
    values = (told.get(name) for name in names)
    return next((clean(value) for value in values if isinstance(value, str) and value), "")


def _line(text: str) -> str:
    return " ".join(text.split())[:_TITLE]


def _page(told: Mapping[str, Any]) -> int:
    for name in ("page", "page_label", "page_number"):
        text = str(told.get(name, ""))
        if text.isascii() and text.isdigit() and int(text[:9]) > 0:
            return int(text[:9])
    return 1


def _box(value: Any) -> Box | None:
    """Four fractions of a page as a box, if they are."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    try:
        return PageBox(page=1, box=make_box(*map(float, value))).box
    except (ValueError, TypeError, ValidationError):
        return None


def _boxes(value: Any) -> tuple[PageBox, ...]:
    if not isinstance(value, list | tuple):
        return ()
    found = []
    for entry in value:
        told = entry if isinstance(entry, Mapping) else {}
        box = _box(told.get("box"))
        if box is not None:
            found.append(PageBox(page=_page(told), box=box))
    return tuple(found)


def _stretches(text: str) -> list[tuple[int, int]]:
    """Runs of whole sentences, as long as a passage may be."""
    runs: list[tuple[int, int]] = []
    for start, end in sentences(text):
        if runs and end - runs[-1][0] <= _PASSAGE:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _name(text: str) -> str:
    """A tool's name as planners know names."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    plain = re.sub(r"[^a-z0-9_-]+", "_", plain.lower()).strip("_-")
    return (plain if plain[:1].isalpha() else f"tool_{plain}".rstrip("_"))[:64]


def _digest(*parts: str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part.encode("utf-8", "surrogatepass"))
    return whole.hexdigest()[:16]


def _failed(name: str, error: Exception) -> ToolError:
    reason = str(error).strip().split("\n", 1)[0][:300]
    return ToolError(f"the tool {name!r} fails: {type(error).__name__}: {reason}")
