from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.documents.chunking import chunk
from cogagent.documents.markdown import table
from cogagent.types import Element, Words


def count(texts):
    return [len(text.split()) for text in texts]


def placed(text, page, order=0, **fields):
    """An element whose every word has a box of its own."""
    spans, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    x0 = np.linspace(0, 0.9, len(spans)) if spans else np.zeros(0)
    boxes = np.stack([x0, np.full(len(spans), order % 10 / 10), x0 + 0.05,
                      np.full(len(spans), order % 10 / 10 + 0.05)], axis=1)  # fmt: skip
    words = Words(
        np.array(spans, np.int32).reshape(-1, 2),
        np.full(len(spans), page, np.int32),
        boxes.astype(np.float32).reshape(-1, 4),
    )
    kind = fields.pop("kind", "text")
    return Element(kind=kind, text=text, page=page, order=order, words=words, **fields)


def chunks(elements, title="Title", most=20):
    return list(chunk(elements, title=title, max_tokens=most, count_tokens=count))


def plain(text, level=None, page=1):
    return Element(kind="text", text=text, level=level, page=page)


def sentence(length, name="Word"):
    return " ".join([name, *["w"] * (length - 2), "end."])


# --- what holds for any document -------------------------------------------------

word = st.sampled_from(["alpha", "Beta", "gamma,", "(delta", "eps)", "x-", "42", "one.", "Two!"])
text = st.lists(word, min_size=1, max_size=30).map(" ".join)


@st.composite
def documents(draw):
    elements, page = [], 1
    for order in range(draw(st.integers(0, 8))):
        page += draw(st.sampled_from([0, 0, 0, 1, 2]))
        kind = draw(
            st.sampled_from(["text", "text", "text", "heading", "table", "figure", "page"])
        )
        if kind == "table":
            rows = draw(st.lists(st.lists(text, min_size=2, max_size=2), min_size=1, max_size=6))
            made = table(rows, header_rows=draw(st.integers(0, 2)))
            elements.append(
                placed(
                    made.text,
                    page,
                    order,
                    kind="table",
                    header_rows=made.header_rows,
                    cells=made.cells,
                    caption=draw(st.sampled_from(["", "Caption"])),
                )
            )
        elif kind == "page":
            elements.append(Element(kind="page", page=page, order=order))
        elif kind == "heading":
            level = draw(st.integers(1, 4))
            elements.append(placed(draw(word), page, order, level=level))
        else:
            body = draw(text) if kind == "text" else draw(st.just("") | text)
            elements.append(placed(body, page, order, kind=kind))
    return elements


@given(documents(), st.integers(3, 40))
def test_laws(elements, most):
    found = chunks(elements, most=most)
    for piece in found:
        assert count([piece.text])[0] <= most
        assert piece.text == piece.text.strip()
        spans = piece.words.spans
        assert (spans[:, 0] <= spans[:, 1]).all()
        assert len(spans) == 0 or (spans.min() >= 0 and spans.max() <= len(piece.text))
        pages = sorted(set(piece.words.pages.tolist()))
        assert len(pages) <= (2 if piece.kind == "text" else 1)
        assert not pages or (pages[0] == piece.page and pages[-1] <= piece.page + 1)
        assert piece.context.startswith("Title")


@given(documents(), st.integers(3, 40))
def test_nothing_is_lost(elements, most):
    """Every word is in a chunk, or, of a heading, in a context; text keeps its order."""
    found = chunks(elements, most=most)
    body = [w for e in elements if e.kind == "text" and e.level is None for w in e.text.split()]
    glued = "".join(body)  # words are joined where a hyphen ends a page
    headings = {e.text for e in elements if e.level is not None}
    written = "".join("".join(p.text.split()) for p in found if p.kind == "text")
    if not headings:
        assert written == glued
    for heading in headings:
        assert any(heading in piece.context + piece.text for piece in found)
    for kind, made in (("table", "table"), ("figure", "image")):
        before = " ".join(e.text for e in elements if e.kind == kind)
        after = " ".join(p.text.removeprefix("Caption") for p in found if p.kind == made)
        assert after.split() == before.split()


@given(documents(), st.integers(3, 40))
def test_words_keep_their_boxes(elements, most):
    """Each word of a chunk names the same characters as in its element, on its page."""
    known = {}
    for element in elements:
        if element.words is None:
            continue
        for (start, end), box in zip(
            element.words.spans.tolist(), element.words.boxes.tolist(), strict=True
        ):
            key = (element.page, tuple(box))
            known.setdefault(key, set()).add(element.text[start:end])
    for piece in chunks(elements, most=most):
        for (start, end), page, box in zip(
            piece.words.spans.tolist(),
            piece.words.pages.tolist(),
            piece.words.boxes.tolist(),
            strict=True,
        ):
            assert any(piece.text[start:end] in whole for whole in known[(page, tuple(box))])
            assert start < end


