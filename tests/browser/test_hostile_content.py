"""Whatever documents, names, questions and models say is text."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from cogagent import Source
from tests.browser.conftest import Served, Visit, ask, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MARKUP = "<img src=x onerror=\"window.__xss=1\"><svg onload='window.__xss=2'></svg>"
SCRIPT = "</textarea></title><script>window.__xss=3</script>"
LINK = "javascript:window.__xss=4"
TURNED = "\u202egnp.exe\u200b"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A home in which everything that can carry text carries markup."""
    home = tmp_path_factory.mktemp("hostile") / "kb"
    text = (
        f"# {MARKUP} the heading\n\n"
        f"The password of the harbour is {MARKUP} {SCRIPT} swordfish.\n\n"
        f"| berth | {SCRIPT} |\n|---|---|\n| seven | {MARKUP} {LINK} |\n"
    )
    with served(home) as found:
        found.agent.ingest(
            [
                Source(
                    data=text.encode(),
                    uri=f"note:{MARKUP}/{SCRIPT}.txt",
                    title=f"{MARKUP}{SCRIPT}{TURNED}",
                    media_type="text/plain",
                )
            ]
        )
        yield found


def require_harmless(page: Page) -> None:
    """Nothing ran, and nothing was made of what was said."""
    assert page.evaluate("window.__xss") is None
    assert page.locator("img[src=x], svg[onload], [onerror], iframe, object, embed").count() == 0
    assert page.evaluate("document.scripts.length") == 1
    assert page.locator("a[href^='javascript:']").count() == 0


def test_documents_titles_and_answers_are_text(visit: Visit, hostile: Served) -> None:
    page = visit(hostile.url)
    page.locator("#documents .entry").wait_for()
    assert MARKUP in page.locator("#documents").inner_text()
    ask(page, "What is the password of the harbour?")
    assert "swordfish" in page.locator(".answer").inner_text()
    require_harmless(page)
    page.locator(".answer .marker").first.click()
    page.locator("#viewer .words").wait_for()
    assert MARKUP in page.locator("#viewer").inner_text()
    assert SCRIPT in page.locator("#viewer .words").inner_text()
    require_harmless(page)


def test_questions_and_history_are_text(visit: Visit, hostile: Served) -> None:
    page = visit(hostile.url)
    ask(page, f"{MARKUP}{SCRIPT} what is {{{{7*7}}}} {LINK}")
    assert MARKUP in page.locator(".question").inner_text()
    assert MARKUP in page.locator("#history").inner_text()
    require_harmless(page)
    page.reload()
    page.locator(".run").wait_for()
    require_harmless(page)


def test_names_of_collections_and_files_are_text(visit: Visit, hostile: Served) -> None:
    page = visit(hostile.url)
    page.locator("#documents .entry").wait_for()
    page.click("#new-collection")
    page.fill("#collection-name", MARKUP)
    page.press("#collection-name", "Enter")
    page.get_by_text("is made.").wait_for()
    page.set_input_files(
        "#files",
        {"name": f"{MARKUP}.pdf".replace("/", "_"), "mimeType": "x", "buffer": b"%PDF-1.7 broken"},
    )
    page.locator("#jobs .faults li").wait_for()
    require_harmless(page)


def test_keys_are_text(visit: Visit, built: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(built, tmp_path / "kb"))
    with served(home, open_door=False) as closed:
        page = visit(closed.url)
        page.locator("#key-dialog").wait_for()
        page.fill("#key", SCRIPT)
        page.press("#key", "Enter")
        page.locator("#key-refused").wait_for()
        require_harmless(page)


@pytest.mark.parametrize("kind", ["thought", "answer", "error"])
def test_what_a_model_says_is_text(visit: Visit, hostile: Served, kind: str) -> None:
    page = visit(hostile.url)
    page.locator("#documents .entry").wait_for()
    said = MARKUP + SCRIPT + LINK
    step = {
        "number": 1, "thought": said, "queries": [], "findings": [], "notes": [{"text": said}],
        "resolved": said, "fallback": said, "done": True, "reason": said, "error": said,
        "evidence": [],
    }  # fmt: skip
    events: dict[str, tuple[str, Any]] = {
        "thought": ("step", {"step": step}),
        "answer": ("token", {"text": said}),
        "error": ("error", {"message": said, "code": said}),
    }
    type_, data = events[kind]
    page.evaluate(
        """async ([type, data]) => {
          const { RunView } = await import("./page/run.js");
          const run = new RunView(data.text ?? "?", [], () => {});
          document.getElementById("runs").append(run.root);
          run.take({ type, data });
        }""",
        [type_, data],
    )
    assert MARKUP in page.locator(".run").inner_text()
    require_harmless(page)


@contextmanager
def elsewhere(markup: str) -> Iterator[str]:
    """A page of another origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(markup.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_pages_of_others_change_nothing(browser: Browser, hostile: Served) -> None:
    before = httpx.get(f"{hostile.url}/v1/collections").json()
    document = httpx.get(f"{hostile.url}/v1/collections/default/documents").json()["items"][0]
    target = f"{hostile.url}/v1/documents/{document['id']}/disable"
    with elsewhere(f'<form method="post" action="{target}"></form>') as url:
        page = browser.new_page()
        page.goto(url)
        with page.expect_navigation() as sent:
            page.evaluate("document.forms[0].submit()")
        assert sent.value is not None
        assert sent.value.status == 403
        page.goto(url)
        tried = page.evaluate(
            """async (root) => {
              const tries = [
                [`${root}/v1/collections`, { method: "POST", body: '{"name":"theirs"}' }],
                [`${root}/v1/collections`, {}],
                [`${root}/v1/collections`, { method: "POST", mode: "no-cors", body: "{}" }],
              ];
              const told = [];
              for (const [address, how] of tries) {
                told.push(await fetch(address, how).then((one) => one.type, () => "refused"));
              }
              return told;
            }""",
            hostile.url,
        )
        page.close()
    assert tried[:2] == ["refused", "refused"], "the third is sent, and its answer hidden"
    assert httpx.get(f"{hostile.url}/v1/collections").json() == before
    now = httpx.get(f"{hostile.url}/v1/documents/{document['id']}").json()
    assert now["enabled"] is True


def test_it_is_not_framed(browser: Browser, hostile: Served) -> None:
    with elsewhere(f'<iframe src="{hostile.url}/"></iframe>') as url:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_load_state("load")
        framed = [frame for frame in page.frames if frame is not page.main_frame]
        assert all(frame.locator("#question").count() == 0 for frame in framed)
        page.close()
