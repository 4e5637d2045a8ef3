"""Settings: arguments over environment (``COGAGENT_…``) over file over defaults."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from cogagent.errors import ConfigError

FILE_NAME = "cogagent.toml"
"""The settings file, looked for in the working directory and then in the home."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ModelSettings(_Group):
    """Which models to use. Changing an embedder of a filled home needs ``cogagent reindex``."""

    text_embedder: str = "minilm"
    """``minilm`` (embedded), or a sentence-transformers model by name or folder."""
    image_embedder: str = "conse"
    """``conse`` (embedded), or a CLIP or SigLIP model by name or folder."""
    answer_model: str = "extractive"
    """What writes answers: ``extractive`` (embedded; it quotes), or a language model as
    ``llamacpp:FILE.gguf``, ``transformers:NAME-OR-FOLDER`` or ``openai:NAME``."""
    planner_model: str = ""
    """What plans, for planners that need a language model: written as ``answer_model`` is.
    A small one will do. Empty: the one that answers, if that is a language model."""
    threads: int = Field(default=0, ge=0)
    """Threads for the embedded models; 0 takes the machine's cores."""


class LimitSettings(_Group):
    """What one source may cost before it is given up."""

    parse_seconds: float = Field(default=120.0, gt=0)
    """Longest silence of a parser, in seconds: time for one page, not for the whole file."""
    source_seconds: float = Field(default=1800.0, gt=0)
    """Time for a whole source, in seconds: once for its text, once for its pictures."""
    parse_memory_mb: int = Field(default=2048, ge=128)
    """Resident memory of a parser process, MiB."""
    file_mb: int = Field(default=512, ge=1)
    """Size of a source, MiB."""
    pages: int = Field(default=20_000, ge=1)
    """Pages of a document, frames of a picture."""
    pixels: int = Field(default=100_000_000, ge=1)
    """Pixels of a picture before it is decoded."""
    unpacked_mb: int = Field(default=1024, ge=1)
    """Size of a ZIP file's content (DOCX, EPUB and the like) once unpacked, MiB."""
    members: int = Field(default=10_000, ge=1)
    """Members of a ZIP file."""
    depth: int = Field(default=3, ge=0, le=16)
    """Archives within archives."""


class ParseSettings(_Group):
    """How sources are read."""

    workers: int = Field(default=0, ge=0)
    """Parser processes; 0 takes the machine's cores, two at most."""
    passwords: tuple[SecretStr, ...] = ()
    """Tried in turn on encrypted documents."""
    ocr: bool = True
    """Read scanned pages and pictures."""
    ocr_dpi: int = Field(default=150, ge=72, le=600)
    """Resolution at which scanned PDF pages are read."""
    picture_dpi: int = Field(default=110, ge=36, le=600)
    """Resolution at which figures of a PDF page are looked at."""
    tiles: Literal["none", "views", "grids"] = "views"
    """Parts of photographs and drawings that get vectors of their own beside the whole, so
    that small things in them are found. ``views``: those that the embedded picture network
    sees anyway; another embedder makes none. ``grids``: also the tiles of two grids, up to
    sixteen more, each of which costs an embedding."""
    office: bool = True
    """Convert office documents with LibreOffice, where it is there, for pages and rectangles."""
    keep_originals: bool = True
    """Keep a copy of each file in the home, so that its pages can be shown later."""


class ChunkSettings(_Group):
    """How text is cut for the index."""

    tokens: int = Field(default=220, ge=32, le=8192)
    """Most word pieces in a chunk, its context not counted."""


