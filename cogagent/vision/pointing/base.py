"""What a pointer is: a question and a picture in, places worth a closer look out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Protocol

from pydantic import Field

from cogagent.types import PageFraction, PictureKind, Raster, Record, Words


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a pointer sees.

    Attributes:
        raster: The pixels.
        text: What is known to be written in it.
        words: The words of ``text``; boxes in fractions of the picture.
        kind: What kind of picture it is, where that is known.
    """

    raster: Raster
    text: str = ""
    words: Words = field(default_factory=Words.empty)
    kind: PictureKind | None = None


class Pointed(Record):
    """A place in a picture.

    Attributes:
        box: In fractions of the picture.
        score: How much speaks for it, 0 to 1; comparable within one pointer.
        why: What speaks for it, in a few words.
    """

    box: PageFraction
    score: Annotated[float, Field(ge=0.0, le=1.0)]
    why: str = ""


class Pointer(Protocol):
    """Finds the places of a picture that a question is about."""

    name: str

    async def point(self, question: str, picture: Picture, k: int) -> list[Pointed]:
        """The ``k`` places most worth a closer look, the best first; none if nothing is.

        Args:
            question: Any text.
            picture: Of any size.
            k: At most so many.

        Raises:
            ModelError: If a model that it asks fails.
        """
        ...
