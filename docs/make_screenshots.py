"""Draw the pictures of the web page that the README shows: ``python docs/make_screenshots.py``.

It serves the example documents from a home that is thrown away, and needs Chromium and the
packages of ``.[dev]``.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.conftest import ask, chromium, served  # noqa: E402 - it is not installed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TEXT = "How deep is Lake Velmora?"
TABLE = "How much did the station spend on salaries in 2024?"
COLOURS = 192
"""Of a picture: more are not seen in text, and cost."""


def main() -> None:
    """Write ``docs/images/page-*.png``."""
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "kb") as service,
        chromium() as browser,
    ):
        service.agent.ingest([ROOT / "examples" / "documents"])
        draw(browser, service.url, "light", 1280, 800, TEXT)
        draw(browser, service.url, "dark", 1280, 800, TABLE)
        draw(browser, service.url, "phone", 390, 780, TEXT, scheme="light")


def draw(
    browser: Browser,
    url: str,
    name: str,
    width: int,
    height: int,
    question: str,
    *,
    scheme: str = "",
) -> None:
    """Ask, open what the answer cites, and write what is seen.

    Args:
        browser: To look with.
        url: Of the service.
        name: Of the picture.
        width: Of the window, in CSS pixels; the picture has twice as many.
        height: Likewise.
        question: What is asked.
        scheme: ``light`` or ``dark``; the picture's name if not given.
    """
    page = browser.new_page(
        viewport={"width": width, "height": height},
        device_scale_factor=2,
        color_scheme=scheme or name,
        reduced_motion="reduce",
    )
    page.goto(url)
    page.locator("#documents .entry").first.wait_for(state="attached")
    ask(page, question)
    page.locator(".run").last.locator(".answer .marker").first.click()
    page.locator(".overlay .mark").first.wait_for()
    page.locator(".view:not([aria-busy])").wait_for()
    page.wait_for_load_state("networkidle")
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
    picture.save(ROOT / "docs" / "images" / f"page-{name}.png", optimize=True)
    page.close()


if __name__ == "__main__":
    main()