# --- one rule each ----------------------------------------------------------------


def test_sentences_fill_a_chunk_and_are_not_cut():
    body = " ".join(sentence(8, f"S{n}") for n in range(5))
    found = chunks([plain(body)], most=20)
    assert [count([piece.text])[0] for piece in found] == [16, 16, 8]
    assert " ".join(piece.text for piece in found) == body


def test_paragraphs_merge_with_a_blank_line():
    (found,) = chunks([plain("One here."), plain("Two there.")])
    assert found.text == "One here.\n\nTwo there."


def test_long_sentence_is_cut_at_clauses_then_words():
    clauses = "one two three four five, six seven eight nine ten; eleven twelve."
    assert [p.text for p in chunks([plain(clauses)], most=6)] == [
        "one two three four five,",
        "six seven eight nine ten;",
        "eleven twelve.",
    ]
    words = " ".join(f"w{n}" for n in range(20))
    assert [p.text.split()[0] for p in chunks([plain(words)], most=8)] == ["w0", "w8", "w16"]


def test_endless_word_is_cut_anywhere():
    def letters(texts):
        return list(map(len, texts))

    element = placed("x" * 1000, 1)
    found = list(chunk([element], title="", max_tokens=64, count_tokens=letters))
    assert "".join(piece.text for piece in found) == "x" * 1000
    assert max(len(piece.text) for piece in found) <= 64
    assert all(piece.words.spans.tolist() == [[0, len(piece.text)]] for piece in found)


@pytest.mark.parametrize("level", [1, 2])
def test_chapters_do_not_mix(level):
    found = chunks([plain("a b."), plain("Chapter", level), plain("c d.")])
    assert [(p.context, p.text) for p in found] == [
        ("Title", "a b."),
        ("Title \u203a Chapter", "c d."),
    ]


def test_small_sections_merge_and_name_their_headings():
    elements = [plain("A", 3), plain("a b."), plain("B", 3), plain("c d.")]
    (found,) = chunks(elements)
    assert (found.context, found.text) == ("Title \u203a A", "a b.\n\nB\n\nc d.")


def test_section_after_a_large_one_starts_anew():
    elements = [plain("A", 3), plain(sentence(10)), plain("B", 3), plain("c d.")]
    assert [p.context for p in chunks(elements)] == ["Title \u203a A", "Title \u203a B"]


def test_heading_path():
    elements = [
        plain("One", 1),
        plain("Deep", 3),
        plain(sentence(9)),
        plain("Two", 2),
        plain("b."),
        plain("Three", 1),
        plain("c."),
    ]
    assert [p.context for p in chunks(elements)] == [
        "Title \u203a One \u203a Deep",
        "Title \u203a One \u203a Two",
        "Title \u203a Three",
    ]


def test_heading_that_is_the_title_is_named_once():
    (found,) = chunks([plain("TITLE", 1), plain("a.")])
    assert found.context == "Title"


def test_heading_without_text_is_a_chunk():
    found = chunks([plain("A", 1), plain("Empty", 2), plain("Last", 2), plain("B", 1)])
    assert [(p.context, p.text) for p in found] == [
        ("Title \u203a A", "Empty"),
        ("Title \u203a A", "Last"),
        ("Title", "B"),
    ]


def test_paragraph_that_looks_like_a_heading_is_text():
    found = chunks([plain(sentence(80), 1)], most=100)
    assert [(p.context, p.text) for p in found] == [("Title", sentence(80))]


def test_endless_header_does_not_fill_the_context():
    made = table([["h"] * 50, ["a"] * 50], header_rows=1)
    for piece in chunks([made], most=20):
        assert count([piece.context])[0] <= 11


def test_no_title():
    (found,) = chunks([plain("a.")], title="")
    assert found.context == ""


def test_chunks_start_anew_on_a_page():
    found = chunks([placed("One here.", 1), placed("Two there.", 2)])
    assert [(p.page, p.text) for p in found] == [(1, "One here."), (2, "Two there.")]


def test_sentence_over_a_page_break_stays_whole():
    elements = [
        placed("First one. This goes", 1, 0),
        Element(kind="page", page=2, order=1),
        placed("on here. Next one.", 2, 2),
        placed("Last.", 3, 3),
    ]
    found = chunks(elements)
    assert [(p.page, p.text) for p in found] == [
        (1, "First one. This goes on here."),
        (2, "Next one."),
        (3, "Last."),
    ]
    assert found[0].words.pages.tolist() == [1, 1, 1, 1, 2, 2]
    assert [found[0].text[a:b] for a, b in found[0].words.spans] == found[0].text.split()


