"""Where a cited place can be seen: the address of its crop on this service."""

from __future__ import annotations

from urllib.parse import quote

from cogagent.indexes.writing import is_own
from cogagent.types import Citation


def crop_url(citation: Citation, trace: str | None) -> str | None:
    """The path of a picture of a citation's place, exactly as ``CogAgent.crop`` cuts it.

    Args:
        citation: What is cited.
        trace: Id of the answer's trace: it knows the pictures of the web.

    Returns:
        ``None`` where the service has no pixels of it.
    """
    if is_own(citation.document_id):
        box = ",".join(map(repr, citation.box))
        document = quote(citation.document_id, safe="")
        return f"/v1/documents/{document}/pages/{citation.page}/crop?box={box}"
    if citation.modality == "image" and trace is not None:
        evidence = quote(citation.evidence_id, safe="")
        return f"/v1/traces/{trace}/evidence/{evidence}/crop"
    return None
