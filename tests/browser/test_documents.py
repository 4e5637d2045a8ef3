"""Collections and documents: made, read, left out, deleted; API keys."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from cogagent.indexes.keys import KeyRing
from tests.browser.conftest import EXAMPLES, Served, Visit, ask, served

if TYPE_CHECKING:
    from playwright.sync_api import Route

ODD = "a/b %2F “q” <b>☕</b>"


@pytest.fixture
def mine(built: Path, tmp_path: Path) -> Iterator[Served]:
    """The example documents, served for one test that changes them."""
    home = Path(shutil.copytree(built, tmp_path / "kb"))
    with served(home) as found:
        yield found


def test_from_nothing_to_an_answer(visit: Visit, tmp_path: Path) -> None:
    with served(tmp_path / "kb") as empty:
        page = visit(empty.url)
        page.locator("#no-documents").wait_for()
        page.set_input_files("#files", EXAMPLES / "lake-station-report.pdf")
        page.locator("#documents .entry").wait_for()
        assert "lake-station-report.pdf" in page.locator("#documents").inner_text()
        page.get_by_text("Read lake-station-report.pdf.").wait_for()
        assert page.locator("#jobs li").count() == 0
        ask(page, "Who founded the station?")
        assert "Edith Marrow" in page.locator(".answer").inner_text()


def test_files_chosen_before_the_page_knows_its_collections_are_sent(
    visit: Visit, tmp_path: Path
) -> None:
    with served(tmp_path / "kb") as empty:
        page = visit(empty.url)
        held: list[Route] = []
        page.route("**/v1/inventory", lambda route: held.append(route))
        with page.expect_request("**/v1/inventory"):
            page.reload()
        page.set_input_files("#files", EXAMPLES / "species-notes.md")
        held[0].continue_()
        page.get_by_text("Read species-notes.md.").wait_for()


def test_dropped_files_are_read_and_broken_ones_told(visit: Visit, mine: Served) -> None:
    page = visit(mine.url)
    page.locator("#documents .entry").first.wait_for()
    good = base64.b64encode(b"The lighthouse at Port Ansel was lit in 1871.").decode()
    page.evaluate(
        """(good) => {
          const bytes = Uint8Array.from(atob(good), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "light.txt", { type: "text/plain" }));
          transfer.items.add(new File(["%PDF-1.7 broken"], "broken.pdf"));
          for (const type of ["dragenter", "dragover", "drop"]) {
            document.body.dispatchEvent(
              new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
          }
        }""",
        good,
    )
    fault = page.locator("#jobs .faults li")
    fault.wait_for()
    assert fault.inner_text().startswith("broken.pdf: ")
    page.get_by_role("button", name="Take this notice away").click()
    assert page.locator("#jobs li").count() == 0
    page.locator("#documents .entry", has_text="light").wait_for()
    ask(page, "When was the lighthouse at Port Ansel lit?")
    assert "1871" in page.locator(".answer").inner_text()


def test_a_collection_of_any_name(visit: Visit, mine: Served) -> None:
    page = visit(mine.url)
    page.locator("#documents .entry").first.wait_for()
    page.click("#new-collection")
    page.fill("#collection-name", ODD)
    page.press("#collection-name", "Enter")
    page.locator("#no-documents").wait_for()
    assert page.input_value("#collection") == ODD
    page.set_input_files("#files", EXAMPLES / "species-notes.md")
    page.locator("#documents .entry").wait_for()
    names = [one["name"] for one in httpx.get(f"{mine.url}/v1/collections").json()["items"]]
    assert ODD in names
    page.reload()
    page.locator("#documents .entry").wait_for()
    assert page.input_value("#collection") == ODD, "it is remembered"


def test_documents_are_left_out_and_deleted(visit: Visit, mine: Served) -> None:
    page = visit(mine.url)
    report = page.locator("#documents .entry", has_text="lake-station-report.pdf")
    report.get_by_role("checkbox").uncheck()
    page.get_by_text("is left out of searches").wait_for()
    (one,) = [
        one
        for one in httpx.get(f"{mine.url}/v1/collections/default/documents").json()["items"]
        if one["uri"].endswith(".pdf")
    ]
    assert one["enabled"] is False
    report.get_by_role("button", name="Delete").click()
    report.wait_for(state="detached")
    assert httpx.get(f"{mine.url}/v1/documents/{one['id']}").status_code == 404


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(
    visit: Visit, built: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(built, tmp_path / "kb"))
    with served(home, open_door=False) as closed:
        key = KeyRing(closed.agent.catalogue).create("me", ["read", "write"])[1]
        page = visit(closed.url)
        dialog = page.locator("#key-dialog")
        dialog.wait_for()
        assert dialog.locator("#key-refused").is_hidden()
        page.fill("#key", "cog_wrong_key")
        page.press("#key", "Enter")
        dialog.locator("#key-refused").wait_for()
        page.fill("#key", key)
        page.press("#key", "Enter")
        page.locator("#documents .entry").first.wait_for()
        ask(page, "How deep is Lake Velmora?")
        page.locator(".answer .marker").first.click()
        page.locator(".overlay .mark").first.wait_for()
        assert key not in page.url
        assert key not in page.evaluate("JSON.stringify({...localStorage}) + document.cookie")
        page.click("#sign-out")
        dialog.wait_for()
        assert page.evaluate("sessionStorage.length") == 0
