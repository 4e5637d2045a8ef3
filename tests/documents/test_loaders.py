from __future__ import annotations

import base64
import io
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents.html import HtmlLoader
from cogagent.documents.markdown import MarkdownLoader
from cogagent.documents.text import TextLoader, decode
from cogagent.types import Source

MARKUP = (
    st.sampled_from(["<p>", "<table>", "<tr>", "<td>", "<th colspan=3>", "</table>", "<li>"])
    | st.sampled_from(["<ol start=-4>", "<h2>", "</h2>", "<figure>", "<img alt=x>", "<br>"])
    | st.sampled_from(["<main>", "</main>", "#", "-", "1.", "|", "|-|", "```", ">", "**"])
    | st.sampled_from(["[a](b)", "![c](d)", "\n", "\n\n", "\f", "&", "a", "b"])
)
LOADERS = (TextLoader, MarkdownLoader, HtmlLoader)


def load(loader, text, media_type=None):
    data = text if isinstance(text, bytes) else text.encode()
    source = Source(uri="x", data=data, media_type=media_type)
    return list(loader(LimitSettings(), ParseSettings()).load(source))


def texts(loader, text, media_type=None):
    return [item.text for item in load(loader, text, media_type) if item.kind != "page"]


@pytest.mark.parametrize("loader", LOADERS)
class TestContract:
    def check(self, loader, text):
        elements = load(loader, text)
        assert elements[0].kind == "page"
        assert [element.order for element in elements] == list(range(len(elements)))
        pages = [element.page for element in elements]
        assert pages == sorted(pages)
        for element in elements[1:]:
            assert element.kind in ("page", "text", "table", "image")
            assert element.caption == "" or element.kind in ("table", "image")
            assert "\0" not in element.text
            assert "\r" not in element.text
            if element.kind == "table":
                assert element.text == "\n".join(" | ".join(row) for row in element.cells)
                assert len({len(row) for row in element.cells}) == 1
                assert 0 <= element.header_rows <= len(element.cells)
            elif element.kind == "text":
                assert element.text.strip()
        return elements

    def test_naughty_strings(self, loader, naughty):
        self.check(loader, naughty)
        self.check(loader, f"before\n\n{naughty}\n\nafter")

    @given(data=st.binary(max_size=200))
    def test_any_bytes(self, loader, data):
        self.check(loader, data)

    @given(text=st.lists(MARKUP, max_size=40).map(" ".join))
    def test_any_markup(self, loader, text):
        self.check(loader, text)

    def test_nothing_but_space_has_a_page(self, loader):
        assert [element.kind for element in load(loader, " \n ")] == ["page"]

    def test_huge_paragraph_is_cut(self, loader):
        parts = texts(loader, "many words " * 20_000)
        assert max(map(len, parts)) <= 20_000
        assert " ".join(parts).split() == ["many", "words"] * 20_000


# --- plain text ---------------------------------------------------------------


def test_form_feeds_are_pages():
    elements = load(TextLoader, "one\n\ntwo\fthree\f\ffive")
    assert [(e.kind, e.page, e.text) for e in elements] == [
        ("page", 1, ""),
        ("text", 1, "one"),
        ("text", 1, "two"),
        ("page", 2, ""),
        ("text", 2, "three"),
        ("page", 3, ""),
        ("page", 4, ""),
        ("text", 4, "five"),
    ]


def test_wrapped_lines_are_joined_and_short_ones_kept():
    wrapped = "This line is long enough to have been wrapped by an editor\nand goes on here."
    assert texts(TextLoader, wrapped) == [wrapped.replace("\n", " ")]
    verse = "Roses are red,\nviolets are blue"
    assert texts(TextLoader, verse) == [verse]
    items = "- This item is long enough to have been wrapped by an editor\n- second"
    assert texts(TextLoader, items) == [items]


@pytest.mark.parametrize(
    ("text", "charset"),
    [
        ("Grüße, naïve café", "utf-8"),
        ("Grüße, naïve café", "utf-8-sig"),
        ("Grüße, naïve café", "utf-16"),
        ("Grüße, naïve café", "utf-16-le"),
        ("Grüße, naïve café", "utf-16-be"),
        ("Grüße, naïve café", "utf-32"),
        ("Grüße, naïve café", "latin-1"),
        ("\u201cQuoted\u201d \u2013 \u20ac5", "cp1252"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5, "cp1251"),
        ("Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5, "koi8-r"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。" * 5, "shift_jis"),
        ("我是一只猫\uff0c还没有名字。不知道在哪里出生的。" * 5, "gb18030"),
    ],
)
def test_charsets(text, charset):
    assert decode(text.encode(charset)) == text


