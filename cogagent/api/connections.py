"""HTTP connections that are not kept open for those who say nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from cogagent.api.rates import MOST_AT_ONCE

_HEADER_SECONDS = 20.0
"""Time for the head of a request, from its first byte, or from the connection on."""


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, which by itself would wait for ever for the head of a request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, unless its address has enough connections already."""
        super().connection_made(transport)
        if self._is_one_too_many():
            transport.close()
        else:
            self._expect()

    def _is_one_too_many(self) -> bool:
        if self.client is None:
            return False
        address, trusted = self.client[0], self.config.forwarded_allow_ips or ()
        if address in trusted:  # many people come through a proxy
            return False
        theirs = sum(
            one.client is not None and one.client[0] == address
            for one in self.connections
            if isinstance(one, PatientProtocol)
        )
        return theirs > MOST_AT_ONCE // 2

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_expecting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait on for as long as a head is not all there."""
        super().data_received(data)
        if self._between_requests():
            self._expect()
        else:
            self._stop_expecting()

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect(self) -> None:
        """Wait; who sends byte after byte gets no more time for it."""
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _stop_expecting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _give_up(self) -> None:
        self._late = None
        if self._between_requests():
            self.timeout_keep_alive_handler()
