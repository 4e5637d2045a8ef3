"""The pool, with real processes and a loader that misbehaves on command."""

from __future__ import annotations

import ast
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from cogagent.documents import pool as pool_module
from cogagent.errors import (
    CorruptDocumentError,
    InputError,
    LimitExceededError,
    SourceUnreadableError,
    UnsupportedFormatError,
    WorkerCrashedError,
)
from cogagent.types import Element, Source

ROOT = Path(__file__).parents[2]


def source(command):
    return Source(uri="bad.x", data=command.encode(), media_type="application/x-hostile")


def run(pool, command):
    return list(pool.parse(source(command)))


def text(pool, command):
    return run(pool, command)[-1].text


def gone(pid, seconds=5.0):
    """Whether a process ends within the time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_worker_is_reused(make_pool):
    pool = make_pool()
    assert text(pool, "pid") == text(pool, "pid") != str(os.getpid())


def test_environment(make_pool):
    facts = ast.literal_eval(text(make_pool(passwords=("sesame",)), "environment"))
    assert facts == {
        "nice": min(19, os.nice(0) + 10),
        "session": os.getsid(0),
        "omp": "1",
        "heavy": [],
        "passwords": ["sesame"],
        "stdin": "",
    }


def test_pixels_arrive(make_pool):
    pool = make_pool()
    unseen = [element for element in run(pool, "picture") if element.unseen]
    first, none, last = pool.pixels(source("picture"), unseen)
    expected = np.arange(480 * 640 * 3, dtype=np.uint64).reshape(480, 640, 3)
    assert (first.pixels == expected % 251).all()
    assert (last.pixels == (expected + 2) % 251).all()
    assert none is None
    assert first.pixels.flags.writeable


def test_too_few_pixels_are_nonsense(make_pool):
    wanted = [Element(kind="image", picture="short", unseen=True)]
    with pytest.raises(WorkerCrashedError, match="nonsense"):
        list(make_pool().pixels(source("picture"), wanted))


def test_a_document_without_pictures_has_no_pixels(make_pool):
    with pytest.raises(UnsupportedFormatError, match="no pictures"):
        list(make_pool().pixels(Source(uri="x.md", data=b"text"), []))


def test_noise_on_stdout_and_stderr_does_no_harm(make_pool):
    pool = make_pool()
    assert text(pool, "noise") == "quiet"
    assert text(pool, "echo still here") == "still here"


def test_loader_error_crosses_and_worker_lives_on(make_pool):
    pool = make_pool()
    pid = text(pool, "pid")
    with pytest.raises(CorruptDocumentError, match="torn") as caught:
        run(pool, "fail")
    assert (caught.value.uri, caught.value.remedy) == ("bad.x", "Glue it.")
    assert text(pool, "pid") == pid


@pytest.mark.parametrize(
    ("command", "message"), [("surprise", "KeyError: 'no such thing'"), ("recurse", "too deeply")]
)
def test_any_exception_becomes_a_typed_error(make_pool, command, message):
    with pytest.raises(CorruptDocumentError, match=message):
        run(make_pool(), command)


def test_elements_before_a_failure_are_delivered(make_pool):
    elements = make_pool().parse(source("fail"))
    assert next(elements).kind == "page"
    with pytest.raises(CorruptDocumentError):
        next(elements)


@pytest.mark.parametrize(
    ("command", "message"),
    [("segfault", "SIGSEGV.*segfault"), ("leave 7", "ended with status 7.*some last words")],
)
def test_crash_costs_one_file(make_pool, command, message):
    pool = make_pool()
    before = text(pool, "pid")
    with pytest.raises(WorkerCrashedError, match=message) as caught:
        run(pool, command)
    assert "bad.x" in str(caught.value)
    assert text(pool, "pid") != before


def test_hang_is_ended(make_pool):
    pool = make_pool(parse_seconds=0.5)
    pid = int(text(pool, "pid"))
    started = time.monotonic()
    with pytest.raises(LimitExceededError, match=r"limits\.parse_seconds"):
        run(pool, "hang")
    assert time.monotonic() - started < 3
    assert gone(pid)
    assert text(pool, "echo on") == "on"


def test_slow_consumer_is_not_a_silent_parser(make_pool):
    elements = make_pool(parse_seconds=0.4).parse(source("many 3"))
    next(elements)
    time.sleep(0.8)
    assert len(list(elements)) == 3


@pytest.mark.parametrize("command", ["hog", "gulp", "hog_elsewhere"])
def test_memory_hog_is_ended(make_pool, command):
    pool = make_pool(parse_memory_mb=400)
    with pytest.raises(LimitExceededError, match=r"400 MiB.*limits\.parse_memory_mb"):
        run(pool, command)
    assert text(pool, "echo on") == "on"


def test_memory_is_watched_while_the_consumer_is_busy(make_pool):
    pool = make_pool(parse_memory_mb=400)
    elements = pool.parse(source("hog"))
    next(elements)
    worker = next(iter(pool._busy))
    assert gone(worker.pid, seconds=20)
    with pytest.raises(LimitExceededError):
        next(elements)


def test_too_many_pages(make_pool):
    with pytest.raises(LimitExceededError, match="more than 5 pages"):
        run(make_pool(pages=5), "pages 6")


def test_slow_consumer_blocks_the_worker(make_pool, tmp_path):
    """What a worker may produce ahead is bounded by the pipe, not by memory."""
    progress = tmp_path / "progress"
    elements = make_pool().parse(source(f"count {progress}"))
    next(elements)
    next(elements)
    deadline, first, now = time.monotonic() + 30, "", progress.read_text()
    while first != now or not now:  # it may be caught while it is written
        assert time.monotonic() < deadline
        time.sleep(0.5)
        first, now = now, progress.read_text()
    assert int(now) < 1000
    elements.close()


@pytest.mark.parametrize("drop", [lambda it: it.close(), lambda _: None])
def test_abandoned_iterator_frees_its_worker(make_pool, drop):
    pool = make_pool()
    elements = pool.parse(source("many 100000"))
    next(elements)
    worker = next(iter(pool._busy))
    drop(elements)
    del elements
    gc.collect()
    assert gone(worker.pid)
    assert text(pool, "echo on") == "on"


def test_what_a_parser_started_ends_with_it(make_pool):
    elements = make_pool(parse_seconds=20).parse(source("spawn"))
    next(elements)
    child = int(next(elements).text)
    elements.close()
    assert gone(child)


@pytest.mark.parametrize(
    "forged",
    [
        "ffffffff00",  # a length of 4 GiB
        "00000003c1c1c1",  # no msgpack
        "00000001c0",  # not a map
        "0000000781a474797065c0",  # a type that is no string
        "0000000d81a474797065a7656c656d656e74",  # an element without an element
        "0000000b81a474797065a56572726f72",  # an error without an error
    ],
)
def test_forged_messages_are_refused(make_pool, forged):
    pool = make_pool()
    with pytest.raises(WorkerCrashedError, match="nonsense"):
        run(pool, f"forge {forged}")
    assert text(pool, "echo on") == "on"


def test_killed_while_idle_is_replaced(make_pool):
    pool = make_pool()
    pid = int(text(pool, "pid"))
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert text(pool, "echo on") == "on"


def test_worker_is_replaced_after_many_documents(make_pool, monkeypatch):
    monkeypatch.setattr(pool_module, "_DOCUMENTS_PER_WORKER", 3)
    pool = make_pool()
    pids = [text(pool, "pid") for _ in range(6)]
    assert len(set(pids)) == 2
    assert gone(int(pids[0]))


def test_many_threads_share_few_workers(make_pool):
    pool = make_pool(workers=2)
    with ThreadPoolExecutor(12) as executor:
        echoes = list(executor.map(lambda n: text(pool, f"echo {n}"), range(60)))
        pids = set(executor.map(lambda _: text(pool, "pid"), range(20)))
    assert echoes == [str(number) for number in range(60)]
    assert len(pids) <= 2


def test_worker_survives_the_thread_that_first_used_it(make_pool):
    """Linux ends a process tied to its parent with the parent's thread that started it."""
    pool = make_pool()
    pids = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: pids.append(text(pool, "pid")))
        thread.start()
        thread.join()
        time.sleep(0.2)
    assert pids[0] == pids[1]


