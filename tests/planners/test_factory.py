from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from cogagent.config import Settings
from cogagent.errors import InputError
from cogagent.planners import factory
from cogagent.planners.factory import make_planner, needs_model, planner_names
from cogagent.planners.rules import RulePlanner
from cogagent.testing.doubles import ScriptedPlanner

NAMES = ("rules", "cog-sequential", "cog-parallel", "one-shot", "lad", "socratic")


def made(name: str, **changes: Any):
    return make_planner(name, Settings(), **({"has_model": True} | changes))


def test_every_planner_is_made_by_its_name() -> None:
    assert planner_names()[:6] == NAMES
    for name in NAMES:
        assert made(name).name == name


def test_all_but_the_rules_need_a_model() -> None:
    assert isinstance(made("rules", has_model=False), RulePlanner)
    for name in NAMES[1:]:
        assert needs_model(made(name))
        with pytest.raises(InputError, match=r"models\.planner_model"):
            made(name, has_model=False)


def test_the_rules_may_be_given_parts_of_their_own() -> None:
    own = RulePlanner()
    assert made("rules", rules=lambda: own) is own


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(InputError, match="cog-parallel, one-shot"):
        made("clever")


def scripted(settings: Settings) -> ScriptedPlanner:
    return ScriptedPlanner([])


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("mine", f"{__name__}:scripted", factory._GROUP),
        EntryPoint("rules", f"{__name__}:scripted", factory._GROUP),
        EntryPoint("gone", f"{__name__}:nothing", factory._GROUP),
        EntryPoint("lost", "there.is.no.such.module:make", factory._GROUP),
    ]
    monkeypatch.setattr(factory, "entry_points", lambda group: points)


@pytest.mark.usefixtures("outside")
def test_another_package_may_add_one_but_replace_none() -> None:
    assert planner_names() == (*NAMES, "mine", "gone", "lost")
    assert isinstance(made("mine", has_model=False), ScriptedPlanner)
    assert isinstance(made("rules"), RulePlanner)
    for name in ("gone", "lost"):
        with pytest.raises(InputError, match="does not load"):
            made(name)
