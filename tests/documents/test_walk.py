from __future__ import annotations

import os

import pytest

from cogagent.documents.walk import walk
from cogagent.types import Failure, Source


def names(found, top):
    return [os.path.relpath(item.uri, top) for item in found]


@pytest.fixture
def tree(tmp_path):
    for name in ["b.txt", "a.md", ".hidden", "sub/z.txt", "sub/deep/y.pdf", ".git/config", "c/1"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_folder_in_order_without_hidden(tree):
    found = list(walk(Source(uri=str(tree))))
    assert names(found, tree) == ["a.md", "b.txt", "c/1", "sub/z.txt", "sub/deep/y.pdf"]


def test_metadata_is_passed_on_and_title_is_not(tree):
    found = list(walk(Source(uri=str(tree), title="T", metadata={"k": 1})))
    assert all(item.metadata == {"k": 1} and item.title is None for item in found)


@pytest.mark.parametrize("name", ["b.txt", ".hidden", "missing.txt"])
def test_file_stands_for_itself(tree, name):
    source = Source(uri=str(tree / name), title="T")
    assert list(walk(source)) == [source]


def test_data_stands_for_itself(tree):
    source = Source(uri=str(tree), data=b"x")
    assert list(walk(source)) == [source]


def test_hidden_folder_named_itself(tree):
    assert names(walk(Source(uri=str(tree / ".git"))), tree) == [".git/config"]


def test_links(tree):
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "sub" / "self").symlink_to("self")
    (tree / "twice").symlink_to(tree / "sub")
    (tree / "link.txt").symlink_to(tree / "b.txt")
    (tree / "broken.txt").symlink_to(tree / "nothing")
    found = names(walk(Source(uri=str(tree))), tree)
    assert found.count("link.txt") == found.count("b.txt") == 1
    assert sum(name.endswith("z.txt") for name in found) == 1
    # A broken link fails when it is read, like a file that vanished.
    assert {"broken.txt", "sub/self"} <= set(found)


def test_specials_are_left_out(tree):
    os.mkfifo(tree / "fifo")
    assert "fifo" not in names(walk(Source(uri=str(tree))), tree)


@pytest.mark.parametrize(
    "name",
    ["a\nb.txt", "\u202eevil.txt", "\U0001f600", "a%20b", "e\u0301", "\u00e9", " ", "~", "*"],
)
def test_any_name(tmp_path, name):
    (tmp_path / name).write_text("x")
    (found,) = walk(Source(uri=str(tmp_path)))
    assert found.uri == str(tmp_path / name)


def test_name_that_is_not_utf8_is_a_failure(tmp_path):
    (tmp_path / "good.txt").write_text("x")
    (tmp_path / os.fsdecode(b"bad\xff.txt")).write_text("x")
    bad, good = walk(Source(uri=str(tmp_path)))
    assert isinstance(bad, Failure)
    assert bad.uri.endswith("bad\\xff.txt")
    assert (bad.code, bad.stage) == ("unreadable", "read")
    assert isinstance(good, Source)


def test_unreadable_folder_is_a_failure(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if path == str(tree / "c"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(walk(Source(uri=str(tree))))
    (failure,) = [item for item in found if isinstance(item, Failure)]
    assert failure.uri == str(tree / "c")
    assert "Permission denied" in failure.error
    assert len(found) == 5


def test_very_deep_folder(tmp_path):
    inner = tmp_path
    for _ in range(300):
        inner = inner / "d"
        inner.mkdir()
    (inner / "x").write_text("x")
    assert len(list(walk(Source(uri=str(tmp_path))))) == 1