def test_close_ends_workers_and_parses_under_way(make_pool):
    pool = make_pool(workers=2)
    pid = int(text(pool, "pid"))
    elements = pool.parse(source("doze 1000"))
    next(elements)
    threading.Timer(0.3, pool.close).start()
    with pytest.raises(WorkerCrashedError, match="closed"):
        next(elements)
    assert gone(pid)
    with pytest.raises(InputError, match="closed"):
        run(pool, "echo x")
    pool.close()


def test_pool_is_not_shared_over_a_fork(make_pool):
    pool = make_pool()
    pid = int(text(pool, "pid"))
    pool._owner += 1  # as it looks to a child
    with pytest.raises(InputError, match="fork"):
        run(pool, "echo x")
    pool.close()
    pool._owner -= 1
    assert int(text(pool, "pid")) == pid


def test_iterator_in_a_cycle_is_ended_by_the_collector(make_pool):
    pool = make_pool()
    for _ in range(3):
        cycle = [pool.parse(source("many 100000"))]
        next(cycle[0])
        cycle.append(cycle)
        del cycle
        gc.collect()
    assert text(pool, "echo on") == "on"


def test_text_needs_no_worker(make_pool):
    pool = make_pool()
    elements = list(pool.parse(Source(uri="note", data=b"Hello there.\n\nWorld.")))
    assert [element.text for element in elements] == ["", "Hello there.", "World."]
    assert pool._supervisor is None


