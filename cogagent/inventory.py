"""``cogagent models``: what is configured, what it can do, and whether it works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cogagent.config import Settings
from cogagent.errors import CogAgentError
from cogagent.models import factory
from cogagent.models.mllm import Options, said
from cogagent.types import Raster, Record

if TYPE_CHECKING:
    from cogagent.vision.eyes import Eyes

_TOKENS = 8
"""Tokens that a language model is asked for on trial."""


class ModelEntry(Record):
    """A model that the settings name."""

    role: str
    """``text``, ``picture``, ``answer`` or ``ocr``."""
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
        _examine("text", models.text_embedder, settings, _load_text, _embed_text, attempt),
        _examine("picture", models.image_embedder, settings, _load_image, _embed_image, attempt),
        _examine("answer", models.answer_model, settings, _load_answer, _write, attempt),
        _examine("ocr", ocr, settings, _load_ocr, _read, attempt),
    ]


def _examine(
    role: str,
    name: str,
    settings: Settings,
    load: Callable[[Settings], str],
    ask: Callable[[Settings], str],
    attempt: bool,
) -> ModelEntry:
    start = time.perf_counter()
    entry = ModelEntry(role=role, name=name, ok=True)
    try:
        detail = load(settings)
        loaded = time.perf_counter()
        entry = entry.model_copy(update={"detail": detail, "load_seconds": loaded - start})
        if attempt:
            tried = ask(settings)
            seconds = time.perf_counter() - loaded
            entry = entry.model_copy(update={"tried": tried, "try_seconds": seconds})
    except CogAgentError as error:
        wrong = {"ok": False, "detail": error.message, "remedy": error.remedy}
        return entry.model_copy(update=wrong)
    return entry


def _load_text(settings: Settings) -> str:
    embedder = factory.text_embedder(settings)
    return f"{embedder.dim} dimensions, reads {embedder.max_tokens} tokens"


def _embed_text(settings: Settings) -> str:
    (vector,) = factory.text_embedder(settings).embed(["a question"], query=True)
    return f"a vector of length {float(np.linalg.norm(vector)):.2f}"


def _load_image(settings: Settings) -> str:
    return f"{factory.image_embedder(settings).dim} dimensions"


def _embed_image(settings: Settings) -> str:
    grey = Raster(np.full((64, 64, 3), 127, np.uint8))
    (vector,) = factory.image_embedder(settings).embed_images([grey])
    return f"a vector of length {float(np.linalg.norm(vector)):.2f}"


def _load_answer(settings: Settings) -> str:
    model = factory.answer_model(settings)
    if model is None:
        return "quotes the documents, writes nothing of its own"
    can = model.capabilities
    able = {
        "sees pictures": can.pictures,
        "keeps to a JSON schema": can.structured,
        "tells probabilities": can.probabilities,
        "has a seed": can.seed,
        f"names places in {can.coordinates}": can.coordinates != "none",
        f"reads {can.context} tokens": can.context is not None,
    }
    return ", ".join(["writes", *(name for name, has in able.items() if has)])


def _write(settings: Settings) -> str:
    model = factory.answer_model(settings)
    if model is None:
        return "nothing to ask"
    asked = [said("user", "Say hello.")]
    return repr(asyncio.run(model.generate(asked, Options(max_tokens=_TOKENS))).text)


def _load_ocr(settings: Settings) -> str:
    if not settings.parse.ocr:
        return "scanned pages and pictures are not read (parse.ocr)"
    _eyes(settings)
    return "reads scanned pages and pictures"


def _read(settings: Settings) -> str:
    from PIL import Image, ImageDraw, ImageFont

    if not settings.parse.ocr:
        return "nothing to ask"
    picture = Image.new("RGB", (420, 90), "white")
    ImageDraw.Draw(picture).text((20, 20), "Invoice 2047", "black", ImageFont.load_default(40))
    return repr(_eyes(settings).read(Raster(np.asarray(picture))).text)


def _eyes(settings: Settings) -> Eyes:
    from cogagent.vision.eyes import Eyes

    return Eyes(settings, factory.image_embedder(settings))
