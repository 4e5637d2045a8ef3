from __future__ import annotations

import contextlib
import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogagent.config import LimitSettings
from cogagent.documents.zipped import member_names, open_zip
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
)

LIMITS = LimitSettings(unpacked_mb=1, members=5)


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def read_all(data: bytes, limits: LimitSettings = LIMITS) -> dict[str, bytes]:
    archive = open_zip(data, "x.zip", limits)
    return {name: archive.read(name) for name in archive.names}


def test_members_come_as_they_went_in():
    members = {"a": b"one", "folder/b": b"two" * 1000, "c": b""}
    assert read_all(packed(members)) == members
    archive = open_zip(packed(members), "x.zip", LIMITS)
    assert "a" in archive
    assert "z" not in archive
    assert archive.size("folder/b") == 3000
    with pytest.raises(CorruptDocumentError, match="lacks 'z'"):
        archive.read("z")


def test_folders_are_no_members():
    assert read_all(packed({"folder/": b"", "folder/a": b"1"})) == {"folder/a": b"1"}


def test_one_budget_for_all_reads():
    half = bytes(700 << 10)
    with pytest.raises(LimitExceededError, match="more than 1 MiB") as caught:
        read_all(packed({"a": half, "b": half}))
    assert "limits.unpacked_mb" in caught.value.remedy
    archive = open_zip(packed({"a": half}), "x.zip", LIMITS)
    archive.read("a")
    with pytest.raises(LimitExceededError):
        archive.read("a")  # drawn on twice


def test_a_member_may_have_a_limit_of_its_own():
    archive = open_zip(packed({"a": bytes(5000)}), "x.zip", LIMITS)
    with pytest.raises(LimitExceededError, match=r"'a' in 'x\.zip'"):
        archive.read("a", 4999)
    assert len(archive.read("a", 5000)) == 5000


def test_headers_that_lie_about_sizes_do_not_help():
    data = packed({"a": bytes(64 << 20)})
    size = struct.pack("<L", 64 << 20)
    assert data.count(size) == 2  # local head and directory
    lied = data.replace(size, struct.pack("<L", 1000))
    archive = open_zip(lied, "x.zip", LIMITS)
    with pytest.raises(DocumentError):
        archive.read("a")


def test_too_many_members_are_counted_before_they_are_made():
    data = packed({str(number): b"" for number in range(6)})
    with pytest.raises(LimitExceededError, match="more than 5 members") as caught:
        open_zip(data, "x.zip", LIMITS)
    assert "limits.members" in caught.value.remedy


def test_two_members_of_one_name_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    with pytest.raises(CorruptDocumentError, match="twice"):
        open_zip(file.getvalue(), "x.zip", LIMITS)


def test_a_wrong_checksum_is_noticed():
    data = bytearray(packed({"a": b"some text in here"}, zipfile.ZIP_STORED))
    data[data.index(b"some")] ^= 1
    with pytest.raises(CorruptDocumentError, match="CRC"):
        read_all(bytes(data))


def test_an_encrypted_member_asks_for_its_password():
    data = bytearray(packed({"a": b"text"}))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    with pytest.raises(PasswordRequiredError):
        read_all(bytes(data))


def test_an_unknown_packing_is_a_typed_error():
    data = bytearray(packed({"a": b"text"}))
    for magic, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(magic) + at] = 97
    with pytest.raises(CorruptDocumentError, match="not supported"):
        read_all(bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_inside_a_member_is_a_typed_error(method):
    data = bytearray(packed({"a": bytes(range(256)) * 40}, method))
    for at in range(60, 90):
        data[at] ^= 0x5A
    with pytest.raises(CorruptDocumentError):
        read_all(bytes(data))


def test_a_cut_off_file_says_so():
    with pytest.raises(CorruptDocumentError, match="cut off"):
        open_zip(packed({"a": b"text" * 100})[:-30], "x.zip", LIMITS)
    with pytest.raises(CorruptDocumentError, match="no ZIP file"):
        open_zip(b"nothing like it", "x.zip", LIMITS)


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_a_typed_error_or_members(data, at, value):
    sound = bytearray(packed({"a": b"some text", "b": b"x" * 90}))
    sound[at % len(sound)] = value
    for odd in (data, b"PK\x03\x04" + data, data + bytes(sound), bytes(sound)):
        member_names(odd)
        with contextlib.suppress(DocumentError):
            read_all(odd)


def test_names_are_read_from_directory_and_from_heads():
    data = packed({"one.xml": b"1" * 50, "two/three.xml": b"2"})
    assert member_names(data) == ["one.xml", "two/three.xml"]
    assert member_names(data[: data.index(b"PK\x01\x02")]) == ["one.xml", "two/three.xml"]
    assert member_names(b"") == []
    # Written to a pipe, the sizes follow the data.
    file = io.BytesIO()
    file.seekable = lambda: False
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("b", b"2")
    cut = file.getvalue()[: file.getvalue().index(b"PK\x01\x02")]
    assert member_names(cut) == ["a", "b"]
