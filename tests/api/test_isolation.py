"""Key A cannot read B's documents: every operation of every door is tried.

There is one function for each operation of the OpenAPI document and for each tool of the
MCP door, and a test that there is one: a new route that nobody thought about here fails.
Each function does as A what B may do, and then as B, so that it is known to show something.

B has a collection of its own, and documents of its own in a collection that both use. All
that is B's has :data:`MARK` in its name or its text; what is asked about does not.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from cogagent import CogAgent, Settings, Source
from cogagent.api.app import make_app
from cogagent.config import ServiceSettings
from cogagent.indexes.keys import KeyRing
from tests.api.conftest import bearer, pdf, picture, running
from tests.api.jobs_kit import drain

MARK = "zanzi"
OWN, COMMON, SPARE = "zanzibeta", "common", "zanzispare"
QUESTION = "Who keeps the ledger of the harbour?"
SECRET = "Zanzibrook keeps the ledger of the harbour."
OPEN = "The harbour has four cranes."
METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
PROBES = {"/healthz", "/readyz"}
UNLISTED = {"/", "/metrics", "/page/{name}", "/mcp", "/openapi.json"}
"""Routes that are in no document, and tested by themselves."""


@dataclass(frozen=True)
class Names:
    """What B has, or nobody has."""

    collection: str
    document: str
    evidence: str
    trace: str
    traced: str
    """Evidence of the trace."""
    conversation: str
    job: str
    batch: str
    file: str
    ask: str = "ask-" + "0" * 24


MISSING = Names(
    collection="gamma",
    document="doc-" + "0" * 16,
    evidence="chunk-987654321",
    trace="0a20a35a153-00000000",
    traced="chunk-987654321",
    conversation="nobodys-talk",
    job="job-" + "0" * 20,
    batch="job-" + "0" * 20,
    file="doc-" + "0" * 16,
)


@dataclass
class World:
    """A service with two keys, and what B has."""

    url: str
    app: Any
    agent: CogAgent
    a: str
    b: str
    admin: str
    own: Names = field(init=False)
    common: Names = field(init=False)

    @property
    def both(self) -> tuple[Names, Names]:
        """What B has for itself, and among what A may see."""
        return self.own, self.common

    def send(
        self, key: str | None, method: str, path: str, expected: int | None = None, **more: Any
    ) -> httpx.Response:
        headers = {**(bearer(key) if key else {}), **more.pop("headers", {})}
        found = httpx.request(
            method, self.url + path, headers=headers, timeout=60, follow_redirects=False, **more
        )
        if expected is not None:
            assert found.status_code == expected, (method, path, found.text)
        return found

    def hides(
        self,
        method: str,
        path: str,
        *,
        shows: bool = True,
        among: tuple[Names, ...] = (),
        status: int = 404,
        **more: Any,
    ) -> None:
        """For A, what B has is as if it were not there; B gets it.

        Args:
            method: Of HTTP.
            path: With fields of :class:`Names`.
            shows: Also try it as B.
            among: Names of B's; all by default.
            status: What A gets.
            more: For httpx.
        """
        for names in among or self.both:
            refused = self.send(self.a, method, filled(path, names), status, **more)
            missing = self.send(self.a, method, filled(path, MISSING), status, **more)
            assert told(refused, names) == told(missing, MISSING)
            assert not marked(told(refused, names))
            if shows:
                shown = self.send(self.b, method, filled(path, names), **more)
                assert shown.is_success, (path, shown.text)

    def leaves_out(self, method: str, path: str, *, marks: bool = True, **more: Any) -> None:
        """A gets it without what is B's; B gets that."""
        seen = self.send(self.a, method, path, **more)
        assert seen.is_success, (path, seen.text)
        self.require_unmarked(seen.text)
        seen = self.send(self.b, method, path, **more)
        assert seen.is_success, (path, seen.text)
        assert marked(seen.text) == marks, seen.text

    def require_unmarked(self, text: str) -> None:
        """Nothing that is B's is in a response."""
        assert not marked(text), text
        for names in self.both:
            for secret in (names.document, names.trace, names.job, names.batch, names.file):
                assert secret not in text

    def new_document(self, names: Names) -> str:
        """One more of B's."""
        return put(self.agent, names.collection, f"note:{MARK}-{next(_NUMBERS)}")

    def new_names(self, names: Names) -> Names:
        """New things of B's: a document, and a question about it."""
        document = self.new_document(names)
        name = f"{MARK}talk{next(_NUMBERS)}"
        body = {"question": QUESTION, "collection": names.collection, "conversation": name}
        answer = self.send(self.b, "POST", "/v1/ask", 200, json=body).json()
        return replace(names, document=document, trace=answer["trace"], conversation=name)

    def new_batch(self, names: Names) -> str:
        """A batch of B's, not begun."""
        line = json.dumps({"question": QUESTION, "id": f"{MARK}1"})
        path = f"/v1/batches?collection={names.collection}"
        headers = {"content-type": "application/jsonl"}
        job = self.send(self.b, "POST", path, 202, content=line, headers=headers).json()
        return str(job["id"])

    def still_there(self, names: Names) -> None:
        """B has its document, enabled."""
        found = self.send(self.b, "GET", f"/v1/documents/{names.document}", 200).json()
        assert found["enabled"]


