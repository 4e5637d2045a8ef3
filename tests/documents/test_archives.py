from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import stat
import tarfile
import time
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.config import LimitSettings
from cogagent.documents import reading, registry
from cogagent.documents.archives import is_archive, unpack
from cogagent.types import Failure, Source

FILES = {"a.txt": b"one", "folder/b.txt": b"two", "folder/deep/c.csv": b"a,b\n1,2\n"}
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def zipped(files, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, packing="", form=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packing}", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpacked(data, uri="/x/archive", **limits):
    return list(unpack(Source(uri=uri, data=data, metadata={"k": 1}), LimitSettings(**limits)))


def contents(found):
    """Content by uri; there must be no failure."""
    assert not [item for item in found if isinstance(item, Failure)]
    return {item.uri: item.data for item in found}


def failures(found):
    failed = [item for item in found if isinstance(item, Failure)]
    assert all(item.stage == "unpack" and item.error and item.remedy for item in failed)
    return failed


@pytest.mark.parametrize(
    "pack",
    [zipped, lambda files: zipped(files, zipfile.ZIP_STORED),
     lambda files: zipped(files, zipfile.ZIP_BZIP2), lambda files: zipped(files, zipfile.ZIP_LZMA),
     tarred, *(lambda files, p=p: tarred(files, p) for p in PACKERS),
     lambda files: tarred(files, form=tarfile.GNU_FORMAT),
     lambda files: tarred(files, "gz", form=tarfile.USTAR_FORMAT)],
)  # fmt: skip
def test_members_are_sources(pack):
    data = pack(FILES)
    found = unpacked(data)
    assert contents(found) == {f"/x/archive!/{name}": data for name, data in FILES.items()}
    assert all(item.metadata == {"k": 1} and item.title is None for item in found)
    assert is_archive(registry.detect(data, "archive"))
    assert [reading.read(item, LimitSettings()).media_type for item in found] == [
        "text/plain", "text/plain", "text/csv",
    ]  # fmt: skip


@pytest.mark.parametrize("packing", PACKERS)
def test_a_file_packed_alone(packing):
    data = PACKERS[packing](b"x,y\n1,2\n")
    assert is_archive(registry.detect(data, f"table.csv.{packing}"))
    (found,) = unpacked(data, f"/x/table.csv.{packing}")
    assert found.uri == f"/x/table.csv.{packing}!/table.csv"
    assert found.data == b"x,y\n1,2\n"
    (found,) = unpacked(data, "/x/nameless")
    assert found.uri == "/x/nameless!/nameless"
    (found,) = unpacked(data, f"/x/.{packing}")
    assert not isinstance(found, Failure)


def test_kinds():
    kinds = "application/zip application/x-tar application/x-xz application/x-bzip2"
    for kind in (*kinds.split(), "Application/GZIP; x=y", "application/x-gzip"):
        assert is_archive(kind)
    for kind in ("text/plain", "application/epub+zip", "application/x-7z-compressed"):
        assert not is_archive(kind)
    assert registry.detect(zipped({}), "x") == "application/zip"
    assert registry.detect(gzip.compress(b"{}"), "x.json.gz") == "application/gzip"
    assert registry.detect(gzip.compress(b""), "x.tar.gz") == "application/gzip"
    assert registry.detect(bz2.compress(b""), "x") == "application/x-bzip2"
    assert registry.detect(tarred({"a.pdf": b"%PDF-1.7"}), "x.pdf") == "application/x-tar"
    assert registry.detect(b"BZh is how a text may begin", "x") == "text/plain"


def test_documents_that_are_zips_stay_whole():
    sheet = zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})
    book = zipped({"mimetype": b"application/epub+zip", "a": b"b"}, zipfile.ZIP_STORED)
    found = contents(unpacked(zipped({"a.xlsx": sheet, "b": book})))
    assert found == {"/x/archive!/a.xlsx": sheet, "/x/archive!/b": book}


def test_archives_in_archives():
    inner = zipped({"c.txt": b"deep"})
    middle = tarred({"inner.zip": inner, "b.txt": b"b"}, "gz")
    data = zipped({"middle.tgz": middle, "a.txt": b"a"})
    assert contents(unpacked(data, "o.zip")) == {
        "o.zip!/middle.tgz!/inner.zip!/c.txt": b"deep",
        "o.zip!/middle.tgz!/b.txt": b"b",
        "o.zip!/a.txt": b"a",
    }
    found = unpacked(data, "o.zip", depth=1)
    (failure,) = failures(found)
    assert failure.uri == "o.zip!/middle.tgz!/inner.zip"
    assert failure.code == "limit_exceeded"
    assert "limits.depth" in failure.remedy
    assert len(found) == 3
    assert failures(unpacked(data, "o.zip", depth=0))[0].uri == "o.zip!/middle.tgz"


