from __future__ import annotations

import re
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from cogagent.errors import InputError, NotFoundError, StorageError
from cogagent.indexes.catalogue import SCHEMA_VERSION, Catalogue
from cogagent.indexes.runs import RunLog, TraceEntry, checked_name, forget_documents
from tests.indexes.older import make_older


@pytest.fixture
def log(tmp_path: Path) -> RunLog:
    return RunLog(Catalogue(tmp_path / "catalogue.sqlite"))


def entry(key: str, at: str = "2026-01-01T00:00:00") -> TraceEntry:
    return TraceEntry(id=key, at=at, question="Who?", outcome="answered")


def test_a_trace_is_found_by_the_beginning_of_its_id(log: RunLog) -> None:
    log.add_trace(entry("abc1"), '{"a": 1}', ["doc-1"], keep=10)
    log.add_trace(entry("abd2"), '{"a": 2}', [], keep=10)
    assert log.trace("abc") == '{"a": 1}'
    assert log.trace("abd2") == '{"a": 2}'
    with pytest.raises(InputError, match="several"):
        log.trace("ab")
    for missing in ("", "x", "abc12", "%", "ab_"):
        with pytest.raises(NotFoundError):
            log.trace(missing)


def test_only_the_newest_are_kept(log: RunLog) -> None:
    for number in range(7):
        log.add_trace(entry(f"t{number}", f"2026-01-0{number + 1}"), "{}", ["doc"], keep=3)
    assert [found.id for found in log.traces()] == ["t6", "t5", "t4"]
    left = log._catalogue.reader().execute("SELECT count(*) FROM trace_documents").fetchone()
    assert left == (3,)


def test_a_damaged_trace_is_told(log: RunLog) -> None:
    log.add_trace(entry("t"), "{}", [], keep=1)
    with log._catalogue.transaction() as connection:
        connection.execute("UPDATE traces SET body = x'00ff'")
    with pytest.raises(StorageError, match="damaged"):
        log.trace("t")


def test_turns_come_back_in_order_and_the_last_ones_first_dropped(log: RunLog) -> None:
    for number in range(5):
        log.add_turn("talk", f"{number}")
    log.add_turn("other", "x")
    assert log.turns("talk", 3) == ["2", "3", "4"]
    assert log.turns("nobody", 3) == []
    assert log.conversations() == ["other", "talk"]
    log.delete_conversation("talk")
    assert log.turns("talk", 3) == []
    with pytest.raises(NotFoundError):
        log.delete_conversation("talk")


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, "a\nb", "\x00"])
def test_odd_names_of_conversations_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="conversation"):
        checked_name(name)


def test_a_home_of_version_2_gets_the_new_tables(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    Catalogue(path).close()
    make_older(path, 2)
    catalogue = Catalogue(path)
    assert catalogue.reader().execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    RunLog(catalogue).add_turn("talk", "{}")


def test_conversations_of_version_4_stay_the_homes_users(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    catalogue = Catalogue(path)
    RunLog(catalogue).add_turn("talk", "{}")
    catalogue.close()
    make_older(path, 4)
    log = RunLog(Catalogue(path))
    assert log.turns("talk", 9) == ["{}"]
    assert log.turns("talk", 9, "somebody") == []
    assert log.conversations() == ["talk"]
    log._catalogue.close()


_NEW_COLUMNS = re.compile(
    r",\s*(words BLOB|unseen INTEGER NOT NULL DEFAULT 0|element INTEGER|content TEXT|recipe TEXT)"
    r"(?=\s*[,)])"
)
_NEW_INDEXES = re.compile(r"CREATE INDEX (elements_unseen|failures_content)[^;]*;")


def test_a_home_of_version_1_gets_all_that_is_new(tmp_path: Path) -> None:
    new = Catalogue(tmp_path / "new.sqlite")
    schema = resources.files("cogagent.indexes").joinpath("schema.sql").read_text("utf-8")
    schema = _NEW_INDEXES.sub("", re.sub("--.*", "", schema))
    schema, dropped = _NEW_COLUMNS.subn("", schema)
    assert dropped == 5
    old = sqlite3.connect(tmp_path / "old.sqlite")
    old.executescript(f"{schema} PRAGMA user_version = 1;")
    old.close()
    upgraded = Catalogue(tmp_path / "old.sqlite")
    columns = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
    for asked in (columns, "SELECT name FROM sqlite_master", "PRAGMA user_version"):
        assert set(upgraded.reader().execute(asked)) == set(new.reader().execute(asked))


def test_deleting_traces_is_all_or_none(log: RunLog) -> None:
    log.add_trace(entry("a"), "{}", [], keep=10)
    with pytest.raises(NotFoundError):
        log.delete_traces("a", "b")
    assert [found.id for found in log.traces()] == ["a"]


def test_what_quotes_a_deleted_document_is_forgotten(log: RunLog) -> None:
    log.add_trace(entry("a"), "{}", ["doc-1", "doc-2"], keep=10)
    log.add_trace(entry("b"), "{}", ["doc-3"], keep=10)
    log.add_turn("talk", '{"documents": ["doc-2"]}')
    log.add_turn("talk", '{"documents": []}')
    log.add_turn("talk", "{}")
    with log._catalogue.transaction() as connection:
        forget_documents(connection, ["doc-2", "doc-9"])
    assert [found.id for found in log.traces()] == ["b"]
    assert len(log.turns("talk", 10)) == 2


def test_a_trace_of_a_document_that_is_gone_is_not_kept(log: RunLog) -> None:
    assert not log.add_trace(entry("t"), "{}", ["doc-1"], keep=5, own=["doc-1"])
    assert log.traces() == []
    assert log.add_trace(entry("t"), "{}", ["web:1"], keep=5, own=[])


def test_traces_are_listed_by_owner_and_page_by_page(log: RunLog) -> None:
    for number in range(5):
        whose = "key" if number % 2 else ""
        made = entry(f"t{number}", f"2026-01-0{number + 1}T00:00:00")
        log.add_trace(made.model_copy(update={"owner": whose}), "{}", ["doc-1"], keep=10)
    assert [one.id for one in log.traces(owner="key")] == ["t3", "t1"]
    assert [one.id for one in log.traces(2)] == ["t4", "t3"]
    last = log.traces(2)[-1]
    assert [one.id for one in log.traces(2, before=(last.at, last.id))] == ["t2", "t1"]
    log.delete_traces("t3")
    assert [one.id for one in log.traces(2, before=(last.at, last.id))] == ["t2", "t1"]
    assert log.traces(9, before=("2025", "t")) == []
    log.add_trace(last, "{}", ["doc-1"], keep=10)
    found, documents = log.entry("t3")
    assert (found.owner, documents) == ("key", ["doc-1"])
    with pytest.raises(NotFoundError):
        log.entry("t")  # not by a beginning: what is asked for is checked by its id


def test_owners_have_conversations_of_the_same_name(log: RunLog) -> None:
    log.add_turn("talk", '{"question": "mine"}')
    log.add_turn("talk", '{"question": "theirs"}', "key")
    assert log.turns("talk", 9) == ['{"question": "mine"}']
    assert log.turns("talk", 9, "key") == ['{"question": "theirs"}']
    assert log.conversations("key") == ["talk"]
    log.delete_conversation("talk", "key")
    assert log.conversations("key") == []
    assert log.conversations() == ["talk"]