Operation = Callable[[World], None]
COVERED: dict[str, Operation] = {}
TOOLS: dict[str, Operation] = {}
_NUMBERS = iter(range(1, 1_000_000))


def covers(operation: str, among: dict[str, Operation] = COVERED) -> Callable[[Operation], None]:
    """The function is that of an operation."""

    def added(function: Operation) -> None:
        assert operation not in among
        among[operation] = function

    return added


def filled(path: str, names: Names) -> str:
    return path.format(**{name: quote(value) for name, value in vars(names).items()})


def told(response: httpx.Response, names: Names) -> str:
    """What a response says, without the names that the caller had sent and the request's id."""
    text = response.text
    for name in sorted(vars(names).values(), key=len, reverse=True):
        text = text.replace(name, "…")
    text = re.sub(r"req-[0-9a-f]+", "req", text)
    return f"{response.status_code} {response.headers.get('content-type')} {text}"


def marked(text: str) -> bool:
    return MARK in text.lower()


def put(agent: CogAgent, collection: str, uri: str) -> str:
    """A document of B's; in the common collection for B alone."""
    principals = ("b",) if collection == COMMON else ()
    source = Source(
        uri=uri, data=pdf([SECRET], f"{MARK} ledger"), media_type="application/pdf",
        metadata={f"{MARK}field": 1}, principals=principals,
    )  # fmt: skip
    report = agent.ingest([source], collection)
    assert report.ingested == 1, report
    return agent.documents.id(collection, uri)


# --- the world -------------------------------------------------------------


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("isolated") / "kb"
    settings = Settings(service=ServiceSettings(workers=0, rate=0, resume_seconds=60))
    with CogAgent(home, settings) as agent:
        fill(agent)
        ring = KeyRing(agent.catalogue)
        _, a = ring.create("a", ["read", "write"], ["alpha", COMMON], ["a"])
        _, b = ring.create("b", ["read", "write"], [OWN, SPARE, COMMON], ["b"])
        _, admin = ring.create("admin", ["admin"])
        app = make_app(agent)
        with running(app) as server:
            made = World(server.url, app, agent, a, b, admin)
            made.own, made.common = names_of(made, OWN), names_of(made, COMMON)
            yield made
    shutil.rmtree(home)


def fill(agent: CogAgent) -> None:
    """What is A's and what is for both; what is B's comes with its names."""
    note = {"media_type": "text/plain", "data": OPEN.encode(), "title": "Cranes"}
    agent.ingest([Source(uri="note:open", **note)], COMMON)
    agent.ingest([Source(uri="note:a", principals=("a",), **note)], COMMON)
    agent.ingest([Source(uri="note:a", **note)], "alpha")
    agent.collections.create(SPARE)
    for collection, principals in ((OWN, ()), (COMMON, ("b",))):
        red = Source(
            uri=f"note:{MARK}.png", data=picture(), media_type="image/png", title=f"{MARK} red",
            principals=principals,
        )  # fmt: skip
        assert agent.ingest([red], collection).ingested == 1


def names_of(world: World, collection: str) -> Names:
    """Something of each kind of B's, made as B would."""
    document = put(world.agent, collection, f"note:{MARK}")
    filters = {"document": document}
    found = world.agent.search(QUESTION, 1, "text", None, collection, filters)
    evidence = found[0].id
    conversation = f"{MARK}talk-{collection}"
    body = {"question": QUESTION, "collection": collection, "conversation": conversation}
    answer = world.send(world.b, "POST", "/v1/ask", 200, json=body).json()
    assert marked(answer["text"]), answer
    files = [
        ("files", (f"{MARK}.txt", SECRET.encode(), "text/plain")),
        ("files", (f"{MARK}-broken.pdf", b"%PDF-1.4 " + MARK.encode(), "application/pdf")),
    ]
    infos = [{"principals": ["b"] if collection == COMMON else []}] * 2
    sent = world.send(
        world.b, "POST", f"/v1/collections/{collection}/documents", 202, files=files,
        data={"documents": json.dumps(infos)},
    ).json()  # fmt: skip
    names = Names(
        collection, document, evidence, answer["trace"], answer["citations"][0]["evidence_id"],
        conversation, sent["job"]["id"], "", sent["documents"][0],
    )  # fmt: skip
    batch = world.new_batch(names)
    drain(world.agent)
    return replace(names, batch=batch)


