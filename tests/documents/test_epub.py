from __future__ import annotations

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import registry
from cogagent.documents.base import Pictured
from cogagent.documents.epub import EpubLoader
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
)
from cogagent.testing.contracts import LoaderContract
from cogagent.types import Source

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/>'
    "</rootfiles></container>"
)
XHTML = "application/xhtml+xml"


def package(items, spine=None, title="The Book"):
    """A package document; ``items`` are (name, media type, properties)."""
    manifest = "".join(
        f'<item id="i{n}" href="{href}" media-type="{kind}" properties="{words}"/>'
        for n, (href, kind, words) in enumerate(items)
    )
    order = range(len(items)) if spine is None else spine
    references = "".join(f'<itemref idref="i{n}"/>' for n in order)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></metadata>'
        f"<manifest>{manifest}</manifest><spine>{references}</spine></package>"
    )


def page(body):
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title/></head><body>{body}</body></html>"
    )


def zipped(files, *, mimetype=True):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if mimetype:
            archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def book(*bodies, **more):
    """A book with a section for each body."""
    names = [f"s{n}.xhtml" for n in range(len(bodies))]
    return zipped(
        {
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": package([(name, XHTML, "") for name in names]),
            **{f"OEBPS/{name}": page(body) for name, body in zip(names, bodies, strict=True)},
            **more,
        }
    )


def picture(size=(40, 30), colour="red"):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def load(data, **limits):
    loader = EpubLoader(LimitSettings(**limits), ParseSettings())
    elements = list(loader.load(Source(uri="x.epub", data=data)))
    assert [element.order for element in elements] == list(range(len(elements)))
    return elements


class TestContract(LoaderContract):
    @pytest.fixture
    def loader(self, limits, parse):
        return EpubLoader(limits, parse)

    @pytest.fixture
    def source(self):
        return Source(uri="x", data=book("<h1>One</h1><p>text</p>", "<p>Two</p>"))


def test_sections_are_pages():
    elements = load(book("<h1>One</h1><p>a<a id='x'/>b&#160;c</p>", "", "<p>d</p>"))
    assert [(e.kind, e.page, e.text, e.level) for e in elements] == [
        ("page", 1, "", None),
        ("text", 1, "One", 1),
        ("text", 1, "ab c", None),
        ("page", 2, "", None),
        ("page", 3, "", None),
        ("text", 3, "d", None),
    ]
    assert [e.caption for e in elements if e.kind == "page"] == ["The Book", "", ""]


def test_the_spine_gives_the_order_and_the_contents_are_not_repeated():
    items = [("nav.xhtml", XHTML, "nav"), ("b.xhtml", XHTML, ""), ("a%20b.xhtml", XHTML, "svg"),
             ("style.css", "text/css", "")]  # fmt: skip
    data = zipped({
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package(items, [2, 0, 1], title=" A \n title"),
        "OEBPS/nav.xhtml": page("<h1>Contents</h1><nav><ol><li>One</li></ol></nav>"),
        "OEBPS/b.xhtml": page("<p>last</p>"),
        "OEBPS/a b.xhtml": page("<p>first</p>"),
    })  # fmt: skip
    elements = load(data)
    assert [(e.page, e.text) for e in elements if e.kind == "text"] == [(1, "first"), (3, "last")]
    assert elements[0].caption == "A title"


def test_pictures():
    data = book(
        '<p>Look:</p><img src="../images/a%20b.png" alt="a red thing"/>'
        '<img src="http://far/away.png" alt="far"/><img src="../../../etc/passwd" alt="no"/>',
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
        '<image width="9" xlink:href="../images/a%20b.png"/></svg><svg><text>drawn</text></svg>',
        '<img src="/images/a b.png"/><img src="../images/broken.png" alt="broken"/>',
        **{"images/a b.png": picture(), "images/broken.png": b"\x89PNG\r\n\x1a\n"},
    )
    elements = load(data)
    found = [e for e in elements if e.kind == "image"]
    assert [e.page for e in found] == [1, 2, 3]
    assert {(e.picture, e.size, e.unseen) for e in found} == {("images/a b.png", (40, 30), True)}
    assert found[0].caption == "a red thing"
    assert [e.text for e in elements if e.kind == "text"] == ["Look:", "far no", "broken"]
    loader = EpubLoader(LimitSettings(), ParseSettings())
    assert isinstance(loader, Pictured)
    missing = found[0].model_copy(update={"picture": "images/none.png"})
    seen, nothing = loader.pixels(Source(uri="x", data=data), [found[0], missing])
    assert (seen.pixels == np.array([255, 0, 0])).all()
    assert nothing is None


