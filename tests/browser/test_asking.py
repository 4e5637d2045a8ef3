"""From a question to the line that answers it."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pypdfium2
import pytest
from PIL import Image

from tests.browser.conftest import EXAMPLES, PHONE, Served, Visit, ask
from tests.browser.pixels import drawn

if TYPE_CHECKING:
    from playwright.sync_api import Page

DEPTH = "How deep is Lake Velmora?"
OPENING = "When is the visitor centre open on Sundays?"


def trace_of(page: Page, service: Served) -> dict[str, Any]:
    """The trace that the page's address leads to."""
    found = re.search(r"#trace=(.+)$", page.url)
    assert found is not None
    told: dict[str, Any] = httpx.get(f"{service.url}/v1/traces/{found[1]}").json()
    return told


def test_an_answer_with_its_plan_and_evidence(visit: Visit) -> None:
    page = visit()
    ask(page, DEPTH)
    run = page.locator(".run")
    assert "118 metres" in run.locator(".answer").inner_text()
    assert run.locator(".state").inner_text().startswith("Answered")
    assert run.locator(".step").count() >= 1
    assert DEPTH in run.locator(".plan").inner_text()
    first = run.locator(".card").first
    assert "118 metres" in first.inner_text()
    assert "cited" in (first.get_attribute("class") or "")
    assert page.locator("#history .entry").first.inner_text().startswith(DEPTH)


@pytest.mark.parametrize("size", [None, PHONE])
def test_the_rectangle_lies_over_the_quoted_line(
    visit: Visit, service: Served, size: dict[str, int] | None
) -> None:
    page = visit(viewport=size) if size else visit()
    ask(page, DEPTH)
    page.locator(".answer .marker").first.click()
    page.locator(".overlay .mark").first.wait_for()
    citation = trace_of(page, service)["answer"]["citations"][0]
    assert "118 metres deep" in page.locator("#viewer .quote").inner_text()
    for _ in range(2):
        for number, box in enumerate(citation["boxes"]):
            offsets = drawn(page, number, box["box"]).offsets
            assert len(offsets) >= 3, "it was led to; lines may be wider than a phone"
            assert max(offsets) <= 2
        page.get_by_role("button", name="Larger").click()
        page.locator(".view:not([aria-busy])").wait_for()
    words = words_under([box["box"] for box in citation["boxes"]], citation["page"])
    for word in ("covers", "118", "metres", "deep"):
        assert word in words


def words_under(boxes: list[list[float]], number: int) -> str:
    """What the PDF itself says within boxes."""
    document = pypdfium2.PdfDocument(EXAMPLES / "lake-station-report.pdf")
    try:
        page = document[number - 1]
        width, height = page.get_size()
        text = page.get_textpage()
        return " ".join(
            text.get_text_bounded(x0 * width, (1 - y1) * height, x1 * width, (1 - y0) * height)
            for x0, y0, x1, y1 in boxes
        )
    finally:
        document.close()


def test_what_has_no_pages_is_shown_as_text(visit: Visit) -> None:
    page = visit()
    ask(page, OPENING)
    page.locator(".answer .marker").first.click()
    row = page.locator("#viewer tr.mark")
    row.wait_for()
    assert "Sunday" in row.inner_text()
    assert "11:00 to 16:00" in row.inner_text()


def test_pages_turn_and_the_focus_comes_back(visit: Visit) -> None:
    page = visit()
    ask(page, DEPTH)
    marker = page.locator(".answer .marker").first
    marker.click()
    page.locator(".overlay .mark").first.wait_for()
    viewer = page.locator("#viewer")
    assert viewer.get_by_role("status").inner_text() == "Page 2 of 6"
    page.keyboard.press("PageDown")
    page.locator("#viewer img[alt^='Page 3']").wait_for()
    assert page.locator(".overlay .mark").count() == 0
    page.keyboard.press("Escape")
    assert viewer.is_hidden()
    assert marker.evaluate("one => one === document.activeElement")


def test_a_trace_is_downloaded_and_an_answer_copied(visit: Visit, service: Served) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    ask(page, DEPTH)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the trace").click()
    assert json.loads(saved.value.path().read_text()) == trace_of(page, service)
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("The answer is copied.").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(DEPTH)
    assert "[1] Velmora Lake Station: Annual Report 2024, page 2" in copied


def test_history_and_addresses_lead_back(visit: Visit) -> None:
    page = visit()
    ask(page, DEPTH)
    address = page.url
    again = visit(address)
    again.locator(".run .marker").first.wait_for()
    assert "118 metres" in again.locator(".answer").inner_text()
    again.locator("#history .link").first.click()
    again.locator(".run").nth(1).wait_for()
    before = again.locator("#history .entry").count()
    again.locator("#history").get_by_role("button", name="Delete").first.click()
    again.get_by_text("The question is deleted.").wait_for()
    assert again.locator("#history .entry").count() == before - 1


def test_a_picture_goes_with_the_question(visit: Visit) -> None:
    page = visit()
    buffer = io.BytesIO()
    Image.new("RGB", (320, 200), "#2255aa").save(buffer, "PNG")
    page.set_input_files(
        "#picture-files",
        {"name": "lake.png", "mimeType": "image/png", "buffer": buffer.getvalue()},
    )
    page.locator("#pictures img").wait_for()
    with page.expect_request("**/v1/ask") as sent:
        ask(page, "Which of the pictures looks like this one?")
    (image,) = json.loads(sent.value.post_data or "")["images"]
    assert image.startswith("data:image/png;base64,")
    assert page.locator(".run .pictures img").count() == 1
    assert page.locator("#pictures li").count() == 0


def test_a_follow_up_tells_what_was_asked_before(visit: Visit) -> None:
    page = visit()
    ask(page, DEPTH)
    with page.expect_request("**/v1/ask") as sent:
        ask(page, "And who founded the station?")
    (turn,) = json.loads(sent.value.post_data or "")["history"]
    assert turn["question"] == DEPTH
    page.uncheck("#follow")
    with page.expect_request("**/v1/ask") as sent:
        ask(page, "Who founded the station?")
    assert json.loads(sent.value.post_data or "")["history"] is None