# --- that there is one for each --------------------------------------------


def operations(world: World) -> dict[str, tuple[str, str, Mapping[str, Any]]]:
    """Those of the OpenAPI document but the probes, by id: path, method and description."""
    return {
        described["operationId"]: (path, method, described)
        for path, item in world.app.openapi()["paths"].items()
        for method, described in item.items()
        if method in METHODS and path not in PROBES
    }


def paths(routes: Iterable[Any]) -> Iterator[str]:
    """Those of routes, included ones, too."""
    for route in routes:
        path = getattr(route, "path", None)
        if path is None:
            yield from paths(route.effective_candidates())
        else:
            yield path


def test_every_operation_is_tried(world: World) -> None:
    assert set(COVERED) == set(operations(world))


def test_every_route_is_in_the_document_or_known(world: World) -> None:
    documented = {path for path, _, _ in operations(world).values()} | PROBES
    served = {path.replace(":path}", "}") for path in paths(world.app.routes)}
    assert documented <= served
    assert served - documented <= UNLISTED


def test_every_operation_names_its_scope(world: World) -> None:
    for operation, (_, _, described) in operations(world).items():
        (bearer_scopes,), (header_scopes,) = (
            list(way.values()) for way in described["security"]
        )  # fmt: skip
        assert bearer_scopes == header_scopes, operation
        assert set(bearer_scopes) <= {"read", "write", "admin"}, operation
        assert len(bearer_scopes) == 1, operation


def test_nothing_is_had_without_a_key(world: World) -> None:
    for operation, (path, method, _) in operations(world).items():
        for names in (world.own, MISSING):
            place = re.sub(r"\{(\w+)\}", partial(_value, names), path)
            refused = world.send(None, method.upper(), place)
            assert refused.status_code == 401, operation
            world.require_unmarked(refused.text.replace(place, ""))
    assert world.send(None, "POST", "/mcp", json={}).status_code == 401
    assert world.send(None, "GET", "/openapi.json").status_code == 401


