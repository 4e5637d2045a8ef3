"""Conversations: earlier questions and answers, kept under names of the caller's."""

from __future__ import annotations

from fastapi import Response

from cogagent.api import etags
from cogagent.api.paging import Cursor, Limit, Page, cursor, number
from cogagent.api.paths import ConversationName
from cogagent.api.routes.base import Reader, gives, router
from cogagent.api.views import Conversation, ConversationTurns

routes = router("conversations")


@routes.get("/conversations", responses=gives(Page[Conversation]))
def list_conversations(session: Reader, after: Cursor = "", limit: Limit = 50) -> Response:
    """The caller's conversations, the last used first."""
    start = number("conversations", after)
    names = session.conversations()
    shown = tuple(Conversation(name=name) for name in names[start : start + limit])
    more = cursor("conversations", str(start + limit)) if len(names) > start + limit else None
    return etags.reply(Page(items=shown, next=more))


@routes.get("/conversations/{conversation}", responses=gives(ConversationTurns))
def show_conversation(session: Reader, conversation: ConversationName) -> Response:
    """A conversation's questions and answers, the oldest first."""
    turns = tuple(session.conversation(conversation))
    return etags.reply(ConversationTurns(name=conversation, turns=turns))


@routes.delete("/conversations/{conversation}", status_code=204)
def delete_conversation(session: Reader, conversation: ConversationName) -> Response:
    """Forget a conversation."""
    session.delete_conversation(conversation)
    return Response(status_code=204)
