"""A service on loopback that speaks OpenAI's protocol, and every dialect of failing at it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STORY = "Once upon a time, a fox lived by a lake. It was deep, and cold, and full of fish. 🦊 日本"
CONTEXT = 120


class Exchange(BaseHTTPRequestHandler):
    """One request and what is answered to it; ``body`` is the request's JSON."""

    protocol_version = "HTTP/1.1"
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append((headers, self.body))
        try:
            self.server.answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send(self, data: bytes, kind: str = "application/json", status: int = 200, **more) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def json(self, value: object, status: int = 200, **more) -> None:
        self.send(json.dumps(value).encode(), status=status, **more)

    def fail(self, status: int, message: str, code: str | None = None, **more) -> None:
        error = {"message": message, "code": code, "param": more.pop("param", None)}
        self.json({"error": error}, status, **more)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, value: object) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.wfile.write(b"data: " + data + b"\n\n")
        self.wfile.flush()

    def log_message(self, *given: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[Exchange], None]) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer = answer
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients hang up in the midst: that is what is tried


@contextmanager
def serving(answer: Callable[[Exchange], None]) -> Iterator[Server]:
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def choice(text: str | None, finish: str | None = None, **more) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish} | more]}


def whole(text: str, finish: str = "stop", **more) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish}]} | more


def tell_a_story(exchange: Exchange) -> None:
    """A model's server as it should be, of a model with one story."""
    body = exchange.body
    prompt = sum(len(_tokens(_words(message))) + 2 for message in body["messages"])
    if prompt > CONTEXT:
        exchange.fail(400, f"maximum context length is {CONTEXT}", "context_length_exceeded")
        return
    text = json.dumps({"answer": True}) if "response_format" in body else STORY
    ends = [at for at in (text.find(stop) for stop in body.get("stop", ())) if at >= 0]
    every = _tokens(text[: min(ends)] if ends else text)
    written = every[: body["max_tokens"]]
    finish = "length" if len(written) < len(every) else "stop"
    usage = {"prompt_tokens": prompt, "completion_tokens": len(written)}
    probabilities = [
        {"content": [{"token": token, "logprob": -0.5}]} if body.get("logprobs") else None
        for token in written
    ]
    if not body["stream"]:
        told = whole("".join(written), finish, usage=usage)
        if body.get("logprobs"):
            content = [entry for each in probabilities for entry in each["content"]]
            told["choices"][0]["logprobs"] = {"content": content}
        time.sleep(0.1 if body["max_tokens"] > 300 else 0)
        exchange.json(told)
        return
    exchange.begin_stream()
    for token, logprobs in zip(written, probabilities, strict=True):
        exchange.event(choice(token, logprobs=logprobs))
        time.sleep(0.01 if body["max_tokens"] > 300 else 0)
    exchange.event(choice(None, finish))
    if body.get("stream_options", {}).get("include_usage"):
        exchange.event({"choices": [], "usage": usage})
    exchange.event(b"[DONE]")


def _words(message: dict[str, Any]) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text)
