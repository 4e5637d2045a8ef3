"""Translates what a service answers instead of a text into this package's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cogagent.errors import (
    CapabilityError,
    ContextOverflowError,
    ModelError,
    ModelRefusedError,
    ModelServiceError,
    ModelTimeoutError,
)

if TYPE_CHECKING:
    from openai import APIError, APIStatusError

_OVERFLOW = re.compile(
    # OpenAI and vLLM, llama.cpp, Ollama, others
    r"context_length_exceeded|maximum context length|exceed_context_size|context size|"
    r"context length|prompt is too long|input is too long|max_model_len|too many tokens",
    re.IGNORECASE,
)
_FILTER = re.compile(r"content_filter|content_policy|content management policy", re.IGNORECASE)
_PICTURES = re.compile(
    r"(image|vision|multimodal|multi-modal)[^.]{0,60}not (be )?(supported|allowed)|"
    r"not support[^.]{0,40}(image|vision|multimodal)|not a multimodal|"
    r"invalid content type.{0,20}image",
    re.IGNORECASE | re.DOTALL,
)
_ABLE = {"response_format": "be held to a JSON schema", "logprobs": "tell probabilities"}


def translated(error: APIError, service: str, model: str, seconds: float) -> ModelError:
    """The error of this package that says what an error of the client's means.

    Args:
        error: What the client raised.
        service: The service's address.
        model: The model's name there.
        seconds: The time allowed.
    """
    import openai

    if isinstance(error, openai.APITimeoutError):
        return timed_out(service, seconds)
    if isinstance(error, openai.APIStatusError):
        return _refused(error, service, model)
    if isinstance(error, openai.APIConnectionError):
        return unreachable(service, error.__cause__ or error)
    return ModelServiceError(f"{service} failed: {_reason(error)}")


def told(service: str, error: Any) -> ModelError:
    """The error that a service sends in the midst of an answer."""
    message = error.get("message") if isinstance(error, Mapping) else error
    reason = " ".join(str(message or error).split())[:300]
    if _OVERFLOW.search(str(error)):
        return ContextOverflowError(
            f"the prompt and the answer are longer than the model's context: {reason}",
            remedy="Give less text and fewer pictures, or use a model with a larger context.",
        )
    if _FILTER.search(str(error)):
        return ModelRefusedError(f"{service} declined to answer: {reason}")
    return ModelServiceError(f"{service} failed in the midst of its answer: {reason}")


def timed_out(service: str, seconds: float) -> ModelTimeoutError:
    """It took too long."""
    return ModelTimeoutError(
        f"{service} did not answer within {seconds:g} s.",
        remedy="Try again, ask for fewer tokens, or raise openai.timeout_seconds.",
    )


def unreachable(service: str, why: BaseException) -> ModelServiceError:
    """No connection, or one that broke."""
    reason = str(why) or type(why).__name__
    return ModelServiceError(
        f"{service} cannot be reached, or hung up: {reason}.",
        remedy="Is the server running, and openai.base_url right?",
    )


def culprit(error: APIStatusError) -> str | None:
    """The parameter that the service does not take, where it names one."""
    if error.status_code not in (400, 422):
        return None
    if error.param:
        return error.param
    found = re.search(
        r"(max_tokens|stream_options|temperature|seed|stop|top_logprobs|logprobs|response_format)",
        _reason(error),
    )
    return found.group(1) if found else None


def _refused(error: APIStatusError, service: str, model: str) -> ModelError:
    status, reason = error.status_code, _reason(error)
    said = f"{error.code or ''} {error.type or ''} {reason}"
    if status in (400, 413, 422, 500) and _OVERFLOW.search(said):
        return ContextOverflowError(
            f"the prompt is longer than {model} can read: {reason}",
            remedy="Give less text and fewer pictures, or use a model with a larger context.",
        )
    if status in (400, 403, 422) and _FILTER.search(said):
        return ModelRefusedError(f"{service} declined to answer: {reason}")
    if status in (400, 415, 422, 500, 501):
        return _unable(error, service, model, reason)
    if status in (401, 403):
        return ModelServiceError(
            f"{service} does not let us in ({status}): {reason}",
            remedy="Check the key: OPENAI_API_KEY, or openai.api_key_file.",
        )
    if status == 404:
        return ModelServiceError(
            f"{service} knows no model {model!r}, or is not at this path: {reason}",
            remedy="Check models.answer_model, and openai.base_url; most end in /v1.",
        )
    if status == 429:
        after = error.response.headers.get("retry-after")
        wait = f" It says to wait for {after[:40]} s." if after else ""
        return ModelServiceError(
            f"{service} takes no more requests for now: {reason}{wait}",
            remedy="Try again later, lower openai.concurrency, or look after the account.",
        )
    if 300 <= status < 400:
        place = error.response.headers.get("location", "elsewhere")[:200]
        return ModelServiceError(
            f"{service} sends us to {place}.", remedy="Set openai.base_url to where it is."
        )
    return ModelServiceError(
        f"{service} failed ({status}): {reason}",
        remedy="Try again; if it stays, look into the service's log.",
    )


def _unable(error: APIStatusError, service: str, model: str, reason: str) -> ModelError:
    if _PICTURES.search(reason):
        return CapabilityError(
            f"{model} sees no pictures: {reason}",
            remedy="Use a multimodal model, or set openai.pictures to false.",
        )
    param = (culprit(error) or "").replace("top_logprobs", "logprobs")
    if param in _ABLE:
        return CapabilityError(
            f"{model} cannot {_ABLE[param]}: {reason}",
            remedy="Set openai.structured or openai.probabilities to false for this model.",
        )
    return ModelServiceError(
        f"{service} did not take the request ({error.status_code}): {reason}",
        remedy="Look into the service's log.",
    )


def _reason(error: APIError) -> str:
    body: Any = error.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        message = inner.get("message") if isinstance(inner, Mapping) else inner
        message = message or body.get("detail") or error.message
    else:
        message = error.message
    text = " ".join(str(message).split())
    if "<html" in text.lower() or "<!doctype" in text.lower():
        return "a web page instead of an answer"
    return text[:300]