def test_declared_charset_is_honoured():
    text = "Привет"
    assert texts(TextLoader, text.encode("koi8-r"), "text/plain; charset=KOI8-R") == [text]
    assert texts(TextLoader, text.encode(), "text/plain; charset=nonsense") == [text]
    assert texts(TextLoader, text.encode(), "text/plain; charset=ascii") == [text]


def test_one_bad_byte_does_not_spoil_a_file():
    data = "Grüße aus Köln. ".encode() * 100 + b"\xff" + "Ümlaut".encode()
    assert decode(data).startswith("Grüße aus Köln")
    assert decode(data).endswith("\ufffdÜmlaut")


@given(st.binary(max_size=300))
def test_decode_never_fails(data):
    assert isinstance(decode(data), str)


def test_control_characters_are_blanked():
    assert texts(TextLoader, b"a\x00b\x1b[31mc\x7f\tend") == ["a b [31mc \tend"]


# --- Markdown -----------------------------------------------------------------

MARKDOWN = """\
---
author: me
title: "My *Guide*"
---
# First
Some *emphasis*, `code`, a [link](http://x) and an ![image](http://x/y.png)
on a wrapped line.

## Second
1. one
2. two
   * inner &amp; entity

7. > quoted

| a | b \\| c |
|---|:-:|
| 1 | **2** |
| 3 |

```python
def f():
    return "<b>"
```

<script>alert(1)</script>

~~gone~~ Text with <b>tags</b>.  \nHard break.
"""


def test_markdown():
    elements = load(MarkdownLoader, MARKDOWN)
    assert elements[0].caption == "My *Guide*"
    assert [(e.level, e.text) for e in elements[1:]] == [
        (1, "First"),
        (None, "Some emphasis, code, a link and an image on a wrapped line."),
        (2, "Second"),
        (None, "1. one"),
        (None, "2. two"),
        (None, "inner & entity"),
        (None, "3. quoted"),
        (None, "a | b | c\n1 | 2\n3 | "),
        (None, 'def f():\n    return "<b>"'),
        (None, "gone Text with tags.\nHard break."),
    ]
    table = elements[8]
    assert table.cells == (("a", "b | c"), ("1", "2"), ("3", ""))
    assert table.header_rows == 1


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# One\n\ntext", "One"),
        ("text\n\n# One", "One"),
        ("## Two\n\ntext", ""),
        ("## Two\n\n# One", ""),
        ("---\ntitle: T\n...\n# One", "T"),
        ("---\nno title\n---\n# One", "One"),
        ("Setext\n======", "Setext"),
        ("text", ""),
    ],
)
def test_markdown_title(text, title):
    assert load(MarkdownLoader, text)[0].caption == title


def test_headings_in_quotes_and_lists_are_text():
    assert [e.level for e in load(MarkdownLoader, "> # a\n\n- # b\n\n# c")[1:]] == [None, None, 1]


# --- HTML ---------------------------------------------------------------------


def picture(size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_html():
    elements = load(
        HtmlLoader,
        """<!doctype html><html><head><title> The &amp;
        Title </title><style>p{}</style></head><body><nav>menu</nav>
        <h1>Hea<b>d</b>ing</h1><p>One <i>two</i>
        three&nbsp;four<br>five<div>loose <p>inner</p> tail</div>
        <ul><li>a<li>b<ul><li>c</ul></ul><ol start=3><li>x<li value=9><p>y</ol>
        <pre>  code
    more</pre><dl><dt>term<dd>meaning</dl>
        <p hidden>no</p><p style="color:red; DISPLAY : none">no</p><p aria-hidden=true>no</p>
        <script>no</script><template>no</template><svg><text>no</text></svg><!-- no -->
        <img src="http://far/away.png" alt="far away"></body></html>""",
    )
    assert elements[0].caption == "The & Title"
    assert [(e.level, e.text) for e in elements[1:]] == [
        (1, "Heading"),
        (None, "One two three four\nfive"),
        (None, "loose"),
        (None, "inner"),
        (None, "tail"),
        (None, "a"),
        (None, "b"),
        (None, "c"),
        (None, "3. x"),
        (None, "9. y"),
        (None, "  code\n    more"),
        (None, "term"),
        (None, "meaning"),
        (None, "far away"),
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>out<main><p>in</main>", ["in"]),
        ("<p>out<div role=main><p>in</div>", ["in"]),
        ("<p>out<article><p>in</article>", ["in"]),
        ("<p>out<article><p>a</article><article><p>b</article>", ["out", "a", "b"]),
        ("<p>out<main hidden><p>in</main>", ["out"]),
    ],
)
def test_main_content(body, expected):
    assert texts(HtmlLoader, f"<body>{body}") == expected


