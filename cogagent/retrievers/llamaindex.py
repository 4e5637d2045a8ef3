"""LlamaIndex over a home: its query engines work on cogagent's evidence."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cogagent.errors import CogAgentError, MissingPackageError
from cogagent.indexes.filters import Filters
from cogagent.types import Evidence

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import ImageNode, NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise MissingPackageError(
        "LlamaIndex is not installed.", remedy="Run: pip install 'cogagent[llamaindex]'."
    ) from error

if TYPE_CHECKING:
    from cogagent.types import Citation


log = logging.getLogger(__name__)


class _Agent(Protocol):
    """The part of :class:`cogagent.CogAgent` that is used here."""

    def search(
        self,
        query: str,
        k: int,
        modality: Literal["text", "image", "all"],
        image: Any,
        collection: str,
        filters: Filters | None,
    ) -> list[Evidence]: ...

    async def asearch(
        self,
        query: str,
        k: int,
        modality: Literal["text", "image", "all"],
        image: Any,
        collection: str,
        filters: Filters | None,
    ) -> list[Evidence]: ...

    def crop(self, cited: Evidence | Citation) -> Any: ...


class CogRetriever(BaseRetriever):  # type: ignore[misc]
    """Retrieves evidence as LlamaIndex nodes.

    A node's metadata holds ``document_id``, ``uri``, ``title``, ``page``,
    ``box`` (fractions of the page), ``boxes`` (one a line), ``modality`` and
    ``caption`` beside the document's own. Pictures come as ``ImageNode`` with
    the picture itself as base64 PNG.

    Args:
        agent: A :class:`cogagent.CogAgent`.
        collection: Its name.
        k: How many nodes.
        modality: ``text``, ``image`` or ``all``.
        filters: As for :meth:`cogagent.CogAgent.search`.
    """

    def __init__(
        self,
        agent: _Agent,
        *,
        collection: str = "default",
        k: int = 10,
        modality: Literal["text", "image", "all"] = "all",
        filters: Filters | None = None,
    ) -> None:
        self._agent = agent
        self._arguments = (k, modality, None, collection, filters)
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(self._agent.search(query_bundle.query_str, *self._arguments))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes(await self._agent.asearch(query_bundle.query_str, *self._arguments))

    def _nodes(self, found: list[Evidence]) -> list[NodeWithScore]:
        return [NodeWithScore(node=self._node(piece), score=piece.score) for piece in found]

    def _node(self, piece: Evidence) -> TextNode:
        plain = piece.model_dump(mode="json")
        metadata = dict(piece.metadata) | {
            name: plain[name]
            for name in (
                "document_id", "uri", "title", "page", "box", "boxes", "modality", "caption",
            )
        }  # fmt: skip
        # A model is told where a passage comes from; coordinates would only confuse it.
        hidden = [name for name in metadata if name not in ("title", "page")]
        common = {
            "id_": piece.id,
            "text": piece.text,
            "metadata": metadata,
            "excluded_llm_metadata_keys": hidden,
            "excluded_embed_metadata_keys": hidden,
        }
        if piece.modality != "image":
            return TextNode(**common)
        try:
            image = _png(self._agent.crop(piece))
        except CogAgentError as error:  # no copy was kept, say: the words are there all the same
            log.warning("the picture of %s cannot be shown: %s", piece.uri, error)
            return ImageNode(**common)
        return ImageNode(**common, image=image, image_mimetype="image/png")


def _png(picture: Any) -> str:
    """A PIL image as base64 PNG, as ``ImageNode`` carries it."""
    import base64
    import io

    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
