"""What browsers are told; rebinding, forgery and proxies at an open door."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Response
from hypothesis import given
from hypothesis import strategies as st

from cogagent import CogAgent
from cogagent.api.headers import _is_own_name
from tests.api.conftest import Keys
from tests.api.service_kit import call, small_app


@pytest.mark.parametrize("path", ["/who", "/healthz", "/nowhere", "/breaks", "/all"])
def test_every_response_has_the_headers(agent: CogAgent, keys: Keys, path: str) -> None:
    for key in (keys.reader, None):
        headers = call(small_app(agent), path, key).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "sandbox" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_a_route_may_say_otherwise(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent)

    @app.get("/own")
    def own() -> Response:
        return Response(
            "x", headers={"Content-Security-Policy": "default-src 'self'", "ETag": '"1"'}
        )

    headers = call(app, "/own", keys.reader).headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8600", 200), ("localhost", 200), ("LocalHost.:1", 200), ("[::1]:8600", 200),
        ("127.1.2.3", 200), ("evil.example:8600", 403), ("localhost.evil.example", 403),
        ("192.0.2.7", 403), ("127.0.0.1.evil.example", 403), ("", 403), ("localhost:x", 403),
        ("localhost/evil", 403), ("user@localhost", 403), ("localhost, evil.example", 403),
        ("0.0.0.0", 403), ("[::]", 403), ("2130706433", 403),
    ],
)  # fmt: skip
def test_an_open_door_has_no_other_names(agent: CogAgent, host: str, status: int) -> None:
    app = small_app(agent, open_door=True)
    for path in ("/who", "/healthz"):
        assert call(app, path, headers={"host": host}).status_code == status


def test_two_hosts_or_none_are_refused_at_an_open_door(agent: CogAgent) -> None:
    app = small_app(agent, open_door=True)
    two = [("host", "localhost"), ("host", "localhost")]
    assert call(app, "/who", headers=two).status_code == 403


def test_names_that_are_set_are_checked_with_keys_too(agent: CogAgent, keys: Keys) -> None:
    app = small_app(agent, hosts=("Cog.example",))
    assert call(app, "/who", keys.reader, host="cog.example:8600").status_code == 200
    assert call(app, "/who", keys.reader, host="localhost").status_code == 200
    assert call(app, "/who", keys.reader, host="evil.example").status_code == 403
    assert call(app, "/healthz", host="10.1.2.3:8600").status_code == 200, "of an orchestrator"


def test_without_names_keys_are_enough(agent: CogAgent, keys: Keys) -> None:
    assert call(small_app(agent), "/who", keys.reader, host="any.example").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://127.0.0.1:8600"}, 200),
        ({"origin": "http://127.0.0.1:8600", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "https://127.0.0.1:8600"}, 403),
        ({"origin": "http://localhost:8600"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": ""}, 403),
        ([("origin", "http://127.0.0.1:8600"), ("origin", "https://evil.example")], 403),
    ],
)
def test_pages_of_others_do_not_come_in_at_an_open_door(
    agent: CogAgent, headers: Any, status: int
) -> None:
    app = small_app(agent, open_door=True)
    for method, path in (("GET", "/who"), ("POST", "/things/1")):
        assert call(app, path, method=method, headers=headers).status_code == status


@pytest.mark.parametrize(
    "header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
)
def test_nothing_is_passed_on_through_an_open_door(
    agent: CogAgent, keys: Keys, header: str
) -> None:
    passed = {header: "127.0.0.1"}
    refused = call(small_app(agent, open_door=True), "/who", headers=passed)
    assert refused.status_code == 403
    assert "COGAGENT_SERVICE__AUTH" in refused.json()["remedy"]
    assert call(small_app(agent), "/who", keys.reader, headers=passed).status_code == 200


def test_pages_that_are_named_may_call(agent: CogAgent, keys: Keys) -> None:
    page = {"origin": "https://app.example"}
    asked = {**page, "access-control-request-method": "POST",
             "access-control-request-headers": "authorization,idempotency-key"}  # fmt: skip
    for open_door in (True, False):
        app = small_app(agent, open_door=open_door, origins=("https://app.example/",))
        told = call(app, "/things/1", method="OPTIONS", headers=asked)
        assert told.status_code == 200
        assert told.headers["access-control-allow-origin"] == "https://app.example"
        assert "access-control-allow-credentials" not in told.headers
        key = None if open_door else keys.dams
        done = call(
            app, "/things/1", key, "POST", headers={**page, "sec-fetch-site": "cross-site"}
        )
        assert done.status_code == 200
        assert done.headers["access-control-allow-origin"] == "https://app.example"
        other = {**asked, "origin": "https://evil.example"}
        assert call(app, "/things/1", method="OPTIONS", headers=other).status_code == 400


@given(st.text(max_size=60))
def test_only_loopback_is_this_machine(name: str) -> None:
    if _is_own_name(name):
        plain = name.strip("[]")
        assert plain == "localhost" or plain.startswith("127.") or ":" in plain