# --- names --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../etc/passwd", "__/__/etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("C:\\a\\b.txt", "C:/a/b.txt"),
        ("./a//b", "a/b"),
        ("a\nb\t\x1b[31m.txt", "a\\nb\\t\\x1b[31m.txt"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("Grüße 日本語 🙂.txt", "Grüße 日本語 🙂.txt"),
        ("..", "__"),
        ("x" * 5000 + ".txt", None),
    ],
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_are_printable_and_lead_nowhere(pack, name, path):
    (found,) = unpacked(pack({name: b"x"}), "u")
    assert found.uri.isprintable()
    if path is not None:
        assert found.uri == f"u!/{path}"
    else:
        assert len(found.uri) < 1100
        assert found.uri.endswith(".txt")


def test_names_in_no_charset():
    data = zipped({"Gr____e.txt": b"x"})
    for raw, shown in (
        ("Grüße".encode(), "Grüße"),
        (b"Gr\x81\xe1..e", "Grüß..e"),
    ):
        (found,) = unpacked(data.replace(b"Gr____e", raw), "u")
        assert found.uri == f"u!/{shown}.txt"
    data = tarred({"Gr_e.txt": b"x"}, form=tarfile.USTAR_FORMAT)
    changed = data.replace(b"Gr_e", b"Gr\xfce")
    head = bytearray(changed[:512])
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    (found,) = unpacked(bytes(head) + changed[512:], "u")
    assert found.uri == "u!/Gr\\udcfce.txt"


def test_one_name_twice():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = zipped([("a.txt", b"1"), ("a.txt", b"2"), ("./a.txt", b"3"), ("a (2).txt", b"4")])
    found = contents(unpacked(data, "u"))
    assert sorted(found.values()) == [b"1", b"2", b"3", b"4"]
    assert list(found)[:3] == ["u!/a.txt", "u!/a (2).txt", "u!/a (3).txt"]
    assert contents(unpacked(data, "u")) == found


def test_hidden_files_links_and_devices_are_left_out():
    hidden = [".DS_Store", "a/.git/config", "__MACOSX/a/._b", "._x", ".hidden", "folder/"]
    assert unpacked(zipped(dict.fromkeys(hidden, b"x"))) == []
    assert unpacked(tarred(dict.fromkeys(hidden[:-1], b"x"))) == []
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE,
                     tarfile.FIFOTYPE, tarfile.DIRTYPE):  # fmt: skip
            info = tarfile.TarInfo(f"n{kind}")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    assert unpacked(out.getvalue()) == []
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert unpacked(zipped([(link, b"/etc/passwd")])) == []


# --- limits -------------------------------------------------------------------


def test_a_member_over_the_limit_costs_itself():
    files = {"big.txt": bytes(2 << 20), "small.txt": b"x"}
    for pack in (zipped, tarred, lambda files: tarred(files, "gz")):
        found = unpacked(pack(files), "u", file_mb=1)
        (failure,) = failures(found)
        assert (failure.uri, failure.code) == ("u!/big.txt", "limit_exceeded")
        assert found[-1].uri == "u!/small.txt"


def test_what_a_head_says_of_a_size_is_not_believed():
    data = bytearray(zipped({"a.txt": bytes(3 << 20)}))
    for at in (22, data.index(b"PK\x01\x02") + 24):
        data[at : at + 4] = (10).to_bytes(4, "little")
    (failure,) = failures(unpacked(bytes(data), "u", file_mb=1))
    assert failure.uri == "u!/a.txt"


@pytest.mark.parametrize("packing", ["zip", "tar.gz", "gz", "bz2", "xz", "skipped"])
def test_bombs(packing):
    zeros = bytes(16 << 20)
    pack = {
        "zip": lambda: zipped({f"{n}.txt": zeros for n in range(4)}),
        "tar.gz": lambda: tarred({f"{n}.txt": zeros for n in range(4)}, "gz"),
        "skipped": lambda: tarred({f".{n}.txt": zeros for n in range(4)}, "gz"),
    }
    data = pack[packing]() if packing in pack else PACKERS[packing](zeros * 4)
    tracemalloc.start()
    found = [
        item if isinstance(item, Failure) else item.uri
        for item in unpack(Source(uri="u", data=data), LimitSettings(unpacked_mb=30))
    ]
    assert tracemalloc.get_traced_memory()[1] < 120 << 20
    tracemalloc.stop()
    (failure,) = failures(found)
    assert (failure.uri, failure.code) == ("u", "limit_exceeded")
    assert found[-1] == failure
    assert "unpacked_mb" in failure.remedy


def test_many_nested_bombs():
    data = zipped({"0.txt": bytes(1 << 20)})
    for level in range(6):
        data = zipped({f"{level}{n}.zip": data for n in range(16)})
    started = time.monotonic()
    found = unpacked(data, "u", members=500, unpacked_mb=200)
    assert time.monotonic() - started < 20
    assert len(found) <= 501
    assert found[-1].code == "limit_exceeded"
    assert found[-1].uri == "u"
    assert len(contents(unpacked(zipped({"a": data, "b": b""}), members=3, depth=0)[1:])) == 1


