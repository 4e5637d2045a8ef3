"""One GGUF file run in three ways: in this process, behind a server, and by Transformers."""

from __future__ import annotations

import functools
import json
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest import mock

_ROOT = Path(__file__).parents[1]
_START_SECONDS = 120.0
_END_SECONDS = 10.0


class Server(NamedTuple):
    """llama.cpp's own server, and what opens it."""

    base_url: str
    key: str
    process: int
    """Its id."""


@contextmanager
def serving(weights: Path, context: int, threads: int = 1, slots: int = 1) -> Iterator[Server]:
    """Llama.cpp's server over a GGUF file, on a free port of loopback, in a process of its own.

    It ends with the block, or when this process does: its input is then at an end.

    Args:
        weights: The file.
        context: Tokens of prompt and answer together.
        threads: To compute with.
        slots: Texts written at once, each with a context of its own.

    Raises:
        RuntimeError: If it does not start.
    """
    asked = {"path": str(weights), "context": context, "threads": threads, "slots": slots}
    asked["key"] = key = secrets.token_hex()
    command = [sys.executable, "-m", "benchmarks.one_model"]
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        too_long = threading.Timer(_START_SECONDS, process.kill)
        too_long.start()
        try:
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            address = process.stdout.readline().strip()
            too_long.cancel()
            if not address:
                raise RuntimeError("llama.cpp's server does not start; see what it said above.")
            yield Server(f"{address}/v1", key, process.pid)
        finally:
            too_long.cancel()
            process.stdin.close()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def unpack(weights: Path, folder: Path) -> Path:
    """The model of a GGUF file as a folder that Transformers loads.

    Its numbers are those that the file's quantised ones stand for, as float32.

    Args:
        weights: The file, of an architecture that Transformers reads from GGUF.
        folder: Where it goes; made if missing.

    Raises:
        ImportError: If the package gguf is not installed.
        RuntimeError: If the file lacks weights of the model.
    """
    import gguf
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    # The way through from_pretrained has the same end, and asks for accelerate besides.
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    # Each step opens the file, and each part of the model lists the names of all: seconds each.
    slow = ("GGUFReader", "get_tensor_name_map")
    kept = {name: functools.cache(getattr(gguf, name)) for name in slow}
    with mock.patch.multiple(gguf, **kept):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**place))
        read = load_gguf_checkpoint(str(weights), return_tensors=True, model_to_load=model)
        tokenizer = AutoTokenizer.from_pretrained(**place)
    lacking = set(model.load_state_dict(read["tensors"], strict=False).missing_keys)
    lacking -= set(model.all_tied_weights_keys)
    if lacking:
        raise RuntimeError(f"{weights} lacks {len(lacking)} weights, {min(lacking)} for one.")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _serve() -> None:
    """Runs in the process of its own, until its input ends."""
    import xllamacpp

    from cogagent.config import LlamaCppSettings
    from cogagent.models.backends.llamacpp_load import Setup

    asked = json.loads(sys.stdin.readline())
    settings = LlamaCppSettings(parallel=asked["slots"])
    setup = Setup(Path(asked["path"]), settings, asked["context"], asked["threads"], asked["key"])
    params = setup(xllamacpp)
    # A prompt read in one go and one read on from an earlier one differ in last digits.
    params.cache_prompt = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
