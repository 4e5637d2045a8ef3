"""Who comes in: keys, scopes, failures, the open door; and what the document says of it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from cogagent import CogAgent, Source
from cogagent.api import access
from cogagent.api.access import network, session_of
from cogagent.api.callers import Caller
from cogagent.api.session import Session
from cogagent.errors import ForbiddenError, NotFoundError, UnauthenticatedError
from cogagent.indexes.keys import KeyRing
from tests.api.conftest import Keys
from tests.api.service_kit import ELSEWHERE, call, small_app


def test_without_a_key_nobody_comes_in(agent: CogAgent) -> None:
    app = small_app(agent)
    for path in ("/who", "/all", "/unscoped", "/nowhere", "/openapi.json", "/docs"):
        refused = call(app, path)
        assert refused.status_code == 401, path
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["code"] == "unauthenticated"
    assert call(app, "/healthz").status_code == 200


@pytest.mark.parametrize(
    "path", ["/healthz/", "/healthz/../who", "/%2Fhealthz", "/Healthz", "/healthz%2f..%2fwho"]
)
def test_only_the_probes_themselves_are_open(agent: CogAgent, path: str) -> None:
    assert call(small_app(agent), path).status_code == 401


def test_a_key_is_sent_in_either_header(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    assert call(app, "/who", keys.reader).json() == "reader"
    assert call(app, "/who", headers={"X-Api-Key": keys.reader}).json() == "reader"
    lower = {"authorization": f"bearer  {keys.reader} "}
    assert call(app, "/who", headers=lower).json() == "reader"
    assert call(app, "/who", keys.reader, headers={"x-api-key": keys.reader}).json() == "reader"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer"},
        {"authorization": ""},
        {"authorization": "Bearer \xff\xfe".encode("latin-1")},
        {"x-api-key": ""},
        {"x-api-key": "cog_a_b"},
        [("authorization", "Bearer cog_a_b"), ("authorization", "Bearer cog_c_d")],
    ],
)
def test_what_is_no_key_is_refused(agent: CogAgent, headers: Any) -> None:
    assert call(small_app(agent), "/who", headers=headers).status_code == 401


def test_two_different_keys_are_none(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    assert call(app, "/who", keys.reader, headers={"x-api-key": keys.admin}).status_code == 401


def test_scopes(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    allowed = {
        (name, path): call(app, path, getattr(keys, name), method).status_code
        for name in ("reader", "dams", "admin")
        for path, method in (("/who", "GET"), ("/things/1", "POST"), ("/all", "GET"))
    }
    assert allowed == {
        ("reader", "/who"): 200, ("reader", "/things/1"): 403, ("reader", "/all"): 403,
        ("dams", "/who"): 200, ("dams", "/things/1"): 200, ("dams", "/all"): 403,
        ("admin", "/who"): 200, ("admin", "/things/1"): 200, ("admin", "/all"): 200,
    }  # fmt: skip


def test_a_revoked_key_is_refused_at_once(agent: CogAgent) -> None:
    app = small_app(agent)
    ring = KeyRing(agent.catalogue)  # of another process, say
    key, text = ring.create("bot")
    assert call(app, "/who", text).status_code == 200
    ring.revoke(key.id)
    assert call(app, "/who", text).status_code == 401


def test_a_key_is_hashed_once_however_often_and_at_once_it_comes(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = small_app(agent)
    ring = app.state.parts.keys
    hashed, check = [], ring.check
    monkeypatch.setattr(ring, "check", lambda text: (hashed.append(text), check(text))[1])

    async def crowd() -> list[int]:
        transport = httpx.ASGITransport(app)
        headers = {"x-api-key": keys.reader}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=headers
        ) as client:
            found = await asyncio.gather(*(client.get("/who") for _ in range(40)))
        return [response.status_code for response in found]

    assert asyncio.run(crowd()) == [200] * 40
    assert len(hashed) == 1


def test_who_fails_often_has_to_wait_and_others_do_not(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)
    assert call(app, "/who", keys.reader, client=ELSEWHERE).status_code == 200
    wrong = f"{keys.dams[:-43]}{'A' * 43}"
    tried = [call(app, "/who", wrong, client=ELSEWHERE) for _ in range(12)]
    assert [response.status_code for response in tried] == [401] * 10 + [429] * 2
    assert 1 <= int(tried[-1].headers["retry-after"]) <= 60
    assert call(app, "/who", keys.dams, client=ELSEWHERE).status_code == 429, "not known yet"
    assert call(app, "/who", keys.reader, client=ELSEWHERE).status_code == 200, "known before"
    assert call(app, "/who", keys.ships, client=ELSEWHERE).status_code == 200, "another key"
    assert call(app, "/who", keys.dams).status_code == 200, "from another address"


def test_keys_that_nobody_made_cost_no_hash_and_lock_nobody_out(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_UNKNOWN", 20)
    app = small_app(agent)
    ring, hashed = app.state.parts.keys, []
    monkeypatch.setattr(app.state.parts.keys, "_checked", dict(ring._checked))
    from cogagent.indexes import keys as kept

    hasher = kept._hasher
    monkeypatch.setattr(kept, "_hasher", lambda: (hashed.append(1), hasher())[1])
    unknown = f"cog_{'a' * 12}_{'A' * 43}"
    tried = [call(app, "/who", unknown).status_code for _ in range(22)]
    assert tried == [401] * 20 + [429] * 2
    assert not hashed
    assert call(app, "/who", keys.reader).status_code == 200, "it is new, and holds"


def test_keys_that_hold_are_no_failures(agent: CogAgent) -> None:
    app = small_app(agent)
    ring = KeyRing(agent.catalogue)
    for number in range(15):
        assert call(app, "/who", ring.create(str(number))[1]).status_code == 200


def test_a_crowd_of_unknown_keys_is_told_to_come_again(
    agent: CogAgent, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_WAITING", 1)
    app = small_app(agent)
    ring = app.state.parts.keys
    begun, go_on = threading.Event(), threading.Event()

    def slow(text: str) -> Any:
        begun.set()
        assert go_on.wait(30)
        return KeyRing.check(ring, text)

    monkeypatch.setattr(ring, "check", slow)

    async def two() -> tuple[int, int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            first = asyncio.create_task(client.get("/who", headers={"x-api-key": keys.reader}))
            await asyncio.to_thread(begun.wait, 30)
            second = await client.get("/who", headers={"x-api-key": keys.dams})
            go_on.set()
            return (await first).status_code, second.status_code

    assert asyncio.run(two()) == (200, 429)


def test_each_key_has_its_rate(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent, rate=3)
    found = [call(app, "/who", keys.reader) for _ in range(4)]
    assert [response.status_code for response in found] == [200, 200, 200, 429]
    assert found[-1].json()["code"] == "rate_limit"
    assert 1 <= int(found[-1].headers["retry-after"]) <= 20
    assert call(app, "/who", keys.dams).status_code == 200


# --- the open door ---------------------------------------------------------


def test_at_an_open_door_this_machine_may_do_everything(agent: CogAgent) -> None:
    app = small_app(agent, open_door=True, rate=1)
    for _ in range(3):
        assert call(app, "/all").json() == "local"
    assert call(app, "/who", "no-key-of-ours").json() == "local", "some clients need a word"


def test_at_an_open_door_a_key_counts_as_one(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent, open_door=True)
    assert call(app, "/who", keys.reader).json() == "reader"
    assert call(app, "/all", keys.reader).status_code == 403
    assert call(app, "/who", "cog_wrong").status_code == 401


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("127.0.0.1", 200), ("127.8.8.8", 200), ("::1", 200), ("::ffff:127.0.0.1", 200),
        ("192.0.2.7", 401), ("::ffff:192.0.2.7", 401), ("fe80::1%eth0", 401), ("0.0.0.0", 401),
        ("localhost", 401), ("", 401),
    ],
)  # fmt: skip
def test_an_open_door_is_for_this_machine(agent: CogAgent, address: str, status: int) -> None:
    assert (
        call(small_app(agent, open_door=True), "/who", client=(address, 1)).status_code == status
    )


def test_unless_no_keys_at_all_was_asked_for(agent: CogAgent) -> None:
    app = small_app(agent, open_door=True, auth="off", hosts=("cog.example",))
    assert call(app, "/who", host="cog.example", client=ELSEWHERE).status_code == 200


# --- the parts -------------------------------------------------------------


def test_what_did_not_come_through_the_gate_has_no_session() -> None:
    for scope in ({}, {"state": {}}, {"state": {"session": "admin"}}):
        with pytest.raises(UnauthenticatedError):
            session_of(scope)


def test_websockets_are_not_spoken(agent: CogAgent) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/who", "headers": [], "query_string": b""}
    asyncio.run(small_app(agent, open_door=True)(scope, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix", "unix"),
    ],
)
def test_addresses_are_counted_by_whose_they_are(address: str, whose: str) -> None:
    assert network({"client": (address, 1)}) == whose


def test_the_document_names_the_scope_of_each_operation(agent: CogAgent) -> None:
    document = small_app(agent).openapi()
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"bearer", "x-api-key"}
    for path, method, scope in (
        ("/who", "get", "read"),
        ("/things/{thing}", "post", "write"),
        ("/all", "get", "admin"),
    ):
        security = document["paths"][path][method]["security"]
        assert security == [{"bearer": [scope]}, {"x-api-key": [scope]}]


def test_a_collection_that_is_not_there_tells_of_no_other(tmp_path: Path) -> None:
    with CogAgent(home=tmp_path / "kb") as agent:
        agent.collections.create("secret-project")
        key = Caller("key", "k", frozenset({"read"}), collections=frozenset({"mine"}))
        session = Session(agent, key)
        for asked in (
            session.asearch("x", collection="mine"),
            session.aask("x", collection="mine"),
        ):
            with pytest.raises(NotFoundError) as error:
                asyncio.run(asked)
            assert "secret" not in str(error.value)
            assert str(tmp_path) not in str(error.value)
        with pytest.raises(NotFoundError):
            session.astream("x", collection="mine")


def test_a_collection_is_not_deleted_with_what_became_hidden_meanwhile(
    agent: CogAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Caller("key", "k", frozenset({"write"}), frozenset({"dams"}), frozenset({"ann"}))
    session = Session(agent, key)
    require = Session._require_there

    def slow(asking: Session, collection: str) -> None:
        require(asking, collection)
        hidden = Source(
            uri="note:9", data=b"The vault.", media_type="text/plain", principals=("bob",)
        )
        assert agent.ingest(hidden, collection).ingested == 1

    monkeypatch.setattr(Session, "_require_there", slow)
    with pytest.raises(ForbiddenError):
        session.delete_collection("dams")
    assert len(agent.documents.list("dams")) == 4
