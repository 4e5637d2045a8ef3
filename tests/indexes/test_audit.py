"""The audit log: nothing is lost that can be kept, and no line pretends to be another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cogagent.errors import StorageError
from cogagent.indexes import audit as module
from cogagent.indexes.audit import AuditLine, AuditLog
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.keys import KeyRing


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    opened = Catalogue(tmp_path / "catalogue.sqlite")
    yield opened
    opened.close()


def line(target: str = "", **changes: Any) -> AuditLine:
    fields = {
        "at": "2026-03-01T12:00:00+00:00", "owner": "", "action": "look", "target": target,
        "status": 200,
    }  # fmt: skip
    return AuditLine(**(fields | changes))


def targets(log: AuditLog) -> list[str]:
    return [found.target for found in log.lines()]


def test_what_is_noted_waits_and_what_is_written_does_not(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 100)
    log.note(line("first"))
    assert targets(log) == []
    log.write(line("second"))
    assert targets(log) == ["second", "first"], "in their order, the newest first"
    log.flush()
    assert targets(log) == ["second", "first"], "and once"


def test_only_the_newest_are_kept_and_numbers_go_on(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 3)
    for number in range(10):
        log.write(line(str(number)))
    assert targets(log) == ["9", "8", "7"]
    assert [found.number for found in log.lines()] == [10, 9, 8]
    assert [found.target for found in log.lines(limit=1, before=9)] == ["7"]


def test_refused_requests_take_no_place_of_others(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 3)
    log.write(line("change", owner="k1"))
    for number in range(10):
        log.note(line(f"unknown{number}", status=401))
        log.note(line(f"often{number}", owner="k1", status=429))
        log.note(line(f"page{number}", status=403))
        log.flush()
    assert targets(log) == ["page9", "often9", "unknown9", "change"]


def test_refused_requests_that_wait_push_out_no_others(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 2)
    log = AuditLog(catalogue, 10)
    log.note(line("change", owner="k1"))
    for number in range(5):
        log.note(line(str(number), status=401))
    log.flush()
    assert targets(log) == ["4", "3", "change"]


def test_many_lines_are_trimmed_now_and_then(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 200)
    for number in range(250):
        log.write(line(str(number)))
    assert 200 <= len(log.lines(1000)) <= 202
    assert targets(log)[0] == "249"


def test_none_may_be_kept(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 0)
    log.write(line())
    assert log.lines() == []


def test_lines_are_of_one_line_and_not_long(catalogue: Catalogue) -> None:
    log = AuditLog(catalogue, 10)
    log.write(line("a\nb\x1b[31m\udcff" + "x" * 1000))
    (found,) = targets(log)
    assert found.isprintable()
    assert len(found) == 300


def test_what_cannot_be_written_waits(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(catalogue, 10)
    store = log._store

    def failing(lines: object) -> None:
        raise StorageError("the disk is gone.")

    monkeypatch.setattr(log, "_store", failing)
    for target in "ab":
        with pytest.raises(StorageError):
            log.write(line(target))
    monkeypatch.setattr(log, "_store", store)
    log.write(line("c"))
    assert targets(log) == ["c", "b", "a"]


def test_of_what_waits_in_vain_the_oldest_is_lost_and_told(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 2)
    log = AuditLog(catalogue, 10)
    for target in "abc":
        log.note(line(target))
    assert "lost" in caplog.text
    log.flush()
    assert targets(log) == ["c", "b"]


def test_keys_know_when_they_were_used(catalogue: Catalogue) -> None:
    ring = KeyRing(catalogue)
    key, _ = ring.create("bot")
    log = AuditLog(catalogue, 10)
    log.note(line(owner=key.id, at="2026-03-01T12:00:01+00:00"))
    log.note(line(owner=key.id, at="2026-03-01T12:00:02+00:00"))
    log.flush()
    assert [found.used for found in ring.list()] == ["2026-03-01T12:00:02+00:00"]
