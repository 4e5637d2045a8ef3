from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.documents.sentences import sentences


def split(text):
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith left on Jan. 5, 2020.", "He paid $3.5 million (approx. 2.1%)."],
        ["See Figs. 2 and 3, Sec. 4.2 and Eq. (3).", "Then go on."],
        ["Smith et al. (2010) say so.", "Others do not."],
        ["He works for the U.S. Department of State.", "She lives in the U.S.", "It is big."],
        ["It opens at 5 p.m.", "Guests come later."],
        ["J. R. R. Tolkien wrote it.", "It sold well."],
        ["Apple Inc. reported sales of Ford Motor Co.", "The end."],
        ["\u201cIs it true?\u201d he asked.", "\u201cYes.\u201d", "Nobody spoke."],
        ["What?!", "No \u2026 really."],
        ["It grew 5%.[3]", "Then it fell.[4, 5]", "End."],
        ["The growth was small.12", "The next year was better."],
        ["Use e.g. this one, i.e. that one vs. the other.", "Fine."],
        ["Visit www.example.com.", "Or mail a.b@c.org."],
        ["\u4eca\u5929\u5929\u6c14\u597d\u3002", "\u6211\u4eec\u53bb\uff01", "\u597d\u5417\uff1f"],
        [
            "\u092f\u0939 \u090f\u0915 \u0939\u0948\u0964",
            "\u092f\u0939 \u0926\u094b \u0939\u0948\u0964",
        ],
        ["1. Open the door.", "2. Close it."],
        ["a lower-case text .", "its stops stand alone .", "it goes on ."],
        ["all in lower case.", "still two sentences."],
        ["No. 5 is alive.", "No.", "I do not think so."],
    ],
)
def test_sentences(expected):
    assert split(" ".join(expected)) == expected


def test_paragraphs_and_lists_end_sentences():
    assert split("A title\n\nA text\nthat goes on.\n- one\n- two\n \nend") == [
        "A title",
        "A text\nthat goes on.",
        "- one",
        "- two",
        "end",
    ]


pieces = st.sampled_from(
    [
        *"aB1.!?\u2026\"')([] \n\t\u3002\u0964-\u2022\u2019\u201d",
        ". ",
        "\n\n",
        "e.g. ",
        "[3]",
        "Mr. ",
    ]
)


@given(st.lists(pieces, max_size=80).map("".join) | st.text())
def test_nothing_is_lost_and_nothing_overlaps(text):
    last = 0
    for start, end in sentences(text):
        assert last <= start < end
        assert text[start:end] == text[start:end].strip()
        assert not text[last:start].strip()
        last = end
    assert not text[last:].strip()


@given(st.lists(pieces, max_size=40).map("".join))
def test_a_blank_line_always_ends_a_sentence(text):
    alone = split(text)
    assert split(text + "\n\n" + text) == alone + alone


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "\n",
        "\n ",
        ".",
        ". ",
        '."',
        "a. ",
        "A. ",
        "\u201ca. ",
        "(",
        "1. ",
        ".[1",
        "x",
        "e.g. ",
    ],
)
def test_linear_time(unit):
    sentences(unit * 200_000)  # quadratic would take minutes
