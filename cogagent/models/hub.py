"""Models of the Hugging Face hub: whether they may be fetched, and what they are called."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from cogagent.config import Settings
from cogagent.errors import MissingPackageError, ModelLoadError, OfflineError

_Loaded = TypeVar("_Loaded")


def load(name: str, settings: Settings, extra: str, make: Callable[[bool], _Loaded]) -> _Loaded:
    """A model by its name on the hub or its folder, with what goes wrong translated.

    Args:
        name: ``owner/model``, or a folder.
        settings: ``offline`` counts: then only a folder, or what an earlier run fetched.
        extra: What to install if a package is missing.
        make: Loads the model; told whether it must keep to local files.

    Raises:
        MissingPackageError: If a package that it needs is not installed.
        OfflineError: If it would have to be fetched and ``offline`` is on.
        ModelLoadError: If it is not found or does not load.
    """
    local = Path(name).is_dir()
    try:
        with _quiet():
            return make(local or settings.offline)
    except ImportError as error:
        raise MissingPackageError(
            f"the model {name!r} needs the package {error.name}, which is not installed.",
            remedy=f"Run `pip install {extra}`.",
        ) from error
    except OSError as error:
        if settings.offline and not local:
            raise OfflineError(
                f"the model {name!r} is not on this machine and `offline` is on.",
                remedy="Name a folder that holds it, or run once with `offline` off.",
            ) from error
        raise _failed(name, error) from error
    except Exception as error:  # what a broken or foreign checkpoint raises is anyone's guess
        raise _failed(name, error) from error


def fingerprint(name: str, config: Any) -> str:
    """The model's name with its revision, or with a hash of its configuration and weights.

    Args:
        name: Name or folder, as the settings give it.
        config: The loaded model's ``PretrainedConfig``.
    """
    revision = getattr(config, "_commit_hash", None)
    if not revision:
        digest = hashlib.sha256(config.to_json_string().encode())
        for file in sorted(Path(name).rglob("*.safetensors")):
            digest.update(f"{file.name}:{file.stat().st_size}".encode())
            with file.open("rb") as weights:  # the header, and the first of the weights
                digest.update(weights.read(1 << 20))
        revision = digest.hexdigest()
    return f"{name}@{revision[:12]}"


def _failed(name: str, error: Exception) -> ModelLoadError:
    reason = str(error).strip().split("\n", 1)[0]
    return ModelLoadError(
        f"the model {name!r} does not load: {reason or type(error).__name__}",
        remedy="Check the name or folder in the settings under `models`.",
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences transformers' progress bars, and its notices to its own developers."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            for kind in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings(
                    "ignore", category=kind, module=r"(transformers|sentence_transformers)\."
                )
            yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
