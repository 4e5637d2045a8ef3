"""So many a minute, and not one more; quiet names may come at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.api import rates as module
from cogagent.api.rates import Rates
from cogagent.errors import RateLimitError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(rates: Rates, name: str = "a") -> bool:
    try:
        rates.take(name)
    except RateLimitError:
        return False
    return True


def test_a_quiet_name_may_come_so_often_at_once_and_then_evenly() -> None:
    clock = Clock()
    rates = Rates(6, clock)
    assert [taken(rates) for _ in range(8)] == [True] * 6 + [False] * 2
    clock.now += 10
    assert [taken(rates) for _ in range(2)] == [True, False]
    clock.now += 3600
    assert [taken(rates) for _ in range(7)] == [True] * 6 + [False]


def test_who_waits_as_long_as_told_may_come() -> None:
    clock = Clock()
    rates = Rates(7, clock)
    while taken(rates):
        pass
    with pytest.raises(RateLimitError, match="more than 7 a minute") as caught:
        rates.take("a")
    assert rates.wait("a") == caught.value.retry_after == pytest.approx(60 / 7)
    clock.now += caught.value.retry_after
    assert rates.wait("a") == 0
    assert taken(rates)


def test_names_do_not_count_for_each_other() -> None:
    rates = Rates(1, Clock())
    assert taken(rates, "a")
    assert taken(rates, "b")
    assert not taken(rates, "a")


def test_no_limit() -> None:
    rates = Rates(0, Clock())
    assert all(taken(rates) for _ in range(1000))
    assert rates.wait("a") == 0


def test_what_is_given_back_does_not_count() -> None:
    rates = Rates(2, Clock())
    for _ in range(10):
        assert taken(rates)
        rates.give_back("a")
    rates.give_back("never came")
    assert [taken(rates) for _ in range(3)] == [True, True, False]


def test_giving_back_saves_nothing_up() -> None:
    clock = Clock()
    rates = Rates(2, clock)
    assert taken(rates)
    clock.now += 60
    rates.give_back("a")
    assert [taken(rates) for _ in range(3)] == [True, True, False]


def test_names_without_number_cost_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 10)
    rates = Rates(1, Clock())
    for number in range(1000):
        rates.take(str(number))
    assert len(rates._full) == 10


@given(st.integers(1, 50), st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=300))
def test_never_more_than_twice_in_any_minute(per_minute: int, gaps: list[float]) -> None:
    clock = Clock()
    rates = Rates(per_minute, clock)
    came = []
    for gap in gaps:
        clock.now += gap
        if taken(rates):
            came.append(clock.now)
    for start in came:
        assert sum(start <= at < start + 60 for at in came) <= 2 * per_minute
