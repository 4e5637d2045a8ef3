"""Every error this package raises on purpose.

::

    CogAgentError
    ├── ConfigError                 a setting is unknown, malformed or contradictory
    │   └── EmbedderMismatchError   the home was built with another embedder
    ├── InputError                  the caller asked for something that cannot be
    │   ├── NotFoundError           no such collection, document or picture
    │   ├── UnknownFieldError       a filter names a field that does not exist
    │   └── ConflictError           it contradicts what is there by now
    ├── AccessError                 the service does not let this caller do this
    │   ├── UnauthenticatedError    no API key, or one that does not hold
    │   └── ForbiddenError          the key holds, but not for this
    ├── BusyError                   the service has too much to do; try again later
    │   ├── RateLimitError          this caller asks more often than it may
    │   └── QueueFullError          no more work is taken at present
    ├── DocumentError               one source could not be read; the others can
    │   ├── SourceUnreadableError   missing, vanished or not permitted
    │   ├── UnsupportedFormatError  no loader for this kind of bytes
    │   ├── CorruptDocumentError    the bytes are not what they claim to be
    │   ├── PasswordRequiredError   encrypted, and no password fits
    │   ├── LimitExceededError      more pages, pixels, bytes, seconds or memory than allowed
    │   └── WorkerCrashedError      the process that read it died
    ├── ModelError                  a model or OCR engine failed
    │   ├── MissingPackageError     an optional package is not installed
    │   ├── ModelLoadError          the model is there and does not load
    │   ├── CapabilityError         the model cannot do what was asked of it
    │   ├── ContextOverflowError    the prompt is longer than the model can read
    │   ├── ModelTimeoutError       it did not answer in time
    │   ├── ModelRefusedError       the model or its service declined to answer
    │   └── ModelServiceError       a model's server cannot be reached or talks nonsense
    ├── ToolError                   a tool failed; the run goes on without it
    │   ├── ToolTimeoutError        it did not answer in time
    │   └── WebError                a search of the web failed, or a page of it
    │       ├── WebRefusedError     an address that is not to be fetched: private, or disallowed
    │       ├── WebLimitError       more than allowed, or of a kind that is not read
    │       └── WebSearchError      the search engine is down, declines or talks nonsense
    ├── StorageError                the home cannot be read or written
    │   ├── DiskFullError           no space left, nothing was changed
    │   └── HomeVersionError        the home was written by another version
    ├── BudgetError                 the time or the steps allowed are used up
    └── OfflineError                ``offline`` is on and this needs the network

A message says what happened and to what; ``remedy`` says what to do about it.
Errors of other libraries are translated where they are called, with the
original as ``__cause__``.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CogAgentError(Exception):
    """Base of all errors raised on purpose; catch it to catch them all.

    Attributes:
        message: What happened, and to what.
        remedy: What to do about it; empty when there is nothing to advise.
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ConfigError(CogAgentError):
    """A setting is unknown, malformed or contradicts another."""

    code = "config"


class EmbedderMismatchError(ConfigError):
    """The home was built with another embedder; its vectors cannot be compared."""

    code = "embedder_mismatch"


class InputError(CogAgentError):
    """The caller asked for something that cannot be done as asked."""

    code = "input"


class NotFoundError(InputError):
    """There is no collection, document or picture of that name or id."""

    code = "not_found"


class UnknownFieldError(InputError):
    """A filter names a field that no document has; the message lists the known ones."""

    code = "unknown_field"


class ConflictError(InputError):
    """What is asked contradicts what is there by now, such as a name that is taken."""

    code = "conflict"


class AccessError(CogAgentError):
    """The service does not let this caller do this."""

    code = "access"


class UnauthenticatedError(AccessError):
    """There is no API key, or one that does not hold."""

    code = "unauthenticated"


class ForbiddenError(AccessError):
    """The caller may see this, but not do what was asked of it."""

    code = "forbidden"


