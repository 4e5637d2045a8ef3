"""Questions wait for their turn, in order; more than may wait are told to come again."""

from __future__ import annotations

import asyncio

import pytest

from cogagent.api.turnstile import Turnstile
from cogagent.errors import QueueFullError


def test_so_many_at_once_and_the_others_in_order() -> None:
    order: list[int] = []
    most = 0

    async def all_of_them() -> None:
        turnstile = Turnstile(2, 10)
        inside = 0

        async def one(number: int) -> None:
            nonlocal inside, most
            async with turnstile.turn():
                order.append(number)
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*map(one, range(9)))

    asyncio.run(all_of_them())
    assert order == list(range(9))
    assert most == 2


def test_more_than_may_wait_are_refused_and_told_when_to_come_again() -> None:
    async def crowd() -> None:
        turnstile = Turnstile(1, 1)
        leave = asyncio.Event()

        async def stay() -> None:
            async with turnstile.turn():
                await leave.wait()

        there = [asyncio.create_task(stay()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError) as error:
            turnstile.require_room()
        assert error.value.retry_after >= 1
        with pytest.raises(QueueFullError):
            async with turnstile.turn():
                raise AssertionError
        there[1].cancel()  # who leaves while waiting makes room
        await asyncio.gather(there[1], return_exceptions=True)
        turnstile.require_room()
        leave.set()
        await asyncio.gather(*there, return_exceptions=True)
        turnstile.require_room()

    asyncio.run(crowd())
