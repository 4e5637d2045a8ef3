from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.documents import registry
from cogagent.documents.chunking import chunk
from cogagent.documents.delimited import DelimitedLoader, sniff
from cogagent.documents.grids import count_header, is_value, table_elements
from cogagent.errors import CorruptDocumentError
from cogagent.types import Source

CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=12)


@pytest.fixture
def load(limits, parse):
    def load(text, media_type="text/csv", name="x.csv"):
        data = text if isinstance(text, bytes) else text.encode()
        source = Source(uri=name, data=data, media_type=media_type)
        elements = list(DelimitedLoader(limits, parse).load(source))
        assert elements[0].kind == "page"
        assert [element.order for element in elements] == list(range(len(elements)))
        for element in elements[1:]:
            assert "\0" not in element.text
            assert "\r" not in element.text
            if element.kind == "table":
                assert element.text == "\n".join(" | ".join(row) for row in element.cells)
                assert len({len(row) for row in element.cells}) == 1
            else:
                assert element.text.strip()
        return elements[1:]

    return load


def rows(elements):
    """All rows of a table in pieces, its header once."""
    found = list(elements[0].cells[: elements[0].header_rows])
    for element in elements:
        assert element.kind == "table"
        assert list(element.cells[: element.header_rows]) == found[: element.header_rows]
        found += element.cells[element.header_rows :]
    return found


def test_a_table(load):
    (table,) = load('name,depth,"note"\nDeep Hole,118,"a, b"\n"North ""Bay""",52.5,\n')
    assert table.cells == (
        ("name", "depth", "note"),
        ("Deep Hole", "118", "a, b"),
        ('North "Bay"', "52.5", ""),
    )
    assert table.header_rows == 1
    assert table.words is None


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(load, separator, end):
    lines = [["a", "b", "c"], ["x y", "1.5", "2024-05-01"], ["z", "-3", "2024-06-30"]]
    (table,) = load(end.join(separator.join(line) for line in lines))
    assert [list(row) for row in table.cells] == lines


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("1,5;2,5;3,5\n4,5;5,5;6,5\n", ";"),
        ("a;b\n1,000.50;2,000.50\n3,000.50;4,000.50\n", ";"),
        ('name,words\nx,"one; two; three"\ny,"four; five; six"\n', ","),
        ("date\ttext\n2024\tone, two, three\n2025\tfour\n", "\t"),
        ("a|b,c|d\n1|2,5|3\n", "|"),
        ("only\none\ncolumn\n", None),
        ("", None),
    ],
)
def test_sniffing(text, separator):
    assert sniff(text.splitlines(keepends=True)) == separator


def test_a_first_line_may_name_the_separator(load):
    (table,) = load("sep=:\na:b\n1:2\n")
    assert table.cells == (("a", "b"), ("1", "2"))


def test_tabs_need_no_sniffing(load):
    (table,) = load("a,b\tc\nd,e\tf\n", "text/tab-separated-values")
    assert table.cells == (("a,b", "c"), ("d,e", "f"))


def test_line_breaks_in_quotes(load):
    (table,) = load('a,b\n"one\ntwo\r\nthree",4\nx,5\n')
    assert table.cells[1:] == (("one two three", "4"), ("x", "5"))


def test_ragged_rows_and_blank_lines(load):
    (table,) = load("a,b,c\n1\n\n,,,\n1,2,3,4\n")
    assert table.cells == (
        ("a", "b", "c", ""),
        ("1", "", "", ""),
        ("1", "2", "3", "4"),
    )


def test_a_title_above_the_table_is_text(load):
    title, table = load("Readings of 2024,,\n\nsite,depth,days\nDeep Hole,8.1,9\nBay,6.2,7\n")
    assert (title.kind, title.text) == ("text", "Readings of 2024")
    assert table.cells[0] == ("site", "depth", "days")
    assert table.header_rows == 1


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("name,age\nAnn,30\nBob,40\n", 1),
        ("Ann,30\nBob,40\n", 0),
        ("Item,2023,2024\nSalaries,688300,701200\n", 1),
        ("name,town\nAnn,Paris\nBob,Rome\n", 1),
        ("1,2\n3,4\n", 0),
        (",North,South\nwidth,1,2\n", 1),
        ("a,b\n", 0),
        ("site,level,level\n,mean,maximum\nBay,1,2\nHole,3,4\n", 2),
        ("year,count\n2001,2002\n", 1),
    ],
)
def test_headers(load, text, header):
    assert load(text)[0].header_rows == header


def test_the_media_type_may_tell_of_the_header(load):
    assert load("1,2\n3,4\n", "text/csv; header=present")[0].header_rows == 1
    assert load("name,age\nAnn,30\n", "text/csv; charset=utf-8; header=absent")[0].header_rows == 0


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_charsets(load, charset):
    (table,) = load("Größe;Maß\nß;1\n".encode(charset))
    assert table.cells == (("Größe", "Maß"), ("ß", "1"))


