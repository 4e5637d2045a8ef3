"""Jobs without a service: callers, uploads, and a runner in this process."""

from __future__ import annotations

import io
import json
from typing import Any

from cogagent import CogAgent
from cogagent.api.callers import Caller
from cogagent.api.jobs.desk import JobDesk, Upload
from cogagent.api.jobs.runners import Runner

ANN = Caller("ann", "Ann", frozenset({"write"}), principals=frozenset({"a"}))
BOB = Caller("bob", "Bob", frozenset({"write"}), principals=frozenset({"b"}))
READER = Caller("cid", "Cid", frozenset({"read"}), frozenset({"dams"}))


def note(number: int) -> bytes:
    return f"Note {number}: lighthouse {number} was lit in {1800 + number}.".encode()


def upload(desk: JobDesk, data: bytes, name: str = "note.txt", **more: Any) -> Upload:
    """A file that was uploaded."""
    return Upload(file=desk.uploads.receive(io.BytesIO(data)), name=name, **more)


def notes(desk: JobDesk, count: int, **more: Any) -> list[Upload]:
    return [upload(desk, note(n), f"{n}.txt", **more) for n in range(count)]


def lines(*questions: object) -> bytes:
    """A batch of questions: texts, or mappings of their fields."""
    asked = ({"question": q} if isinstance(q, str) else q for q in questions)
    return "\n".join(json.dumps(question) for question in asked).encode()


def with_service(agent: CogAgent, **service: Any) -> CogAgent:
    """The agent with other settings of the service."""
    changed = agent.settings.service.model_copy(update=service)
    agent.settings = agent.settings.model_copy(update={"service": changed})
    return agent


def drain(agent: CogAgent) -> int:
    """Do all jobs that are due, in this process; how many were begun."""
    with Runner(agent.catalogue, agent.home, agent.settings, lambda: agent) as runner:
        count = 0
        while runner.run_one():
            count += 1
    return count
