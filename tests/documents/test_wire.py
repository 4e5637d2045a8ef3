from __future__ import annotations

import math

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.documents import wire
from cogagent.errors import (
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
    WorkerCrashedError,
)
from cogagent.geometry import make_box
from cogagent.types import Element, Raster, Words

fractions = st.floats(0, 1, width=32)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@st.composite
def words(draw, length):
    count = draw(st.integers(0, 5))
    edges = st.tuples(st.integers(0, length), st.integers(0, length)).map(sorted)
    return Words(
        np.array([draw(edges) for _ in range(count)], np.int32).reshape(-1, 2),
        np.array([draw(st.integers(1, 9)) for _ in range(count)], np.int32),
        np.array([[draw(fractions) for _ in range(4)] for _ in range(count)], np.float32).reshape(
            -1, 4
        ),
    )


@st.composite
def rasters(draw):
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    data = draw(st.binary(min_size=height * width * 3, max_size=height * width * 3))
    return Raster(np.frombuffer(data, np.uint8).reshape(height, width, 3))


@st.composite
def elements(draw):
    text = draw(texts)
    return Element(
        kind=draw(st.sampled_from(["text", "table", "figure", "page", "image"])),
        text=text,
        page=draw(st.integers(1, 1000)),
        box=make_box(*(draw(fractions) for _ in range(4))),
        order=draw(st.integers(0, 1000)),
        level=draw(st.none() | st.integers(1, 6)),
        caption=draw(texts),
        words=draw(st.none() | words(len(text))),
        cells=tuple(map(tuple, draw(st.lists(st.lists(texts, max_size=3), max_size=3)))),
        header_rows=draw(st.integers(0, 3)),
        size=draw(st.none() | st.tuples(st.floats(1, 1e4), st.floats(1, 1e4))),
        needs_ocr=draw(st.booleans()),
        unseen=draw(st.booleans()),
        picture=draw(texts),
    )


def crossed(message):
    frame = wire.pack(message)
    (size,) = wire.HEADER.unpack(frame[: wire.HEADER.size])
    body = frame[wire.HEADER.size :]
    assert size == len(body)
    return wire.unpack(body)


@given(elements())
def test_element_round_trip(element):
    back = wire.to_element(crossed(wire.from_element(element)))
    assert back.model_dump() == element.model_dump()
    assert type(back.box) is type(element.box)
    assert (back.words is None) == (element.words is None)
    if element.words is not None:
        assert back.words.to_bytes() == element.words.to_bytes()


@given(rasters())
def test_raster_round_trip(raster):
    back = wire.to_raster(crossed(wire.from_raster(raster)))
    assert (back.pixels == raster.pixels).all()
    assert back.pixels.flags.writeable


def test_no_raster_crosses():
    assert wire.to_raster(crossed(wire.from_raster(None))) is None


def test_pixels_of_any_layout_cross():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)[::-1, ::2]
    back = wire.to_raster(crossed(wire.from_raster(Raster(pixels))))
    assert (back.pixels == pixels).all()


@pytest.mark.parametrize("kind", [DocumentError, LimitExceededError, PasswordRequiredError])
def test_error_round_trip(kind):
    back = wire.to_error(crossed(wire.from_error(kind("m", uri="u", stage="see", remedy="r"))))
    assert type(back) is kind
    assert (back.message, back.uri, back.stage, back.remedy) == ("m", "u", "see", "r")


def test_unknown_error_becomes_the_base():
    back = wire.to_error(
        {"error": {"code": "?", "message": "m", "uri": "", "stage": "", "remedy": ""}}
    )
    assert type(back) is DocumentError
    assert not isinstance(back, WorkerCrashedError)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data):
    try:
        message = wire.unpack(data)
        wire.to_element(message)
    except wire.ProtocolError:
        return


@given(
    st.dictionaries(
        st.sampled_from(["element", "words", "pixels", "shape", "error"]),
        st.recursive(
            st.none() | st.integers() | st.text() | st.binary(max_size=60) | st.floats(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_no_message_raises_anything_else(message):
    for decode in (wire.to_element, wire.to_raster, wire.to_error):
        with pytest.raises(wire.ProtocolError):
            decode(message)


def test_deep_nesting_is_no_recursion_error():
    with pytest.raises(wire.ProtocolError):
        wire.unpack(b"\x91" * 100_000)


@pytest.mark.parametrize(
    ("spans", "page", "box"),
    [
        ([0, 6], 1, [0, 0, 1, 1]),
        ([-1, 2], 1, [0, 0, 1, 1]),
        ([3, 2], 1, [0, 0, 1, 1]),
        ([0, 1], 0, [0, 0, 1, 1]),
        ([0, 1], 1, [0, 0, 1, 1.5]),
        ([0, 1], 1, [0, math.nan, 1, 1]),
    ],
)
def test_words_out_of_place_are_refused(spans, page, box):
    placed = Words(
        np.array([spans], np.int32), np.array([page], np.int32), np.array([box], np.float32)
    )
    message = wire.from_element(Element(kind="text", text="hello", words=placed))
    with pytest.raises(wire.ProtocolError):
        wire.to_element(crossed(message))


def test_what_pickle_would_run_is_only_data():
    body = msgpack.packb({"type": "element", "element": {"kind": "text", "text": "c\nos\nsystem"}})
    assert wire.to_element(wire.unpack(body)).text == "c\nos\nsystem"
