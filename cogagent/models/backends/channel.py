"""Carries a text in the making from the thread that makes it to the task that waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError, Future

from cogagent.errors import ModelError
from cogagent.models.mllm import Generated, Piece


class Channel:
    """One text on its way; made in the event loop that waits for it.

    Attributes:
        left: Nobody waits any more; the maker should stop.
    """

    def __init__(self) -> None:
        self.left = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Piece | BaseException] = asyncio.Queue()

    def put(self, text: str) -> None:
        """The next of the text, from any thread."""
        if text:
            self._send(Piece(text=text))

    async def pieces(self, making: Future[Generated]) -> AsyncGenerator[Piece, None]:
        """What is put, until the whole; raises what went wrong.

        Leaving it sets :attr:`left`, and cancels what has not begun.

        Args:
            making: The whole text in the making.
        """
        making.add_done_callback(self._end)
        try:
            while True:
                piece = await self._queue.get()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
                if piece.whole is not None:
                    return
        finally:
            self.left.set()
            making.cancel()

    def _end(self, making: Future[Generated]) -> None:
        """The whole text or what went wrong."""
        try:
            self._send(Piece(whole=making.result()))
        except CancelledError:
            self._send(ModelError("the model was closed while it wrote."))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._send(error)

    def _send(self, piece: Piece | BaseException) -> None:
        if self.left.is_set():
            return
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, piece)
        except RuntimeError:  # the loop was closed, and whoever waited went with it
            self.left.set()
