"""The service itself: its models, settings and audit log."""

from __future__ import annotations

from fastapi import Request, Response

from cogagent.api import etags
from cogagent.api.paging import Cursor, Limit, Page, number, page
from cogagent.api.routes.base import Admin, IfNoneMatch, Reader, gives, parts_of, router
from cogagent.api.views import Inventory, SettingEntry, SettingList
from cogagent.config import describe
from cogagent.indexes.audit import NumberedLine
from cogagent.planners.factory import planner_names

routes = router("service")


@routes.get("/inventory", responses=gives(Inventory, tagged=True))
def show_inventory(
    request: Request,
    session: Reader,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """The models that the service uses, and the planners that a question may name."""
    settings = session.agent.settings
    models = settings.models
    found = Inventory(
        text_embedder=models.text_embedder,
        image_embedder=models.image_embedder,
        answer_model=models.answer_model,
        planner_model=models.planner_model or models.answer_model,
        ocr="rapidocr" if settings.parse.ocr else None,
        planner=settings.planning.planner,
        planners=planner_names(),
        web=settings.web.enabled,
    )
    return etags.tagged(request, found)


@routes.get("/settings", responses=gives(SettingList))
def show_settings(session: Admin) -> Response:
    """Every setting, with secrets hidden, and where its value comes from."""
    rows = describe(session.agent.settings, session.agent.home)
    return etags.reply(SettingList(items=tuple(SettingEntry(**row) for row in rows)))


@routes.get("/audit", responses=gives(Page[NumberedLine]))
def list_audit(
    request: Request,
    session: Admin,  # noqa: ARG001 - it asks for the scope
    after: Cursor = "",
    limit: Limit = 50,
) -> Response:
    """Who did what, the newest first. What was said is in no line."""
    before = number("audit", after) or None
    found = parts_of(request).audit.lines(limit + 1, before)
    return etags.reply(page("audit", found, limit, lambda one: str(one.number)))