def test_too_many_members():
    files = {f"{n}.txt": b"x" for n in range(20)}
    for pack in (zipped, tarred):
        found = unpacked(pack(files), "u", members=5)
        assert len(found) == 6
        assert "limits.members" in found[-1].remedy
    entry = zipped({"a": b""})
    start = entry.index(b"PK\x01\x02")
    central = entry[start : entry.index(b"PK\x05\x06")] * 100_000
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + len(central).to_bytes(4, "little")
    found = unpacked(
        entry[:start] + central + end + start.to_bytes(4, "little") + b"\0\0", members=9
    )
    assert found[-1].code == "limit_exceeded"
    assert len(found) <= 10


def quine():
    """A gzip file that unpacks to nearly itself, over and over (after Cox 2010): a chain here."""
    data = b"the end"
    for _ in range(50):
        data = gzip.compress(data)
    return data


def test_archives_without_end():
    found = unpacked(quine(), "u")
    (failure,) = failures(found)
    assert failure.code == "limit_exceeded"
    assert failure.uri.count("!/") == 4


def test_sparse_files_count_as_what_they_unpack_to():
    head = tarfile.TarInfo("sparse.txt")
    head.type = tarfile.GNUTYPE_SPARSE
    raw = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"%011o\0" % 0
    raw[386:410] = b"%011o\0" % (1 << 32) + b"%011o\0" % 0
    raw[483:495] = b"%011o\0" % (1 << 32)
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    (failure,) = failures(unpacked(bytes(raw) + bytes(1024), "u", file_mb=2))
    assert failure.code == "limit_exceeded"


# --- damage -------------------------------------------------------------------


def test_a_damaged_member_costs_itself():
    noise = random.Random(0).randbytes(5000)
    data = bytearray(zipped({"a.txt": b"first", "b.txt": noise, "c.txt": b"last"}))
    at = data.index(b"b.txt") + 100
    data[at : at + 4] = b"\0\0\0\0"
    found = unpacked(bytes(data), "u")
    (failure,) = failures(found)
    assert (failure.uri, failure.code) == ("u!/b.txt", "corrupt")
    assert [item.uri for item in found] == ["u!/a.txt", "u!/b.txt", "u!/c.txt"]


def test_a_locked_member_costs_itself():
    data = bytearray(zipped({"a.txt": b"first", "b.txt": b"last"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    found = unpacked(bytes(data), "u")
    (failure,) = failures(found)
    assert (failure.uri, failure.code) == ("u!/a.txt", "password_required")
    assert found[1].data == b"last"


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_what_is_left_of_a_cut_archive_is_read(kind):
    noise = random.Random(0)
    files = {f"{n}.txt": noise.randbytes(5000) for n in range(10)}
    data = {"zip": zipped, "tar": tarred, "tar.gz": lambda f: tarred(f, "gz")}[kind](files)
    found = unpacked(data[: len(data) * 6 // 10], "u")
    whole = [item for item in found if isinstance(item, Source)]
    assert 4 <= len(whole) <= 6
    assert all(item.data == files[item.uri.removeprefix("u!/")] for item in whole)
    assert failures(found)[-1].uri == "u"
    assert found[-1].code == "corrupt"


def test_a_zip_without_directory_still_checks_its_members():
    noise = random.Random(0).randbytes(3000)
    data = zipped({"a.txt": noise, "b.txt": b"x"})
    data = bytearray(data[: data.index(b"PK\x01\x02")])
    data[500] ^= 255
    found = unpacked(bytes(data), "u")
    assert [type(item) for item in found] == [Failure, Source, Failure]
    assert found[1].data == b"x"


def test_a_tar_with_a_damaged_head_says_so():
    data = bytearray(
        tarred({"a.txt": b"1", "b.txt": b"2", "c.txt": b"3"}, form=tarfile.USTAR_FORMAT)
    )
    data[1024 + 20] ^= 1
    found = unpacked(bytes(data), "u")
    assert found[0].data == b"1"
    assert failures(found) == found[1:]
    assert found[1].uri == "u"


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04", b"\x1f\x8b", b"\xfd7zXZ\x00", b"hello", bytes(600)]
)
def test_what_is_no_archive(data):
    (failure,) = failures(unpacked(data, "u"))
    assert failure.uri == "u"


@given(st.binary(max_size=200), st.sampled_from([b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b""]))
def test_any_bytes(data, magic):
    for item in unpacked(magic + data):
        assert item.uri.isprintable()


@given(
    st.sampled_from(
        [zipped(FILES), tarred(FILES), tarred(FILES, "gz"), zipped({"z.zip": zipped(FILES)})]
    ),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.2, 1),
)
def test_any_damage(data, changes, keep):
    damaged = bytearray(data)
    for place, value in changes:
        damaged[int(place * (len(data) - 1))] = value
    found = unpacked(bytes(damaged[: int(keep * len(data))]))
    assert len({item.uri for item in found if isinstance(item, Source)}) == len(
        [item for item in found if isinstance(item, Source)]
    )


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), max_size=8))
def test_any_names(names):
    files = {name: zlib.compress(name.encode()) for name in names if "\0" not in name}
    for found in (unpacked(tarred(files), "u"), unpacked(zipped(files), "u")):
        uris = [item.uri for item in found]
        assert len(set(uris)) == len(uris)
        for uri in uris:
            assert uri.isprintable()
            assert uri.startswith("u!/")
            assert ".." not in uri.split("/")