def test_read_errors(make_pool, tmp_path):
    pool = make_pool(file_mb=1)
    big = tmp_path / "big.bin"
    big.write_bytes(bytes((1 << 20) + 1))
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for uri, kind in [
        (tmp_path / "none", SourceUnreadableError),
        (tmp_path, SourceUnreadableError),
        (fifo, SourceUnreadableError),
        ("a\0b", SourceUnreadableError),
        (big, LimitExceededError),
    ]:
        with pytest.raises(kind) as caught:
            list(pool.parse(Source(uri=str(uri))))
        assert (caught.value.stage, caught.value.uri) == ("read", str(uri))
    with pytest.raises(LimitExceededError, match="file_mb"):
        list(pool.parse(Source(uri="x", data=big.read_bytes(), media_type="application/pdf")))
    with pytest.raises(CorruptDocumentError, match="empty"):
        list(pool.parse(Source(uri="x", data=b"")))


def test_unsupported_lists_what_is(make_pool):
    with pytest.raises(
        UnsupportedFormatError, match=r"application/zip.*application/pdf"
    ) as caught:
        list(make_pool().parse(Source(uri="x", data=b"PK\x03\x04" + bytes(100))))
    assert caught.value.uri == "x"


def test_large_source_reaches_the_worker(make_pool):
    assert len(text(make_pool(), "echo " + "ab" * (5 << 20))) == 10 << 20


def script(body, hostile):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{hostile}"}
    header = """
        import os, sys, threading
        from cogagent.config import Settings
        from cogagent.documents.pool import ParserPool
        from cogagent.types import Element, Source
        def source(command):
            return Source(uri="x", data=command.encode(), media_type="application/x-hostile")
    """
    return environment, textwrap.dedent(header) + textwrap.dedent(body)


def test_parent_killed_leaves_no_child(hostile):
    environment, code = script(
        """
        pool = ParserPool(Settings(parse={"workers": 2}))
        print(list(pool.parse(source("pid")))[-1].text, flush=True)
        stuck, dozing = pool.parse(source("hang")), pool.parse(source("pid"))
        next(stuck), next(dozing)
        print(next(dozing).text, flush=True)
        next(stuck)
        """,
        hostile,
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        time.sleep(0.2)
        assert all(psutil.pid_exists(pid) for pid in pids)
        parent.kill()
    assert all(gone(pid) for pid in pids)


def test_unguarded_script_from_stdin(hostile):
    """And one that neither closes the pool nor ends its iterator."""
    environment, code = script(
        """
        elements = ParserPool(Settings()).parse(source("many 100000"))
        print(next(elements).caption)
        """,
        hostile,
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=code,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "many\n", "")


def test_stray_module_in_working_directory_is_not_imported(hostile, tmp_path):
    environment, code = script(
        'print(list(ParserPool(Settings()).parse(source("echo a")))[-1].text)', hostile
    )
    (tmp_path / "main.py").write_text(code)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "numpy.py").write_text("raise SystemExit('taken over')")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")],
        cwd=tmp_path / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "a\n", done.stderr


@pytest.mark.parametrize(
    ("program", "message"),
    [("/bin/false", "did not start.*status 1"), ("/no/such", "could be started.*No such file")],
)
def test_process_that_cannot_start(make_pool, monkeypatch, program, message):
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(WorkerCrashedError, match=message) as caught:
        run(make_pool(), "echo a")
    assert caught.value.uri == "bad.x"


def test_render(make_pool):
    pool = make_pool()
    raster = pool.render(source("echo a"), 2, 150)
    assert raster.size == (2, 150)
    assert (raster.pixels == 7).all()
    with pytest.raises(CorruptDocumentError, match="no such page"):
        pool.render(source("echo a"), 4, 150)
    with pytest.raises(UnsupportedFormatError, match="cannot be shown"):
        pool.render(Source(uri="x", data=b"text"), 1, 150)


def test_much_markdown_is_read_apart(make_pool):
    pool = make_pool()
    data = b"# Title\n\n" + b"Some words. " * 100_000
    elements = list(pool.parse(Source(uri="x.md", data=data)))
    assert elements[0].caption == "Title"
    assert pool._supervisor is not None
