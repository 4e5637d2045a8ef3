"""A parser process: ``python -m cogagent.documents.worker``, driven by :mod:`.pool`.

Requests come on stdin and elements leave on what was stdout; both are moved to
private descriptors first, so that a library that prints or reads does not
disturb them. It parses one source after the other and ends with its parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import traceback
from typing import Any, BinaryIO

from cogagent.config import LimitSettings, ParseSettings
from cogagent.documents import archives, registry, wire
from cogagent.errors import DocumentError
from cogagent.geometry import make_box
from cogagent.types import Source

_NICENESS = 10
_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve requests until stdin ends."""
    requests, replies = _take_channel()
    _tie_to_parent()
    os.nice(_NICENESS)
    _send(replies, {"type": "ready"})
    hello = _receive(requests)
    if hello is None:
        return 0
    limits = LimitSettings.model_validate(hello["limits"])
    parse = ParseSettings.model_validate(hello["parse"])
    _limit_memory(limits)
    while (request := _receive(requests)) is not None:
        data = requests.read(request["size"])
        if len(data) < request["size"]:
            break
        source = Source(**request["source"], data=data)
        del data
        _serve(request, source, limits, parse, replies)
        del source
    return 0


def _serve(
    request: dict[str, Any],
    source: Source,
    limits: LimitSettings,
    parse: ParseSettings,
    replies: BinaryIO,
) -> None:
    try:
        media_type = request["media_type"]
        if request["type"] == "render":
            page, dpi, box = request["page"], request["dpi"], make_box(*request["box"])
            raster = registry.render(source, media_type, page, dpi, limits, parse, box)
            _send(replies, wire.from_raster(raster))
        elif request["type"] == "unpack":
            for member in archives.unpack(source, limits):
                _send(replies, wire.from_member(member))
        elif request["type"] == "pixels":
            wanted = [wire.to_element(message) for message in request["elements"]]
            for seen in registry.pixels(source, media_type, wanted, limits, parse):
                _send(replies, wire.from_raster(seen))
        else:
            for element in registry.load(source, media_type, limits, parse):
                _send(replies, wire.from_element(element))
    except DocumentError as error:
        if error.__cause__ is not None:  # for whoever looks at the captured stderr
            traceback.print_exception(error.__cause__)
        _send(replies, wire.from_error(error))
    else:
        _send(replies, {"type": "done"})


def _take_channel() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the parent, moved away from descriptors 0 and 1."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _tie_to_parent() -> None:
    """Die with the parent, even while stuck in a library's call."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if sys.platform == "linux":
        # Elsewhere the end of stdin has to do, which a hanging parser does not see.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _limit_memory(limits: LimitSettings) -> None:
    """Backstops for what the parent's polling is too slow for; generous, since virtual."""
    most = (3 * limits.parse_memory_mb + 4096) << 20
    for kind, value in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        within = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (within, hard))


def _receive(requests: BinaryIO) -> dict[str, Any] | None:
    head = requests.read(wire.HEADER.size)
    if len(head) < wire.HEADER.size:
        return None
    (size,) = wire.HEADER.unpack(head)
    body = requests.read(size)
    return wire.unpack(body) if len(body) == size else None


def _send(replies: BinaryIO, message: dict[str, Any]) -> None:
    rest = memoryview(wire.pack(message))
    while rest:  # an unbuffered write may take only a part
        rest = rest[replies.write(rest) :]


if __name__ == "__main__":
    sys.exit(main())