def test_a_quote_that_never_closes_spoils_nothing(load):
    text = 'a,b\n1,"oops\n' + "".join(f"{n},x\n" for n in range(5000))
    found = rows(load(text))
    assert found[1] == ("1", '"oops')
    assert found[-1] == ("4999", "x")
    assert len(found) == 5002
    assert rows(load('a,b\n1,2\n3,"oops\n4,5\n'))[2:] == [("3", '"oops'), ("4", "5")]


def test_nuls(load):
    (table,) = load(b"a,b\n1\0,\0\0 2\n" + b"3,4\n" * 20)
    assert table.cells[:2] == (("a", "b"), ("1", "2"))


def test_binary_is_no_table(load):
    for data in (b"\x00\x01\x02 nothing like it", bytes(range(256)) * 10, bytes(1000)):
        with pytest.raises(CorruptDocumentError):
            load(data)


def test_a_field_of_ten_megabytes(load):
    words = "many words " * 1_000_000
    elements = load(f'a,b\n1,"{words}"\n2,x\n')
    table, *text = elements
    assert max(map(len, table.cells[1])) <= 20_000
    assert table.cells[2] == ("2", "x")
    assert " ".join(element.text for element in text).split() == words.split()


def test_a_million_fields_in_a_line(load):
    elements = load("a,b\n1,2\n" + "x,y," * 500_000 + "end\n3,4\n")
    assert elements[0].cells == (("a", "b"), ("1", "2"))
    assert elements[1].text.startswith("x | y | x")
    assert elements[-1].cells == (("a", "b"), ("3", "4"))


def test_many_rows_come_in_pieces(load, limits, parse):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "name", "value"])
    writer.writerows([n, f"name {n}", n / 7] for n in range(100_000))
    elements = load(out.getvalue())
    assert len(elements) >= 200
    assert all(element.cells[0] == ("id", "name", "value") for element in elements)
    assert [row[0] for row in rows(elements)[1:]] == [str(n) for n in range(100_000)]
    source = Source(uri="x", data=out.getvalue().encode())
    tracemalloc.start()
    for _ in DelimitedLoader(limits, parse).load(source):
        pass
    assert tracemalloc.get_traced_memory()[1] < 3 * len(source.data)
    tracemalloc.stop()


def test_every_chunk_knows_its_header(load):
    text = "station,reading\n" + "".join(f"place {n},{n}\n" for n in range(1500))
    chunks = chunk(
        load(text), title="T", max_tokens=100, count_tokens=lambda ts: [len(t.split()) for t in ts]
    )
    for piece in chunks:
        assert "station | reading" in piece.context
        assert piece.kind == "table"


def test_detection():
    assert registry.detect(b"a;b\n1;2\n", "x.csv") == "text/csv"
    assert registry.detect("a;b\n1;2\n".encode("utf-16"), "x.CSV") == "text/csv"
    assert registry.detect(b"a\tb\n", "x.tsv") == "text/tab-separated-values"
    assert registry.base_type("application/csv; charset=x") == "text/csv"


@given(st.lists(st.lists(CELLS, min_size=2, max_size=5), min_size=1, max_size=8))
def test_any_table_is_read_back(table):
    limits = parse = None
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(table)
    source = Source(uri="x", data=out.getvalue().encode(), media_type="text/csv; charset=utf-8")
    elements = list(DelimitedLoader(limits, parse).load(source))
    letters = {c for element in elements for c in element.text if c.isalnum()}
    assert letters >= {c for row in table for cell in row for c in cell if c.isalnum()}


@given(st.binary(max_size=300))
def test_any_bytes(data):
    source = Source(uri="x", data=data)
    try:
        elements = list(DelimitedLoader(None, None).load(source))
    except CorruptDocumentError:
        return
    assert elements[0].kind == "page"


def test_naughty_strings(load, naughty):
    load(naughty)
    load(f"a,b\n1,{naughty}\n2,3\n")


@pytest.mark.parametrize(
    "text",
    ["1", "-1.5", "+3", "1,207", "1.207,5", "12 345", "$6.50", "EUR 5", "5 €", "12.5%", "(1,300)",
     "1e-5", "2024-05-01", "1/2/2024", "01.02.24", "10:30", "2024-05-01T10:30:00Z", ".5"],
)  # fmt: skip
def test_values(text):
    assert is_value(text)


@pytest.mark.parametrize("text", ["", "a", "A1", "x 5", "version 1.2", "-", "Q1", "1st", "5 km"])
def test_words_are_no_values(text):
    assert not is_value(text)


def test_a_header_wider_than_its_piece_may_be():
    wide = [[f"c{n}" for n in range(16_000)]]
    elements = list(table_elements(wide, [["1"] * 16_000] * 20))
    assert sum(len(element.cells) - 1 for element in elements) == 20
    assert count_header([*wide, ["1"] * 16_000]) == 1
