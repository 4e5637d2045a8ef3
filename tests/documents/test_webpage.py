"""The main text of a page of the web as elements."""

from __future__ import annotations

import pytest

from cogagent.documents import registry
from cogagent.documents.webpage import WebPageLoader
from cogagent.types import Element, Source

PAGE = """<html><head><title> A
 page </title></head><body><nav><ul><li><a href="/">Home</a></li></ul></nav>
<article><h1>The dam</h1><p>It was <b>finished</b> in <a href="/y">1931</a>, as its engineer had
said it would be from the beginning.<br>Nobody had believed her.</p>
<h3>Parts</h3><ul><li>The wall, which is high</li><li>The road, which is narrow</li></ul>
<table><tr><th>Part</th><th>Length</th></tr><tr><td>Wall</td><td>310 m</td></tr>
<tr><td>Road</td><td></td></tr></table>After the table some more words stand alone.
<blockquote><p>It will hold, said the engineer to the press.</p></blockquote></article>
<footer><p>All rights reserved</p></footer></body></html>"""


@pytest.fixture
def load(limits, parse):
    def load(page: str | bytes, media_type: str = "text/html") -> list[Element]:
        data = page.encode() if isinstance(page, str) else page
        source = Source(uri="http://a.example/", data=data, media_type=media_type)
        return list(WebPageLoader(limits, parse).load(source))

    return load


def test_the_main_text_in_its_order(load) -> None:
    first, *rest = load(PAGE)
    assert (first.kind, first.caption) == ("page", "A page")
    assert [element.order for element in rest] == list(range(1, len(rest) + 1))
    assert [(e.level, e.text) for e in rest if e.kind == "text"] == [
        (1, "The dam"),
        (None, "It was finished in 1931, as its engineer had said it would be from the "
               "beginning.\nNobody had believed her."),
        (3, "Parts"),
        (None, "The wall, which is high"),
        (None, "The road, which is narrow"),
        (None, "After the table some more words stand alone."),
        (None, "It will hold, said the engineer to the press."),
    ]  # fmt: skip
    (table,) = (element for element in rest if element.kind == "table")
    assert table.cells == (("Part", "Length"), ("Wall", "310 m"), ("Road", ""))
    assert table.header_rows == 1
    assert table.text == "Part | Length\nWall | 310 m\nRoad | "


@pytest.mark.parametrize("page", ["", " ", "<html></html>", "\0", "<p>", "<table></table>", "&"])
def test_pages_of_nothing_have_a_page(load, page: str) -> None:
    assert load(page)[0].kind == "page"


def test_what_has_no_main_text_is_read_whole(load) -> None:
    assert [e.text for e in load("<div>Two words</div><div>and more</div>")[1:]] == [
        "Two words",
        "and more",
    ]


def test_no_file_is_of_this_kind() -> None:
    assert registry.WEB_PAGE not in registry.supported()
    assert registry.detect(PAGE.encode(), "a.html") == registry.HTML
