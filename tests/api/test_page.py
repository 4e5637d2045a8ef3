"""The web page as files: who gets them, what browsers are told, what is in them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from cogagent import CogAgent
from cogagent.api.app import make_app
from cogagent.api.routes.page import POLICY, files
from tests.api.service_kit import ELSEWHERE, call

SCRIPTS = sorted(name for name in files() if name.endswith(".js"))


class Markup(HTMLParser):
    """Tags with their attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in {"script", "style"}:
            self.inside += data.strip()


@pytest.fixture(scope="module")
def markup() -> Markup:
    found = Markup()
    found.feed(files()["index.html"].decode())
    return found


@pytest.mark.parametrize("open_door", [True, False])
@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in files())])
def test_the_page_is_for_everybody(agent: CogAgent, path: str, open_door: bool) -> None:
    served = call(make_app(agent, open_door=open_door), path)
    assert served.status_code == 200
    assert served.content == files()[path.removeprefix("/page").strip("/") or "index.html"]
    assert served.headers["content-security-policy"] == POLICY
    assert served.headers["x-frame-options"] == "DENY"
    assert "set-cookie" not in served.headers
    again = call(make_app(agent), path, headers={"if-none-match": served.headers["etag"]})
    assert again.status_code == 304


def test_what_it_shows_is_not(agent: CogAgent) -> None:
    app = make_app(agent)
    assert call(app, "/").status_code == 200
    for path in ("/v1/collections", "/page", "/pages"):
        assert call(app, path).status_code == 401, path


@pytest.mark.parametrize(
    "path",
    [
        "/page/no.js", "/page/", "/page/__init__.py", "/page/..%2fapp.py", "/page/%2e%2e/app.py",
        "/page/a/b", "/page/app.js%00", "/page/..%2f..%2fv1%2fcollections",
    ],
)  # fmt: skip
def test_nothing_else_is_served(agent: CogAgent, path: str) -> None:
    refused = call(make_app(agent), path)
    assert refused.status_code in {401, 404}
    assert refused.headers["content-type"] == "application/problem+json"


def test_it_is_read_only(agent: CogAgent) -> None:
    app = make_app(agent)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert call(app, "/", method=method).status_code == 405
    assert call(app, "/", method="HEAD").content == b""


def test_a_link_elsewhere_may_lead_to_it_and_to_nothing_else(agent: CogAgent) -> None:
    app = make_app(agent, open_door=True)
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert call(app, "/", headers=followed).status_code == 200
    assert call(app, "/v1/collections", headers=followed).status_code == 403
    assert call(app, "/", host="evil.example").status_code == 403, "rebinding"
    assert call(app, "/", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 403


def test_it_comes_from_other_machines_too(agent: CogAgent) -> None:
    assert call(make_app(agent), "/", client=ELSEWHERE, host="any.example").status_code == 200


def test_it_is_not_audited(agent: CogAgent) -> None:
    app = make_app(agent)
    call(app, "/")
    call(app, "/page/app.js")
    assert list(app.state.parts.audit.lines(10)) == []


def test_the_policy_runs_nothing_but_the_pages_own_files() -> None:
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["img-src"] == "'self' blob:"
    assert {rules["frame-ancestors"], rules["base-uri"], rules["form-action"]} == {"'none'"}
    assert "unsafe" not in POLICY


def test_nothing_is_inline(markup: Markup) -> None:
    assert markup.inside == ""
    for tag, given in markup.tags:
        assert "style" not in given, tag
        assert not [name for name in given if name.startswith("on")], tag


def test_everything_is_the_services_own(markup: Markup) -> None:
    links = [
        str(given[name]) for _, given in markup.tags for name in ("src", "href") if name in given
    ]
    assert links
    for link in links:
        assert link.startswith(("page/", "#")), link
        assert not link.startswith("page/") or link.removeprefix("page/") in files(), link
    for name, body in files().items():
        found = re.findall(rb"(?:https?:)?//[\w.-]+\.\w+", body)
        assert set(found) <= {b"http://www.w3.org"}, name  # a namespace, fetched by nobody


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_make_no_markup_of_text(name: str) -> None:
    script = files()[name].decode()
    makers = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|srcdoc"
    assert not re.search(makers + r"|new Function|createContextualFragment|setHTML", script)
    assert script.startswith("// @ts-check\n")
    imported = re.findall(r'from "\./([\w.]+)"', script)
    assert set(imported) <= set(files())


def test_every_script_is_used() -> None:
    wanted, found = ["app.js"], set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += re.findall(
                r'^(?:import|\} from).*"\./([\w.]+)"', files()[name].decode(), re.M
            )
    assert sorted(found) == SCRIPTS


def test_every_element_that_scripts_want_is_there(markup: Markup) -> None:
    there = {given["id"] for _, given in markup.tags if "id" in given}
    wanted = {
        one
        for name in SCRIPTS
        for one in re.findall(r'byId\("([\w-]+)"\)', files()[name].decode())
    }
    assert wanted
    assert wanted <= there


def test_every_field_has_a_label(markup: Markup) -> None:
    labelled = {given["for"] for tag, given in markup.tags if tag == "label" and "for" in given}
    ids = [given.get("id") for tag, given in markup.tags if tag in {"input", "select", "textarea"}]
    text = files()["index.html"].decode()
    for one in ids:
        inside = re.search(rf'<label[^>]*>[^<]*<(?:input|select)[^>]*id="{one}"', text)
        assert one in labelled or inside, one