def test_a_section_may_be_a_picture():
    items = [("p.png", "image/png", ""), ("c.svg", "image/svg+xml", ""), ("x.bin", "x/y", "")]
    data = zipped({
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package(items),
        "OEBPS/p.png": picture(),
        "OEBPS/c.svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href=\'p.png\'/></svg>',
        "OEBPS/x.bin": b"x",
    })  # fmt: skip
    assert [(e.kind, e.page, e.picture) for e in load(data)] == [
        ("page", 1, ""), ("image", 1, "OEBPS/p.png"), ("page", 2, ""), ("image", 2, "OEBPS/p.png"),
        ("page", 3, ""),
    ]  # fmt: skip


def test_a_missing_section_costs_itself():
    data = zipped({
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package([("gone.xhtml", XHTML, ""), ("a.xhtml", XHTML, "")]),
        "OEBPS/a.xhtml": page("<p>here</p>"),
    })  # fmt: skip
    assert [(e.kind, e.page) for e in load(data)] == [("page", 1), ("page", 2), ("text", 2)]


def test_a_book_without_container_is_found():
    data = zipped({"b.opf": package([("a.html", "text/html", "")]), "a.html": "<p>here"})
    assert load(data)[-1].text == "here"


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"META-INF/container.xml": CONTAINER},
        {"META-INF/container.xml": "<no xml"},
        {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "<package/>"},
        {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package([("gone", XHTML, "")])},
    ],
)
def test_no_book(files):
    with pytest.raises(CorruptDocumentError):
        load(zipped(files))


def encryption(way, target):
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
        f'<enc:EncryptionMethod Algorithm="{way}"/><enc:CipherData>'
        f'<enc:CipherReference URI="{target}"/></enc:CipherData></enc:EncryptedData></encryption>'
    )


def test_protected_books():
    aes = encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/s0.xhtml")
    with pytest.raises(PasswordRequiredError, match="DRM") as caught:
        load(book("<p>x</p>", **{"META-INF/encryption.xml": aes}))
    assert caught.value.remedy
    fonts = encryption("http://www.idpf.org/2008/embedding", "OEBPS/font.otf")
    assert load(book("<p>x</p>", **{"META-INF/encryption.xml": fonts}))[-1].text == "x"


LAUGHS = (
    '<!DOCTYPE p [<!ENTITY a "lol">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + ' <!ENTITY x SYSTEM "file:///etc/passwd">]>'
)


@pytest.mark.parametrize("entity", ["a", "b", "i", "x"])
def test_entities_are_not_expanded(entity):
    items = [("a.xhtml", XHTML, "")]
    body = page(f"<p>&{entity};</p>").replace("?>", f"?>{LAUGHS}", 1)
    for opf in (package(items), LAUGHS + package(items, title=f"&{entity};")):
        data = zipped({
            "META-INF/container.xml": CONTAINER,
            "OEBPS/book.opf": opf,
            "OEBPS/a.xhtml": body,
        })  # fmt: skip
        tracemalloc.start()
        try:
            found = load(data)
        except CorruptDocumentError:
            found = []
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
        tracemalloc.stop()
        shown = " ".join(e.text + e.caption for e in found)
        assert "lollol" not in shown
        assert "root:" not in shown


def test_limits():
    data = book("<p>" + "x" * (3 << 20) + "</p>")
    with pytest.raises(LimitExceededError):
        load(data, unpacked_mb=1)
    with pytest.raises(LimitExceededError):
        load(data, members=2)
    data = book(*["<p>x</p>"] * 5)
    with pytest.raises(LimitExceededError):
        list(registry.load(Source(uri="x", data=data), EpubLoader.media_types[0],
                           LimitSettings(pages=3), ParseSettings()))  # fmt: skip


def test_an_ornament_on_every_page_is_unpacked_once():
    ornament = picture((400, 300)) + bytes(100_000)
    bodies = ['<p>x</p><img src="../o.png"/>'] * 40
    found = load(book(*bodies, **{"o.png": ornament}), unpacked_mb=1)
    assert sum(e.kind == "image" for e in found) == 40


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
def test_cut_files(keep):
    data = book("<p>x</p>", "<p>y</p>")
    with pytest.raises(DocumentError):
        load(data[: int(keep * len(data))])


def test_endless_drawings_take_no_time():
    assert load(book("<svg" * 300_000 + "<p>x</p>"))[0].kind == "page"
    assert load(book("<svg><image a='" * 20_000 + "</svg>" * 20_000))[0].kind == "page"


def test_names_of_any_kind():
    name = "s\n\u202e 日本.xhtml"
    data = zipped({
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package([("s%0A%E2%80%AE%20日本.xhtml", XHTML, "")]),
        f"OEBPS/{name}": page("<p>found</p>"),
    })  # fmt: skip
    assert load(data)[-1].text == "found"


def test_detection():
    for name in ("x.epub", "x.zip", ""):
        assert registry.detect(book("x"), name) == EpubLoader.media_types[0]


def test_naughty_strings(naughty):
    load(book(f"<p>{naughty}</p>", f"<h1>{naughty}</h1>"))
