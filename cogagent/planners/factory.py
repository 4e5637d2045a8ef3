"""Makes planners by their names.

A package outside adds one with an entry point in the group ``cogagent.planners``, whose
name is the planner's and whose value is called as ``make(settings)``::

    [project.entry-points."cogagent.planners"]
    mine = "my_package:make"     # cogagent ask --planner mine

A planner that cannot do without a language model says so by an attribute
``needs_model = True``; one that reads what each query found as a sentence or two, by
``digests = True``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points

from cogagent.config import Settings
from cogagent.errors import InputError
from cogagent.planners.base import Planner
from cogagent.planners.cog import ParallelCogPlanner, SequentialCogPlanner
from cogagent.planners.lad import LadPlanner
from cogagent.planners.oneshot import OneShotPlanner
from cogagent.planners.rules import RulePlanner
from cogagent.planners.socratic import SocraticPlanner

RULES = "rules"
"""The one that needs no language model, and the default."""
_GROUP = "cogagent.planners"
_OWN: Mapping[str, Callable[[], Planner]] = {
    RULES: RulePlanner,
    "cog-sequential": SequentialCogPlanner,
    "cog-parallel": ParallelCogPlanner,
    "one-shot": OneShotPlanner,
    "lad": LadPlanner,
    "socratic": SocraticPlanner,
}


def planner_names() -> tuple[str, ...]:
    """The names of all planners there are: our own, then those of other packages."""
    return tuple(dict.fromkeys((*_OWN, *(point.name for point in entry_points(group=_GROUP)))))


def make_planner(
    name: str,
    settings: Settings,
    *,
    has_model: bool,
    rules: Callable[[], Planner] = RulePlanner,
) -> Planner:
    """A planner by its name.

    Args:
        name: One of :func:`planner_names`.
        settings: For planners of other packages.
        has_model: Whether there is a language model for it to ask.
        rules: Makes the planner ``rules``.

    Raises:
        InputError: If there is no such planner, it does not load, or it needs a language
            model and there is none.
    """
    # Our own names cannot be taken by another package; to look for others' takes milliseconds.
    if name in _OWN:
        planner: Planner = rules() if name == RULES else _OWN[name]()
    elif places := [one.value for one in entry_points(group=_GROUP) if one.name == name]:
        planner = _outside(name, places[-1])(settings)
    else:
        raise InputError(
            f"there is no planner {name!r}.", remedy=f"Planners: {', '.join(planner_names())}."
        )
    if needs_model(planner) and not has_model:
        raise InputError(
            f"the planner {name!r} needs a language model, and there is none.",
            remedy="Name one in models.planner_model, or use the planner rules.",
        )
    return planner


def needs_model(planner: object) -> bool:
    """Whether a planner, or its class, cannot do without a language model."""
    return bool(getattr(planner, "needs_model", False))


def _outside(name: str, place: str) -> Callable[[Settings], Planner]:
    """What makes a planner of another package.

    Raises:
        InputError: If the package promises one and has not got it.
    """
    module, _, attribute = place.partition(":")
    try:
        found: Callable[[Settings], Planner] = getattr(import_module(module), attribute)
    except (AttributeError, ImportError) as error:
        raise InputError(
            f"the planner {name!r} does not load from {place!r}: {error}.",
            remedy="Install the package that brings it again, or remove it.",
        ) from error
    return found
