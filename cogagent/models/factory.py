"""Makes the models that the settings name, each once for all that use it at the time.

Embedders and the picture network are small, and stay as long as the process. A
language model is counted: whoever asks for one has it until they close it, and
with the last of them its memory is freed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, TypeVar

from cogagent.config import Settings
from cogagent.errors import ConfigError, ModelLoadError
from cogagent.models.base import ImageEmbedder, TextEmbedder
from cogagent.models.shared import SharedModels

if TYPE_CHECKING:
    from cogagent.models.classifier import Classifier
    from cogagent.models.minilm import MiniLM
    from cogagent.models.mllm import MLLM
    from cogagent.models.spans import SpanModel

EMBEDDED_TEXT = "minilm"
EMBEDDED_IMAGE = "conse"
EXTRACTIVE = "extractive"
"""The name of the embedded answerer, which quotes and writes nothing."""
_GROUP = "cogagent.models"
_BACKENDS = {
    "llamacpp": "cogagent.models.backends.llamacpp:make",
    "openai": "cogagent.models.backends.openai:make",
    "transformers": "cogagent.models.backends.transformers:make",
}

_Model = TypeVar("_Model")
_lock = threading.RLock()
_made: dict[tuple[object, ...], object] = {}
_language_models = SharedModels()


def text_embedder(settings: Settings) -> TextEmbedder:
    """The text embedder that ``settings.models.text_embedder`` names.

    Loads it at the first call; later calls with the same settings, from any
    thread, share it.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the model is not found or does not load.
        OfflineError: If it would have to be downloaded and ``offline`` is on.
    """
    name = settings.models.text_embedder

    def make() -> TextEmbedder:
        if name == EMBEDDED_TEXT:
            return minilm(settings)
        from cogagent.models.sentence_transformer import SentenceTransformerEmbedder

        return SentenceTransformerEmbedder(name, settings)

    return _shared(("text", name, settings.threads(), settings.offline), make)


def image_embedder(settings: Settings) -> ImageEmbedder:
    """The picture embedder that ``settings.models.image_embedder`` names.

    Shared and loaded like :func:`text_embedder`.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the model is not found or does not load.
        OfflineError: If it would have to be downloaded and ``offline`` is on.
    """
    name = settings.models.image_embedder

    def make() -> ImageEmbedder:
        if name == EMBEDDED_IMAGE:
            from cogagent.models.conse import ConSE

            return ConSE(minilm(settings), classifier(settings))
        from cogagent.models.clip import ClipEmbedder

        return ClipEmbedder(name, settings)

    return _shared(("image", name, settings.threads(), settings.offline), make)


def answer_model(settings: Settings) -> MLLM | None:
    """The language model that ``settings.models.answer_model`` names; ``None`` for the reader.

    Whoever asks has to close it: see :func:`mllm`.

    Raises:
        ConfigError: If there is no such backend.
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If the model is not found or does not load.
        OfflineError: If it would leave this machine and ``offline`` is on.
    """
    name = settings.models.answer_model
    return None if name == EXTRACTIVE else mllm(name, settings)


def mllm(name: str, settings: Settings) -> MLLM:
    """A language model by its name, ``backend:model``.

    It is loaded by the first who asks, shared with others that ask with the same
    settings, and closed when the last of them has closed it; after that it is loaded
    again. Raises what :func:`answer_model` does.
    """
    backend, colon, model = name.partition(":")
    places = _BACKENDS | {point.name: point.value for point in entry_points(group=_GROUP)}
    if not colon or not model or backend not in places:
        known = ", ".join(sorted(places))
        raise ConfigError(
            f"there is no model {name!r}.",
            remedy=f"Write {EXTRACTIVE}, or BACKEND:MODEL with one of the backends {known}.",
        )

    def make() -> MLLM:
        made: MLLM = _backend(backend, places[backend])(model, settings)
        return made

    kept = (settings.answers.picture_cache_mb, settings.answers.picture_cache_seconds)
    parts = (settings.openai, settings.llamacpp, settings.transformers, *kept)
    return _language_models.take((name, settings.offline, settings.threads(), *parts), make)


def classifier(settings: Settings) -> Classifier:
    """The embedded picture network, which names what a picture shows; shared likewise.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If it does not load.
    """

    def make() -> Classifier:
        from cogagent.models.classifier import Classifier

        return Classifier(settings)

    return _shared(("classifier", settings.threads()), make)


def minilm(settings: Settings) -> MiniLM:
    """The embedded text model, whichever embedder the settings name; shared likewise.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If it does not load.
    """

    def make() -> MiniLM:
        from cogagent.models.minilm import MiniLM

        return MiniLM(settings)

    return _shared((EMBEDDED_TEXT, settings.threads()), make)


def span_model(settings: Settings) -> SpanModel:
    """The embedded model that finds answers in texts; shared and loaded likewise.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        ModelLoadError: If it does not load.
    """

    def make() -> SpanModel:
        from cogagent.models.spans import SpanModel

        return SpanModel(settings)

    return _shared(("spans", settings.threads()), make)


def _backend(name: str, place: str) -> Callable[[str, Settings], MLLM]:
    """What makes a backend's models.

    Raises:
        ModelLoadError: If a package outside promises one and has not got it.
    """
    module, _, attribute = place.partition(":")
    try:
        found: Callable[[str, Settings], MLLM] = getattr(import_module(module), attribute)
    except (AttributeError, ImportError) as error:
        raise ModelLoadError(
            f"the backend {name!r} of models does not load from {place!r}: {error}.",
            remedy="Install the package that brings it again, or remove it.",
        ) from error
    return found


def _shared(key: tuple[object, ...], make: Callable[[], _Model]) -> _Model:
    with _lock:
        if key not in _made:
            _made[key] = make()
        return _made[key]  # type: ignore[return-value]  # a key holds what its make made