def test_every_tool_is_tried(world: World) -> None:
    async def named(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    assert set(TOOLS) == use(world, world.a, named)


@pytest.mark.parametrize("operation", COVERED)
def test_a_does_not_see_what_is_bs(world: World, operation: str) -> None:
    COVERED[operation](world)
    for names in world.both:
        world.still_there(names)


@pytest.mark.parametrize("tool", TOOLS)
def test_nor_through_tools(world: World, tool: str) -> None:
    TOOLS[tool](world)


def test_probes_tell_nothing(world: World) -> None:
    for path in PROBES:
        world.require_unmarked(world.send(None, "GET", path).text)


def test_an_error_of_a_filter_names_no_field_of_others(world: World) -> None:
    body = {"query": "x", "collection": COMMON, "filters": {"nothing": 1}}
    refused = world.send(world.a, "POST", "/v1/search", 422, json=body)
    world.require_unmarked(refused.text)
    assert marked(world.send(world.b, "POST", "/v1/search", 422, json=body).text)
    for name in (f"{MARK}field", f"metadata.{MARK}field"):
        body["filters"] = {name: 1}
        assert world.send(world.a, "POST", "/v1/search", 422, json=body)
        world.send(world.b, "POST", "/v1/search", 200, json=body)


def test_what_was_seen_is_not_seen_once_it_is_hidden(world: World) -> None:
    """A's own trace and conversation quote a document that is for B alone by now."""
    text = "Quillfeather paints the cranes of the harbour."
    uri = "note:moved"
    source = Source(uri=uri, data=text.encode(), media_type="text/plain", title="Paint")
    world.agent.ingest([source], COMMON)
    body = {"question": "Who paints the cranes of the harbour?", "collection": COMMON}
    answer = world.send(world.a, "POST", "/v1/ask", 200, json=body).json()
    assert "Quillfeather" in answer["text"]
    trace, evidence = answer["trace"], answer["citations"][0]["evidence_id"]
    world.agent.ingest([source.model_copy(update={"principals": ("b",)})], COMMON)
    for path in (
        f"/v1/traces/{trace}",
        f"/v1/traces/{trace}/evidence/{evidence}/crop",
        f"/v1/evidence/{evidence}",
        f"/v1/evidence/{evidence}/crop",
    ):
        assert "Quillfeather" not in world.send(world.a, "GET", path, 404).text
    world.send(world.a, "POST", f"/v1/traces/{trace}/replay", 404, json={})
    again = world.send(world.a, "POST", "/v1/ask", 200, json=body)
    assert "Quillfeather" not in again.text


def test_a_trace_of_bs_is_bs_even_where_a_sees_what_it_quotes(world: World) -> None:
    body = {
        "question": "How many cranes has the harbour?",
        "collection": COMMON,
        "filters": {"uri": "note:open"},
    }
    answer = world.send(world.b, "POST", "/v1/ask", 200, json=body).json()
    assert answer["citations"]
    evidence = answer["citations"][0]["evidence_id"]
    world.send(world.a, "GET", f"/v1/evidence/{evidence}", 200)
    trace = f"/v1/traces/{answer['trace']}"
    for method, path in (
        ("GET", trace),
        ("GET", f"{trace}/evidence/{evidence}/crop"),
        ("POST", f"{trace}/replay"),
        ("DELETE", trace),
    ):
        more = {"json": {}} if method == "POST" else {}
        world.send(world.a, method, path, 404, **more)
    world.send(world.b, "GET", trace, 200)


def _value(names: Names, parameter: re.Match[str]) -> str:
    """What stands in a path for a parameter of any name."""
    name = parameter[1].removesuffix("_id")
    return f"cogagent/{names.collection}" if name == "model" else getattr(names, name, "1")


# --- collections -----------------------------------------------------------


@covers("list_collections")
def _list_collections(world: World) -> None:
    world.leaves_out("GET", "/v1/collections")
    for found in world.send(world.a, "GET", "/v1/collections").json()["items"]:
        listed = world.send(world.a, "GET", f"/v1/collections/{found['name']}/documents").json()
        assert found["documents"] == len(listed["items"]), "what is not seen is not counted"


@covers("create_collection")
def _create_collection(world: World) -> None:
    refused = [
        world.send(world.a, "POST", "/v1/collections", 403, json={"name": name})
        for name in (OWN, "gamma")
    ]
    assert told(refused[0], world.own) == told(refused[1], MISSING)
    world.send(world.b, "POST", "/v1/collections", 201, json={"name": OWN})


@covers("show_collection")
def _show_collection(world: World) -> None:
    world.hides("GET", "/v1/collections/{collection}", among=(world.own,))
    path = f"/v1/collections/{COMMON}"
    seen, all_of_it = (world.send(key, "GET", path).json() for key in (world.a, world.admin))
    assert seen["documents"] < all_of_it["documents"]
    assert seen["pages"] < all_of_it["pages"]


@covers("delete_collection")
def _delete_collection(world: World) -> None:
    world.hides("DELETE", "/v1/collections/{collection}", among=(world.own,), shows=False)
    world.send(world.a, "DELETE", f"/v1/collections/{COMMON}", 403)
    world.send(world.b, "POST", "/v1/collections", 201, json={"name": SPARE})
    world.send(world.b, "DELETE", f"/v1/collections/{SPARE}", 204)


@covers("list_failures")
def _list_failures(world: World) -> None:
    world.hides("GET", "/v1/collections/{collection}/failures", among=(world.own,))
    world.leaves_out("GET", f"/v1/collections/{COMMON}/failures")


# --- documents -------------------------------------------------------------


@covers("list_documents")
def _list_documents(world: World) -> None:
    world.hides("GET", "/v1/collections/{collection}/documents", among=(world.own,))
    path = f"/v1/collections/{COMMON}/documents"
    world.leaves_out("GET", path)
    after: str | None = ""
    while after is not None:  # page by page, too
        seen = world.send(world.a, "GET", f"{path}?limit=1&after={after}", 200)
        world.require_unmarked(seen.text)
        after = seen.json()["next"]


@covers("upload_documents")
def _upload_documents(world: World) -> None:
    files = {"files": ("x.txt", b"Mine now.", "text/plain")}
    path = "/v1/collections/{collection}/documents"
    world.hides("POST", path, among=(world.own,), shows=False, files=files)
    path = f"/v1/collections/{COMMON}/documents"
    before = world.send(world.b, "GET", f"/v1/documents/{world.common.document}").json()
    taken = {"documents": json.dumps([{"uri": f"note:{MARK}"}])}
    world.send(world.a, "POST", path, 409, files=files, data=taken)
    drain(world.agent)
    after = world.send(world.b, "GET", f"/v1/documents/{world.common.document}").json()
    assert before == after
    posing = {"documents": json.dumps([{"principals": ["b"]}])}
    world.send(world.a, "POST", path, 403, files=files, data=posing)


@covers("show_document")
def _show_document(world: World) -> None:
    world.hides("GET", "/v1/documents/{document}")
    etag = world.send(world.b, "GET", f"/v1/documents/{world.own.document}").headers["etag"]
    world.hides("GET", "/v1/documents/{document}", shows=False, headers={"if-none-match": etag})
    world.hides("GET", "/v1/documents/{document}", shows=False, headers={"if-none-match": "*"})
    world.hides("HEAD", "/v1/documents/{document}", shows=False)


@covers("delete_document")
def _delete_document(world: World) -> None:
    world.hides("DELETE", "/v1/documents/{document}", shows=False)
    for names in world.both:
        fresh = world.new_document(names)
        world.send(world.a, "DELETE", f"/v1/documents/{fresh}", 404)
        world.send(world.b, "DELETE", f"/v1/documents/{fresh}", 204)


@covers("disable_document")
def _disable_document(world: World) -> None:
    world.hides("POST", "/v1/documents/{document}/disable", shows=False)
    for names in world.both:
        fresh = world.new_document(names)
        world.send(world.b, "POST", f"/v1/documents/{fresh}/disable", 200)


@covers("enable_document")
def _enable_document(world: World) -> None:
    world.hides("POST", "/v1/documents/{document}/enable")


@covers("list_elements")
def _list_elements(world: World) -> None:
    world.hides("GET", "/v1/documents/{document}/elements")


@covers("list_pages")
def _list_pages(world: World) -> None:
    world.hides("GET", "/v1/documents/{document}/pages")


@covers("show_page")
def _show_page(world: World) -> None:
    world.hides("GET", "/v1/documents/{document}/pages/1/picture")
    world.hides("GET", "/v1/documents/{document}/pages/1/picture?box=0,0,0.5,0.5&dpi=72")
    world.hides("GET", "/v1/documents/{document}/pages/999/picture", shows=False)


@covers("crop_page")
def _crop_page(world: World) -> None:
    world.hides("GET", "/v1/documents/{document}/pages/1/crop?box=0,0,0.5,0.5")


# --- search and ask --------------------------------------------------------


@covers("search")
def _search(world: World) -> None:
    common = {"query": QUESTION, "collection": COMMON, "k": 50}
    world.leaves_out("POST", "/v1/search", json=common)
    for query in (MARK, SECRET, f"{MARK} red"):
        found = world.send(world.a, "POST", "/v1/search", 200, json={**common, "query": query})
        world.require_unmarked(found.text.replace(f'"query":"{query}"', ""))
    for modality in ("text", "image"):
        world.leaves_out("POST", "/v1/search", json={**common, "modality": modality})
    for filters in ({"document": world.common.document}, {"uri": f"note:{MARK}"}):
        world.leaves_out("POST", "/v1/search", json={**common, "filters": filters})
    other = {**common, "filters": {"document": world.own.document}}
    assert world.send(world.a, "POST", "/v1/search", 200, json=other).json()["items"] == []
    refused = [
        world.send(world.a, "POST", "/v1/search", 404, json={**common, "collection": name})
        for name in (OWN, "gamma")
    ]
    assert told(refused[0], world.own) == told(refused[1], MISSING)
    world.send(world.b, "POST", "/v1/search", 200, json={**common, "collection": OWN})


@covers("ask")
def _ask(world: World) -> None:
    body = {"question": QUESTION, "collection": COMMON}
    world.leaves_out("POST", "/v1/ask", json=body)
    world.leaves_out("POST", "/v1/ask", json={**body, "stream": True})
    filters = {"document": world.common.document}
    world.leaves_out("POST", "/v1/ask", json={**body, "filters": filters})
    for stream in (False, True):
        refused = [
            world.send(
                world.a, "POST", "/v1/ask", 404,
                json={**body, "collection": name, "stream": stream},
            )
            for name in (OWN, "gamma")
        ]  # fmt: skip
        assert told(refused[0], world.own) == told(refused[1], MISSING)
    # Of one name, but each has its own: B's answer is not read into A's question.
    world.send(world.b, "POST", "/v1/ask", 200, json={**body, "conversation": "harbour"})
    follow = {"question": "And where is that?", "collection": COMMON, "conversation": "harbour"}
    world.require_unmarked(world.send(world.a, "POST", "/v1/ask", 200, json=follow).text)
    # Nor is B's answer given to A for the same key of idempotency.
    once = {"Idempotency-Key": f"once-{next(_NUMBERS)}"}
    assert marked(world.send(world.b, "POST", "/v1/ask", 200, json=body, headers=once).text)
    world.require_unmarked(
        world.send(world.a, "POST", "/v1/ask", 200, json=body, headers=once).text
    )


def streamed(world: World, names: Names) -> Names:
    """The names, with an answer of B's that can still be taken up."""
    body = {"question": QUESTION, "collection": names.collection, "stream": True}
    answer = world.send(world.b, "POST", "/v1/ask", 200, json=body)
    return replace(names, ask=answer.headers["location"].split("/")[3])


@covers("resume_ask")
def _resume_ask(world: World) -> None:
    among = tuple(streamed(world, names) for names in world.both)
    world.hides("GET", "/v1/asks/{ask}/events", among=among)
    world.hides("GET", "/v1/asks/{ask}/events", among=among, headers={"last-event-id": "1"})


@covers("cancel_ask")
def _cancel_ask(world: World) -> None:
    among = tuple(streamed(world, names) for names in world.both)
    world.hides("DELETE", "/v1/asks/{ask}", among=among, shows=False)
    for names in among:
        world.send(world.b, "GET", f"/v1/asks/{names.ask}/events", 200)
        world.send(world.b, "DELETE", f"/v1/asks/{names.ask}", 204)


# --- evidence, traces, conversations ---------------------------------------


@covers("show_evidence")
def _show_evidence(world: World) -> None:
    world.hides("GET", "/v1/evidence/{evidence}")


@covers("crop_evidence")
def _crop_evidence(world: World) -> None:
    world.hides("GET", "/v1/evidence/{evidence}/crop")


@covers("list_traces")
def _list_traces(world: World) -> None:
    world.send(world.a, "POST", "/v1/ask", 200, json={"question": OPEN, "collection": COMMON})
    seen = world.send(world.a, "GET", "/v1/traces?limit=100", 200)
    world.require_unmarked(seen.text)
    mine = {entry["id"] for entry in seen.json()["items"]}
    others = {
        entry["id"] for entry in world.send(world.b, "GET", "/v1/traces?limit=100").json()["items"]
    }
    assert mine
    assert {names.trace for names in world.both} <= others
    assert not mine & others


@covers("show_trace")
def _show_trace(world: World) -> None:
    world.hides("GET", "/v1/traces/{trace}")
    beginning = world.own.trace[:-2]
    world.send(world.a, "GET", f"/v1/traces/{beginning}", 404)


@covers("delete_trace")
def _delete_trace(world: World) -> None:
    world.hides("DELETE", "/v1/traces/{trace}", shows=False)
    for names in world.both:
        fresh = world.new_names(names)
        world.send(world.a, "DELETE", f"/v1/traces/{fresh.trace}", 404)
        world.send(world.b, "DELETE", f"/v1/traces/{fresh.trace}", 204)


@covers("replay_trace")
def _replay_trace(world: World) -> None:
    world.hides("POST", "/v1/traces/{trace}/replay", json={})


@covers("crop_traced_evidence")
def _crop_traced_evidence(world: World) -> None:
    world.hides("GET", "/v1/traces/{trace}/evidence/{traced}/crop")
    mine = {"question": OPEN, "collection": COMMON}
    trace = world.send(world.a, "POST", "/v1/ask", 200, json=mine).json()["trace"]
    for names in world.both:  # of a trace of one's own, either
        path = f"/v1/traces/{trace}/evidence/{names.traced}/crop"
        world.send(world.a, "GET", path, 404)


@covers("list_conversations")
def _list_conversations(world: World) -> None:
    world.leaves_out("GET", "/v1/conversations")


@covers("show_conversation")
def _show_conversation(world: World) -> None:
    world.hides("GET", "/v1/conversations/{conversation}")


@covers("delete_conversation")
def _delete_conversation(world: World) -> None:
    world.hides("DELETE", "/v1/conversations/{conversation}", shows=False)
    for names in world.both:
        fresh = world.new_names(names)
        world.send(world.a, "DELETE", f"/v1/conversations/{fresh.conversation}", 404)
        world.send(world.b, "DELETE", f"/v1/conversations/{fresh.conversation}", 204)


# --- jobs ------------------------------------------------------------------


@covers("list_jobs")
def _list_jobs(world: World) -> None:
    world.require_unmarked(world.send(world.a, "GET", "/v1/jobs?limit=100", 200).text)
    seen = world.send(world.b, "GET", "/v1/jobs?limit=100", 200).text
    assert all(names.job in seen and names.batch in seen for names in world.both)


@covers("show_job")
def _show_job(world: World) -> None:
    world.hides("GET", "/v1/jobs/{job}")
    world.hides("GET", "/v1/jobs/{batch}")


@covers("list_job_items")
def _list_job_items(world: World) -> None:
    world.hides("GET", "/v1/jobs/{job}/items")
    world.hides("GET", "/v1/jobs/{job}/items?state=failed")
    world.hides("GET", "/v1/jobs/{batch}/items")


@covers("follow_job")
def _follow_job(world: World) -> None:
    world.hides("GET", "/v1/jobs/{job}/events")
    world.hides("GET", "/v1/jobs/{batch}/events", headers={"last-event-id": "1"})


@covers("cancel_job")
def _cancel_job(world: World) -> None:
    among = tuple(replace(names, batch=world.new_batch(names)) for names in world.both)
    world.hides("POST", "/v1/jobs/{batch}/cancel", among=among, shows=False)
    for names in among:
        job = world.send(world.b, "GET", f"/v1/jobs/{names.batch}", 200).json()
        assert job["state"] == "queued"
        world.send(world.b, "POST", f"/v1/jobs/{names.batch}/cancel", 200)


@covers("retry_job")
def _retry_job(world: World) -> None:
    world.hides("POST", "/v1/jobs/{job}/retry", shows=False)
    for names in world.both:
        world.send(world.b, "POST", f"/v1/jobs/{names.job}/retry", 202)
    drain(world.agent)


@covers("submit_batch")
def _submit_batch(world: World) -> None:
    more = {
        "content": json.dumps({"question": QUESTION}),
        "headers": {"content-type": "application/jsonl"},
    }
    world.hides("POST", "/v1/batches?collection={collection}", among=(world.own,), **more)
    inside = json.dumps({"question": QUESTION, "collection": OWN})
    path = f"/v1/batches?collection={COMMON}"
    refused = world.send(world.a, "POST", path, **{**more, "content": inside})
    assert refused.status_code in (404, 422)
    jobs = [world.send(key, "POST", path, 202, **more).json()["id"] for key in (world.a, world.b)]
    drain(world.agent)
    mine, theirs = (
        world.send(key, "GET", f"/v1/batches/{job}/answers", 200).text
        for key, job in zip((world.a, world.b), jobs, strict=True)
    )
    assert json.loads(mine)["answer"] is not None
    world.require_unmarked(mine)
    assert marked(theirs)


@covers("fetch_answers")
def _fetch_answers(world: World) -> None:
    world.hides("GET", "/v1/batches/{batch}/answers")


# --- the service -----------------------------------------------------------


@covers("show_inventory")
def _show_inventory(world: World) -> None:
    world.leaves_out("GET", "/v1/inventory", marks=False)


@covers("show_settings")
def _show_settings(world: World) -> None:
    world.send(world.a, "GET", "/v1/settings", 403)
    world.send(world.admin, "GET", "/v1/settings", 200)


@covers("list_audit")
def _list_audit(world: World) -> None:
    world.require_unmarked(world.send(world.a, "GET", "/v1/audit", 403).text)
    world.send(world.admin, "GET", "/v1/audit", 200)


# --- OpenAI's clients ------------------------------------------------------


@covers("create_chat_completion")
def _create_chat_completion(world: World) -> None:
    messages = [{"role": "user", "content": QUESTION}]
    for stream in (False, True):
        body = {"model": f"cogagent/{COMMON}", "messages": messages, "stream": stream}
        world.leaves_out("POST", "/v1/chat/completions", json=body)
        whole = {**body, "cogagent": {"evidence": True}}
        world.leaves_out("POST", "/v1/chat/completions", json=whole)
        refused = [
            world.send(
                world.a, "POST", "/v1/chat/completions", 404,
                json={**body, "model": f"cogagent/{name}"},
            )
            for name in (OWN, "gamma")
        ]  # fmt: skip
        assert told(refused[0], world.own) == told(refused[1], MISSING)


@covers("list_models")
def _list_models(world: World) -> None:
    world.leaves_out("GET", "/v1/models")


@covers("retrieve_model")
def _retrieve_model(world: World) -> None:
    world.hides("GET", "/v1/models/cogagent/{collection}", among=(world.own,))


@covers("create_embedding")
def _create_embedding(world: World) -> None:
    world.leaves_out("POST", "/v1/embeddings", marks=False, json={"input": QUESTION})


@covers("create_file")
def _create_file(world: World) -> None:
    file = {"file": ("x.txt", b"Mine now.", "text/plain")}
    refused = [
        world.send(world.a, "POST", "/v1/files", 404, files=file, data={"collection": name})
        for name in (OWN, "gamma")
    ]
    assert told(refused[0], world.own) == told(refused[1], MISSING)
    # The same bytes under the same name are another file of another key.
    same = {"file": ("same.txt", b"Nine boats are moored there.", "text/plain")}
    made = [
        world.send(key, "POST", "/v1/files", 200, files=same, data={"collection": COMMON}).json()
        for key in (world.a, world.b)
    ]
    drain(world.agent)
    assert made[0]["id"] != made[1]["id"]
    world.send(world.b, "GET", f"/v1/files/{made[1]['id']}", 200)
    for key, one in zip((world.a, world.b), made, strict=True):
        world.send(key, "DELETE", f"/v1/files/{one['id']}", 200)


@covers("list_files")
def _list_files(world: World) -> None:
    for more in ("", "?limit=1", f"?collection={COMMON}", f"?collection={OWN}"):
        seen = world.send(world.a, "GET", f"/v1/files{more}")
        world.require_unmarked(seen.text)
    seen = world.send(world.b, "GET", "/v1/files", 200).text
    assert all(names.file in seen and names.document in seen for names in world.both)


@covers("retrieve_file")
def _retrieve_file(world: World) -> None:
    world.hides("GET", "/v1/files/{file}")
    world.hides("GET", "/v1/files/{document}")


@covers("delete_file")
def _delete_file(world: World) -> None:
    world.hides("DELETE", "/v1/files/{file}", shows=False)
    world.hides("DELETE", "/v1/files/{document}", shows=False)
    for names in world.both:
        world.send(world.b, "GET", f"/v1/files/{names.file}", 200)
        fresh = world.new_document(names)
        world.send(world.a, "DELETE", f"/v1/files/{fresh}", 404)
        world.send(world.b, "DELETE", f"/v1/files/{fresh}", 200)


@covers("download_file")
def _download_file(world: World) -> None:
    world.hides("GET", "/v1/files/{file}/content")
    world.hides("GET", "/v1/files/{document}/content")


# --- the tools of models ---------------------------------------------------


def use(world: World, key: str, work: Callable[[Client], Any]) -> Any:
    """Work with the MCP door by the SDK's own client."""

    async def connected() -> Any:
        async with create_mcp_http_client(headers=bearer(key)) as http:
            transport = streamable_http_client(f"{world.url}/mcp", http_client=http)
            async with Client(transport) as client:
                return await work(client)

    return asyncio.run(connected())


def tool(world: World, key: str, name: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a tool failed, and all that it said."""

    async def called(client: Client) -> Any:
        return await client.call_tool(name, arguments)

    found = use(world, key, called)
    return bool(found.is_error), found.model_dump_json()


def tool_hides(world: World, name: str, **arguments: Any) -> None:
    for names in world.both:
        failed, said = tool(world, world.a, name, document_id=names.document, **arguments)
        nothing = tool(world, world.a, name, document_id=MISSING.document, **arguments)
        assert failed
        said = said.replace(names.document, MISSING.document)
        assert (failed, said) == nothing
        assert not tool(world, world.b, name, document_id=names.document, **arguments)[0]


def tool_leaves_out(world: World, name: str, **arguments: Any) -> None:
    within = {"document_id": world.common.document}
    for more in ({}, within):
        world.require_unmarked(
            tool(world, world.a, name, collection=COMMON, **arguments, **more)[1].replace(
                world.common.document, ""
            )
        )
        assert marked(tool(world, world.b, name, collection=COMMON, **arguments, **more)[1])
    refused = [
        tool(world, world.a, name, collection=collection, **arguments)
        for collection in (OWN, "gamma")
    ]
    assert refused[0] == (True, refused[1][1].replace("gamma", OWN))
    assert not marked(refused[0][1].replace(OWN, ""))


@covers("search", TOOLS)
def _tool_search(world: World) -> None:
    tool_leaves_out(world, "search", query=QUESTION)


@covers("ask", TOOLS)
def _tool_ask(world: World) -> None:
    tool_leaves_out(world, "ask", question=QUESTION)


@covers("open_page", TOOLS)
def _tool_open_page(world: World) -> None:
    tool_hides(world, "open_page")
    tool_hides(world, "open_page", picture=True)


@covers("view_region", TOOLS)
def _tool_view_region(world: World) -> None:
    tool_hides(world, "view_region", box=[0.0, 0.0, 0.5, 0.5])