def test_sentence_over_a_page_break_may_begin_a_chunk():
    elements = [placed(sentence(18) + " This goes", 1, 0), placed("on here. Next one.", 2, 1)]
    assert [(p.page, p.text) for p in chunks(elements)][1:] == [
        (1, "This goes on here."),
        (2, "Next one."),
    ]


def test_hyphen_at_a_page_break():
    found = chunks([placed("A long exam-", 1), placed("ple of it.", 2)])
    assert [p.text for p in found] == ["A long exam-ple of it."]


@pytest.mark.parametrize(
    ("before", "after"), [("It ended.", "on goes"), ("It ends", "On goes"), ("These:", "on goes")]
)
def test_what_does_not_go_on(before, after):
    assert len(chunks([placed(before, 1), placed(after, 2)])) == 2


def test_sentence_over_a_column_break():
    (found,) = chunks([placed("This goes", 1, 0), placed("on here.", 1, 1)])
    assert found.text == "This goes on here."


def test_list_items_stay_apart():
    (found,) = chunks([plain("apples"), plain("pears")])
    assert found.text == "apples\n\npears"


def test_table_is_split_by_rows_and_keeps_its_header():
    rows = [["Key", "Value"], *[[f"k{n}", f"v{n} x y"] for n in range(6)]]
    made = table(rows, header_rows=1, caption="Table 3. Things.")
    element = placed(
        made.text, 4, 7, kind="table", cells=made.cells, header_rows=1, caption=made.caption
    )
    found = chunks([plain("Part", 1), element], most=20)
    assert [p.text for p in found] == [
        "Table 3. Things.\nKey | Value\nk0 | v0 x y\nk1 | v1 x y",
        "k2 | v2 x y\nk3 | v3 x y\nk4 | v4 x y\nk5 | v5 x y",
    ]
    assert found[0].context == "Title \u203a Part\nKey | Value"
    assert found[1].context == "Title \u203a Part\nTable 3. Things.\nKey | Value"
    assert {(p.kind, p.page, p.element) for p in found} == {("table", 4, 7)}
    for piece in found:
        for start, end in piece.words.spans.tolist():
            assert piece.text[start:end] in made.text.split()


def test_row_longer_than_a_chunk_is_cut():
    made = table([["a", "b " * 50]], header_rows=0)
    found = chunks([made], most=20)
    assert all(count([p.text])[0] <= 20 for p in found)
    assert " ".join(p.text for p in found).split() == made.text.split()


def test_picture_with_words():
    figure = placed("Axis label 2019", 2, 5, kind="figure", caption="Figure 1. Sales.")
    (found,) = chunks([figure])
    assert (found.kind, found.text, found.element) == (
        "image",
        "Figure 1. Sales.\nAxis label 2019",
        5,
    )
    spans = found.words.spans.tolist()
    assert [found.text[a:b] for a, b in spans] == ["Axis", "label", "2019"]


def test_caption_that_opens_the_text_is_not_repeated():
    (found,) = chunks([placed("Figure 1. Sales. More", 1, kind="figure", caption="Figure 1.")])
    assert found.text == "Figure 1. Sales. More"


def test_picture_without_words_is_kept_for_its_vector():
    silent = Element(kind="image", page=3, order=4)
    assert chunks([silent]) == []
    (found,) = chunks([silent.model_copy(update={"vector": np.zeros(4, np.float32)})])
    assert (found.kind, found.text, found.page, found.element) == ("image", "", 3, 4)


def test_text_goes_on_around_a_table():
    elements = [plain("Before."), table([["a", "b"]], header_rows=0), plain("After.")]
    assert [p.text for p in chunks(elements)] == ["a | b", "Before.\n\nAfter."]


def test_box_is_around_the_words_on_the_first_page():
    (found,) = chunks([placed("One two three.", 1, 3)])
    assert found.box == pytest.approx((0, 0.3, 0.95, 0.35), abs=1e-5)


def test_box_without_words_is_the_elements():
    element = Element(kind="text", text="a.", box=(0.1, 0.2, 0.3, 0.4))
    (found,) = chunks([element, element.model_copy(update={"box": (0.2, 0.3, 0.5, 0.6)})])
    assert found.box == (0.1, 0.2, 0.5, 0.6)


def test_streams():
    def endless():
        while True:
            yield plain(sentence(12))

    stream = chunk(endless(), title="", max_tokens=20, count_tokens=count)
    assert next(stream).text == sentence(12)


def test_counts_are_asked_for_in_batches():
    calls = []

    def counting(texts):
        calls.append(len(texts))
        return count(texts)

    body = " ".join(sentence(4) for _ in range(100))
    list(chunk([plain(body)], title="", max_tokens=20, count_tokens=counting))
    assert calls == [100]


def test_naughty_strings(naughty):
    found = chunks([plain(f"x {naughty} y"), plain(naughty, level=1), plain(naughty)])
    for piece in found:
        assert piece.text.strip()