class BusyError(CogAgentError):
    """The service has too much to do at present.

    Attributes:
        retry_after: Seconds after which to try again.
    """

    code = "busy"

    def __init__(self, message: str, *, remedy: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class RateLimitError(BusyError):
    """This caller asks more often than it may."""

    code = "rate_limit"


class QueueFullError(BusyError):
    """As much work waits as the service takes."""

    code = "queue_full"


class DocumentError(CogAgentError):
    """One source could not be ingested; the rest of the batch goes on.

    Attributes:
        uri: The source concerned.
        stage: Where it failed: ``read``, ``unpack``, ``parse``, ``see``, ``embed`` or ``store``.
    """

    code = "document"

    def __init__(
        self, message: str, *, uri: str = "", stage: str = "parse", remedy: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.uri = uri
        self.stage = stage

    def to_dict(self) -> dict[str, Any]:
        """The error as plain data, to cross a process boundary."""
        return {
            "code": self.code,
            "message": self.message,
            "uri": self.uri,
            "stage": self.stage,
            "remedy": self.remedy,
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> DocumentError:
        """The error that ``to_dict`` described; an unknown code becomes the base class."""
        every: tuple[type[DocumentError], ...] = (DocumentError, *DocumentError.__subclasses__())
        kinds = {kind.code: kind for kind in every}
        kind = kinds.get(data["code"], DocumentError)
        return kind(data["message"], uri=data["uri"], stage=data["stage"], remedy=data["remedy"])


def error_of(code: str, message: str) -> CogAgentError:
    """An error by the code that an ``error`` event carries; the base class if unknown."""
    kinds: list[type[CogAgentError]] = [CogAgentError]
    for kind in kinds:
        if kind.code == code:
            return kind(message)
        kinds += kind.__subclasses__()
    return CogAgentError(message)


class SourceUnreadableError(DocumentError):
    """The source is missing, vanished while it was read, or may not be read."""

    code = "unreadable"


class UnsupportedFormatError(DocumentError):
    """No loader reads this kind of bytes."""

    code = "unsupported_format"


class CorruptDocumentError(DocumentError):
    """The bytes are not a readable document of their kind."""

    code = "corrupt"


class PasswordRequiredError(DocumentError):
    """The document is encrypted and none of the configured passwords opens it."""

    code = "password_required"


class LimitExceededError(DocumentError):
    """The document needs more pages, pixels, bytes, seconds or memory than allowed."""

    code = "limit_exceeded"


class WorkerCrashedError(DocumentError):
    """The process that was reading the document died."""

    code = "worker_crashed"


class ModelError(CogAgentError):
    """An embedder, reader, language model or OCR engine failed.

    Attributes:
        answer: Where a question was being answered, an ``Answer`` of outcome ``failed``:
            what had been found and written by then.
    """

    code = "model"
    answer: Any = None


class MissingPackageError(ModelError):
    """An optional package is needed and not installed; ``remedy`` names the extra."""

    code = "missing_package"


class ModelLoadError(ModelError):
    """The model was found and could not be loaded."""

    code = "model_load"


class CapabilityError(ModelError):
    """The model cannot do what was asked of it: see pictures, keep to a schema."""

    code = "capability"


class ContextOverflowError(ModelError):
    """The prompt is longer than the model can read."""

    code = "context_overflow"


class ModelTimeoutError(ModelError):
    """The model did not answer in the time allowed."""

    code = "model_timeout"


class ModelRefusedError(ModelError):
    """The model, or the service it runs in, declined to answer."""

    code = "model_refused"


class ModelServiceError(ModelError):
    """The server of a model cannot be reached, fails, or does not speak its protocol."""

    code = "model_service"


class ToolError(CogAgentError):
    """A tool could not do what it was asked; the run notes it and goes on."""

    code = "tool"


class ToolTimeoutError(ToolError):
    """The tool did not answer in the time allowed."""

    code = "tool_timeout"


class WebError(ToolError):
    """A search of the web failed, or a page of it could not be had."""

    code = "web"


class WebRefusedError(WebError):
    """An address that is not fetched: not public, no http, or its site asks not to."""

    code = "web_refused"


class WebLimitError(WebError):
    """A page takes more bytes, seconds or redirects than allowed, or is of a kind not read."""

    code = "web_limit"


class WebSearchError(WebError):
    """The search engine cannot be reached, declines, or does not speak its protocol."""

    code = "web_search"


class StorageError(CogAgentError):
    """The home directory cannot be read or written as it should."""

    code = "storage"


class DiskFullError(StorageError):
    """There is no space left; nothing was changed."""

    code = "disk_full"


class HomeVersionError(StorageError):
    """The home was written by a version of this package that this one cannot read."""

    code = "home_version"


class OfflineError(CogAgentError):
    """``offline`` is on, and what was asked for needs the network."""

    code = "offline"


class BudgetError(CogAgentError):
    """What the caller allowed is used up; inside a run it ends a search, not the run."""

    code = "budget"
