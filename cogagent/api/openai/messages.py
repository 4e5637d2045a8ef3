"""What OpenAI's clients send to a chat, and the question, pictures and history in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cogagent.api.openai.refusals import unsupported
from cogagent.planners.base import Turn

_LONGEST = 1_000_000
"""Characters of one text."""
_MOST_MESSAGES = 2000
_MOST_PARTS = 200
_MOST_PICTURES = 16

Text = Annotated[str, Field(max_length=_LONGEST)]


class Lenient(BaseModel):
    """Base of what these clients send: fields that mean nothing here are passed over."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, use_attribute_docstrings=True
    )


class ImageUrl(Lenient):
    """Where a picture is."""

    url: Annotated[str, Field(examples=["data:image/png;base64,iVBORw0KGgo="])]
    """A `data:` URI with the picture in it; an http address only where the service allows it."""


class TextPart(Lenient):
    """A piece of a message's text."""

    type: Literal["text"]
    text: Text


class ImagePart(Lenient):
    """A picture in a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


class RefusalPart(Lenient):
    """What a model declined to say, in an earlier reply; passed over."""

    type: Literal["refusal"]
    refusal: Text


Part = Annotated[TextPart | ImagePart | RefusalPart, Field(discriminator="type")]


class Earlier(Lenient):
    """What an earlier reply said in its field `cogagent`; its rest is passed over."""

    short: Annotated[str, Field(max_length=10_000)] = ""
    """The answer alone, which "he" or "there" may mean."""
    resolved: Annotated[str, Field(max_length=100_000)] = ""
    """The question as it was read."""


class ChatMessage(Lenient):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    """The last message that is the user's asks; those of user and assistant before it are the
    conversation; all others are passed over."""
    content: Text | Annotated[list[Part], Field(max_length=_MOST_PARTS)] | None = None
    cogagent: Earlier | None = None
    """Of an earlier reply, if it is sent back whole."""

    @property
    def text(self) -> str:
        """Its words."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    @property
    def pictures(self) -> list[str]:
        """Where its pictures are."""
        parts = self.content if isinstance(self.content, list) else []
        return [part.image_url.url for part in parts if isinstance(part, ImagePart)]


Messages = Annotated[list[ChatMessage], Field(min_length=1, max_length=_MOST_MESSAGES)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a conversation comes to.

    Attributes:
        question: What is asked now.
        pictures: The addresses of what is shown with it.
        history: Earlier questions and replies, the oldest first.
    """

    question: str
    pictures: Sequence[str]
    history: Sequence[Turn]


def asked(messages: Sequence[ChatMessage]) -> Asked:
    """What is asked at the end of a conversation.

    Raises:
        RequestValidationError: If the last message is not the user's, or shows too many pictures.
    """
    said = [message for message in messages if message.role in ("user", "assistant")]
    if not said or said[-1].role != "user":
        raise unsupported("the last message is not the user's", "messages")
    if len(said[-1].pictures) > _MOST_PICTURES:
        raise unsupported(f"a question has {_MOST_PICTURES} pictures at most", "messages")
    return Asked(said[-1].text, said[-1].pictures, _turns(said[:-1]))


def _turns(said: Sequence[ChatMessage]) -> list[Turn]:
    """Each question with what was replied before the next."""
    turns: list[Turn] = []
    for message in said:
        if message.role == "user":
            turns.append(Turn(question=message.text))
        elif turns:
            before, extra = turns[-1], message.cogagent or Earlier()
            reply = f"{before.answer}\n{message.text}".strip()
            turns[-1] = before.model_copy(
                update={
                    "answer": reply,
                    "short": extra.short or before.short,
                    "resolved": extra.resolved or before.resolved,
                }
            )
    return [turn for turn in turns if turn.question.strip()]
