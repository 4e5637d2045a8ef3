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


def test_owners_are_let_in_by_turns() -> None:
    order: list[str] = []

    async def all_of_them() -> None:
        turnstile = Turnstile(1, 20)

        async def one(owner: str) -> None:
            async with turnstile.turn(owner):
                order.append(owner)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for owner in "aaaaaabbc":
                tasks.create_task(one(owner))

    asyncio.run(all_of_them())
    assert "".join(order) == "aabcabaaa"


def test_one_owner_takes_half_of_the_places_to_wait_in() -> None:
    async def crowd() -> None:
        turnstile = Turnstile(1, 4)

        async def stay(owner: str) -> None:
            async with turnstile.turn(owner):
                await asyncio.sleep(60)

        there = [asyncio.create_task(stay("a")) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(QueueFullError, match="2 questions of this API key"):
            turnstile.require_room("a")
        turnstile.require_room("b")
        turnstile.require_room()
        there[2].cancel()
        await asyncio.gather(there[2], return_exceptions=True)
        turnstile.require_room("a")
        for task in there:
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)
        async with turnstile.turn("a"):
            turnstile.require_room("a")

    asyncio.run(crowd())


def test_who_leaves_as_it_is_called_passes_its_turn_on() -> None:
    async def crowd() -> None:
        turnstile = Turnstile(1, 4)
        leave = asyncio.Event()

        async def stay() -> None:
            async with turnstile.turn():
                await leave.wait()

        first, second, third = (asyncio.create_task(stay()) for _ in range(3))
        await asyncio.sleep(0)
        leave.set()
        await first  # the second has been called, and has not gone in yet
        second.cancel()
        async with asyncio.timeout(1):
            await third
            async with turnstile.turn():
                pass

    asyncio.run(crowd())