class OpenAISettings(_Group):
    """The service behind ``openai:NAME``: OpenAI's, or any that speaks its protocol."""

    base_url: str = "https://api.openai.com/v1"
    """Its address; ``http://localhost:11434/v1`` is Ollama on this machine."""
    api_key: SecretStr | None = None
    """Taken from ``OPENAI_API_KEY`` if not set; refused in a settings file."""
    api_key_file: Path | None = None
    """A file that holds the key and nothing else."""
    timeout_seconds: float = Field(default=120.0, gt=0)
    """Longest time for one text, its retries included."""
    retries: int = Field(default=2, ge=0, le=10)
    """Further attempts where the service is out of reach, overloaded or failing."""
    concurrency: int = Field(default=8, ge=1)
    """Requests under way at once."""
    picture_side: int = Field(default=1568, ge=32)
    """Longest side, in pixels, of a picture that is sent; larger ones are made smaller."""
    pictures: bool = False
    """The model sees pictures. (Services do not say what their models can do.)"""
    structured: bool = True
    """The service holds a model to a JSON schema."""
    probabilities: bool = False
    """The service tells token probabilities."""
    seed: bool = False
    """Equal seeds give equal texts."""
    context: int | None = Field(default=None, ge=1)
    """Tokens of prompt and answer together, where it matters to planning."""
    coordinates: Literal["pixels", "resized-pixels", "thousandths", "fractions", "none"] = "none"
    """How the model names places in a picture; with ``pixels`` no picture is made smaller.
    Qwen2.5-VL: ``resized-pixels``; Qwen2-VL, Qwen3-VL, InternVL, GLM-4V: ``thousandths``."""
    resize_least: int = Field(default=56 * 56, ge=28 * 28)
    """Pixels of the smallest picture that a model of ``resized-pixels`` sees; smaller ones
    are made larger."""
    resize_most: int = Field(default=28 * 28 * 16384, ge=28 * 28)
    """Likewise of the largest; larger ones are made smaller. Not above what the service
    itself makes them smaller to."""


class LlamaCppSettings(_Group):
    """How ``llamacpp:FILE.gguf`` runs."""

    mmproj: Path | None = None
    """The model's other GGUF file, through which it sees pictures."""
    gpu_layers: int = Field(default=-1, ge=-1)
    """Layers on the GPU; -1 takes as many as fit."""
    context: int = Field(default=4096, ge=0)
    """Tokens of prompt and answer together; 0 takes all that the model was trained with."""
    parallel: int = Field(default=4, ge=1, le=64)
    """Texts written at once; each has a context of its own."""
    threads: int = Field(default=0, ge=0)
    """Threads to compute with; 0 takes ``models.threads``, or all cores but one."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """Longest time for one text, the wait for its turn not counted."""
    prompt_cache_mb: int = Field(default=0, ge=0)
    """Memory, in MiB, for what was computed of prompts that had to make room for others.
    (Of the last prompt of each of the ``parallel`` texts it is kept in any case.)"""
    idle_seconds: int = Field(default=0, ge=0)
    """After how long without a question memory is freed and what was computed of prompts
    is forgotten; the next question loads the file again. 0: never."""
    reasoning: bool = False
    """Let a model that can think aloud first do so; its thoughts are not part of the text."""
    picture_side: int = Field(default=1568, ge=32)
    """Longest side, in pixels, of a picture that is shown; larger ones are made smaller."""
    coordinates: Literal[
        "auto", "pixels", "resized-pixels", "thousandths", "fractions", "none"
    ] = "auto"
    """How the model names places in a picture; with ``pixels`` no picture is made smaller.
    ``auto``: as the models were taught that have such a mmproj file."""
    resize_least: int = Field(default=8 * 28 * 28, ge=28 * 28)
    """Pixels of the smallest picture that a model of ``resized-pixels`` sees (Qwen2.5-VL);
    smaller ones are made larger. llama.cpp advises 802,816 for finding places."""
    resize_most: int = Field(default=4096 * 28 * 28, ge=28 * 28)
    """Likewise of the largest; larger ones are made smaller. llama.cpp takes no more."""


class TransformersSettings(_Group):
    """How ``transformers:NAME-OR-FOLDER`` runs, in this process."""

    device_map: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it computes; ``auto`` takes the graphics cards that are there."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Kind of its numbers; ``auto`` takes what its makers stored."""
    quantize: Literal["none", "8bit", "4bit"] = "none"
    """Make it smaller in memory, by bitsandbytes."""
    threads: int = Field(default=0, ge=0)
    """Threads of torch in this process; 0 takes ``models.threads``, or else what torch takes."""
    context: int = Field(default=0, ge=0)
    """Tokens of prompt and answer together; 0 takes all that the model can attend to."""
    batch_size: int = Field(default=8, ge=1)
    """Texts written at the same time."""
    batch_tokens: int = Field(default=8192, ge=1)
    """Tokens of prompts that are read at the same time; a longer one is read alone."""
    batch_wait_ms: float = Field(default=5.0, ge=0.0)
    """How long the first of several waits for company, in milliseconds."""
    picture_side: int = Field(default=1568, ge=32)
    """Longest side, in pixels, of a picture that is shown; larger ones are made smaller,
    but for models that name places in pixels."""


