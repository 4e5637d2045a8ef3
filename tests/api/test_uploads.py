"""Uploaded files: whole or not there, and gone when nobody needs them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cogagent.api.jobs.alive import Alive, is_alive
from cogagent.api.jobs.uploads import Uploads
from cogagent.errors import DiskFullError, LimitExceededError, StorageError

DATA = b"of all ships the slowest"


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    opened = Uploads(tmp_path / "uploads", most_mb=1)
    yield opened
    opened.close()


def nothing_known(names: object) -> dict[str, bool]:
    return {}


def test_a_file_is_kept_under_its_hash(uploads: Uploads) -> None:
    first, second = uploads.receive(io.BytesIO(DATA)), uploads.receive(io.BytesIO(DATA))
    assert first.sha256 == hashlib.sha256(DATA).hexdigest() == second.sha256
    assert (first.size, first.name != second.name) == (len(DATA), True)
    assert uploads.path(first.name).read_bytes() == DATA
    assert uploads.names() == {first.name, second.name}
    uploads.discard(first.name, first.name)
    assert uploads.names() == {second.name}


@pytest.mark.parametrize("name", ["", "../x", "a" * 64, "/etc/passwd", ".makers", "x.tmp"])
def test_only_names_of_uploads_are_paths(uploads: Uploads, name: str) -> None:
    with pytest.raises(StorageError):
        uploads.path(name)


def test_nothing_is_left_of_a_file_that_is_too_large(uploads: Uploads) -> None:
    with pytest.raises(LimitExceededError, match="1 MiB"):
        uploads.receive(io.BytesIO(bytes((1 << 20) + 1)))
    assert [path for path in uploads._folder.iterdir() if path.is_file()] == []
    assert uploads.receive(io.BytesIO(bytes(1 << 20))).size == 1 << 20


def test_a_full_disk_is_told(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError):
        uploads.receive(io.BytesIO(DATA))
    assert [path for path in uploads._folder.iterdir() if path.is_file()] == []


def test_what_is_being_uploaded_is_left_alone(uploads: Uploads) -> None:
    kept = uploads.receive(io.BytesIO(DATA))
    with uploads.begin() as writing:
        writing.write(DATA)
        assert uploads.prune(nothing_known) == 0
        other = writing.finish()
    assert uploads.names() == {kept.name, other.name}


def test_what_no_job_needs_any_more_goes(uploads: Uploads) -> None:
    needed, over = uploads.receive(io.BytesIO(b"1")), uploads.receive(io.BytesIO(b"2"))
    known = {needed.name: True, over.name: False}
    assert uploads.prune(lambda names: known) == 1
    assert uploads.names() == {needed.name}


def test_what_was_never_submitted_goes_after_a_while(uploads: Uploads) -> None:
    old = uploads.receive(io.BytesIO(DATA))
    past = time.time() - 7 * 3600
    os.utime(uploads.path(old.name), (past, past))
    assert uploads.prune(nothing_known) == 1


def test_leftovers_of_a_crash_go_at_once(uploads: Uploads, tmp_path: Path) -> None:
    child = (
        "import io, os, sys; from pathlib import Path\n"
        "from cogagent.api.jobs.uploads import Uploads\n"
        "uploads = Uploads(Path(sys.argv[1]), 1)\n"
        "uploads.receive(io.BytesIO(b'done'))\n"
        "half = uploads.begin(); half.write(b'half'); os.kill(os.getpid(), 9)\n"
    )
    folder = tmp_path / "uploads"
    ended = subprocess.run([sys.executable, "-c", child, str(folder)], check=False)
    assert ended.returncode == -9
    assert len([path for path in folder.iterdir() if path.is_file()]) == 2
    assert uploads.prune(nothing_known) == 2
    assert list((folder / ".makers").iterdir()) == []


def test_who_lives(tmp_path: Path) -> None:
    assert not is_alive(tmp_path, "nobody")
    with Alive(tmp_path) as one:
        assert is_alive(tmp_path, one.name)
        assert is_alive(tmp_path, one.name)
    assert not is_alive(tmp_path, one.name)
    (tmp_path / "left").touch()
    assert not is_alive(tmp_path, "left")
    assert list(tmp_path.iterdir()) == []


def test_who_begins_to_live_is_not_taken_for_dead(tmp_path: Path) -> None:
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for path in tmp_path.iterdir():
                is_alive(tmp_path, path.name)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(200):
            with Alive(tmp_path) as one:
                assert is_alive(tmp_path, one.name)
    finally:
        over.set()
        thread.join()
