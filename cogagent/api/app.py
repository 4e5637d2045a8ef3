"""The service as one ASGI application: all doors, behind one gate."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware

from cogagent.agent import CogAgent
from cogagent.api.asks import Asks
from cogagent.api.bodies import BodyLimits
from cogagent.api.cutting import Cutting
from cogagent.api.description import describe
from cogagent.api.guards import guards
from cogagent.api.heads import Heads
from cogagent.api.lifespan import lifespan, open_mcp
from cogagent.api.logs import RequestLog
from cogagent.api.metrics import router as metrics
from cogagent.api.openai import router as openai
from cogagent.api.parts import Parts
from cogagent.api.paths import Slashes
from cogagent.api.probes import router as probes
from cogagent.api.problems import respond_with_problems
from cogagent.api.routes import ROUTERS
from cogagent.api.routes.page import router as page
from cogagent.api.watching import Watching


def make_app(agent: CogAgent, *, open_door: bool = False) -> FastAPI:
    """The application of a home; the agent is the caller's to close, after it has ended.

    Args:
        agent: The home.
        open_door: Whoever comes from this machine without an API key may do everything.
    """
    parts = Parts(agent, open_door=open_door)
    app = FastAPI(
        title="cogagent",
        lifespan=lifespan,
        middleware=[
            Middleware(RequestLog),
            Middleware(Watching, parts=parts),
            Middleware(Cutting, parts=parts),
            Middleware(Slashes),
            *guards(parts),
            Middleware(BodyLimits, settings=parts.settings),
            Middleware(Heads),
        ],
        redirect_slashes=False,  # a redirect would go where the Host header says
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    app.state.asks = Asks(parts)
    respond_with_problems(app)
    for router in (probes, page, *ROUTERS, openai):
        app.include_router(router)
    if parts.metrics is not None:
        app.include_router(metrics)
    open_mcp(app)
    app.openapi = partial(describe, app)  # type: ignore[method-assign] # as FastAPI advises
    return app