class AnswerSettings(_Group):
    """How a language model answers; the extractive reader needs none of it."""

    max_tokens: int = Field(default=512, ge=16)
    """Longest answer."""
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    """0 writes the likeliest; more varies."""
    evidence: int = Field(default=10, ge=1)
    """Pieces of evidence that a model is shown, if its context holds as many."""
    pictures: int = Field(default=4, ge=0, le=50)
    """Pictures of the evidence that a multimodal model is shown."""
    crops: int = Field(default=4, ge=0, le=24)
    """Parts of the best picture that are shown beside it where it had to be made smaller for
    the model, as far as ``picture_tokens`` allows without making it smaller still."""
    picture_tokens: int = Field(default=2048, ge=16)
    """Most tokens that the pictures of one question take, and at most a third of the
    model's context: they are made smaller, or fewer. (Estimated where a model does not
    say what a picture costs.)"""
    picture_cache_mb: float = Field(default=64.0, ge=0.0)
    """Memory for pictures that were cut out and made smaller before, and as much for
    what services were sent of them; 0 keeps none."""
    picture_cache_seconds: float = Field(default=3600.0, ge=0.0)
    """How long a picture is kept."""
    cache_mb: float = Field(default=64.0, ge=0.0)
    """Memory for texts that were written before; 0 keeps none."""
    cache_seconds: float = Field(default=3600.0, ge=0.0)
    """How long a written text is kept."""


class PlanningSettings(_Group):
    """How questions are planned."""

    planner: str = "rules"
    """Which planner, where a question names none; ``cogagent planners`` lists them."""
    turns: int = Field(default=6, ge=1, le=50)
    """How many of a conversation's last questions a planner sees."""


class TraceSettings(_Group):
    """What is kept of each run, to be looked at and run again."""

    keep: int = Field(default=500, ge=0)
    """Traces kept in the home, the newest; 0 keeps none."""
    content: bool = True
    """Keep texts too: questions, evidence, prompts and answers. Without them a trace shows
    what was done, how long it took and what it cost, and cannot be run again."""


class TelemetrySettings(_Group):
    """Traces for OpenTelemetry; where they go say its own variables, ``OTEL_…``."""

    traces: bool = False
    """Tell a collector of each question, search and document: how long what took, and what
    it cost. Needs ``cogagent[telemetry]``."""
    content: bool = False
    """Tell it also what was said: questions, answers, prompts, names of files."""


class WebSettings(_Group):
    """Searching the web; nothing of it happens unless it is enabled."""

    enabled: bool = False
    """Let planners search the web; a question's words then leave this machine."""
    provider: Literal["ddgs", "searxng"] = "ddgs"
    """Who searches: public engines through the package ddgs, or a SearXNG of yours."""
    engines: str = "duckduckgo"
    """``ddgs``: which engines are asked, with commas; ``auto`` asks several."""
    searxng_url: str = ""
    """``searxng``: its address, such as ``http://localhost:8888``; it may be private."""
    results: int = Field(default=8, ge=1, le=50)
    """Results of a search that are looked at."""
    pages: int = Field(default=4, ge=1, le=20)
    """Pages that are read for one search."""
    pictures: int = Field(default=4, ge=1, le=20)
    """Pictures that are fetched for one search for pictures."""
    timeout_seconds: float = Field(default=20.0, gt=0)
    """Longest time for a search and its pages together."""
    page_mb: float = Field(default=5.0, gt=0)
    """Size of a page once unpacked, MB; twice that of a picture."""
    ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = (80, 443)
    """Ports of pages that are fetched."""
    robots: bool = True
    """Keep to what sites ask of programs in their robots.txt."""
    host_seconds: float = Field(default=1.0, ge=0.0)
    """Shortest time between two requests to one host, and between two searches."""
    cache_mb: float = Field(default=32.0, ge=0.0)
    """Memory for pages and results that were fetched before; 0 keeps none. As much again
    for pictures."""
    cache_seconds: float = Field(default=3600.0, gt=0.0)
    """How long they are kept."""


