"""What the load benchmark understands of wrk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.wrk import read, wrk

SAID = """Running 30s test @ http://127.0.0.1:8600
  1 threads and 8 connections
Requests/sec:     10.00
wrk {"answers": 300, "seconds": 30.0, "connect": 0, "read": 2, "write": 0, "status": 3, \
"timeout": 0, "p50": 75.5, "p95": 101.25, "p99": 121.0, "worst": 140.0}
"""


def test_what_the_script_says_is_read() -> None:
    found = read(SAID)
    assert (found.p50, found.p95, found.p99, found.worst) == (75.5, 101.25, 121.0, 140.0)
    assert found.answers == 300


def test_refusals_are_errors_and_no_answers() -> None:
    found = read(SAID)
    assert found.errors == {"read": 2, "status": 3}
    assert found.rate == pytest.approx(297 / 30)


def test_a_run_that_did_not_come_to_its_end_is_no_result() -> None:
    with pytest.raises(ValueError, match="says nothing"):
        read("Running 30s test @ http://127.0.0.1:8600\n")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
@pytest.mark.parametrize(("status", "refused"), [(200, False), (429, True)])
def test_requests_go_out_as_they_were_given(status: int, refused: bool) -> None:
    sent: set[tuple[str, str]] = set()
    with served(status, sent) as url:
        found = wrk(url, [("/v1/a", {"q": "Zürich?\n"}), ("/v1/b", {"q": "\t"})], 2, 1)
    assert sent == {("/v1/a", '{"q": "Z\\u00fcrich?\\n"}'), ("/v1/b", '{"q": "\\t"}')}
    assert found.answers > 2
    assert found.errors == ({"status": found.answers} if refused else {})


@contextmanager
def served(status: int, sent: set[tuple[str, str]]) -> Iterator[str]:
    """A server that always answers with one status, and notes what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent.add((self.path, self.rfile.read(length).decode()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