def test_html_table():
    (element,) = load(
        HtmlLoader,
        """<table><caption>The <b>caption</b></caption>
        <tfoot><tr><td>sum<td colspan=2>5</tfoot>
        <thead><tr><th rowspan=2>Key<th colspan=2>Values<tr><th>v1<th>v2</thead>
        <tr><th scope=row>a<td rowspan=3>1<td>2<p>3</p>
        <tr><td>b<td><img alt="four"><script>no</script>
        <tr></tr></table>""",
    )[1:]
    assert element.kind == "table"
    assert element.caption == "The caption"
    assert element.header_rows == 2
    assert element.cells == (
        ("Key", "Values", "Values"),
        ("Key", "v1", "v2"),
        ("a", "1", "2 3"),
        ("b", "1", "four"),
        ("", "1", ""),
        ("sum", "5", "5"),
    )


def test_layout_tables_are_no_tables():
    body = "<table><tr><td><p>one<table><tr><td>1<td>2</table></table>"
    elements = load(HtmlLoader, body)
    assert [(e.kind, e.text) for e in elements[1:]] == [("text", "one"), ("table", "1 | 2")]
    assert texts(HtmlLoader, "<table role=presentation><tr><td>a<td>b</table>") == ["a", "b"]


@pytest.mark.parametrize("span", ["1000000000", "0", "-1", "x", "", "2.5", "\u0663"])
def test_any_span(span):
    body = f"<table><tr><td colspan={span} rowspan={span}>a<td>b<tr><td>c</table>"
    (element,) = load(HtmlLoader, body)[1:]
    assert len(element.cells[0]) <= 1001


def test_span_bomb():
    started = time.monotonic()
    row = "<tr>" + "<td colspan=1000 rowspan=65534>x" * 50
    load(HtmlLoader, f"<table>{row * 3000}</table>")
    assert time.monotonic() - started < 20


def test_figure_with_embedded_picture():
    figure = f'<figure><img alt="red" src="{picture()}"><figcaption>A red <i>thing</i>'
    page = f"{figure}</figcaption></figure>"
    (element,) = load(HtmlLoader, page)[1:]
    assert (element.kind, element.caption, element.size) == ("image", "A red thing", (40, 30))
    assert element.unseen
    loader = HtmlLoader(LimitSettings(), ParseSettings())
    (raster,) = loader.pixels(Source(uri="x", data=page.encode()), [element])
    assert (raster.pixels == np.array([255, 0, 0])).all()


def test_a_picture_that_is_broken_further_in_costs_only_itself():
    noise = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8)
    Image.fromarray(values).save(noise, "PNG")
    cut = base64.b64encode(noise.getvalue()[:9000]).decode()
    page = f"<img src='data:image/png;base64,{cut}'><img src='{picture((40, 40))}'>"
    source = Source(uri="x", data=page.encode())
    loader = HtmlLoader(LimitSettings(), ParseSettings())
    unseen = [element for element in loader.load(source) if element.unseen]
    assert [raster is None for raster in loader.pixels(source, unseen)] == [True, False]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/x.png",
        "//x/y.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "data:image/png;base64,%%%",
        "data:text/html,<b>",
        "data:,",
        "data:image/svg+xml,<svg/>",
    ],
)
def test_other_pictures_leave_their_alternative_text(address):
    assert texts(HtmlLoader, f"<img alt='alt text' src='{address}'>") == ["alt text"]


def test_picture_over_the_limits():
    source = Source(uri="x", data=f"<img alt=big src='{picture((100, 100))}'>".encode())
    loader = HtmlLoader(LimitSettings(pixels=9999), ParseSettings())
    assert [e.text for e in loader.load(source)][1:] == ["big"]


def test_caption_of_a_figure_without_picture_is_text():
    body = "<figure><img src=x.png alt=alt><figcaption>caption</figcaption></figure>"
    assert texts(HtmlLoader, body) == ["alt", "caption"]


@pytest.mark.parametrize(
    ("head", "charset"),
    [
        ("<meta charset=windows-1251>", "cp1251"),
        ('<META http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ('<?xml version="1.0" encoding="iso-8859-5"?><html>', "iso-8859-5"),
        ("", "utf-8"),
        ("<meta charset=utf-8>", "utf-16"),
        ("<meta charset=nonsense>", "utf-8"),
    ],
)
def test_html_charset(head, charset):
    assert texts(HtmlLoader, f"{head}<p>Привет, мир".encode(charset)) == ["Привет, мир"]


@pytest.mark.parametrize("tag", ["div", "span", "b", "ul><li", "table><tr><td", "blockquote"])
@pytest.mark.parametrize("depth", [300, 3000, 50_000])
def test_deep_nesting_keeps_the_text(tag, depth):
    body = f"<p>before</p>{f'<{tag}>' * depth}deep<p>after"
    joined = " ".join(texts(HtmlLoader, body))
    assert joined.split() == ["before", "deep", "after"]
