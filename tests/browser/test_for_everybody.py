"""By keyboard, with a screen reader, on any screen, in any light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PHONE, WIDE, Visit, ask

if TYPE_CHECKING:
    from playwright.sync_api import Page

DEPTH = "How deep is Lake Velmora?"
SIZES = [PHONE, {"width": 768, "height": 1024}, WIDE, {"width": 1920, "height": 1080}]


def require_accessible(page: Page, state: str) -> None:
    """axe finds nothing, of whatever weight."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    told = [
        (one["impact"], one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found
    ]
    assert told == [], state


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing(visit: Visit, scheme: str, size: dict[str, int]) -> None:
    page = visit(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    page.locator("#documents .entry").first.wait_for(state="attached")
    require_accessible(page, "documents")
    ask(page, DEPTH)
    page.locator(".options summary").click()
    require_accessible(page, "an answer")
    page.locator(".answer .marker").first.click()
    page.locator(".overlay .mark").first.wait_for()
    require_accessible(page, "a cited page")
    page.keyboard.press("Escape")
    if size is PHONE:
        page.click("#open-side")
        require_accessible(page, "the side")
    page.click("#new-collection")
    require_accessible(page, "a dialog")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size['width']}")
def test_nothing_is_cut_off(visit: Visit, size: dict[str, int]) -> None:
    page = visit(viewport=size)
    page.locator("#documents .entry").first.wait_for(state="attached")
    ask(page, DEPTH)
    for state in ("answer", "viewer"):
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wider <= 0, state
        if state == "answer":
            for name in ("#question", "#send", "#picture-files"):
                box = page.locator(name).bounding_box()
                assert box is not None
                assert box["x"] >= 0, name
                assert box["x"] + box["width"] <= size["width"] + 1, name
                assert box["y"] + box["height"] <= size["height"] + 1, name
            page.locator(".answer .marker").first.click()
            page.locator(".overlay .mark").first.wait_for()


def focused(page: Page) -> str:
    told: str = page.evaluate(
        "document.activeElement.id || document.activeElement.getAttribute('aria-label')"
        " || document.activeElement.textContent"
    )
    return told


def tab_to(page: Page, wanted: str, *, most: int = 60) -> None:
    """Go backwards by Tab until something is reached."""
    for _ in range(most):
        page.keyboard.press("Shift+Tab")
        if focused(page).startswith(wanted):
            return
    pytest.fail(f"{wanted} is not reached by Tab")


def test_everything_by_keyboard(visit: Visit) -> None:
    page = visit()
    page.locator("#documents .entry").first.wait_for()
    assert focused(page) == "question", "one can begin at once"
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert focused(page) == "question"
    page.keyboard.type(DEPTH)
    page.keyboard.press("Enter")
    page.locator(".run .foot button").first.wait_for()
    page.evaluate(
        "document.querySelector('h1').tabIndex = -1; document.querySelector('h1').focus()"
    )
    tab_to(page, "Source 1")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style != "none", "the focus is seen"
    page.keyboard.press("Enter")
    page.locator(".overlay .mark").first.wait_for()
    assert focused(page).startswith("Velmora Lake Station"), "it is read out"
    width = page.locator(".paper").bounding_box()
    page.keyboard.press("+")
    page.locator(".view:not([aria-busy])").wait_for()
    wider = page.locator(".paper").bounding_box()
    assert width is not None
    assert wider is not None
    assert wider["width"] > 1.4 * width["width"]
    page.keyboard.press("Escape")
    assert focused(page).startswith("Source 1")


def test_answers_are_read_out_once(visit: Visit) -> None:
    page = visit()
    ask(page, DEPTH)
    told = page.locator("#read-out")
    assert "118 metres" in told.inner_text()
    assert told.get_attribute("role") == "status"
    assert page.locator(".run[aria-busy]").count() == 0
