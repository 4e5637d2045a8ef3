"""Send the service what nobody would: ``python -m benchmarks.fuzz_service [--cases N]``.

schemathesis makes requests from the OpenAPI document, half of them such that they fit it and
half such that they do not; some of the ids in them are those of real things. Each response has
to be one that the document declares, of its media type and schema, and none a 5xx other than
503. Prints how many there were of each status, and exits with 1 if a response was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from benchmarks.common import report
from cogagent import CogAgent, Settings, Source
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
UNAVAILABLE = 503
"""The one status of its kind that is documented: too little space, a model that is down."""
REAL = 0.5
"""Share of ids in requests that are those of real things."""
PATIENCE = 60.0
"""Seconds for one response."""
SHOWN = 20
"""Wrong responses that are printed."""
_LASTING = "note:lasting"


@schemathesis.serializer("application/jsonl", "application/x-ndjson")
def lines(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """JSON Lines: any text, sometimes as a question."""
    text = str(value)
    asked = json.dumps({"question": text}) if len(text) % 2 else text
    return asked.encode("utf-8", "replace")


@dataclass
class Findings:
    """What came of it.

    Attributes:
        statuses: How many responses had which status.
        operations: How many requests each operation got.
        wrong: What was wrong with responses, each with the request.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """How many requests were sent."""
        return sum(self.statuses.values())


def fuzz(
    url: str, cases: int, first_seed: int = 0, restore: Callable[[], None] = lambda: None
) -> Findings:
    """Send at least so many requests to a service at an open door.

    Args:
        url: Where it is.
        cases: How many.
        first_seed: Another one makes other requests.
        restore: Called now and then, to make things again that were deleted.
    """
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    operations = [found.ok() for found in schema.get_all_operations()]
    findings = Findings()
    rounds = 0
    each = max(1, min(25, cases // (2 * len(operations)) + 1))
    while findings.cases < cases:
        restore()
        real = _real(url)
        for operation in operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                chance = random.Random(f"{first_seed} {rounds} {operation.label} {mode}")
                _run(operation, mode, each, chance, real, findings)
        rounds += 1
    return findings


def _run(
    operation: Any,
    mode: GenerationMode,
    cases: int,
    chance: random.Random,
    real: Mapping[str, list[str]],
    findings: Findings,
) -> None:
    @seed(chance.getrandbits(32))
    @settings(
        max_examples=cases, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        _make_real(case, chance, real)
        findings.operations[operation.label] += 1
        response = case.call(timeout=PATIENCE)
        findings.statuses[response.status_code] += 1
        wanted = CHECKS if response.status_code == UNAVAILABLE else [not_a_server_error, *CHECKS]
        try:
            case.validate_response(response, checks=wanted)
        except FailureGroup as failures:
            findings.wrong += [f"{mode.name} {failure}" for failure in failures.exceptions]

    # An operation that takes nothing cannot be asked for wrongly.
    with suppress(Unsatisfiable):
        send()


def _make_real(case: Case, chance: random.Random, real: Mapping[str, list[str]]) -> None:
    """Let some of a request's names be those of things that are there."""
    for name in case.path_parameters or {}:
        if real.get(name) and chance.random() < REAL:
            case.path_parameters[name] = chance.choice(real[name])
    if isinstance(case.body, dict) and "question" in case.body and chance.random() < REAL:
        case.body["collection"] = "fuzz"


def _real(url: str) -> dict[str, list[str]]:
    """What is there, by the name of the parameter that takes it."""
    with httpx.Client(base_url=url, timeout=PATIENCE) as client:

        def listed(path: str, key: str) -> list[str]:
            found = client.get(path, params={"limit": 20}).raise_for_status().json()
            return [one[key] for one in found.get("items", found.get("data"))]

        documents = listed("/v1/collections/fuzz/documents", "id")
        return {
            "collection": ["fuzz"],
            "document": documents,
            "file": documents,
            "number": ["1"],
            "evidence": ["chunk-1", "chunk-2"],
            "trace": listed("/v1/traces", "id"),
            "job": listed("/v1/jobs", "id"),
            "model": ["cogagent/fuzz"],
            "conversation": ["talk"],
        }


def make_home(agent: CogAgent) -> None:
    """Something of each kind, again where it was deleted."""
    from reportlab.pdfgen.canvas import Canvas

    path = agent.home / "fuzz.pdf"
    if not path.exists():
        canvas = Canvas(str(path))
        canvas.drawString(50, 700, "Kestrel Dam was finished in 1931 by Ada Lowell.")
        canvas.save()
    note = Source(uri=_LASTING, data=b"The path is closed in winter.", media_type="text/plain")
    pdf = Source(uri="test:fuzz", data=path.read_bytes(), media_type="application/pdf")
    agent.ingest([note, pdf], "fuzz")
    agent.ask("Who finished Kestrel Dam?", collection="fuzz", conversation="talk")


def main() -> int:
    """Fuzz a service of its own; 0 if every response was right."""
    from tests.api.conftest import running

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    service = ServiceSettings(queue=50, heartbeat_seconds=1.0)
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        CogAgent(home=Path(folder) / "home", settings=Settings(service=service)) as agent,
        running(make_app(agent, open_door=True)) as server,
    ):
        found = fuzz(server.url, options.cases, options.seed, lambda: make_home(agent))
    for text in found.wrong[:SHOWN]:
        sys.stderr.write(f"{text}\n\n")
    report(
        "fuzz_service",
        {
            "cases": found.cases,
            "operations": len(found.operations),
            "statuses": {str(key): found.statuses[key] for key in sorted(found.statuses)},
            "wrong": len(found.wrong),
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main())
