from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cogagent.config import LimitSettings
from cogagent.documents import reading, registry
from cogagent.errors import (
    CorruptDocumentError,
    LimitExceededError,
    SourceUnreadableError,
    UnsupportedFormatError,
)
from cogagent.types import Source


def picture(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
    ],
)
@pytest.mark.parametrize("name", ["", "a.txt", "a.pdf"])
def test_pictures_are_told_by_content(kind, media_type, name):
    assert registry.detect(picture(kind), name) == media_type


@pytest.mark.parametrize(
    ("data", "name", "media_type"),
    [
        (b"%PDF-1.7 ...", "x.txt", "application/pdf"),
        (b"junk " * 100 + b"%PDF-1.4", "x", "application/pdf"),
        (b"<!DOCTYPE html><p>", "x.txt", "text/html"),
        (b"\xef\xbb\xbf  <!-- c --> <HTML lang=en>", "x", "text/html"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C">\n<html>', "x.xml", "text/html"),
        ("<html><p>hello</p>".encode("utf-16"), "x", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "x.html", "image/svg+xml"),
        (b"just text", "x.html", "text/html"),
        (b"# Title", "README.md", "text/markdown"),
        (b"<div align=center>\n# Title", "README.MD", "text/markdown"),
        (b"<!doctype html><p>", "x.md", "text/html"),
        (b"just text", "x.pdf", "text/plain"),
        (b"a,b\n1,2", "x.csv", "text/csv"),
        (b"a\tb\n1\t2", "x.TSV", "text/tab-separated-values"),
        ("Grüße".encode("latin-1"), "x", "text/plain"),
        ("Grüße".encode("utf-16-le"), "x", "text/plain"),
        ("Grüße aus".encode("utf-16"), "x", "text/plain"),
        ("今天天气好".encode("shift-jis", "ignore"), "x", "text/plain"),
        (b"BM is a text", "x", "text/plain"),
        (b"PK\x03\x04....", "x.docx", "application/vnd.openxmlformats-officedocument"),
        (b"PK\x03\x04....", "x.pdf", "application/zip"),
        (b"{\\rtf1 x}", "x.txt", "application/rtf"),
        (bytes(range(256)) * 4, "x.txt", "application/octet-stream"),
        (bytes(100), "x.txt", "application/octet-stream"),
    ],
)
def test_detection(data, name, media_type):
    assert registry.detect(data, name).startswith(media_type)


@given(st.binary(max_size=300), st.text(max_size=20))
def test_detection_takes_anything(data, name):
    assert "/" in registry.detect(data, name)


def test_naughty_strings_are_text(naughty):
    found = registry.detect(naughty.encode(), "x")
    assert found in ("text/plain", "text/html"), found


def test_aliases_and_parameters():
    assert registry.base_type(" Text/X-Markdown; charset=utf-8") == "text/markdown"
    assert registry.is_plain_text("text/plain;charset=x")
    assert not registry.is_plain_text("application/pdf")


def test_loaders(limits, parse):
    for media_type in registry.supported():
        loader = registry.loader_for(media_type, limits, parse)
        assert media_type in loader.media_types


def test_unknown_kind_lists_the_known(limits, parse):
    with pytest.raises(UnsupportedFormatError, match=r"application/pdf.*text/plain"):
        registry.loader_for("application/x-nothing", limits, parse)


def test_plug_in_is_named_without_being_imported(hostile):
    assert "application/x-hostile" in registry.supported()
    assert "hostile_loader" not in sys.modules


def test_plug_in_goes_first(hostile, limits, parse):
    entry_points = next(hostile.glob("*.dist-info")) / "entry_points.txt"
    entry_points.write_text(
        "[cogagent.loaders]\ntext/plain = hostile_loader:HostileLoader\n"
        "text/csv = hostile_loader:HostileLoader\n"
    )
    registry.plug_ins.cache_clear()
    assert type(registry.loader_for("text/plain", limits, parse)).__name__ == "HostileLoader"
    assert not registry.is_plain_text("text/plain")
    assert registry.detect(b"a,b", "x.csv") == "text/csv"


def test_reading_a_file(tmp_path, limits):
    path = tmp_path / "Grüße\n%20 \u202e.txt"
    path.write_bytes(b"hello")
    loaded = reading.read(Source(uri=str(path), title="T"), limits)
    assert loaded.source.data == b"hello"
    assert loaded.source.title == "T"
    assert loaded.sha256.startswith("2cf24dba5fb0a30e26e83b2ac5b9e29e")
    assert loaded.media_type == "text/plain"
    assert "hello" not in repr(loaded)


def test_given_media_type_wins(limits):
    source = Source(uri="x", data=b"<html>", media_type="Text/Plain; charset=ascii")
    assert reading.read(source, limits).media_type == "text/plain"


def test_size_limit(tmp_path):
    limits = LimitSettings(file_mb=1)
    path = tmp_path / "x"
    path.write_bytes(b"a" * (1 << 20))
    assert len(reading.read(Source(uri=str(path)), limits).source.data) == 1 << 20
    path.write_bytes(b"a" * ((1 << 20) + 1))
    for source in (Source(uri=str(path)), Source(uri="x", data=path.read_bytes())):
        with pytest.raises(LimitExceededError, match="file_mb") as caught:
            reading.read(source, limits)
        assert caught.value.stage == "read"


def test_growing_file_does_not_escape_the_limit():
    with pytest.raises((LimitExceededError, SourceUnreadableError)):
        reading.read(Source(uri="/dev/zero"), LimitSettings(file_mb=1))


def test_empty_file_says_so(tmp_path, limits):
    path = tmp_path / "x\n\x1b[31m.pdf"
    path.touch()
    with pytest.raises(CorruptDocumentError, match=r"'x\\n\\x1b\[31m\.pdf' is empty"):
        reading.read(Source(uri=str(path)), limits)
