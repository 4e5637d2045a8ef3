"""Makes the pictures of the documentation from real answers: ``python docs/make_images.py``."""

from __future__ import annotations

import tempfile
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cogagent import Answer, CogAgent

ROOT = Path(__file__).parents[1]
QUESTION = "Who founded the station?"
PAPER, INK, GREY, ACCENT = "#ffffff", "#1b1f24", "#667080", "#c2410c"


def main() -> None:
    """Ask over the examples and draw the answer."""
    with tempfile.TemporaryDirectory() as home, CogAgent(home=home) as agent:
        agent.ingest(ROOT / "examples" / "documents")
        answer = agent.ask(QUESTION)
        page = agent.draw(answer.citations[0])
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    card(answer, page).save(folder / "answer.png", optimize=True)


def card(answer: Answer, page: Image.Image) -> Image.Image:
    """The answer beside the top half of its page, the citation marked."""
    page = page.crop((0, 0, page.width, page.height // 2))
    page = page.resize((620, round(620 * page.height / page.width)), Image.Resampling.LANCZOS)
    picture = Image.new("RGB", (1200, page.height + 40), PAPER)
    picture.paste(page, (560, 20))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((560, 20, 1179, 19 + page.height), outline="#c9d1d9")
    citation = answer.citations[0]
    y = 40
    box = ", ".join(f"{value:.3f}" for value in citation.box)
    for text, size, colour, gap in (
        (f'$ cogagent ask "{answer.question}"', 19, GREY, 26),
        (answer.short, 34, INK, 22),
        (answer.text, 20, INK, 26),
        (f"[1] {citation.title}, page {citation.page}", 17, ACCENT, 4),
        (f"box {box}", 17, ACCENT, 0),
    ):
        font = ImageFont.load_default(size)
        for line in textwrap.wrap(text, width=round(970 / size)):
            pen.text((30, y), line, fill=colour, font=font)
            y += round(1.35 * size)
        y += gap
    return picture


if __name__ == "__main__":
    main()