class ServiceSettings(_Group):
    """The service of ``cogagent serve``."""

    host: str = "127.0.0.1"
    """Address to listen on. On anything but loopback API keys are required."""
    port: int = Field(default=8600, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    auth: Literal["auto", "required", "off"] = "auto"
    """Whether API keys are asked for; ``auto``: everywhere but on loopback."""
    hosts: tuple[str, ...] = ()
    """Names under which the service is reached, checked against the Host header; loopback's
    own names are always allowed. Empty: any, where API keys are asked for."""
    origins: tuple[str, ...] = ()
    """Web pages of other origins that may call, such as ``https://app.example.org``."""
    proxies: tuple[str, ...] = ()
    """Addresses of reverse proxies whose word on who calls is taken."""
    workers: int = Field(default=1, ge=0, le=64)
    """Processes that read documents and answer batches; 0: another machine's do."""
    asks: int = Field(default=8, ge=1)
    """Questions answered at once."""
    waiting: int = Field(default=256, ge=0)
    """Questions that wait for their turn; more are told to come again."""
    ask_seconds: float = Field(default=300.0, gt=0)
    """Most seconds of a question, whatever its budget says."""
    ask_steps: int = Field(default=20, ge=1)
    """Most steps of a question, likewise."""
    rate: int = Field(default=600, ge=0)
    """Requests a minute and API key; 0 sets no limit."""
    queue: int = Field(default=1000, ge=1)
    """Jobs that wait; more are refused for the time being."""
    queue_mb: int = Field(default=8192, ge=1)
    """Uploaded bytes that wait to be read, MiB."""
    attempts: int = Field(default=3, ge=1)
    """How often a job is tried."""
    upload_mb: int = Field(default=1024, ge=1)
    """Size of one upload with all its files, MiB; each file is bounded by ``limits.file_mb``."""
    upload_files: int = Field(default=1000, ge=1)
    """Files of one upload."""
    body_mb: int = Field(default=64, ge=1)
    """Size of a request that may have pictures in it, MiB; any other has 8 at most."""
    body_seconds: float = Field(default=30.0, gt=0)
    """Longest silence while a request is sent."""
    fetch_urls: bool = False
    """Read documents from addresses that callers name; private ones never."""
    fetch_seconds: float = Field(default=60.0, gt=0)
    """Longest time to fetch one of them."""
    retry_hours: float = Field(default=24.0, ge=0)
    """How long the files of what failed are kept, to be tried once more."""
    resume_seconds: float = Field(default=10.0, ge=0)
    """How long an answer goes on when its reader is gone, and can be taken up again."""
    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """Longest silence of a stream."""
    shutdown_seconds: float = Field(default=20.0, ge=0)
    """How long answers under way may take when the service is stopped."""
    jobs_kept: int = Field(default=10_000, ge=0)
    """Finished jobs that are remembered, the newest."""
    audit_kept: int = Field(default=100_000, ge=0)
    """Lines of the audit log that are kept, the newest."""
    log: Literal["json", "text"] = "text"
    """Form of the log's lines."""
    metrics: Literal["key", "open", "off"] = "key"
    """Who may read ``/metrics``. ``key``: an API key of the scope ``metrics`` or ``admin``,
    and this machine where no keys are asked for; ``open``: whoever reaches the service;
    ``off``: nobody."""


class Settings(BaseSettings):
    """Every setting of the program; groups nest as ``COGAGENT_LIMITS__PAGES=100``."""

    model_config = SettingsConfigDict(
        env_prefix="COGAGENT_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    offline: bool = False
    """Refuse every connection that leaves this machine."""
    models: ModelSettings = ModelSettings()
    limits: LimitSettings = LimitSettings()
    parse: ParseSettings = ParseSettings()
    chunks: ChunkSettings = ChunkSettings()
    answers: AnswerSettings = AnswerSettings()
    planning: PlanningSettings = PlanningSettings()
    traces: TraceSettings = TraceSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    openai: OpenAISettings = OpenAISettings()
    llamacpp: LlamaCppSettings = LlamaCppSettings()
    transformers: TransformersSettings = TransformersSettings()
    web: WebSettings = WebSettings()
    service: ServiceSettings = ServiceSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - given by name
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the file that :func:`load_settings` names."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def threads(self) -> int:
        """Threads that embedded models may use."""
        return self.models.threads or os.cpu_count() or 1

    def workers(self) -> int:
        """Parser processes to run."""
        return self.parse.workers or min(os.cpu_count() or 1, 2)


def default_home() -> Path:
    """The home to use when none is named: ``COGAGENT_HOME``, else the user's data folder."""
    named = os.environ.get("COGAGENT_HOME")
    return Path(named).expanduser().absolute() if named else Path(user_data_dir("cogagent"))


def load_settings(home: Path | None = None, **overrides: Any) -> Settings:
    """Settings from the environment and the settings files, ``overrides`` first.

    Args:
        home: The home whose ``cogagent.toml`` counts, under the working directory's.
        overrides: Values that win over environment and files.

    Raises:
        ConfigError: If a value is malformed or a name unknown.
    """
    files = settings_files(home)
    _refuse_unknown_variables()
    _refuse_keys(files)

    class FileSettings(Settings):
        model_config = SettingsConfigDict(toml_file=files)

    try:
        return FileSettings(**overrides)
    except (ValidationError, SettingsError) as error:
        raise ConfigError(
            f"the settings do not hold: {_explain(error)}.",
            remedy="See `cogagent config show` for the names and defaults.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        names = ", ".join(map(str, files))
        raise ConfigError(
            f"the settings file does not read ({names}): {error}.", remedy="Mend or remove it."
        ) from error


def settings_files(home: Path | None) -> list[Path]:
    """The settings files that exist, the weaker first."""
    folders = ([home] if home else []) + [Path.cwd()]
    return [folder / FILE_NAME for folder in folders if (folder / FILE_NAME).is_file()]


def describe(settings: Settings, home: Path | None) -> list[dict[str, str]]:
    """Every setting with its value, secrets hidden, and where the value comes from."""
    from_files = {
        name
        for file in settings_files(home)
        for name in _leaves(tomllib.loads(file.read_text("utf-8")))
    }
    rows = []
    for name, value in _leaves(settings.model_dump(mode="json")).items():
        variable = "COGAGENT_" + name.replace(".", "__").upper()
        group = variable.rsplit("__", 1)[0]
        if any(key.upper() in (variable, group) for key in os.environ):
            origin = "environment"
        else:
            origin = "file" if name in from_files else "default"
        rows.append({"name": name, "value": str(value), "source": origin, "variable": variable})
    return rows


def _refuse_unknown_variables() -> None:
    """A misspelt ``COGAGENT_OFLINE=1`` must not be ignored."""
    groups = {
        f"COGAGENT_{name}".upper(): field.annotation
        for name, field in Settings.model_fields.items()
    }
    known = {"COGAGENT_HOME", "COGAGENT_BENCH_DATA", *groups}
    for name, kind in groups.items():
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            known |= {f"{name}__{field}".upper() for field in kind.model_fields}
    unknown = sorted(
        name for name in os.environ if name.startswith("COGAGENT_") and name.upper() not in known
    )
    if unknown:
        raise ConfigError(
            f"the environment has unknown settings: {', '.join(unknown)}.",
            remedy="See `cogagent config show` for the names.",
        )


def _refuse_keys(files: list[Path]) -> None:
    """Settings files are shared and committed; a key in one is a key given away."""
    for file in files:
        try:
            group = tomllib.loads(file.read_text("utf-8")).get("openai")
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError):
            continue  # reported with the rest of what does not read
        if isinstance(group, dict) and "api_key" in group:
            raise ConfigError(
                f"{file} holds an API key.",
                remedy="Put it into OPENAI_API_KEY, or name a file of its own in api_key_file.",
            )


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _leaves(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _explain(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}"
            for item in error.errors()
        )
    return str(error)
