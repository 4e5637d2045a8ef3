"""A few routes behind the guards, called without a port."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import httpx
from fastapi import Depends, FastAPI, Request

from cogagent import CogAgent, Settings
from cogagent.api.access import scoped, session
from cogagent.api.guards import guards
from cogagent.api.parts import Parts
from cogagent.api.problems import respond_with_problems
from cogagent.api.session import Session

HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("192.0.2.7", 50000)


def small_app(agent: CogAgent, *, open_door: bool = False, **service: Any) -> FastAPI:
    """Routes of each scope and of none, behind the guards; ``service`` changes settings."""
    if service:
        changed = agent.settings.service.model_copy(update=service)
        agent.settings = Settings(service=changed)
    parts = Parts(agent, open_door=open_door)
    app = FastAPI(middleware=guards(parts))
    app.state.parts = parts
    respond_with_problems(app)

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.get("/who", operation_id="who")
    def who(asking: Annotated[Session, Depends(scoped("read"))]) -> str:
        return asking.caller.name

    @app.post("/things/{thing}", operation_id="change_thing")
    def change(thing: str, asking: Annotated[Session, Depends(scoped("write"))]) -> str:
        return f"{asking.caller.name} changed {thing}"

    @app.get("/all", operation_id="see_all")
    def everything(asking: Annotated[Session, Depends(scoped("admin"))]) -> str:
        return asking.caller.name

    @app.get("/unscoped")
    def unscoped(request: Request) -> str:
        return session(request).caller.name

    @app.get("/breaks")
    def breaks() -> str:
        raise RuntimeError("the inside")

    return app


def call(
    app: Any,
    path: str,
    key: str | None = None,
    method: str = "GET",
    host: str = "127.0.0.1:8600",
    client: tuple[str, int] = HERE,
    headers: Any = (),
) -> httpx.Response:
    """A request to an app, as if it came from ``client``."""
    sent = list(dict(headers).items() if isinstance(headers, dict) else headers)
    if key is not None:
        sent.append(("authorization", f"Bearer {key}"))

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=client)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as opened:
            return await opened.request(method, path, headers=sent)

    return asyncio.run(asked())
