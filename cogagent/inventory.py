"""``cogagent models``: what is configured, what it can do, and whether it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cogagent.config import Settings
from cogagent.errors import CogAgentError, ModelError, ModelTimeoutError
from cogagent.models import factory
from cogagent.models.mllm import MLLM, Capabilities, Generated, Options, said
from cogagent.models.shared import close_now
from cogagent.types import Raster, Record

_TOKENS = 8
"""Tokens that a language model is asked for on trial."""
_PATIENCE = 60.0
"""Seconds in which it has to write them."""
_GREY = Raster(np.full((64, 64, 3), 127, np.uint8))


class ModelEntry(Record):
    """A model that the settings name."""

    role: str
    """``text``, ``picture``, ``answer``, ``planner`` or ``ocr``."""
    name: str
    """As the settings say it."""
    ok: bool
    """It loaded and, if it was tried, did what was asked of it."""
    detail: str = ""
    """What it can do, or what went wrong."""
    remedy: str = ""
    load_seconds: float = 0.0
    try_seconds: float | None = None
    """Time of one small question; ``None`` if it was not tried."""
    tried: str = ""
    """What came back."""


def inventory(settings: Settings, *, attempt: bool = False) -> list[ModelEntry]:
    """Load each model that the settings name; no home is opened.

    Args:
        settings: Names the models.
        attempt: Also ask each one something small, and time it.
    """
    models = settings.models
    ocr = "rapidocr" if settings.parse.ocr else "switched off"
    return [
        _examine("text", models.text_embedder, lambda: _text(settings), attempt),
        _examine("picture", models.image_embedder, lambda: _picture(settings), attempt),
        language_model(settings, attempt=attempt),
        *planner_model(settings, attempt=attempt),
        _examine("ocr", ocr, lambda: _ocr(settings), attempt),
    ]


def language_model(settings: Settings, *, attempt: bool = False) -> ModelEntry:
    """The model that answers, likewise; it is closed again."""
    return _examine("answer", settings.models.answer_model, lambda: _answer(settings), attempt)


def planner_model(settings: Settings, *, attempt: bool = False) -> list[ModelEntry]:
    """The model that plans, likewise; none where that is the one that answers."""
    name = settings.models.planner_model
    if not name or name == settings.models.answer_model:
        return []

    return [_examine("planner", name, lambda: _writing(factory.mllm(name, settings)), attempt)]


@dataclass(frozen=True)
class _Loaded:
    detail: str
    """What it can do."""
    ask: Callable[[], str]
    """Asks it something small; what came back."""
    close: Callable[[], None] = lambda: None


def _examine(role: str, name: str, load: Callable[[], _Loaded], attempt: bool) -> ModelEntry:
    start = time.perf_counter()
    entry = ModelEntry(role=role, name=name, ok=True)
    try:
        loaded = load()
        try:
            ready = time.perf_counter()
            found = {"detail": loaded.detail, "load_seconds": ready - start}
            entry = entry.model_copy(update=found)
            if attempt:
                tried = loaded.ask()
                seconds = time.perf_counter() - ready
                entry = entry.model_copy(update={"tried": tried, "try_seconds": seconds})
        finally:
            loaded.close()
    except CogAgentError as error:
        wrong = {"ok": False, "detail": error.message, "remedy": error.remedy}
        return entry.model_copy(update=wrong)
    return entry


def _text(settings: Settings) -> _Loaded:
    embedder = factory.text_embedder(settings)

    def ask() -> str:
        (vector,) = embedder.embed(["a question"], query=True)
        return f"a vector of length {float(np.linalg.norm(vector)):.2f}"

    return _Loaded(f"{embedder.dim} dimensions, reads {embedder.max_tokens} tokens", ask)


def _picture(settings: Settings) -> _Loaded:
    embedder = factory.image_embedder(settings)

    def ask() -> str:
        (vector,) = embedder.embed_images([_GREY])
        return f"a vector of length {float(np.linalg.norm(vector)):.2f}"

    return _Loaded(f"{embedder.dim} dimensions", ask)


def _answer(settings: Settings) -> _Loaded:
    model = factory.answer_model(settings)
    if model is None:
        detail = "quotes the documents, writes nothing of its own"
        return _Loaded(detail, lambda: "nothing to ask")
    return _writing(model)


def _writing(model: MLLM) -> _Loaded:
    return _Loaded(_abilities(model.capabilities), lambda: _hello(model), lambda: close_now(model))


def _abilities(can: Capabilities) -> str:
    able = {
        "sees pictures": can.pictures,
        "keeps to a JSON schema": can.structured,
        "tells probabilities": can.probabilities,
        "has a seed": can.seed,
        f"names places in {can.coordinates}": can.coordinates != "none",
        f"reads {can.context} tokens": can.context is not None,
    }
    return ", ".join(["writes", *(name for name, has in able.items() if has)])


def _hello(model: MLLM) -> str:
    """A few words of a model's; one that sees pictures is shown one.

    Raises:
        ModelError: If it fails, or has nothing to say.
    """
    shown = [_GREY] if model.capabilities.pictures else []

    async def ask() -> Generated:
        async with asyncio.timeout(_PATIENCE):
            asked = [said("user", "Say hello.", *shown)]
            return await model.generate(asked, Options(max_tokens=_TOKENS))

    try:
        written = asyncio.run(ask())
    except TimeoutError as error:
        raise ModelTimeoutError(
            f"{model.name} did not write {_TOKENS} tokens within {_PATIENCE:g} s.",
            remedy="Take a smaller model, or see what else its machine is doing.",
        ) from error
    if not written.text.strip() and written.finish == "stop":
        raise ModelError(
            f"{model.name} writes nothing.",
            remedy="Name a model that was made to be asked (often -Instruct, -it or -chat).",
        )
    return repr(written.text)


def _ocr(settings: Settings) -> _Loaded:
    if not settings.parse.ocr:
        detail = "scanned pages and pictures are not read (parse.ocr)"
        return _Loaded(detail, lambda: "nothing to ask")
    from cogagent.vision.eyes import Eyes

    eyes = Eyes(settings, factory.image_embedder(settings))
    return _Loaded("reads scanned pages and pictures", lambda: repr(eyes.read(_invoice()).text))


def _invoice() -> Raster:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (420, 90), "white")
    ImageDraw.Draw(picture).text((20, 20), "Invoice 2047", "black", ImageFont.load_default(40))
    return Raster(np.asarray(picture))
