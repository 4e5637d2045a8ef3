from __future__ import annotations

import inspect

import pytest

import cogagent


def test_all_names_what_there_is() -> None:
    assert cogagent.__all__ == sorted(cogagent.__all__)
    for name in cogagent.__all__:
        assert inspect.isclass(getattr(cogagent, name))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        cogagent.Nonsense  # noqa: B018


def test_asynchronous_twins_take_the_same_arguments() -> None:
    agent = cogagent.CogAgent
    for name in ("ingest", "search", "ask", "stream"):
        one, two = (inspect.signature(getattr(agent, n)).parameters for n in (name, f"a{name}"))
        assert [(p.name, p.default) for p in one.values()] == [
            (p.name, p.default) for p in two.values()
        ]
